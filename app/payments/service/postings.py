"""What each fact about money posts to the ledger; called with the fact, in its transaction.

Each is posted by what it is about, so that the same word of a provider, heard twice, counts once.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.ledger import service as ledger
from app.ledger.models import Account
from app.ledger.rules import Entry, Posting, Side, moved
from app.payments.gateway import Charge
from app.payments.models import PaymentState

Row = Mapping[Any, Any]
CAPTURED = "payment.captured"
REFUND_OWED = "refund.owed"
REFUND_SENT = "refund.sent"
DISPUTE_OPENED = "dispute.opened"
DISPUTE_LOST = "dispute.lost"
DISPUTE_FEE = "dispute.fee"
FEE_TOLD = "payment.fee"
STRAY_CAPTURED = "stray.captured"
STRAY_FEE = "stray.fee"
STRAY_RETURNED = "stray.returned"

_AT_PROVIDER = Side(Account.PSP_CLEARING)
_OF_SHOP = Side(Account.SHOP_PAYABLE)
_OWED_BACK = Side(Account.REFUNDS)
_FEES = Side(Account.PSP_FEES)
_WITHHELD = Side(Account.DISPUTES)
_OF_NOBODY = Side(Account.SUSPENSE)


async def captured(db: AsyncSession, payment: Row, charge: Charge, *, at: datetime) -> None:
    """The provider holds the buyer's money for the shop, less its fee; a free order moves none.

    Money that was taken beside another payment of the order is nobody's until it is back.
    """
    currency = payment["currency"]
    entries = _two(payment["amount"], currency, debit=_AT_PROVIDER, credit=_whose(payment))
    entries += _fee(charge.fee_amount, currency)
    if entries:
        await ledger.post(db, _about(payment, CAPTURED, str(payment["id"]), entries, at))


async def fee_told(db: AsyncSession, payment: Row, fee_amount: int, *, at: datetime) -> None:
    """The provider has told its fee, or more of it, after the capture; `payment` as before."""
    entries = _fee(fee_amount - payment["fee_amount"], payment["currency"])
    reference = f"{payment['id']}:{fee_amount}"
    await ledger.post(db, _about(payment, FEE_TOLD, reference, entries, at))


async def refund_owed(db: AsyncSession, payment: Row, refund: Row, *, at: datetime) -> None:
    """What was the shop's, or nobody's, is the buyer's again."""
    currency = refund["currency"]
    entries = _two(refund["amount"], currency, debit=_whose(payment), credit=_OWED_BACK)
    await ledger.post(db, _about(refund, REFUND_OWED, str(refund["id"]), entries, at))


async def refund_resized(
    db: AsyncSession, payment: Row, refund: Row, amount: int, *, at: datetime
) -> None:
    """It was owed with another amount than the provider has given back; `refund` as before."""
    rise = amount - refund["amount"]
    debit, credit = (_whose(payment), _OWED_BACK) if rise > 0 else (_OWED_BACK, _whose(payment))
    entries = _two(abs(rise), refund["currency"], debit=debit, credit=credit)
    reference = f"{refund['id']}:{refund['amount']}:{amount}"
    await ledger.post(db, _about(refund, REFUND_OWED, reference, entries, at))


async def refund_sent(db: AsyncSession, refund: Row, reference: str, *, at: datetime) -> None:
    """The provider has given the money back; `reference` is its name of the refund."""
    entries = _two(refund["amount"], refund["currency"], debit=_OWED_BACK, credit=_AT_PROVIDER)
    await ledger.post(db, _about(refund, REFUND_SENT, _sent(refund, reference), entries, at))


async def refund_came_back(db: AsyncSession, refund: Row, reference: str, *, at: datetime) -> None:
    """A refund that had succeeded has failed after all: the buyer is owed the money again."""
    await ledger.reverse(db, REFUND_SENT, _sent(refund, reference), at=at)


async def dispute_opened(db: AsyncSession, dispute: Row, *, is_again: bool, at: datetime) -> None:
    """The provider has taken the money back until the buyer's bank has decided.

    `is_again` where that was undone by a decision that did not stand.
    """
    reference = f"{dispute['id']}:again" if is_again else str(dispute["id"])
    entries = _two(dispute["amount"], dispute["currency"], debit=_WITHHELD, credit=_AT_PROVIDER)
    await ledger.post(db, _about(dispute, DISPUTE_OPENED, reference, entries, at))


