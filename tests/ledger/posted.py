"""Short ways to post, and to read what was posted."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.core.db import Database
from app.core.ids import new_id
from app.ledger import service
from app.ledger.models import Account
from app.ledger.rules import Entry, Posting, Side, moved

AT = datetime(2026, 6, 18, tzinfo=UTC)
SHOP, SUBJECT = new_id(), new_id()
CLEARING, PAYABLE = Side(Account.PSP_CLEARING), Side(Account.SHOP_PAYABLE)


def entries(amount: int = 100, currency: str = "CNY") -> tuple[Entry, ...]:
    return moved(amount, currency, debit=CLEARING, credit=PAYABLE)


def posting(reference: str = "P-1", **more: Any) -> Posting:
    told: Mapping[str, Any] = {
        "shop_id": SHOP,
        "kind": "test.paid",
        "subject_id": SUBJECT,
        "currency": "CNY",
        "at": AT,
        "entries": entries(),
        **more,
    }
    return Posting(reference=reference, **told)


async def post(database: Database, wanted: Posting) -> bool:
    return await database.transact(lambda db: service.post(db, wanted))


async def reverse(database: Database, wanted: Posting) -> bool:
    return await database.transact(
        lambda db: service.reverse(db, wanted.kind, wanted.reference, at=AT)
    )


async def balances(database: Database, shop_id: UUID = SHOP) -> dict[str, int]:
    """What stands on each account that is not even; those of parties added up."""
    query = sa.text(
        "SELECT account, sum(amount) FROM ledger_entries WHERE shop_id = :shop_id"
        " GROUP BY account HAVING sum(amount) <> 0"
    ).bindparams(sa.bindparam("shop_id", shop_id, sa.Uuid()))
    async with database.reading() as db:
        return {row[0]: int(row[1]) for row in await db.execute(query)}


async def kinds(database: Database) -> list[str]:
    """The kinds of all transactions, the oldest first."""
    async with database.reading() as db:
        query = sa.text("SELECT kind FROM ledger_transactions ORDER BY id")
        return list((await db.execute(query)).scalars().all())
