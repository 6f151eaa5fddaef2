"""What communities know of one member."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.community.models import (
    AudienceMember,
    Community,
    Membership,
    MembershipStatus,
    MemberTag,
)
from app.core.sql import all_rows, table

_communities = table(Community)
_memberships = table(Membership)
_ABOUT = (table(MemberTag), table(AudienceMember))


async def communities_of(db: AsyncSession, member_id: UUID) -> list[Community]:
    """Every community that somebody belongs to, archived ones too, in the order of locks."""
    mine = sa.and_(
        _memberships.c.community_id == _communities.c.id,
        _memberships.c.member_id == member_id,
        _memberships.c.status == MembershipStatus.ACTIVE,
    )
    statement = sa.select(_communities).join(_memberships, mine).order_by(_communities.c.id)
    return [Community(**row) for row in await all_rows(db, statement)]


async def forget(db: AsyncSession, member_id: UUID) -> None:
    """Delete the words a member is described by, and the audiences it was put in."""
    for about in _ABOUT:
        await db.execute(sa.delete(about).where(about.c.member_id == member_id))
