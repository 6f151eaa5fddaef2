"""A buyer is erased: the orders stay, as shops and books are made of them."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.orders.repository import forgetting as repository
from app.payments import service as payments


async def forget_member(db: AsyncSession, member_id: UUID) -> None:
    """Delete addresses, parcels' numbers and notes of a member's ended orders. Idempotent."""
    order_ids = await repository.ended_orders(db, member_id)
    await payments.forget_payer(db, order_ids)
    await repository.forget(db, order_ids)
