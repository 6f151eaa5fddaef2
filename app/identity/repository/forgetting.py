"""Who a member is, held still and then forgotten."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.i18n import DEFAULT_LANGUAGE
from app.core.sql import all_rows, first_row, table
from app.identity.models import (
    Member,
    MemberAddress,
    MemberPhone,
    MemberProfile,
    MemberStatus,
    MemberWechat,
    Session,
)

_members = table(Member)
_sessions = table(Session)
_PERSONAL = (
    table(MemberProfile),
    table(MemberWechat),
    table(MemberPhone),
    table(MemberAddress),
)


async def hold(db: AsyncSession, member_id: UUID) -> sa.RowMapping | None:
    """The member's row, held: whoever writes a row that points at it waits, or has written it."""
    statement = sa.select(_members.c.status, _members.c.erased_at).where(_members.c.id == member_id)
    return await first_row(db, statement.with_for_update())


async def forget(db: AsyncSession, member_id: UUID) -> None:
    """Delete all that tells who a member is, and every way in."""
    for personal in _PERSONAL:
        await db.execute(sa.delete(personal).where(personal.c.member_id == member_id))
    await db.execute(sa.delete(_sessions).where(_sessions.c.subject_id == member_id))


async def mark_erased(db: AsyncSession, member_id: UUID, now: datetime) -> None:
    """Keep of a member that it was, for the orders and books that name it."""
    values = {"status": MemberStatus.ERASED, "erased_at": now, "language": DEFAULT_LANGUAGE}
    await db.execute(sa.update(_members).where(_members.c.id == member_id).values(**values))


async def erased_since(
    db: AsyncSession, since: datetime, after: UUID | None, limit: int
) -> Sequence[UUID]:
    """Members erased since then, a page by id."""
    statement = sa.select(_members.c.id).where(_members.c.erased_at >= since)
    if after is not None:
        statement = statement.where(_members.c.id > after)
    rows = await all_rows(db, statement.order_by(_members.c.id).limit(limit))
    return [row["id"] for row in rows]
