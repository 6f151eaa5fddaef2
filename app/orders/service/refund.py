"""Refunds of orders: units at their frozen shares, amounts, or everything that is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.core import events
from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.ids import new_id
from app.groupbuy import service as groupbuy
from app.orders.errors import (
    NothingToRefund,
    OrderNotConfirmed,
    RefundAmountChanged,
    RefundTotalChanged,
)
from app.orders.events import (
    OrderClosed,
    OrderRebateOwed,
    OrderRefunded,
    OrderRefundOwed,
    OrderRefundReturned,
)
from app.orders.models import Fulfilment, OrderDispute, OrderStatus
from app.orders.repository import orders as repository
from app.orders.repository import parts as parts_repository
from app.orders.rules import (
    EVERYTHING,
    REBATE,
    LineLeft,
    RefundPart,
    is_of_people,
    needs_second,
)
from app.orders.service.approvals import ask_second
from app.orders.service.facts import fact
from app.orders.service.partners import note_shares
from app.orders.service.plan import Plan, RefundWish, lines_left, planned
from app.payments import service as payments
from app.payments.errors import NotYetError, RefundExceedsPayment, RefundReferenceUsed
from app.payments.events import RefundAdopted
from app.payments.service import RefundOrder


@dataclass(frozen=True, slots=True)
class Decision:
    """The refund that is owed now, or the approval that it waits for."""

    refund: sa.RowMapping | None
    approval: sa.RowMapping | None


async def refund(
    db: AsyncSession, shop_id: UUID, order_id: UUID, wish: RefundWish, *, now: datetime
) -> Decision:
    """Decide a refund of a confirmed order, closed or not; the worker sends the money.

    The payment's row is held first, so that refunds of one order are decided one after another.
    Above the shop's limit it waits for a second operator, and nothing is owed.
    """
    row = await repository.order_of_shop(db, shop_id, order_id)
    if row is None:
        raise NotFound
    if row["confirmed_at"] is None:
        raise OrderNotConfirmed
    return await decide(db, row, wish, now=now)


async def decide(
    db: AsyncSession,
    row: sa.RowMapping,
    wish: RefundWish,
    *,
    after_sales_id: UUID | None = None,
    now: datetime,
) -> Decision:
    """Owe what was wished, if it is what was expected and within what one person may give."""
    paid = await payments.hold(db, row["id"])
    told = wish.expected_refunded_amount
    if told is not None and told != paid["refund_owed_amount"]:
        raise RefundTotalChanged(refunded_amount=paid["refund_owed_amount"])
    plan = await _plan_of(db, row, wish)
    shop = await catalog.shop(db, row["shop_id"])
    before = [
        r["amount"]
        for r in await payments.refunds_of_order(db, row["id"])
        if is_of_people(r["reference"])
    ]
    if needs_second(shop.refund_approval_above_amount, before, plan.amount):
        asked = await ask_second(
            db, row, wish, amount=plan.amount, after_sales_id=after_sales_id, now=now
        )
        return Decision(None, asked)
    return Decision(await _owe(db, row, wish, plan, now=now), None)


async def _plan_of(db: AsyncSession, row: sa.RowMapping, wish: RefundWish) -> Plan:
    plan = await planned(db, row, wish)
    if plan.amount == 0:
        raise NothingToRefund
    if wish.expected_amount not in (None, plan.amount):
        raise RefundAmountChanged(amount=plan.amount)
    return plan


async def owe_approved(
    db: AsyncSession, row: sa.RowMapping, wish: RefundWish, *, now: datetime
) -> sa.RowMapping:
    """Owe what two operators have agreed on; `RefundAmountChanged` if it comes to something else.

    The payment's row must be held.
    """
    return await _owe(db, row, wish, await _plan_of(db, row, wish), now=now)


async def _owe(
    db: AsyncSession, row: sa.RowMapping, wish: RefundWish, plan: Plan, *, now: datetime
) -> sa.RowMapping:
    order_id = row["id"]
    reference = f"{wish.prefix}{wish.reference}"
    owed = RefundOrder(order_id, plan.amount, wish.reason, reference)
    made = await payments.owe_refund(db, owed, now=now)
    held = await repository.hold(db, order_id)
    restocks = wish.restock and held["fulfilment"] == Fulfilment.FULFILLING
    await _keep(db, order_id, made["id"], plan.parts, restocks=restocks)
    if restocks:
        lines = await repository.lines_of(db, [order_id])
        await catalog.give_back(db, _units(lines_left(lines), plan.parts))
    told = {"amount": plan.amount, "reason": wish.reason, "reference": wish.reference}
    subject = ("order", order_id)
    await note(db, "order.refunded", subject, at=now, shop_id=row["shop_id"], change=(None, told))
    return made


def _units(lines: Sequence[LineLeft], parts: Sequence[RefundPart]) -> dict[UUID, int]:
    variant_of = {line.line_id: line.variant_id for line in lines}
    return {
        variant_of[part.line_id]: part.quantity
        for part in parts
        if part.line_id is not None and part.quantity
    }


async def _keep(
    db: AsyncSession,
    order_id: UUID,
    refund_id: UUID,
    parts: Sequence[RefundPart],
    *,
    restocks: bool,
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "refund_id": refund_id,
            "order_id": order_id,
            "line_id": part.line_id,
            "quantity": part.quantity,
            "restocked_quantity": part.quantity if restocks else 0,
            "amount": part.amount,
            "withheld_amount": part.withheld_amount,
        }
        for part in parts
    ]
    on_lines = [row for row in rows if row["line_id"] is not None]
    if on_lines and not await parts_repository.take_from_lines(db, on_lines):
        raise RuntimeError("a refund names a line twice or a line that is not there")
    await parts_repository.add_parts(db, rows)


async def keep_parts(db: AsyncSession, row: sa.RowMapping, made: sa.RowMapping) -> None:
    """Say of a refund of everything that is left of the payment what it was for."""
    await _spread(db, row, made["id"], made["amount"])


async def _spread(db: AsyncSession, row: sa.RowMapping, refund_id: UUID, amount: int) -> None:
    plan = await planned(db, row, RefundWish(amount=amount))
    await _keep(db, row["id"], refund_id, plan.parts, restocks=False)


async def adopt_refund(db: AsyncSession, adopted: RefundAdopted) -> None:
    """Reaction: a refund made at the provider is spread over the order as one of an amount.

    So is one that had to make room for it. Raises `NotYetError` while the order waits to be
    confirmed: until then nobody knows what becomes of its place, its stock and the rest of its
    money.
    """
    row = await repository.hold(db, adopted.order_id)
    if row["confirmed_at"] is None and row["status"] == OrderStatus.PAID:
        raise NotYetError
    spread = await parts_repository.amounts_of(db, adopted.order_id)
    loose = [
        refund
        for refund in await payments.refunds_of_order(db, adopted.order_id)
        if refund["payment_id"] == adopted.payment_id
        and refund["amount"] != spread.get(refund["id"], 0)
    ]
    for refund in loose:
        await parts_repository.drop_parts(db, refund["id"])
    for refund in loose:
        await _spread(db, row, refund["id"], refund["amount"])
    change = (None, {"amount": adopted.amount, "refund_id": str(adopted.refund_id)})
    subject = ("order", adopted.order_id)
    shop_id = adopted.shop_id
    await note(db, "order.refund_adopted", subject, at=adopted.at, shop_id=shop_id, change=change)


async def count_refund(db: AsyncSession, order_id: UUID, amount: int, *, at: datetime) -> None:
    """Money is back with the buyer; the order's refund columns and its listeners follow."""
    row = await repository.add_refunded(db, order_id, amount, at=at)
    await events.record(
        db,
        fact(
            OrderRefunded,
            row,
            at,
            amount=amount,
            refunded_amount=row["refunded_amount"],
            currency=row["currency"],
            is_full=row["refunded_amount"] == row["total_amount"],
            was_counted=row["paid_at"] is not None,
        ),
    )
    await note_shares(db, row, at)


