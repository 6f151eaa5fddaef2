"""Orders as their buyer and their shop may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.orders.repository import orders as repository
from app.payments import service as payments


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with all that belongs to it; `address` is gone after an erasure."""

    order: Mapping[Any, Any]
    lines: Sequence[Mapping[Any, Any]]
    address: Mapping[Any, Any] | None
    payments: Sequence[sa.RowMapping]
    refunds: Sequence[sa.RowMapping]


@dataclass(frozen=True, slots=True)
class OrderBrief:
    """An order with its lines, as lists show it."""

    order: sa.RowMapping
    lines: Sequence[sa.RowMapping]


async def order_of_member(db: AsyncSession, member_id: UUID, order_id: UUID) -> OrderView:
    """One order of this buyer; anybody else's is `NotFound`."""
    return await _view(db, {"member_id": member_id, "id": order_id})


async def order_of_shop(db: AsyncSession, shop_id: UUID, order_id: UUID) -> OrderView:
    """One order of this shop; another shop's is `NotFound`."""
    return await _view(db, {"shop_id": shop_id, "id": order_id})


async def _view(db: AsyncSession, which: dict[str, UUID]) -> OrderView:
    row = await repository.order_with_address(db, which)
    if row is None:
        raise NotFound
    lines = await repository.lines_of(db, [row["id"]])
    paid = await payments.payments_of_order(db, row["id"])
    owed = any(payment["refund_owed_amount"] for payment in paid)
    return OrderView(
        order=row,
        lines=lines,
        address=row if row["recipient"] is not None else None,
        payments=paid,
        refunds=await payments.refunds_of_order(db, row["id"]) if owed else (),
    )


async def orders_of_member(db: AsyncSession, member_id: UUID, paging: Paging) -> Slice[OrderBrief]:
    """A buyer's orders, newest first."""
    return await _list(db, {"member_id": member_id}, paging)


async def orders_of_shop(
    db: AsyncSession, shop_id: UUID, filters: dict[str, Any], paging: Paging
) -> Slice[OrderBrief]:
    """A shop's orders with these column values, newest first."""
    return await _list(db, {"shop_id": shop_id, **filters}, paging)


async def _list(db: AsyncSession, which: dict[str, Any], paging: Paging) -> Slice[OrderBrief]:
    after = paging.after(UUID)
    rows = await repository.list_of(db, which, after[0] if after else None, paging.limit + 1)
    part = paging.cut(rows, lambda row: (row["id"],))
    lines: dict[UUID, list[sa.RowMapping]] = {}
    for line in await repository.lines_of(db, [row["id"] for row in part.rows]):
        lines.setdefault(line["order_id"], []).append(line)
    briefs = [OrderBrief(row, lines.get(row["id"], [])) for row in part.rows]
    return Slice(briefs, part.next_after)


async def overdue(
    db: AsyncSession, *, now: datetime, after: tuple[datetime, UUID] | None, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Placed orders whose time to pay is over, by `expires_at` and id, from a place on."""
    return await repository.due(db, now, after, rows_max)
