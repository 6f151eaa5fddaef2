"""A member is erased: who it was is forgotten, that it was is not."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.http.idempotency import forget_answers
from app.identity.repository import forgetting as repository


async def hold_for_erasure(db: AsyncSession, member_id: UUID) -> datetime | None:
    """Let nobody begin anything with this member meanwhile; when it was erased, if it was.

    `NotFound` for nobody.
    """
    row = await repository.hold(db, member_id)
    if row is None:
        raise NotFound
    erased_at: datetime | None = row["erased_at"]
    return erased_at


async def forget_member(db: AsyncSession, member_id: UUID) -> None:
    """Delete names, phone, addresses, WeChat accounts, sessions and kept answers of a member.

    Idempotent. Whoever signs in with the same WeChat account afterwards is a new member.
    """
    await repository.forget(db, member_id)
    await forget_answers(db, member_id)


async def mark_erased(db: AsyncSession, member_id: UUID, *, now: datetime) -> None:
    """Say that a member was erased, for good."""
    await repository.mark_erased(db, member_id, now)


async def erased_since(
    db: AsyncSession, since: datetime, after: UUID | None, limit: int
) -> Sequence[UUID]:
    """Members erased since then, a page by id."""
    return await repository.erased_since(db, since, after, limit)
