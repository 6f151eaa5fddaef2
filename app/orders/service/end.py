"""Orders that end before they are confirmed: cancelled by the buyer, or expired by the clock."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.core import events
from app.core.clock import Clock
from app.core.errors import NotFound
from app.core.http.route import Outside
from app.groupbuy import service as groupbuy
from app.orders.errors import OrderNotCancellable
from app.orders.events import OrderCancelled, OrderExpired, OrderPaymentLeft
from app.orders.models import OrderStatus
from app.orders.repository import orders as repository
from app.orders.rules import EVERYTHING, summed_units
from app.orders.service.facts import fact
from app.orders.service.refund import free_again, keep_parts
from app.payments import service as payments
from app.payments.errors import PaymentInProgress
from app.payments.gateway import Gateway
from app.payments.service import RefundOrder
from app.promotions import service as promotions


@dataclass(frozen=True, slots=True)
class Doors:
    """The outside world as an order needs it: the gateways, and a way to leave the transaction.

    `offered` are the gateways that buyers may choose, and `gateway` is where a payment goes that
    names none; `attempt` tells one intent of the client from another. A call takes its time: what
    follows it is decided by the `clock`.
    """

    gateways: Mapping[str, Gateway]
    offered: Collection[str]
    gateway: str
    attempt: Callable[[], str]
    outside: Outside
    clock: Clock


async def cancel(
    db: AsyncSession, member_id: UUID, order_id: UUID, *, doors: Doors, now: datetime
) -> None:
    """Give an order up: an unpaid one at once, a paid seat while its group still gathers.

    The provider is asked to stop a payment that is under way first; if it was too late, the
    money is here, and what follows is what follows for a paid order.
    """
    row = await _own(db, member_id, order_id)
    stopped = None
    if row["status"] == OrderStatus.PLACED:
        stopped = await stop_payment(db, order_id, doors, now)
        now = doors.clock.now()
        row = await _own(db, member_id, order_id)
    if row["status"] == OrderStatus.PLACED:
        ended = await end_unpaid(db, row, OrderStatus.CANCELLED, stopped=stopped, now=now)
        if not ended:
            raise OrderNotCancellable
    elif row["status"] == OrderStatus.PAID and row["confirmed_at"] is None:
        await _leave(db, row, now)
    else:
        raise OrderNotCancellable(status=row["status"])


async def _own(db: AsyncSession, member_id: UUID, order_id: UUID) -> sa.RowMapping:
    row = await repository.order_of_member(db, member_id, order_id)
    if row is None:
        raise NotFound
    return row


async def stop_payment(
    db: AsyncSession, order_id: UUID, doors: Doors, now: datetime
) -> UUID | None:
    """Ask the provider to stop the payment under way, if there is one; its id."""
    under_way = await payments.live_charge_wish(db, order_id)
    if under_way is None:
        return None
    name, wish = under_way
    async with doors.outside():
        charge = await doors.gateways[name].cancel(wish, now=now)
    await payments.record_charge(db, charge, now=now)
    async with doors.outside():
        pass  # what the provider said stays on record, even if the cancellation is then refused
    return wish.payment_id


async def end_unpaid(
    db: AsyncSession,
    row: sa.RowMapping,
    target: OrderStatus,
    *,
    stopped: UUID | None,
    now: datetime,
) -> bool:
    """Free what an unpaid order holds; says whether it was still there to be ended.

    `stopped` is the payment that the provider was asked to stop. Raises `PaymentInProgress` when
    another has begun since: it has to be stopped first, or its money would be taken for an order
    that is no more.
    """
    seat = await groupbuy.release_seat(db, row["id"], now=now)
    ended = await repository.end(db, [row["id"]], origin=OrderStatus.PLACED, target=target, now=now)
    if not ended:
        return False
    # Beginning a payment holds the order too, so this look comes before it or sees it.
    under_way = await payments.live_charge_wish(db, row["id"])
    if under_way is not None and under_way[1].payment_id != stopped:
        raise PaymentInProgress
    await catalog.release(db, summed_units([row["units"]]))
    if seat is not None:
        await groupbuy.return_seat_quota(db, seat)
    await promotions.release(db, [row["id"]], now=now)
    if target is OrderStatus.CANCELLED:
        await events.record(db, fact(OrderCancelled, row, now, was_paid=False))
    else:
        await events.record(db, fact(OrderExpired, row, now))
    if under_way is not None:
        await events.record(db, fact(OrderPaymentLeft, row, now))
    return True


async def stop_paying(db: AsyncSession, left: OrderPaymentLeft) -> None:
    """Handler: what is still being paid for an order that is no more is stopped.

    Whoever ends one order asks the provider first, which may not be able to; when a group fails
    there is nobody to ask.
    """
    await payments.unwant(db, left.order_id)


async def _leave(db: AsyncSession, row: sa.RowMapping, now: datetime) -> None:
    refund = None
    if row["total_amount"]:
        # A rival of the same member may have left meanwhile: the payment's row decides.
        await payments.hold(db, row["id"])
        row = await _own(db, row["member_id"], row["id"])
        if row["status"] != OrderStatus.PAID:
            raise OrderNotCancellable(status=row["status"])
        reference = f"left_group:{row['id']}"
        wish = RefundOrder(row["id"], None, "left_group", reference, rule=EVERYTHING)
        refund = await payments.owe_refund(db, wish, now=now)
    left = await groupbuy.leave(db, row["id"], now=now)
    ended = await repository.end(
        db,
        [row["id"]],
        origin=OrderStatus.PAID,
        target=OrderStatus.CLOSED,
        now=now,
        refund_due_reason="left_group",
    )
    if not ended:
        raise OrderNotCancellable
    if refund is not None:
        await keep_parts(db, row, refund)
    if left.emptied is None:
        await catalog.release(db, summed_units([row["units"]]))
    # Where nobody stays, the group's end frees this order's stock with that of the others: two
    # rounds of stock and quota would meet a rival that takes them in the one right order.
    await groupbuy.after_leaving(db, left, now=now)
    await promotions.release(db, [row["id"]], now=now)
    if refund is None:
        # Its buyer is counted anew by that, whose row comes behind all stock and quotas.
        await free_again(db, row["id"], at=now)
    await events.record(db, fact(OrderCancelled, row, now, was_paid=True))
