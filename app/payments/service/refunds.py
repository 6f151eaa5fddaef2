"""Refunds: decided here, sent by the worker, counted when the provider says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.payments import repository
from app.payments.errors import (
    RefundExceedsPayment,
    RefundNotRetryable,
    RefundReferenceUsed,
)
from app.payments.events import RefundFailed, RefundSucceeded
from app.payments.gateway import GatewayRefund, RefundState
from app.payments.models import RefundStatus

RESEND_AFTER_SECONDS = (1, 5, 30, 120, 600, 3_600)


async def hold(db: AsyncSession, order_id: UUID) -> sa.RowMapping:
    """Take the payment's lock first; refunds of one order are decided one after another."""
    held = await repository.hold(db, order_id)
    if held is None:
        raise RefundExceedsPayment
    return held


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Money to give back for an order; `amount` None is all that is left of the payment."""

    order_id: UUID
    amount: int | None
    reason: str
    reference: str


async def owe_refund(db: AsyncSession, wish: RefundOrder, *, now: datetime) -> sa.RowMapping:
    """Decide a refund; the worker sends it. Takes the payment's lock, so it comes first.

    Raises `RefundExceedsPayment` (also when nothing was captured) or `RefundReferenceUsed`.
    """
    paid = await repository.owe(db, wish.order_id, wish.amount)
    if paid is None:
        raise RefundExceedsPayment
    # The payment's row is ours now, so no refund can come between this sum and our own.
    before = await _owed_by_refunds(db, wish.order_id)
    refund_id = new_id()
    added = await repository.add_refund(
        db,
        {
            "id": refund_id,
            "payment_id": paid["id"],
            "shop_id": paid["shop_id"],
            "order_id": wish.order_id,
            "amount": paid["refund_owed_amount"] - before,
            "currency": paid["currency"],
            "reason": wish.reason,
            "reference": wish.reference,
            "state": RefundStatus.PENDING,
            "created_at": now,
            "send_after": now,
            "attempts": 0,
        },
    )
    if not added:
        raise RefundReferenceUsed
    rows = await repository.refunds_of_order(db, wish.order_id)
    return next(row for row in rows if row["id"] == refund_id)


async def _owed_by_refunds(db: AsyncSession, order_id: UUID) -> int:
    return sum(row["amount"] for row in await repository.refunds_of_order(db, order_id))


async def record_refund(db: AsyncSession, answer: GatewayRefund, *, now: datetime) -> None:
    """Take over the provider's word on a refund; success is counted exactly once."""
    assert answer.refund_id is not None, "asked for by our id"
    refund = await repository.refund(db, answer.refund_id)
    await repository.lock_payment(db, refund["payment_id"])
    if answer.state is RefundState.SUCCEEDED:
        await _refund_succeeded(db, refund["id"], answer, now)
    elif answer.state is RefundState.FAILED:
        await _refund_failed(db, refund["id"], answer, now)
    else:
        await postpone_refund(db, refund, "pending at the provider", now=now)


async def _refund_succeeded(
    db: AsyncSession, refund_id: UUID, answer: GatewayRefund, now: datetime
) -> None:
    moved = await repository.move_refund(
        db,
        refund_id,
        RefundStatus.SUCCEEDED,
        {"done_at": now, "gateway_reference": answer.reference, "last_error": None},
    )
    if moved is None:
        return
    total = await repository.add_refunded(db, moved["payment_id"], moved["amount"])
    await events.record(
        db,
        RefundSucceeded(
            at=now,
            shop_id=moved["shop_id"],
            aggregate_id=moved["payment_id"],
            payment_id=moved["payment_id"],
            refund_id=moved["id"],
            order_id=moved["order_id"],
            amount=moved["amount"],
            currency=moved["currency"],
            refunded_amount=total,
        ),
    )


async def _refund_failed(
    db: AsyncSession, refund_id: UUID, answer: GatewayRefund, now: datetime
) -> None:
    reason = answer.reason or "failed"
    moved = await repository.move_refund(
        db,
        refund_id,
        RefundStatus.FAILED,
        {"send_after": now + timedelta(hours=1), "last_error": reason},
    )
    if moved is not None:
        await events.record(
            db,
            RefundFailed(
                at=now,
                shop_id=moved["shop_id"],
                aggregate_id=moved["payment_id"],
                payment_id=moved["payment_id"],
                refund_id=moved["id"],
                order_id=moved["order_id"],
                amount=moved["amount"],
                reason=reason,
            ),
        )


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
