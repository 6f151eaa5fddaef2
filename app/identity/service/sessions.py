"""Sessions: opened by sign-in, prolonged by rotating refresh tokens, ended by their owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.core.security import Claims, PrincipalKind, fingerprint, new_secret
from app.identity.errors import RefreshRefused
from app.identity.models import Session, SessionKind
from app.identity.repository import sessions as repository
from app.identity.service.desk import Desk

log = structlog.get_logger("identity")
REFRESH_PREFIX = "qpr"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client gets to act with: a short-lived token, and the one to renew it by."""

    access_token: str
    refresh_token: str
    expires_in_seconds: int


async def open_session(
    db: AsyncSession, kind: SessionKind, subject_id: UUID, *, desk: Desk
) -> Grant:
    """Start a session; its end is fixed now, refreshing does not move it."""
    refresh_token = new_secret(REFRESH_PREFIX)
    session = Session(
        id=new_id(),
        kind=kind,
        subject_id=subject_id,
        refresh_hash=fingerprint(refresh_token),
        created_at=desk.now,
        expires_at=desk.now + timedelta(seconds=desk.settings.refresh_token_ttl_seconds),
    )
    await repository.add(db, session)
    return _grant(Claims(subject_id, session.id, PrincipalKind(kind)), refresh_token, desk)


async def refresh(db: AsyncSession, refresh_token: str, *, desk: Desk) -> Grant:
    """Exchange a refresh token for new ones, once; coming again it ends the session.

    A token that was exchanged before is in two hands, one of them a thief's. Nobody can tell
    which, so both have to sign in again.
    """
    used_hash, fresh = fingerprint(refresh_token), new_secret(REFRESH_PREFIX)
    row = await repository.rotate(db, used_hash, fingerprint(fresh), now=desk.now)
    if row is None:
        stolen = await repository.revoke_by_previous(db, used_hash, now=desk.now)
        if stolen is not None:
            log.warning("refresh_reused", session_id=str(stolen))
        async with desk.outside():
            raise RefreshRefused
    claims = Claims(row["subject_id"], row["id"], PrincipalKind(row["kind"]))
    return _grant(claims, fresh, desk)


async def end_session(
    db: AsyncSession, session_id: UUID, subject_id: UUID, *, now: datetime
) -> None:
    """End one of the subject's own live sessions; `NotFound` for any other."""
    if not await repository.revoke(db, session_id, subject_id, now=now):
        raise NotFound


async def sessions_of(
    db: AsyncSession, subject_id: UUID, paging: Paging, *, now: datetime
) -> Slice[RowMapping]:
    """The subject's live sessions, newest first."""
    after = paging.after(UUID)
    rows: Sequence[RowMapping] = await repository.live_of(
        db, subject_id, after[0] if after else None, paging.limit + 1, now=now
    )
    return paging.cut(rows, lambda row: (row["session_id"],))


def _grant(claims: Claims, refresh_token: str, desk: Desk) -> Grant:
    return Grant(
        access_token=desk.tokens.access(claims, now=desk.now),
        refresh_token=refresh_token,
        expires_in_seconds=desk.settings.access_token_ttl_seconds,
    )
