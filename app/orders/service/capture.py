"""Reactions: what a payment, a group's end and a refund mean for orders."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.errors import OutOfStock
from app.community import service as community
from app.core import events
from app.groupbuy import service as groupbuy
from app.groupbuy.errors import MemberUnitsReached, QuotaSoldOut
from app.groupbuy.events import GroupFailed, GroupSucceeded, SeatPaymentRefused
from app.orders.events import (
    OrderConfirmed,
    OrderExpired,
    OrderPaid,
    OrderPaymentLeft,
    OrderRebateOwed,
    OrderRefunded,
    OrderRefundOwed,
    OrderRefundReturned,
)
from app.orders.models import OrderDispute, OrderStatus
from app.orders.repository import orders as repository
from app.orders.rules import summed_units
from app.orders.service.facts import fact
from app.orders.service.partners import note_shares
from app.orders.service.refund import count_refund, uncount_refund
from app.payments import service as payments
from app.payments.events import (
    DisputeClosed,
    DisputeOpened,
    PaymentCaptured,
    RefundReturned,
    RefundSucceeded,
)
from app.promotions import service as promotions
from app.promotions.errors import CouponTaken, PromotionUsedUp


async def mark_paid(db: AsyncSession, captured: PaymentCaptured) -> None:
    """The order is paid; outside a group it is confirmed. Too late, it is lifted or owed back."""
    row = await repository.mark_paid(
        db,
        captured.order_id,
        origin=OrderStatus.PLACED,
        paid_at=captured.captured_at,
        now=captured.at,
    )
    if row is None:
        await _paid_late(db, captured)
        return
    await _announce_paid(db, row, captured.at)
    if row["confirmed_at"] is not None:
        await _confirm(db, [row], captured.at)


async def _announce_paid(db: AsyncSession, row: sa.RowMapping, at: datetime) -> None:
    paid = fact(OrderPaid, row, at, total_amount=row["total_amount"], currency=row["currency"])
    await events.record(db, paid)


async def _paid_late(db: AsyncSession, captured: PaymentCaptured) -> None:
    row = await repository.order(db, captured.order_id)
    assert row is not None, "a payment is opened for an order that exists"
    if row["group_id"] is not None:
        await _paid_late_in_group(db, row, captured)
        return
    if row["status"] == OrderStatus.EXPIRED and await _lift(db, row, captured):
        return
    await _owe_back(db, row, "paid_too_late", captured.at)


async def _lift(db: AsyncSession, row: sa.RowMapping, captured: PaymentCaptured) -> bool:
    """Take again what an expired order gave back: stock, limits, coupon, if all are still there."""
    units = summed_units([row["units"]])
    try:
        async with db.begin_nested():
            lifted = await repository.mark_paid(
                db,
                row["id"],
                origin=OrderStatus.EXPIRED,
                paid_at=captured.captured_at,
                now=captured.at,
            )
            assert lifted is not None, "its payment's row is held, so nobody else lifts it"
            await catalog.reserve(db, units)
            await promotions.retake(db, row["id"], row["member_id"])
    except (OutOfStock, PromotionUsedUp, CouponTaken):
        return False
    await _announce_paid(db, lifted, captured.at)
    await _confirm(db, [lifted], captured.at)
    return True


class _NotSeatedError(Exception):
    """The place, or what the order gave back with it, is gone."""


async def _paid_late_in_group(
    db: AsyncSession, row: sa.RowMapping, captured: PaymentCaptured
) -> None:
    """Seat the late payer again if campaign, group, stock and quota allow it, else owe it back.

    Where the group has judged already, there is nothing left to seat.
    """
    try:
        async with db.begin_nested():
            seated, lifted = await _seated_again(db, row, captured)
    except (_NotSeatedError, OutOfStock, QuotaSoldOut, MemberUnitsReached):
        await groupbuy.refuse_late(db, captured)
        return
    await _announce_paid(db, lifted, captured.at)
    await groupbuy.announce_seated(db, seated, now=captured.at)


async def _seated_again(
    db: AsyncSession, row: sa.RowMapping, captured: PaymentCaptured
) -> tuple[groupbuy.SeatedAgain, sa.RowMapping]:
    seated = await groupbuy.sit_again(db, captured)
    if seated is None:
        raise _NotSeatedError
    lifted = await repository.mark_paid(
        db, row["id"], origin=OrderStatus.EXPIRED, paid_at=captured.captured_at, now=captured.at
    )
    if lifted is None:
        raise _NotSeatedError
    # A success sells the goods of all, and comes after the quota: their stock is locked here.
    goods = {seat["variant_id"] for seat in seated.confirmed}
    await catalog.reserve(db, summed_units([row["units"]]), beside=goods)
    await groupbuy.retake_quota(db, seated)
    return seated, lifted


async def confirm_group(db: AsyncSession, succeeded: GroupSucceeded) -> None:
    """All orders of the group are confirmed together; what it has earned is owed back."""
    rows = await repository.confirm_group(db, succeeded.order_ids, now=succeeded.at)
    assert len(rows) == len(succeeded.order_ids), "every confirmed seat has a paid order"
    if succeeded.paid_back:
        units = {back.order_id: back.unit_amount for back in succeeded.paid_back}
        await repository.set_rebates(db, units)
    await _confirm(db, rows, succeeded.at)
    orders = {row["id"]: row for row in rows}
    for back in succeeded.paid_back:
        owed = fact(
            OrderRebateOwed,
            orders[back.order_id],
            succeeded.at,
            unit_amount=back.unit_amount,
            reward_amount=back.reward_amount,
        )
        await events.record(db, owed)


async def _confirm(db: AsyncSession, rows: Iterable[sa.RowMapping], at: datetime) -> None:
    rows = sorted(rows, key=lambda row: row["id"])
    await catalog.claim(db, summed_units(row["units"] for row in rows))
    for row in rows:
        confirmed = fact(
            OrderConfirmed,
            row,
            at,
            group_id=row["group_id"],
            community_id=row["community_id"],
            total_amount=row["total_amount"],
            currency=row["currency"],
        )
        await events.record(db, confirmed)
        await note_shares(db, row, at)


async def end_group_orders(db: AsyncSession, failed: GroupFailed) -> None:
    """Paid orders of a failed group are owed back, unpaid ones expire, all stock is free again.

    So is that of the order whose end left nobody; what else becomes of it, whoever left has seen.
    """
    paid = await repository.end(
        db,
        failed.paid_order_ids,
        origin=OrderStatus.PAID,
        target=OrderStatus.CLOSED,
        now=failed.at,
        refund_due_reason="group_failed",
    )
    unpaid = await repository.end(
        db,
        failed.unpaid_order_ids,
        origin=OrderStatus.PLACED,
        target=OrderStatus.EXPIRED,
        now=failed.at,
    )
    gone = await repository.orders(db, failed.left_order_ids)
    await catalog.release(db, summed_units(row["units"] for row in (*paid, *unpaid, *gone)))
    await promotions.release(db, [row["id"] for row in (*paid, *unpaid)], now=failed.at)
    for row in paid:
        await events.record(db, fact(OrderRefundOwed, row, failed.at, reason="group_failed"))
    # Beginning a payment holds the order, so this look comes behind it or sees it.
    left = await payments.being_paid(db, [row["id"] for row in unpaid])
    for row in unpaid:
        await events.record(db, fact(OrderExpired, row, failed.at))
        if row["id"] in left:
            await events.record(db, fact(OrderPaymentLeft, row, failed.at))


async def refund_late_seat(db: AsyncSession, late: SeatPaymentRefused) -> None:
    """Money came for a seat it cannot pay: the order ends, and the money goes back."""
    ended = await repository.end(
        db,
        [late.order_id],
        origin=OrderStatus.PAID,
        target=OrderStatus.CLOSED,
        now=late.at,
    )
    await catalog.release(db, summed_units(row["units"] for row in ended))
    await promotions.release(db, [row["id"] for row in ended], now=late.at)
    row = await repository.order(db, late.order_id)
    assert row is not None, "a seat belongs to an order"
    await _owe_back(db, row, late.cause, late.at)


async def _owe_back(db: AsyncSession, row: sa.RowMapping, reason: str, at: datetime) -> None:
    if await repository.owe_back(db, row["id"], reason) is not None:
        await events.record(db, fact(OrderRefundOwed, row, at, reason=reason))


async def note_refund(db: AsyncSession, refunded: RefundSucceeded) -> None:
    """Money is back with the buyer; the order's refund columns follow."""
    await count_refund(db, refunded.order_id, refunded.amount, at=refunded.at)


