"""Every change that an operator makes is a row of the audit log or a fact, with who did it.

The accident this prevents: a route added in a hurry whose changes nobody can be asked about.
"""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from tests.policy.contract import Operation, operations
from tests.policy.table import POLICY, Kind, Who
from tests.policy.test_policy import do
from tests.policy.world import World

pytestmark = pytest.mark.one_database

LOG, FACTS = SQLModel.metadata.tables["audit_log"], SQLModel.metadata.tables["outbox_events"]
# Routes of operators that are no GET and change nothing that anybody would ask about.
CHANGE_NOTHING = {
    "/v1/operator/shops/{shop_id}/promotions/previews": "reads",
    "/v1/operator/shops/{shop_id}/promotion-replays": "reads",
    "/v1/operator/shops/{shop_id}/orders/{order_id}/refund-previews": "reads",
    "/v1/operator/sessions/{session_id}": "one's own session; sign-ins are in the log of requests",
}
KINDS = {Kind.SHOP, Kind.PLATFORM, Kind.OPERATOR}
CHANGING = [o for o in operations() if o.method != "GET" and POLICY[o.method, o.path].kind in KINDS]


async def told(world: World) -> dict[Any, Any]:
    """Who stands behind each entry and fact there is."""
    found: dict[Any, Any] = {}
    async with world.database.reading() as db:
        for table in (LOG, FACTS):
            rows = await db.execute(sa.select(table.c.id, table.c.actor_id, table.c.request_id))
            found.update({row.id: (row.actor_id, row.request_id) for row in rows})
    return found


@pytest.mark.parametrize("operation", CHANGING, ids=str)
async def test_a_change_says_who_made_it(world: World, operation: Operation) -> None:
    rule = POLICY[operation.method, operation.path]
    who = Who.ADMIN if rule.kind is Kind.PLATFORM else Who.OWNER
    if "approve" in rule.right:
        who = Who.STAFF  # the second person; the owner has asked
    before = await told(world)
    answer = await do(world, operation, who)
    assert answer.is_success, answer.text
    new = [said for key, said in (await told(world)).items() if key not in before]
    mine = (world.people[who], answer.headers["x-request-id"])
    if operation.path in CHANGE_NOTHING:
        assert mine not in new
    else:
        assert mine in new, f"{operation} left no trace"


def test_the_exceptions_are_no_more_than_needed() -> None:
    assert CHANGE_NOTHING.keys() <= {o.path for o in CHANGING}
    assert len(CHANGING) > 40