async def dispute_fee(db: AsyncSession, dispute: Row, before: Row | None, *, at: datetime) -> None:
    """What the provider charges for a dispute, less what it has given back of that."""
    rise = _charged(dispute) - (_charged(before) if before is not None else 0)
    if not rise:
        return
    debit, credit = (_FEES, _AT_PROVIDER) if rise > 0 else (_AT_PROVIDER, _FEES)
    entries = moved(abs(rise), dispute["currency"], debit=debit, credit=credit)
    reference = f"{dispute['id']}:{dispute['fee_amount']}:{dispute['fee_returned_amount']}"
    await ledger.post(db, _about(dispute, DISPUTE_FEE, reference, entries, at))


def _charged(dispute: Row) -> int:
    kept: int = dispute["fee_amount"] - dispute["fee_returned_amount"]
    return kept


async def dispute_won(db: AsyncSession, dispute: Row, *, at: datetime) -> None:
    """The shop has its money again; the opening must be posted already."""
    await ledger.reverse(db, DISPUTE_OPENED, str(dispute["id"]), at=at)


async def dispute_lost(db: AsyncSession, dispute: Row, *, at: datetime) -> None:
    """The money stays with the buyer, at the shop's cost; the opening must be posted already."""
    entries = _two(dispute["amount"], dispute["currency"], debit=_OF_SHOP, credit=_WITHHELD)
    await ledger.post(db, _about(dispute, DISPUTE_LOST, str(dispute["id"]), entries, at))


async def stray_captured(db: AsyncSession, stray: Row, *, at: datetime) -> None:
    """The provider holds money that was not asked for like this; it is nobody's yet."""
    currency = stray["currency"]
    entries = _two(stray["amount"], currency, debit=_AT_PROVIDER, credit=_OF_NOBODY)
    await ledger.post(db, _about(stray, STRAY_CAPTURED, str(stray["id"]), entries, at))
    await stray_fee_told(db, {**stray, "fee_amount": 0}, stray["fee_amount"], at=at)


async def stray_fee_told(db: AsyncSession, stray: Row, fee_amount: int, *, at: datetime) -> None:
    """What the provider keeps of it, or more of that; `stray` as before."""
    entries = _fee(fee_amount - stray["fee_amount"], stray["currency"])
    if entries:
        reference = f"{stray['id']}:{fee_amount}"
        await ledger.post(db, _about(stray, STRAY_FEE, reference, entries, at))


async def stray_voided(db: AsyncSession, stray: Row, *, at: datetime) -> None:
    """It was as it was asked for after all, and is posted as that."""
    await ledger.reverse(db, STRAY_CAPTURED, str(stray["id"]), at=at)
    entries = _fee(-stray["fee_amount"], stray["currency"])
    if entries:
        await ledger.post(db, _about(stray, STRAY_FEE, f"{stray['id']}:void", entries, at))


async def stray_returned(
    db: AsyncSession, stray: Row, reference: str, amount: int, *, at: datetime
) -> None:
    """Somebody at the provider has given it back, or part of it."""
    entries = _two(amount, stray["currency"], debit=_OF_NOBODY, credit=_AT_PROVIDER)
    told = f"{stray['id']}:{reference}"
    await ledger.post(db, _about(stray, STRAY_RETURNED, told, entries, at))


async def stray_came_back(db: AsyncSession, stray: Row, reference: str, *, at: datetime) -> None:
    """A refund of it that had succeeded has failed after all."""
    await ledger.reverse(db, STRAY_RETURNED, f"{stray['id']}:{reference}", at=at)


def _sent(refund: Row, reference: str) -> str:
    # One that has bounced is sent again, under another name.
    return f"{refund['id']}:{reference}"


def _whose(payment: Row) -> Side:
    return _OF_NOBODY if payment["state"] == PaymentState.SURPLUS else _OF_SHOP


def _two(amount: int, currency: str, *, debit: Side, credit: Side) -> tuple[Entry, ...]:
    return moved(amount, currency, debit=debit, credit=credit) if amount else ()


def _fee(amount: int, currency: str) -> tuple[Entry, ...]:
    return _two(amount, currency, debit=_FEES, credit=_AT_PROVIDER)


def _about(
    row: Row,
    kind: str,
    reference: str,
    entries: tuple[Entry, ...],
    at: datetime,
) -> Posting:
    return Posting(
        shop_id=row["shop_id"],
        kind=kind,
        reference=reference,
        subject_id=row["id"],
        currency=row["currency"],
        at=at,
        entries=entries,
    )