async def note_returned_refund(db: AsyncSession, returned: RefundReturned) -> None:
    """Money that was back with the buyer has bounced; the order's refund columns follow."""
    await uncount_refund(db, returned.order_id, returned.amount, at=returned.at)


async def note_dispute(db: AsyncSession, told: DisputeOpened | DisputeClosed) -> None:
    """The order shows how its payment stands with the banks."""
    state = await payments.dispute_of_order(db, told.order_id)
    stands = OrderDispute.NONE if state is None else OrderDispute(state.value)
    await repository.set_dispute(db, told.order_id, stands)


async def count_buyer(db: AsyncSession, paid: OrderPaid) -> None:
    """One paid order more of this buyer in this shop."""
    assert paid.shop_id is not None
    await community.count_paid_order(db, paid.shop_id, paid.member_id)


async def uncount_buyer(db: AsyncSession, refunded: OrderRefunded) -> None:
    """An order that was refunded whole does not count as a purchase."""
    if refunded.is_full and refunded.was_counted:
        assert refunded.shop_id is not None
        await community.uncount_paid_order(db, refunded.shop_id, refunded.member_id)


async def recount_buyer(db: AsyncSession, returned: OrderRefundReturned) -> None:
    """An order whose money did not arrive back counts as a purchase again."""
    if returned.was_full and returned.was_counted:
        assert returned.shop_id is not None
        await community.count_paid_order(db, returned.shop_id, returned.member_id)
