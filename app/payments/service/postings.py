"""What each fact about money posts to the ledger; called with the fact, in its transaction.

Each is posted by what it is about, so that the same word of a provider, heard twice, counts once.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.ledger import service as ledger
from app.ledger.models import Account
from app.ledger.rules import Entry, Posting, Side, moved
from app.payments.gateway import Charge, Dispute

CAPTURED = "payment.captured"
REFUND_OWED = "refund.owed"
REFUND_SENT = "refund.sent"
DISPUTE_OPENED = "dispute.opened"
DISPUTE_LOST = "dispute.lost"
SUSPENSE_CAPTURED = "suspense.captured"
SUSPENSE_REFUNDED = "suspense.refunded"

_AT_PROVIDER = Side(Account.PSP_CLEARING)
_OF_SHOP = Side(Account.SHOP_PAYABLE)
_OWED_BACK = Side(Account.REFUNDS)
_FEES = Side(Account.PSP_FEES)
_WITHHELD = Side(Account.DISPUTES)
_OF_NOBODY = Side(Account.SUSPENSE)


async def captured(
    db: AsyncSession, payment: sa.RowMapping, charge: Charge, *, at: datetime
) -> None:
    """The provider holds the buyer's money for the shop, less its fee; a free order moves none."""
    currency = payment["currency"]
    entries = _two(payment["amount"], currency, debit=_AT_PROVIDER, credit=_OF_SHOP)
    entries += _fee(charge.fee_amount, currency)
    if entries:
        await ledger.post(db, _about(payment, CAPTURED, str(payment["id"]), entries, at))


async def refund_owed(db: AsyncSession, refund: sa.RowMapping, *, at: datetime) -> None:
    """What was the shop's is the buyer's again."""
    entries = _two(refund["amount"], refund["currency"], debit=_OF_SHOP, credit=_OWED_BACK)
    await ledger.post(db, _about(refund, REFUND_OWED, str(refund["id"]), entries, at))


async def refund_sent(db: AsyncSession, refund: sa.RowMapping, *, at: datetime) -> None:
    """The provider has given the money back, in this round of trying."""
    entries = _two(refund["amount"], refund["currency"], debit=_OWED_BACK, credit=_AT_PROVIDER)
    await ledger.post(db, _about(refund, REFUND_SENT, _round_of(refund), entries, at))


async def refund_came_back(db: AsyncSession, refund: sa.RowMapping, *, at: datetime) -> None:
    """A refund that had succeeded has failed after all: the buyer is owed the money again.

    `refund` as it stood when it had succeeded, so in the round that has failed now.
    """
    await ledger.reverse(db, REFUND_SENT, _round_of(refund), at=at)


async def dispute_opened(
    db: AsyncSession, payment: sa.RowMapping, dispute: Dispute, *, at: datetime
) -> None:
    """The provider has taken the money back, and a fee, until the buyer's bank has decided."""
    entries = _two(dispute.amount, dispute.currency, debit=_WITHHELD, credit=_AT_PROVIDER)
    entries += _fee(dispute.fee_amount, dispute.currency)
    about = _about(payment, DISPUTE_OPENED, dispute.reference, entries, at, dispute.currency)
    await ledger.post(db, about)


async def dispute_won(db: AsyncSession, dispute: Dispute, *, at: datetime) -> None:
    """The shop has its money again, and the fee; the opening must be posted already."""
    await ledger.reverse(db, DISPUTE_OPENED, dispute.reference, at=at)


async def dispute_lost(
    db: AsyncSession, payment: sa.RowMapping, dispute: Dispute, *, at: datetime
) -> None:
    """The money stays with the buyer, at the shop's cost; the opening must be posted already."""
    entries = _two(dispute.amount, dispute.currency, debit=_OF_SHOP, credit=_WITHHELD)
    about = _about(payment, DISPUTE_LOST, dispute.reference, entries, at, dispute.currency)
    await ledger.post(db, about)


@dataclass(frozen=True, slots=True)
class Stray:
    """Captured money that belongs to no order yet, as the provider tells it.

    `subject_id` is the row that keeps it, a payment in quarantine or a stored message;
    `reference` is the provider's name of the charge, or of its refund.
    """

    shop_id: UUID
    subject_id: UUID
    reference: str
    amount: int
    currency: str
    fee_amount: int = 0


async def suspense_captured(db: AsyncSession, stray: Stray, *, at: datetime) -> None:
    """The provider holds money of which nobody knows yet whose it is."""
    entries = _two(stray.amount, stray.currency, debit=_AT_PROVIDER, credit=_OF_NOBODY)
    entries += _fee(stray.fee_amount, stray.currency)
    await ledger.post(db, _stray(stray, SUSPENSE_CAPTURED, entries, at))


async def suspense_refunded(db: AsyncSession, stray: Stray, *, at: datetime) -> None:
    """Money that belonged to no order has gone back to where it came from."""
    entries = _two(stray.amount, stray.currency, debit=_OF_NOBODY, credit=_AT_PROVIDER)
    await ledger.post(db, _stray(stray, SUSPENSE_REFUNDED, entries, at))


def _round_of(refund: sa.RowMapping) -> str:
    # Until a provider has failed it once, a refund is in its first round.
    return f"{refund['id']}:{refund.get('round', 1)}"


def _two(amount: int, currency: str, *, debit: Side, credit: Side) -> tuple[Entry, ...]:
    return moved(amount, currency, debit=debit, credit=credit) if amount else ()


def _fee(amount: int, currency: str) -> tuple[Entry, ...]:
    return _two(amount, currency, debit=_FEES, credit=_AT_PROVIDER)


def _about(
    row: sa.RowMapping,
    kind: str,
    reference: str,
    entries: tuple[Entry, ...],
    at: datetime,
    currency: str | None = None,
) -> Posting:
    return Posting(
        shop_id=row["shop_id"],
        kind=kind,
        reference=reference,
        subject_id=row["id"],
        currency=currency or row["currency"],
        at=at,
        entries=entries,
    )


def _stray(stray: Stray, kind: str, entries: tuple[Entry, ...], at: datetime) -> Posting:
    return Posting(
        shop_id=stray.shop_id,
        kind=kind,
        reference=stray.reference,
        subject_id=stray.subject_id,
        currency=stray.currency,
        at=at,
        entries=entries,
    )