async def uncount_refund(db: AsyncSession, order_id: UUID, amount: int, *, at: datetime) -> None:
    """Money that was back with the buyer has bounced; all that followed from it is undone.

    An order that its time had closed stays closed: nothing can be asked of it any more.
    """
    await repository.hold(db, order_id)
    is_over = await events.was_stated(db, OrderClosed, order_id)
    row = await repository.take_back_refunded(db, order_id, amount, may_reopen=not is_over)
    await events.record(
        db,
        fact(
            OrderRefundReturned,
            row,
            at,
            amount=amount,
            refunded_amount=row["refunded_amount"],
            currency=row["currency"],
            was_full=row["refunded_amount"] + amount == row["total_amount"],
            was_counted=row["paid_at"] is not None,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Even:
    """What a seat wants to know of a refund, where there was nothing to send."""

    order_id: UUID
    at: datetime


async def free_again(db: AsyncSession, order_id: UUID, *, at: datetime) -> None:
    """An order that cost nothing and came to nothing is even at once: no money is waited for."""
    await groupbuy.note_refund(db, _Even(order_id, at))
    await count_refund(db, order_id, 0, at=at)


async def pay_back(db: AsyncSession, owed: OrderRefundOwed) -> None:
    """Handler: everything that was paid for an order that came to nothing goes back, once.

    While a dispute is open this is refused, and heard again later; what the buyer has won by one
    is back already.
    """
    row = await repository.order(db, owed.order_id)
    assert row is not None, "an order is never deleted"
    if row["total_amount"] == 0:
        await free_again(db, row["id"], at=owed.at)
        return
    reference = f"{owed.reason}:{owed.order_id}"
    wish = RefundOrder(owed.order_id, None, owed.reason, reference, rule=EVERYTHING)
    try:
        made = await payments.owe_refund(db, wish, now=owed.at)
    except RefundExceedsPayment:
        if row["dispute"] != OrderDispute.LOST:
            raise
        await groupbuy.note_refund(db, _Even(row["id"], owed.at))
        return
    await repository.hold(db, owed.order_id)
    await keep_parts(db, row, made)


async def pay_rebate(db: AsyncSession, owed: OrderRebateOwed) -> None:
    """Handler: what a group has earned back goes to each member, as far as it is not back yet.

    The payment's row is held first: a refund of everything takes the rebate with it. What a member
    has won by a dispute is back, too.
    """
    paid = await payments.hold(db, owed.order_id)
    [line] = await repository.lines_of(db, [owed.order_id])
    earned = owed.unit_amount * line["quantity"] + owed.reward_amount
    left = paid["amount"] - paid["refund_owed_amount"] - paid["lost_amount"]
    amount = max(min(earned, line["payable_amount"] - line["refunded_amount"], left), 0)
    if amount == 0:
        return
    reference = f"{REBATE}:{owed.order_id}"
    wish = RefundOrder(owed.order_id, amount, REBATE, reference, rule=REBATE)
    try:
        async with events.savepoint(db):
            made = await payments.owe_refund(db, wish, now=owed.at)
    except RefundReferenceUsed:
        return  # told by the provider first, after its row was lost, and adopted
    await repository.hold(db, owed.order_id)
    part = RefundPart(line["id"], 0, amount)
    await _keep(db, owed.order_id, made["id"], [part], restocks=False)
