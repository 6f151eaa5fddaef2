"""A member is erased: seats stay, as groups were made of them."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.groupbuy.repository import forgetting as repository


async def forget_member(db: AsyncSession, member_id: UUID) -> None:
    """Forget what a member has looked at. Idempotent."""
    await repository.forget(db, member_id)
