"""Secrets shown once: invitations and API keys, kept as fingerprints."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import beyond
from app.core.sql import table
from app.identity.models import ApiKey, Invitation

_invitations = table(Invitation)
_keys = table(ApiKey)

_key_shown = (
    _keys.c.id.label("api_key_id"),
    _keys.c.name,
    _keys.c.prefix,
    _keys.c.scopes,
    _keys.c.created_by,
    _keys.c.created_at,
    _keys.c.expires_at,
    _keys.c.revoked_at,
)


async def invite(db: AsyncSession, invitation: Invitation) -> None:
    """Keep an invitation; it replaces open ones of the same e-mail to the same place."""
    await db.execute(
        sa.delete(_invitations).where(
            _invitations.c.email == invitation.email,
            _invitations.c.shop_id.is_not_distinct_from(invitation.shop_id),
            _invitations.c.accepted_at.is_(None),
        )
    )
    await db.execute(sa.insert(_invitations).values(invitation.model_dump()))


async def open_invitation(db: AsyncSession, token_hash: str, *, now: datetime) -> RowMapping | None:
    """The invitation of this token, if it can still be taken."""
    statement = sa.select(_invitations).where(
        _invitations.c.token_hash == token_hash,
        _invitations.c.accepted_at.is_(None),
        _invitations.c.expires_at > now,
    )
    return (await db.execute(statement)).mappings().first()


async def take_invitation(db: AsyncSession, invitation_id: UUID, *, now: datetime) -> bool:
    """Take it, once: of any rivals exactly one gets True."""
    statement = (
        sa.update(_invitations)
        .where(
            _invitations.c.id == invitation_id,
            _invitations.c.accepted_at.is_(None),
            _invitations.c.expires_at > now,
        )
        .values(accepted_at=now)
        .returning(_invitations.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def drop_invitations(
    db: AsyncSession, shop_id: UUID, *, email: str, invited_by: UUID
) -> None:
    """Drop the shop's open invitations to and from somebody who has to go."""
    await db.execute(
        sa.delete(_invitations).where(
            _invitations.c.shop_id == shop_id,
            _invitations.c.accepted_at.is_(None),
            sa.or_(_invitations.c.email == email, _invitations.c.invited_by == invited_by),
        )
    )


async def add_key(db: AsyncSession, key: ApiKey) -> None:
    """Keep a new API key."""
    await db.execute(sa.insert(_keys).values(key.model_dump()))


async def keys(
    db: AsyncSession, shop_id: UUID, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """API keys of a shop, newest first, revoked ones too."""
    statement = (
        sa.select(*_key_shown)
        .where(_keys.c.shop_id == shop_id)
        .order_by(_keys.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(beyond([_keys.c.id], [after], descending=True))
    return (await db.execute(statement)).mappings().all()


async def maker_of_key(db: AsyncSession, key_id: UUID) -> UUID | None:
    """The operator who made a key."""
    found = await db.execute(sa.select(_keys.c.created_by).where(_keys.c.id == key_id))
    return found.scalar_one_or_none()


async def revoke_key(db: AsyncSession, shop_id: UUID, key_id: UUID, *, now: datetime) -> bool:
    """End a live key of this shop."""
    statement = (
        sa.update(_keys)
        .where(_keys.c.id == key_id, _keys.c.shop_id == shop_id, _keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(_keys.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def prune_invitations(db: AsyncSession, *, now: datetime, rows_max: int) -> int:
    """Drop expired invitations, taken or not, at most `rows_max`: they hold e-mail addresses."""
    old = sa.select(_invitations.c.id).where(_invitations.c.expires_at <= now).limit(rows_max)
    done = await db.execute(sa.delete(_invitations).where(_invitations.c.id.in_(old)))
    return int(done.rowcount)  # type: ignore[attr-defined]
