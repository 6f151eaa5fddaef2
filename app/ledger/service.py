"""Post and reverse, and read what was posted. Features above say what is posted when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.ledger import repository
from app.ledger.errors import Fault, PostingRefusedError
from app.ledger.models import WITH_PARTY, Account
from app.ledger.rules import Entry, Posting, are_same, fault_of, reversed_entries

REVERSED = ".reversed"


async def post(db: AsyncSession, posting: Posting, *, reverses_id: UUID | None = None) -> bool:
    """Write a transaction; whether it is new: the same once more changes nothing.

    The last lock of a transaction, and one that only the same posting waits for. Raises
    `PostingRefusedError` for one that is unbalanced, in a foreign currency, has an empty entry or
    a wrong party, and for another one of a kind and reference that were posted before.
    """
    if fault := fault_of(posting):
        raise PostingRefusedError(fault, posting.kind, posting.reference)
    transaction_id = new_id()
    transaction = {
        "id": transaction_id,
        "shop_id": posting.shop_id,
        "kind": posting.kind,
        "reference": posting.reference,
        "subject_id": posting.subject_id,
        "currency": posting.currency,
        "at": posting.at,
        "reverses_id": reverses_id,
    }
    if await repository.add(db, transaction, _rows(posting, transaction_id)):
        return True
    before = await repository.legs(db, posting.kind, posting.reference)
    if not _says_the_same(posting, reverses_id, before):
        raise PostingRefusedError(Fault.DIFFERENT, posting.kind, posting.reference)
    return False


def _rows(posting: Posting, transaction_id: UUID) -> list[dict[str, Any]]:
    return [
        {
            "id": new_id(),
            "transaction_id": transaction_id,
            "shop_id": posting.shop_id,
            "account": entry.account,
            "party_id": entry.party_id,
            "amount": entry.amount,
            "currency": entry.currency,
        }
        for entry in posting.entries
    ]


def _says_the_same(
    posting: Posting, reverses_id: UUID | None, legs: Sequence[sa.RowMapping]
) -> bool:
    told = {(leg["shop_id"], leg["subject_id"], leg["reverses_id"]) for leg in legs}
    ours = {(posting.shop_id, posting.subject_id, reverses_id)}
    return told == ours and are_same(posting.entries, _entries(legs))


def _entries(legs: Iterable[sa.RowMapping]) -> tuple[Entry, ...]:
    return tuple(
        Entry(Account(leg["account"]), leg["amount"], leg["currency"], leg["party_id"])
        for leg in legs
    )


async def reverse(db: AsyncSession, kind: str, reference: str, *, at: datetime) -> bool:
    """Take a transaction back by its opposite, at most once; whether this did it.

    Raises `PostingRefusedError` where there is none, or where it is a reversal itself.
    """
    legs = await repository.legs(db, kind, reference)
    if not legs:
        raise PostingRefusedError(Fault.NOTHING_TO_REVERSE, kind, reference)
    first = legs[0]
    if first["reverses_id"] is not None:
        raise PostingRefusedError(Fault.REVERSES_REVERSAL, kind, reference)
    opposite = Posting(
        shop_id=first["shop_id"],
        kind=kind + REVERSED,
        reference=reference,
        subject_id=first["subject_id"],
        currency=first["currency"],
        at=at,
        entries=reversed_entries(_entries(legs)),
    )
    return await post(db, opposite, reverses_id=first["transaction_id"])


@dataclass(frozen=True, slots=True)
class Posted:
    """What transactions of one kind about one subject have moved on an account, by party."""

    transactions: int
    amounts: dict[UUID, int]


async def posted(db: AsyncSession, kind: str, subject_id: UUID, account: Account) -> Posted:
    """Sum what was posted about a subject on an account that is kept by party."""
    assert account in WITH_PARTY, "the sums are by party"
    amounts: dict[UUID, int] = {}
    rows = await repository.about(db, kind, subject_id, account)
    for row in rows:
        amounts[row["party_id"]] = amounts.get(row["party_id"], 0) + row["amount"]
    return Posted(len({row["transaction_id"] for row in rows}), amounts)


async def balances(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[sa.RowMapping]:
    """A page of a shop's balances by account, party and currency; positive is debit."""
    after = paging.after(Account, UUID, str)
    key = None if after is None else (after[0], after[1], after[2])
    rows = await repository.balances(db, shop_id, key, paging.limit + 1)
    return paging.cut(rows, _key_of_balance)


def _key_of_balance(row: sa.RowMapping) -> tuple[str, UUID, str]:
    return row["account"], row["party_id"] or repository.NOBODY, row["currency"]


async def entries(
    db: AsyncSession,
    shop_id: UUID,
    account: Account | None,
    party_id: UUID | None,
    paging: Paging,
) -> Slice[sa.RowMapping]:
    """A page of a shop's entries, of an account or party or all, the newest first."""
    which = {"shop_id": shop_id, "account": account, "party_id": party_id}
    wanted: dict[str, Any] = {name: value for name, value in which.items() if value is not None}
    if account is not None and account not in WITH_PARTY:
        # Said aloud, it lets the index of the account give its entries in their order.
        wanted["party_id"] = party_id
    after = paging.after(UUID)
    rows = await repository.statement_of(db, wanted, after[0] if after else None, paging.limit + 1)
    return paging.cut(rows, lambda row: (row["id"],))
