"""Captures that were not as they were asked for: money that is there, and is nobody's yet.

They count for no order, but the provider holds them: the ledger says so until they are back.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.payments.gateway import Charge, GatewayRefund, RefundState
from app.payments.models import HELD_STATES
from app.payments.repository import lock_payment
from app.payments.repository import strays as repository
from app.payments.rules import REFUND_RANK, Verdict
from app.payments.service import postings


async def keep_stray(db: AsyncSession, asked: sa.RowMapping, charge: Charge, now: datetime) -> None:
    """Note a capture that was not asked for like this; `asked` is the payment, its row held."""
    is_counted = asked["state"] in HELD_STATES and asked["reference"] == charge.reference
    if is_counted or not charge.amount:
        return  # its money is posted as it was asked for, or none was taken
    row: dict[str, Any] = {
        "id": new_id(),
        "shop_id": asked["shop_id"],
        "payment_id": asked["id"],
        "gateway": asked["gateway"],
        "reference": charge.reference,
        "amount": charge.amount,
        "currency": charge.currency,
        "fee_amount": charge.fee_amount,
        "captured_at": charge.at,
        "is_void": False,
    }
    if await repository.add(db, row):
        await postings.stray_captured(db, row, at=now)
        return
    known = await repository.named(db, asked["gateway"], charge.reference)
    if known is not None and await repository.raise_fee(db, known["id"], charge.fee_amount):
        await postings.stray_fee_told(db, known, charge.fee_amount, at=now)


async def void_stray(
    db: AsyncSession, paid: sa.RowMapping, reference: str, *, now: datetime
) -> None:
    """What was told of this capture first was wrong: it counts as it was asked for."""
    known = await repository.named(db, paid["gateway"], reference)
    if known is not None:
        await repository.void(db, known["id"])
        await postings.stray_voided(db, known, at=now)


async def stray_of(
    db: AsyncSession, answer: GatewayRefund, gateway: str | None
) -> sa.RowMapping | None:
    """The stray capture of which a refund was made at the provider, its payment's row held."""
    if gateway is None or answer.refund_id is not None or not answer.charge_reference:
        return None
    found = await repository.named(db, gateway, answer.charge_reference)
    if found is None:
        return None
    await lock_payment(db, found["payment_id"])
    # Again, now that nobody else can say that it is none.
    return await repository.named(db, gateway, answer.charge_reference)


async def record_stray_refund(
    db: AsyncSession, stray: sa.RowMapping, answer: GatewayRefund, *, now: datetime
) -> Verdict:
    """Money of a stray capture goes back, or comes again; the payment's row is held.

    Of another currency it is `quarantined`, for the caller to note.
    """
    if not answer.amount or answer.currency != stray["currency"]:
        return Verdict.QUARANTINED
    known = await repository.refund(db, stray["id"], answer.reference)
    before = None if known is None else known["state"]
    if known is not None and known["amount"] != answer.amount:
        return Verdict.QUARANTINED
    if before is not None and REFUND_RANK[answer.state] <= REFUND_RANK[before]:
        return Verdict.UNCHANGED
    reference, amount = answer.reference, answer.amount
    await repository.tell_refund(db, stray["id"], reference, amount, answer.state, answer.at)
    if answer.state is RefundState.SUCCEEDED:
        await postings.stray_returned(db, stray, reference, amount, at=now)
    elif before is RefundState.SUCCEEDED:
        await postings.stray_came_back(db, stray, reference, at=now)
    return Verdict.APPLIED
