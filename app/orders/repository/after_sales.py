"""SQL of requests after the sale, of their approvals, and of orders that close."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, changed, first_row, table, upsert
from app.orders.models import (
    AfterSales,
    AfterSalesLine,
    AfterSalesState,
    ApprovalState,
    Fulfilment,
    Order,
    OrderDispute,
    OrderRefundPart,
    OrderStatus,
    RefundApproval,
)

_requests = table(AfterSales)
_lines = table(AfterSalesLine)
_approvals = table(RefundApproval)
_orders = table(Order)
_parts = table(OrderRefundPart)

OPEN_STATES = (
    AfterSalesState.REQUESTED,
    AfterSalesState.RETURNING,
    AfterSalesState.AWAITING_APPROVAL,
)
Rows = Sequence[sa.RowMapping]


async def add(db: AsyncSession, values: dict[str, Any], lines: Sequence[dict[str, Any]]) -> bool:
    """Insert a request with its lines unless the order has an open one; says whether it did."""
    if not await changed(db, upsert(db, _requests).values(**values).on_conflict_do_nothing()):
        return False
    if lines:
        await db.execute(sa.insert(_lines), list(lines))
    return True


async def request(db: AsyncSession, which: dict[str, Any]) -> sa.RowMapping | None:
    """The request that has these column values."""
    return await first_row(db, sa.select(_requests).where(*_mine(_requests, which)))


async def requests(db: AsyncSession, which: dict[str, Any], after: UUID | None, limit: int) -> Rows:
    """Requests that have these column values, newest first, from an id on."""
    return await _page(db, _requests, which, after, limit)


async def lines_of(db: AsyncSession, request_ids: Sequence[UUID]) -> Rows:
    """The lines of requests; no statement for none."""
    if not request_ids:
        return ()
    mine = _lines.c.after_sales_id.in_(request_ids)
    return await all_rows(db, sa.select(_lines).where(mine).order_by(_lines.c.line_id))


async def move(
    db: AsyncSession,
    request_id: UUID,
    origins: Sequence[AfterSalesState],
    values: dict[str, Any],
) -> sa.RowMapping | None:
    """Move a request that is in one of these states; `None` where it is not."""
    statement = (
        sa.update(_requests)
        .where(_requests.c.id == request_id, _requests.c.state.in_(origins))
        .values(**values)
        .returning(_requests)
    )
    return await first_row(db, statement)


async def add_approval(db: AsyncSession, values: dict[str, Any]) -> sa.RowMapping | None:
    """Insert a refund that waits, unless another of its order does."""
    statement = upsert(db, _approvals).values(**values).on_conflict_do_nothing()
    return await first_row(db, statement.returning(_approvals))


async def approval(db: AsyncSession, shop_id: UUID, approval_id: UUID) -> sa.RowMapping | None:
    """One refund of this shop that waits or waited."""
    mine = _mine(_approvals, {"shop_id": shop_id, "id": approval_id})
    return await first_row(db, sa.select(_approvals).where(*mine))


async def approvals(
    db: AsyncSession, which: dict[str, Any], after: UUID | None, limit: int
) -> Rows:
    """Refunds that wait or waited and have these column values, newest first, from an id on."""
    return await _page(db, _approvals, which, after, limit)


async def decide(
    db: AsyncSession, approval_id: UUID, values: dict[str, Any]
) -> sa.RowMapping | None:
    """Decide a refund that waits; `None` where it was decided already."""
    statement = (
        sa.update(_approvals)
        .where(_approvals.c.id == approval_id, _approvals.c.state == ApprovalState.AWAITING)
        .values(**values)
        .returning(_approvals)
    )
    return await first_row(db, statement)


async def note_refund(db: AsyncSession, approval_id: UUID, refund_id: UUID) -> sa.RowMapping:
    """Say which refund became of an approval."""
    statement = (
        sa.update(_approvals)
        .where(_approvals.c.id == approval_id)
        .values(refund_id=refund_id)
        .returning(_approvals)
    )
    row: sa.RowMapping = (await db.execute(statement)).mappings().one()
    return row


async def withheld(db: AsyncSession, order_id: UUID) -> int:
    """What earlier refunds have withheld of units' shares, less what they gave back."""
    total = sa.select(sa.func.coalesce(sa.func.sum(_parts.c.withheld_amount), 0))
    return int((await db.execute(total.where(_parts.c.order_id == order_id))).scalar_one())


async def snapshot(db: AsyncSession, order_id: UUID) -> dict[str, Any]:
    """The quote an order was placed on."""
    statement = sa.select(_orders.c.priced).where(_orders.c.id == order_id)
    priced: dict[str, Any] = (await db.execute(statement)).scalar_one()
    return priced


async def hold_received(
    db: AsyncSession, *, received_before: datetime, rows_max: int
) -> Sequence[UUID]:
    """Take the locks of paid orders received by then, the first received first."""
    due = (
        sa.select(_orders.c.id)
        .where(
            _orders.c.status == OrderStatus.PAID,
            _orders.c.fulfilment == Fulfilment.RECEIVED,
            _orders.c.received_at <= received_before,
            ~_is_open(),
        )
        .order_by(_orders.c.received_at)
        .limit(rows_max)
        .with_for_update(skip_locked=True)
        # As a subquery of IN the planner may run it again for each row, past its limit.
        .cte("due")
    )
    statement = (
        sa.update(_orders)
        .where(_orders.c.id.in_(sa.select(due.c.id)))
        .values(refunded_amount=_orders.c.refunded_amount)
        .returning(_orders.c.id)
    )
    return list((await db.execute(statement)).scalars())


async def close(db: AsyncSession, order_ids: Sequence[UUID], *, now: datetime) -> Rows:
    """Close held orders about which nothing is open; a request that came before has committed."""
    statement = (
        sa.update(_orders)
        .where(
            _orders.c.id.in_(order_ids),
            _orders.c.status == OrderStatus.PAID,
            _orders.c.fulfilment == Fulfilment.RECEIVED,
            ~_is_open(),
        )
        .values(status=OrderStatus.CLOSED, ended_at=now)
        .returning(_orders.c.id, _orders.c.shop_id, _orders.c.member_id)
    )
    return await all_rows(db, statement)


def _is_open() -> sa.ColumnElement[bool]:
    """Somebody has yet to decide about the order: the shop, a second operator, or a bank."""
    asked = sa.exists().where(
        _requests.c.order_id == _orders.c.id, _requests.c.state.in_(OPEN_STATES)
    )
    waits = sa.exists().where(
        _approvals.c.order_id == _orders.c.id, _approvals.c.state == ApprovalState.AWAITING
    )
    return sa.or_(asked, waits, _orders.c.dispute == OrderDispute.OPEN)


def _mine(target: sa.Table, which: dict[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [target.c[name] == value for name, value in which.items()]


async def _page(
    db: AsyncSession, target: sa.Table, which: dict[str, Any], after: UUID | None, limit: int
) -> Rows:
    statement = sa.select(target).where(*_mine(target, which))
    if after is not None:
        statement = statement.where(target.c.id < after)
    return await all_rows(db, statement.order_by(target.c.id.desc()).limit(limit))
