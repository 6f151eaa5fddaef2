"""What orders hold of their buyer."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, ids_in, table
from app.orders.models import AfterSales, Order, OrderAddress, OrderStatus, RefundApproval

_orders = table(Order)
_addresses = table(OrderAddress)
_after_sales, _approvals = table(AfterSales), table(RefundApproval)


async def ended_orders(db: AsyncSession, member_id: UUID) -> Sequence[UUID]:
    """Orders of a member that nobody has to pay any more, in the order of locks."""
    mine = sa.and_(_orders.c.member_id == member_id, _orders.c.status != OrderStatus.PLACED)
    rows = await all_rows(db, sa.select(_orders.c.id).where(mine).order_by(_orders.c.id))
    return [row["id"] for row in rows]


async def forget(db: AsyncSession, order_ids: Sequence[UUID]) -> None:
    """Delete where orders went and by which parcel, and what was written about them."""
    await db.execute(sa.delete(_addresses).where(ids_in(db, _addresses.c.order_id, order_ids)))
    await db.execute(
        sa.update(_orders)
        .where(ids_in(db, _orders.c.id, order_ids), _orders.c.tracking_number.is_not(None))
        .values(tracking_number=None)
    )
    await db.execute(
        sa.update(_after_sales)
        .where(ids_in(db, _after_sales.c.order_id, order_ids))
        .values(note="", decision_note=None)
    )
    await db.execute(
        sa.update(_approvals)
        .where(
            ids_in(db, _approvals.c.order_id, order_ids), _approvals.c.decision_note.is_not(None)
        )
        .values(decision_note=None)
    )
