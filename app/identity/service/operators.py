"""Operators: their accounts, and signing in by e-mail and password."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import AlreadyExists, NotFound
from app.core.ids import new_id
from app.identity.errors import CredentialsRefused
from app.identity.models import Operator, OperatorLogin, OperatorStatus, SessionKind
from app.identity.repository import operators as repository
from app.identity.repository import sessions as session_repository
from app.identity.rules import PlatformRole, normalised_email
from app.identity.service.desk import Desk
from app.identity.service.sessions import Grant, open_session


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A change of password: the one held and the one wanted."""

    current: str
    wanted: str


async def create_operator(
    db: AsyncSession,
    *,
    email: str,
    password_hash: str,
    platform_role: PlatformRole | None = None,
    now: datetime,
) -> UUID:
    """A new operator; `AlreadyExists` where the e-mail is taken.

    It takes the hash and not the password, so that hashing never happens in a transaction:
    `password_hash = await Passwords().hash(password)`.
    """
    operator_id = new_id()
    operator = Operator(
        id=operator_id,
        created_at=now,
        status=OperatorStatus.ACTIVE,
        platform_role=platform_role,
    )
    login = OperatorLogin(
        operator_id=operator_id,
        email=normalised_email(email),
        password_hash=password_hash,
        password_changed_at=now,
    )
    if not await repository.add(db, operator, login):
        raise AlreadyExists
    change = (None, {"platform_role": platform_role})
    await note(db, "identity.operator_created", ("operator", operator_id), at=now, change=change)
    return operator_id


async def sign_in(db: AsyncSession, email: str, password: str, *, desk: Desk) -> Grant:
    """A session for e-mail and password; every failure is answered alike and takes as long."""
    login = await repository.login_by_email(db, normalised_email(email))
    await check_password(db, login, password, desk=desk)
    if login is None:
        raise CredentialsRefused
    return await open_session(db, SessionKind.OPERATOR, login["operator_id"], desk=desk)


async def check_password(
    db: AsyncSession, login: RowMapping | None, password: str, *, desk: Desk
) -> None:
    """Refuse unless the password fits and the login is not locked; failures are counted.

    Verifying happens outside the transaction, and whether it counts is decided by one
    conditional update after it: guesses sent all at once do not get past the lock, and a password
    changed meanwhile no longer opens.
    """
    is_active = login is not None and login["status"] is OperatorStatus.ACTIVE
    kept_hash: str | None = login["password_hash"] if login and is_active else None
    async with desk.outside():
        verdict = await desk.passwords.verify(password, kept_hash)
    if login is None or kept_hash is None:
        raise CredentialsRefused
    operator_id = login["operator_id"]
    if not verdict.fits:
        await _count_failure(db, operator_id, desk=desk)
        async with desk.outside():
            raise CredentialsRefused
    fresh_hash = verdict.fresh_hash or kept_hash
    if not await repository.confirm_password(db, operator_id, kept_hash, fresh_hash, now=desk.now):
        raise CredentialsRefused


async def change_password(
    db: AsyncSession, operator_id: UUID, session_id: UUID, new: NewPassword, *, desk: Desk
) -> None:
    """Replace the password and end all other sessions of the operator."""
    login = await repository.login_of(db, operator_id)
    async with desk.outside():
        wanted_hash = await desk.passwords.hash(new.wanted)
    await check_password(db, login, new.current, desk=desk)
    await repository.set_password(db, operator_id, wanted_hash, now=desk.now)
    await session_repository.revoke_others(db, operator_id, session_id, now=desk.now)
    await note(db, "identity.password_changed", ("operator", operator_id), at=desk.now)


async def me(db: AsyncSession, operator_id: UUID) -> RowMapping:
    """An operator's own account."""
    row = await repository.me(db, operator_id)
    if row is None:
        raise NotFound
    return row


async def _count_failure(db: AsyncSession, operator_id: UUID, *, desk: Desk) -> None:
    lock_until = desk.now + timedelta(seconds=desk.settings.lockout_seconds)
    locked = await repository.count_failure(
        db,
        operator_id,
        failures_max=desk.settings.lockout_failures,
        lock_until=lock_until,
        now=desk.now,
    )
    if locked:
        change = (None, {"locked_until": lock_until})
        await note(
            db, "identity.login_locked", ("operator", operator_id), at=desk.now, change=change
        )
