"""What group orders cost the database: bounded, and the same whatever the size of the group.

The accident this prevents: a step that grows with the group, or one statement after another that
nobody counts.
"""

import pytest

from tests.orders.group_costs import statements_by_step
from tests.orders.market import Market

# Statements; the last payment also confirms every seat and order of the group. Where one
# statement cannot write several tables, an order takes two more and a ledger transaction one.
ON_POSTGRESQL = {"open": 13, "join": 13, "count a payment": 8, "count the last": 10}
ON_SQLITE = {"open": 15, "join": 15, "count a payment": 9, "count the last": 11}


@pytest.mark.parametrize("size", [3, 9])
async def test_group_orders_cost_a_bounded_number_of_statements(market: Market, size: int) -> None:
    found = await statements_by_step(market, size)
    is_sqlite = market.database.settings.is_sqlite
    assert found == (ON_SQLITE if is_sqlite else ON_POSTGRESQL)
