"""What happened to money before there was a ledger stands in it after the migration, and once."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import service as audit
from app.cli.migrations import alembic_config
from app.core.sql import is_postgresql
from app.payments import service as payments
from app.payments.gateway import GatewayRefund, RefundState
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.ledger.posted import balances
from tests.ledger.test_partners import _give_to_brand, bought
from tests.orders.market import Market
from tests.payments.provider import Provider

TOLD = (
    "SELECT t.kind, t.reference, e.account, e.amount, e.currency, e.party_id"
    " FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id"
    " ORDER BY 1, 2, 3, 4"
)


@pytest.fixture
async def owner(market: Market) -> Caller:
    owner = await market.as_owner(market.shop_id)
    await _give_to_brand(market, owner, market.product_id, 3_333)
    return owner


async def told(market: Market) -> list[tuple[Any, ...]]:
    async with market.database.reading() as db:
        return [tuple(row) for row in await db.execute(sa.text(TOLD))]


async def forget(db: AsyncSession) -> None:
    """As if there had never been a ledger, which by itself forgets nothing."""
    if is_postgresql(db):
        await db.execute(sa.text("SET LOCAL session_replication_role = replica"))
    else:
        names = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'ledger%'"
        for name in (await db.execute(sa.text(names))).scalars().all():
            await db.execute(sa.text(f"DROP TRIGGER {name}"))
    for table in ("ledger_entries", "ledger_transactions"):
        await db.execute(sa.text(f"DELETE FROM {table}"))


async def migrate(db: AsyncSession) -> None:
    """The part of the migration that knows what happened before."""
    module: Any = ScriptDirectory.from_config(alembic_config()).get_revision("0007").module
    module.ROWS_AT_ONCE = 2
    connection = await db.connection()
    await connection.run_sync(module.post_what_is_known)


async def broken(market: Market) -> list[str]:
    async with market.database.reading() as db:
        found = await audit.invariants(db, None, now=market.now, grace_seconds=60)
    return [f.name for f in found if f.count]


def _but_shares(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row for row in rows if row[0] != "order.partner_share"]


async def test_the_ledger_begins_with_all_that_was_known(
    market: Market, owner: Caller, clock: FrozenClock
) -> None:
    provider = Provider.installed(market)
    buyer = await market.buyer()
    orders = [await bought(market, buyer) for _ in range(3)]
    free = await market.place(buyer)
    await market.pay(buyer, free, "sandbox_decline")
    await market.refund(owner, orders[0], "R1", amount=900)
    await market.work()
    provider.away = True
    await market.refund(owner, orders[1], "R2", amount=700)
    await market.work()
    before = await told(market)
    assert {row[0] for row in before} == {
        "payment.captured",
        "refund.owed",
        "refund.sent",
        "order.partner_share",
    }
    await market.database.transact(forget)
    assert await told(market) == []
    await market.database.transact(migrate)
    first = await told(market)
    await market.database.transact(migrate)
    assert await told(market) == first
    # A partner's share stands at once as it would when the refund under way has been sent.
    assert _but_shares(first) == _but_shares(before)
    assert await broken(market) == []
    provider.away = False
    clock.advance(hours=1)
    await market.work()
    await market.balanced()
    assert await broken(market) == []
    async with market.database.reading() as db:
        [back] = await payments.refunds_of_order(db, UUID(orders[0]["id"]))
    # A refund of those days that bounces is reversed like any other.
    bounced = GatewayRefund(
        back["id"], back["gateway_reference"], RefundState.FAILED, market.now, "closed"
    )
    await market.database.transact(lambda db: payments.record_told(db, bounced, now=market.now))
    assert (await balances(market.database, market.shop_id))["refunds"] == -900
