"""Sessions, and the one statement that proves the caller of every request."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import beyond
from app.core.sql import table
from app.identity.models import (
    ApiKey,
    Member,
    MemberStatus,
    Operator,
    OperatorRole,
    OperatorStatus,
    Session,
    SessionKind,
)

_sessions = table(Session)
_members = table(Member)
_operators = table(Operator)
_roles = table(OperatorRole)
_keys = table(ApiKey)

# Built once, so that the hot path only binds values.
_of_session = (
    _sessions.c.id == sa.bindparam("session_id"),
    _sessions.c.subject_id == sa.bindparam("subject_id"),
    _sessions.c.revoked_at.is_(None),
    _sessions.c.expires_at > sa.bindparam("now"),
)
_member_of_session = (
    sa.select(_members.c.id)
    .join(_sessions, _sessions.c.subject_id == _members.c.id)
    .where(
        *_of_session,
        _sessions.c.kind == SessionKind.MEMBER,
        _members.c.status == MemberStatus.ACTIVE,
    )
)
_operator_of_session = (
    sa.select(_operators.c.platform_role, _roles.c.shop_id, _roles.c.role)
    .join(_sessions, _sessions.c.subject_id == _operators.c.id)
    .outerjoin(_roles, _roles.c.operator_id == _operators.c.id)
    .where(
        *_of_session,
        _sessions.c.kind == SessionKind.OPERATOR,
        _operators.c.status == OperatorStatus.ACTIVE,
    )
)
_key_of_hash = sa.select(_keys.c.id, _keys.c.shop_id, _keys.c.scopes).where(
    _keys.c.key_hash == sa.bindparam("key_hash"),
    _keys.c.revoked_at.is_(None),
    sa.or_(_keys.c.expires_at.is_(None), _keys.c.expires_at > sa.bindparam("now")),
)
# A blocked member or a disabled operator gets no new access token from an old session.
_subject_is_active = sa.or_(
    sa.and_(
        _sessions.c.kind == SessionKind.MEMBER,
        sa.exists().where(
            _members.c.id == _sessions.c.subject_id, _members.c.status == MemberStatus.ACTIVE
        ),
    ),
    sa.and_(
        _sessions.c.kind == SessionKind.OPERATOR,
        sa.exists().where(
            _operators.c.id == _sessions.c.subject_id,
            _operators.c.status == OperatorStatus.ACTIVE,
        ),
    ),
)


async def has_member(
    db: AsyncSession, session_id: UUID, subject_id: UUID, *, now: datetime
) -> bool:
    """Whether the session is live and its member active."""
    values = {"session_id": session_id, "subject_id": subject_id, "now": now}
    return (await db.execute(_member_of_session, values)).first() is not None


async def operator_rows(
    db: AsyncSession, session_id: UUID, subject_id: UUID, *, now: datetime
) -> Sequence[RowMapping]:
    """(platform role, shop, role) for each shop of the session's operator; empty: not live."""
    values = {"session_id": session_id, "subject_id": subject_id, "now": now}
    return (await db.execute(_operator_of_session, values)).mappings().all()


async def live_key(db: AsyncSession, key_hash: str, *, now: datetime) -> RowMapping | None:
    """The API key of this fingerprint unless revoked or expired."""
    values = {"key_hash": key_hash, "now": now}
    return (await db.execute(_key_of_hash, values)).mappings().first()


async def add(db: AsyncSession, session: Session) -> None:
    """Keep a new session."""
    await db.execute(sa.insert(_sessions).values(session.model_dump()))


async def rotate(
    db: AsyncSession, old_hash: str, new_hash: str, *, now: datetime
) -> RowMapping | None:
    """Replace the refresh hash where it is still the given one; one of any rivals gets the row."""
    statement = (
        sa.update(_sessions)
        .where(
            _sessions.c.refresh_hash == old_hash,
            _sessions.c.revoked_at.is_(None),
            _sessions.c.expires_at > now,
            _subject_is_active,
        )
        .values(refresh_hash=new_hash, previous_hash=old_hash)
        .returning(_sessions.c.id, _sessions.c.kind, _sessions.c.subject_id)
    )
    return (await db.execute(statement)).mappings().first()


async def revoke_by_previous(db: AsyncSession, used_hash: str, *, now: datetime) -> UUID | None:
    """End the session whose refresh token was replaced by a newer one before."""
    statement = (
        sa.update(_sessions)
        .where(_sessions.c.previous_hash == used_hash, _sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(_sessions.c.id)
    )
    revoked: UUID | None = (await db.execute(statement)).scalar()
    return revoked


async def revoke(db: AsyncSession, session_id: UUID, subject_id: UUID, *, now: datetime) -> bool:
    """End one live session of this subject."""
    statement = (
        sa.update(_sessions)
        .where(
            _sessions.c.id == session_id,
            _sessions.c.subject_id == subject_id,
            _sessions.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(_sessions.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def revoke_others(db: AsyncSession, subject_id: UUID, keep: UUID, *, now: datetime) -> None:
    """End all live sessions of this subject but one."""
    await db.execute(
        sa.update(_sessions)
        .where(
            _sessions.c.subject_id == subject_id,
            _sessions.c.id != keep,
            _sessions.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )


async def live_of(
    db: AsyncSession, subject_id: UUID, after: UUID | None, limit: int, *, now: datetime
) -> Sequence[RowMapping]:
    """Live sessions of a subject, newest first."""
    statement = (
        sa.select(
            _sessions.c.id.label("session_id"), _sessions.c.created_at, _sessions.c.expires_at
        )
        .where(
            _sessions.c.subject_id == subject_id,
            _sessions.c.revoked_at.is_(None),
            _sessions.c.expires_at > now,
        )
        .order_by(_sessions.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(beyond([_sessions.c.id], [after], descending=True))
    return (await db.execute(statement)).mappings().all()


async def prune(db: AsyncSession, *, now: datetime, rows_max: int) -> int:
    """Drop expired sessions, at most `rows_max`."""
    old = sa.select(_sessions.c.id).where(_sessions.c.expires_at <= now).limit(rows_max)
    done = await db.execute(sa.delete(_sessions).where(_sessions.c.id.in_(old)))
    return int(done.rowcount)  # type: ignore[attr-defined]
