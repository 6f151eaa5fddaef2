"""All SQL of the ledger: rows are only ever added."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import beyond
from app.core.sql import (
    all_rows,
    changed,
    first_row,
    given_later,
    is_postgresql,
    table,
    told,
    upsert,
)
from app.ledger.models import Account, LedgerEntry, LedgerTransaction

_transactions = table(LedgerTransaction)
_entries = table(LedgerEntry)
_joined = _entries.join(_transactions, _transactions.c.id == _entries.c.transaction_id)
_ENTRY: Mapping[str, sa.types.TypeEngine[Any]] = {c.name: c.type for c in _entries.c}
_add_entries = sa.insert(_entries)
# Sorts before every party.
NOBODY = UUID(int=0)


def _adding_both() -> sa.Executable:
    """A transaction with its entries by one statement; it answers nothing where there was one."""
    told_entries = given_later("entries", _ENTRY, on_postgresql=True)
    values = {c.name: sa.bindparam(f"the_{c.name}", type_=c.type) for c in _transactions.c}
    added = (
        postgresql_insert(_transactions)
        .values(values)
        .on_conflict_do_nothing()
        .returning(_transactions.c.id)
        .cte("added")
    )
    theirs = sa.select(*(told_entries.c[name] for name in _ENTRY)).join(
        added, added.c.id == told_entries.c.transaction_id
    )
    entered = _add_entries.from_select(list(_ENTRY), theirs).cte("entered")
    return sa.select(added.c.id).add_cte(entered)


_add_both = _adding_both()


async def add(
    db: AsyncSession, transaction: dict[str, Any], entries: Sequence[dict[str, Any]]
) -> bool:
    """Add a transaction with its entries unless it is there; one statement on PostgreSQL.

    A rival's of the same kind and reference is waited for.
    """
    if is_postgresql(db):
        values = {f"the_{name}": value for name, value in transaction.items()}
        values["entries"] = told(db, _ENTRY, entries)
        return await first_row(db, _add_both, values) is not None
    wanted = upsert(db, _transactions).on_conflict_do_nothing()
    if not await changed(db, wanted, transaction):
        return False
    await db.execute(_add_entries, list(entries))
    return True


async def legs(db: AsyncSession, kind: str, reference: str) -> Sequence[sa.RowMapping]:
    """The entries of one transaction, each with all that the transaction says of itself."""
    of_transaction = (c for c in _transactions.c if c.name not in _ENTRY)
    statement = (
        sa.select(_entries, *of_transaction)
        .select_from(_joined)
        .where(_transactions.c.kind == kind, _transactions.c.reference == reference)
    )
    return await all_rows(db, statement)


async def about(
    db: AsyncSession, kind: str, subject_id: UUID, account: Account
) -> Sequence[sa.RowMapping]:
    """The entries on an account of all transactions of one kind about a subject."""
    statement = (
        sa.select(_entries)
        .select_from(_joined)
        .where(
            _transactions.c.subject_id == subject_id,
            _transactions.c.kind == kind,
            _entries.c.account == account,
        )
    )
    return await all_rows(db, statement)


async def balances(
    db: AsyncSession, shop_id: UUID, after: tuple[Account, UUID, str] | None, limit: int
) -> Sequence[sa.RowMapping]:
    """A shop's sum for each account, party and currency that was ever posted to, from a key on."""
    c = _entries.c
    # A key that is compared has no NULL in it.
    party = sa.func.coalesce(c.party_id, sa.literal(NOBODY, c.party_id.type), type_=c.party_id.type)
    key = (c.account, party, c.currency)
    # A sum of BIGINTs is a NUMERIC to PostgreSQL.
    amount = sa.cast(sa.func.sum(c.amount), sa.BigInteger).label("amount")
    statement = sa.select(c.account, c.party_id, c.currency, amount).where(c.shop_id == shop_id)
    if after is not None:
        statement = statement.where(beyond(key, after, descending=False))
    grouped = statement.group_by(c.account, c.party_id, c.currency).order_by(*key)
    return await all_rows(db, grouped.limit(limit))


async def statement_of(
    db: AsyncSession, which: Mapping[str, Any], after: UUID | None, limit: int
) -> Sequence[sa.RowMapping]:
    """Entries that have these column values, the newest first, from an id on."""
    of_transaction = ("kind", "reference", "subject_id", "at", "reverses_id")
    statement = (
        sa.select(_entries, *(_transactions.c[name] for name in of_transaction))
        .select_from(_joined)
        .where(*(_entries.c[name] == value for name, value in which.items()))
    )
    if after is not None:
        statement = statement.where(_entries.c.id < after)
    # Where the party is told, its column leads nowhere, but PostgreSQL does not see that of NULL.
    order = ("party_id", "id") if "party_id" in which else ("id",)
    newest_first = statement.order_by(*(_entries.c[name].desc() for name in order))
    return await all_rows(db, newest_first.limit(limit))
