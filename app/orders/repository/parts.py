"""What refunds of an order were for: units of lines, money on lines, and the shipping."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, changed, given, table
from app.orders.models import OrderLine, OrderRefundPart

_lines = table(OrderLine)
_parts = table(OrderRefundPart)


async def shipping_refunded(db: AsyncSession, order_id: UUID) -> int:
    """How much of the shipping earlier refunds have paid back."""
    statement = sa.select(sa.func.coalesce(sa.func.sum(_parts.c.amount), 0)).where(
        _parts.c.order_id == order_id, _parts.c.line_id.is_(None)
    )
    return int((await db.execute(statement)).scalar_one())


async def take_from_lines(db: AsyncSession, parts: Sequence[dict[str, Any]]) -> bool:
    """Count refunded units and money on lines; CHECKs stand behind the caller's arithmetic."""
    columns: dict[str, sa.types.TypeEngine[Any]] = {
        "line_id": sa.Uuid(),
        "quantity": sa.Integer(),
        "amount": sa.BigInteger(),
    }
    taken = given(db, "taken", columns, parts)
    statement = (
        sa.update(_lines)
        .where(_lines.c.id == taken.c.line_id)
        .values(
            refunded_quantity=_lines.c.refunded_quantity + taken.c.quantity,
            refunded_amount=_lines.c.refunded_amount + taken.c.amount,
        )
    )
    return await changed(db, statement) == len(parts)


async def amounts_of(db: AsyncSession, order_id: UUID) -> dict[UUID, int]:
    """What the parts of each refund of an order come to."""
    statement = (
        sa.select(_parts.c.refund_id, sa.func.sum(_parts.c.amount))
        .where(_parts.c.order_id == order_id)
        .group_by(_parts.c.refund_id)
    )
    return {refund_id: int(amount) for refund_id, amount in await db.execute(statement)}


async def drop_parts(db: AsyncSession, refund_id: UUID) -> None:
    """Forget what a refund was for, and give it back to the lines."""
    found = await all_rows(
        db, sa.delete(_parts).where(_parts.c.refund_id == refund_id).returning(_parts)
    )
    back = [
        {"line_id": row["line_id"], "quantity": -row["quantity"], "amount": -row["amount"]}
        for row in found
        if row["line_id"] is not None
    ]
    if back:
        await take_from_lines(db, back)


async def add_parts(db: AsyncSession, parts: Sequence[dict[str, Any]]) -> None:
    """Keep what a refund was for."""
    await db.execute(sa.insert(_parts), list(parts))
