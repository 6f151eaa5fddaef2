"""Refunds: decided here, sent by the worker, watched until their money is back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import derived_id, new_id
from app.payments import repository
from app.payments.errors import (
    OrderDisputed,
    RefundExceedsPayment,
    RefundNotRetryable,
    RefundReferenceUsed,
)
from app.payments.models import RefundStatus
from app.payments.service import postings

RESEND_AFTER_SECONDS = (1, 5, 30, 120, 600, 3_600)


async def hold(db: AsyncSession, order_id: UUID) -> sa.RowMapping:
    """Take the payment's lock first; refunds of one order are decided one after another."""
    held = await repository.hold(db, order_id)
    if held is None:
        raise RefundExceedsPayment
    return held


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Money to give back for an order; `amount` None is all that is left of the payment.

    `rule` names what owes it where no person has decided it. A rule decides again what was lost
    with its row, as to a backup that was put back: the provider must know it for the same refund.
    """

    order_id: UUID
    amount: int | None
    reason: str
    reference: str
    rule: str | None = None


async def owe_refund(db: AsyncSession, wish: RefundOrder, *, now: datetime) -> sa.RowMapping:
    """Decide a refund; the worker sends it. Takes the payment's lock, so it comes first.

    Raises `OrderDisputed`, `RefundExceedsPayment` (also when nothing was captured) or
    `RefundReferenceUsed`.
    """
    paid = await repository.owe(db, wish.order_id, wish.amount)
    if paid is None:
        live = await repository.live_payment(db, wish.order_id)
        is_disputed = live is not None and live["disputed_amount"] > 0
        raise OrderDisputed if is_disputed else RefundExceedsPayment
    # The payment's row is ours now, so no refund can come between this sum and our own.
    before = sum(row["amount"] for row in await repository.refunds_of_payment(db, paid["id"]))
    amount = paid["refund_owed_amount"] - before
    refund = new_refund(paid, amount, wish.reason, wish.reference, rule=wish.rule, now=now)
    if not await repository.add_refund(db, refund):
        raise RefundReferenceUsed
    rows = await repository.refunds_of_order(db, wish.order_id)
    made = next(row for row in rows if row["id"] == refund["id"])
    await postings.refund_owed(db, paid, made, at=now)
    return made


def new_refund(
    paid: sa.RowMapping,
    amount: int,
    reason: str,
    reference: str,
    *,
    rule: str | None = None,
    now: datetime,
) -> dict[str, Any]:
    """The row of a refund that is owed of a payment and due to be sent at once."""
    return {
        "id": derived_id(paid["id"], rule) if rule else new_id(),
        "payment_id": paid["id"],
        "shop_id": paid["shop_id"],
        "order_id": paid["order_id"],
        "amount": amount,
        "currency": paid["currency"],
        "reason": reason,
        "reference": reference,
        "state": RefundStatus.PENDING,
        "created_at": now,
        "send_after": now,
        "attempts": 0,
    }


async def postpone_refund(
    db: AsyncSession, refund: sa.RowMapping, error: str, *, now: datetime
) -> None:
    """Try a refund again later, each time a little later."""
    nth = min(max(refund["attempts"], 1), len(RESEND_AFTER_SECONDS))
    delay = RESEND_AFTER_SECONDS[nth - 1]
    await repository.resend_later(db, refund["id"], now + timedelta(seconds=delay), error[:200])


async def refunds_of_shop(
    db: AsyncSession, shop_id: UUID, state: RefundStatus | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a shop's refunds in one state or all, newest first."""
    after = paging.after(UUID)
    rows = await repository.refunds_of_shop(
        db, shop_id, state, after[0] if after else None, paging.limit + 1
    )
    return paging.cut(rows, lambda row: (row["id"],))


async def retry_refund(
    db: AsyncSession, shop_id: UUID, refund_id: UUID, *, now: datetime
) -> sa.RowMapping:
    """Let the worker send a refund again at once, whenever its next try was meant to be.

    The provider knows it by its id, so a try that did arrive is not paid twice. Raises
    `RefundNotRetryable` where the money is back.
    """
    if await repository.refund_of_shop(db, shop_id, refund_id) is None:
        raise NotFound
    sent = await repository.send_now(db, refund_id, now)
    if sent is None:
        raise RefundNotRetryable
    subject = ("refund", refund_id)
    change = ({"state": sent["state"].value}, {"attempts": sent["attempts"]})
    await note(db, "refund.retried", subject, at=now, shop_id=shop_id, change=change)
    return sent


async def refunds_of_order(db: AsyncSession, order_id: UUID) -> Sequence[sa.RowMapping]:
    """All refunds of an order, oldest first."""
    return await repository.refunds_of_order(db, order_id)
