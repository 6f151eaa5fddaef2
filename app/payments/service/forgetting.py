"""A payer is erased: the payments stay, as the books are made of them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.payments.repository import forgetting as repository


async def forget_payer(db: AsyncSession, order_ids: Sequence[UUID]) -> None:
    """Empty what leads from the payments of these orders to who has paid. Idempotent."""
    await repository.forget(db, order_ids)
