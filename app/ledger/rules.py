"""What a posting may look like. Sign convention, here and everywhere: positive is debit."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.ledger.errors import Fault
from app.ledger.models import WITH_PARTY, Account


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg: a debit above zero, a credit below; `party_id` is whose part of the account."""

    account: Account
    amount: int
    currency: str
    party_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """One transaction to be posted; (kind, reference) says what it is for, and counts once.

    `subject_id` is the row it is about: a payment, a refund, an order.
    """

    shop_id: UUID
    kind: str
    reference: str
    subject_id: UUID
    currency: str
    at: datetime
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """Where money is taken from or put to."""

    account: Account
    party_id: UUID | None = None


def moved(amount: int, currency: str, *, debit: Side, credit: Side) -> tuple[Entry, Entry]:
    """The two legs of one movement; below zero it goes the other way."""
    return (
        Entry(debit.account, amount, currency, debit.party_id),
        Entry(credit.account, -amount, currency, credit.party_id),
    )


def fault_of(posting: Posting) -> Fault | None:
    """Why a posting is refused, or `None`."""
    if any(entry.currency != posting.currency for entry in posting.entries):
        return Fault.FOREIGN_CURRENCY
    if not posting.entries or any(entry.amount == 0 for entry in posting.entries):
        return Fault.EMPTY_ENTRY
    if any((e.party_id is not None) != (e.account in WITH_PARTY) for e in posting.entries):
        return Fault.WRONG_PARTY
    return Fault.UNBALANCED if sum(entry.amount for entry in posting.entries) else None


def reversed_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The same legs the other way round."""
    return tuple(Entry(e.account, -e.amount, e.currency, e.party_id) for e in entries)


def are_same(ours: Iterable[Entry], theirs: Iterable[Entry]) -> bool:
    """Whether two postings move the same money, in whatever order they name its legs."""
    return Counter(ours) == Counter(theirs)
