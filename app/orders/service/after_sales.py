"""What buyers want back after the sale, and what the shop decides about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.audit_log import note
from app.core.context import actor_var
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.orders.errors import (
    AfterSalesOpen,
    NothingToRefund,
    RefundAmountChanged,
    RefundApprovalDecided,
    WrongAfterSalesState,
)
from app.orders.events import AfterSalesDecided, AfterSalesRequested
from app.orders.models import (
    AfterSalesKind,
    AfterSalesReason,
    AfterSalesState,
    ApprovalState,
)
from app.orders.repository import after_sales as repository
from app.orders.repository import orders
from app.orders.rules import OF_AFTER_SALES, after_sales_from, check_after_sales
from app.orders.service.approvals import note_step, second_person, wish_of
from app.orders.service.facts import fact
from app.orders.service.plan import RefundWish, all_units, planned
from app.orders.service.refund import decide, owe_approved
from app.payments import service as payments


@dataclass(frozen=True, slots=True)
class AfterSalesWish:
    """What a buyer wants back and why, all that is left where neither units nor shipping are named.

    `expected_amount` is what the preview said.
    """

    kind: AfterSalesKind
    reason: AfterSalesReason
    note: str
    units: Mapping[UUID, int] | None
    shipping_amount: int | None
    expected_amount: int | None


@dataclass(frozen=True, slots=True)
class AfterSalesView:
    """A request with its lines."""

    row: Mapping[Any, Any]
    lines: Sequence[Mapping[Any, Any]]


async def request_after_sales(
    db: AsyncSession,
    member_id: UUID,
    order_id: UUID,
    wish: AfterSalesWish,
    *,
    return_period: timedelta,
    now: datetime,
) -> AfterSalesView:
    """Ask for money back; at most one request of an order is open.

    The order is held, so that it does not close meanwhile.
    """
    if await orders.order_of_member(db, member_id, order_id) is None:
        raise NotFound
    row = await orders.hold(db, order_id)
    check_after_sales(row, wish.kind, wish.reason, return_period=return_period, now=now)
    units, shipping_amount = wish.units, wish.shipping_amount or 0
    if wish.units is None and wish.shipping_amount is None:
        units, shipping_amount = await all_units(db, row)
    plan = await planned(db, row, RefundWish(units=units, shipping_amount=shipping_amount))
    if plan.amount == 0:
        raise NothingToRefund
    if wish.expected_amount not in (None, plan.amount):
        raise RefundAmountChanged(amount=plan.amount)
    made: dict[str, Any] = {
        "id": new_id(),
        "shop_id": row["shop_id"],
        "order_id": order_id,
        "member_id": member_id,
        "kind": wish.kind,
        "reason": wish.reason,
        "note": wish.note,
        "shipping_amount": shipping_amount,
        "amount": plan.amount,
        "currency": row["currency"],
        "state": AfterSalesState.REQUESTED,
        "requested_at": now,
    }
    lines = [
        {"after_sales_id": made["id"], "line_id": line_id, "quantity": quantity}
        for line_id, quantity in sorted((units or {}).items())
    ]
    if not await repository.add(db, made, lines):
        raise AfterSalesOpen
    told = {"after_sales_id": made["id"], "reason": wish.reason.value}
    await events.record(
        db,
        fact(AfterSalesRequested, row, now, amount=plan.amount, currency=row["currency"], **told),
    )
    return AfterSalesView({**_UNDECIDED, **made}, lines)


_UNDECIDED = dict.fromkeys(("decided_by", "decided_at", "decision_note", "refund_id"))


async def withdraw_after_sales(
    db: AsyncSession, member_id: UUID, request_id: UUID, *, now: datetime
) -> AfterSalesView:
    """The buyer wants nothing back any more."""
    found = await _found(db, {"member_id": member_id, "id": request_id})
    await orders.hold(db, found["order_id"])
    moved = await _move(db, found, AfterSalesState.WITHDRAWN, {"decided_at": now})
    return await _told(db, moved, now)


async def await_return(
    db: AsyncSession, shop_id: UUID, request_id: UUID, *, note_text: str, now: datetime
) -> AfterSalesView:
    """Agree to a return: the money follows once the goods are back."""
    found = await _found(db, {"shop_id": shop_id, "id": request_id})
    if found["kind"] != AfterSalesKind.RETURN_AND_REFUND:
        raise WrongAfterSalesState(state=found["state"])
    await orders.hold(db, found["order_id"])
    return await _decide(db, found, AfterSalesState.RETURNING, {"decision_note": note_text}, now)


async def reject_after_sales(
    db: AsyncSession, shop_id: UUID, request_id: UUID, *, note_text: str, now: datetime
) -> AfterSalesView:
    """Say no, and why."""
    found = await _found(db, {"shop_id": shop_id, "id": request_id})
    await orders.hold(db, found["order_id"])
    return await _decide(db, found, AfterSalesState.REJECTED, {"decision_note": note_text}, now)


@dataclass(frozen=True, slots=True)
class Granting:
    """How a request is granted; another amount than was asked for must be named."""

    note_text: str
    restock: bool
    expected_amount: int | None


async def approve_after_sales(
    db: AsyncSession, shop_id: UUID, request_id: UUID, granting: Granting, *, now: datetime
) -> AfterSalesView:
    """Grant a request: the refund is owed with the decision, or waits for a second operator.

    Two operators at once meet on the payment's row: one of them decides.
    """
    found = await _found(db, {"shop_id": shop_id, "id": request_id})
    await payments.hold(db, found["order_id"])
    row = await orders.hold(db, found["order_id"])
    lines = await repository.lines_of(db, [request_id])
    wish = RefundWish(
        units={line["line_id"]: line["quantity"] for line in lines} or None,
        shipping_amount=found["shipping_amount"],
        reason=found["reason"].value,
        reference=str(request_id),
        prefix=OF_AFTER_SALES,
        restock=granting.restock,
        expected_amount=granting.expected_amount or found["amount"],
    )
    now_at = await repository.request(db, {"id": request_id})
    assert now_at is not None, "a request is never deleted"
    _check_move(now_at, AfterSalesState.AWAITING_APPROVAL)
    made = await decide(db, row, wish, after_sales_id=request_id, now=now)
    values: dict[str, Any] = {"decision_note": granting.note_text}
    if made.refund is None:
        target = AfterSalesState.AWAITING_APPROVAL
    else:
        target = AfterSalesState.APPROVED
        values |= {"refund_id": made.refund["id"], "amount": made.refund["amount"]}
    return await _decide(db, now_at, target, values, now)


async def decide_approval(
    db: AsyncSession,
    shop_id: UUID,
    approval_id: UUID,
    *,
    is_approved: bool,
    note_text: str,
    now: datetime,
) -> sa.RowMapping:
    """A second operator says yes, and the refund is owed, or no, and the request is open again.

    A no needs no second person: whoever asked may take it back.
    """
    found = await repository.approval(db, shop_id, approval_id)
    if found is None:
        raise NotFound
    by = second_person(found) if is_approved else actor_var.get().id
    await payments.hold(db, found["order_id"])
    row = await orders.hold(db, found["order_id"])
    values: dict[str, Any] = {
        "state": ApprovalState.APPROVED if is_approved else ApprovalState.REJECTED,
        "decided_by": by,
        "decided_at": now,
        "decision_note": note_text,
    }
    decided = await repository.decide(db, approval_id, values)
    if decided is None:
        raise RefundApprovalDecided
    refund = None
    if is_approved:
        refund = await owe_approved(db, row, wish_of(decided), now=now)
        decided = await repository.note_refund(db, approval_id, refund["id"])
    await note_step(
        db, f"order.refund_{values['state'].value}", decided, {"amount": decided["amount"]}, now=now
    )
    if decided["after_sales_id"] is not None:
        await _after_approval(db, decided["after_sales_id"], refund, now)
    return decided


async def _after_approval(
    db: AsyncSession, request_id: UUID, refund: sa.RowMapping | None, now: datetime
) -> None:
    found = await _found(db, {"id": request_id})
    if refund is None:
        await _decide(db, found, AfterSalesState.REQUESTED, {}, now)
        return
    values = {"refund_id": refund["id"], "amount": refund["amount"]}
    await _decide(db, found, AfterSalesState.APPROVED, values, now)


async def _found(db: AsyncSession, which: dict[str, Any]) -> sa.RowMapping:
    found = await repository.request(db, which)
    if found is None:
        raise NotFound
    return found


def _check_move(row: Mapping[Any, Any], target: AfterSalesState) -> None:
    if row["state"] not in after_sales_from(target):
        raise WrongAfterSalesState(state=row["state"].value)


async def _move(
    db: AsyncSession, found: sa.RowMapping, target: AfterSalesState, values: dict[str, Any]
) -> sa.RowMapping:
    origins = after_sales_from(target)
    moved = await repository.move(db, found["id"], origins, {"state": target, **values})
    if moved is None:
        fresh = await _found(db, {"id": found["id"]})
        raise WrongAfterSalesState(state=fresh["state"].value)
    return moved


async def _decide(
    db: AsyncSession,
    found: sa.RowMapping,
    target: AfterSalesState,
    values: dict[str, Any],
    now: datetime,
) -> AfterSalesView:
    """The shop's decision, with who took it; the order's row is held."""
    decided = {"decided_by": actor_var.get().id, "decided_at": now, **values}
    moved = await _move(db, found, target, decided)
    change = ({"state": found["state"].value}, {"state": target.value, "amount": moved["amount"]})
    subject = ("after_sales", moved["id"])
    await note(
        db, "order.after_sales_decided", subject, at=now, shop_id=moved["shop_id"], change=change
    )
    return await _told(db, moved, now)


async def _told(db: AsyncSession, moved: sa.RowMapping, now: datetime) -> AfterSalesView:
    order = {**moved, "id": moved["order_id"]}
    told = {"after_sales_id": moved["id"], "state": moved["state"].value}
    await events.record(
        db, fact(AfterSalesDecided, order, now, refund_id=moved["refund_id"], **told)
    )
    return AfterSalesView(moved, await repository.lines_of(db, [moved["id"]]))


async def after_sales_of(db: AsyncSession, which: dict[str, Any]) -> AfterSalesView:
    """One request of a member or of a shop; anybody else's is `NotFound`."""
    found = await _found(db, which)
    return AfterSalesView(found, await repository.lines_of(db, [found["id"]]))


async def list_after_sales(
    db: AsyncSession, which: dict[str, Any], paging: Paging
) -> Slice[AfterSalesView]:
    """A page of a member's or a shop's requests, newest first."""
    after = paging.after(UUID)
    rows = await repository.requests(db, which, after[0] if after else None, paging.limit + 1)
    part = paging.cut(rows, lambda row: (row["id"],))
    lines: dict[UUID, list[sa.RowMapping]] = {}
    for line in await repository.lines_of(db, [row["id"] for row in part.rows]):
        lines.setdefault(line["after_sales_id"], []).append(line)
    views = [AfterSalesView(row, lines.get(row["id"], [])) for row in part.rows]
    return Slice(views, part.next_after)
