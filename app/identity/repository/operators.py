"""Operators, how they sign in, and the roles they hold."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import beyond
from app.core.sql import table, upsert
from app.identity.models import Operator, OperatorLogin, OperatorRole
from app.identity.rules import PlatformRole, ShopRole

_operators = table(Operator)
_logins = table(OperatorLogin)
_roles = table(OperatorRole)

_with_status = sa.select(
    _logins.c.operator_id, _logins.c.email, _logins.c.password_hash, _operators.c.status
).join(_operators, _operators.c.id == _logins.c.operator_id)


def _not_locked(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(_logins.c.locked_until.is_(None), _logins.c.locked_until <= now)


async def add(db: AsyncSession, operator: Operator, login: OperatorLogin) -> bool:
    """A new operator with a login; False, and no trace, where the e-mail has one already."""
    await db.execute(sa.insert(_operators).values(operator.model_dump()))
    statement = (
        upsert(db, _logins)
        .values(login.model_dump())
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(_logins.c.operator_id)
    )
    if (await db.execute(statement)).first() is not None:
        return True
    await db.execute(sa.delete(_operators).where(_operators.c.id == operator.id))
    return False


async def login_by_email(db: AsyncSession, email: str) -> RowMapping | None:
    """The login of this normalised e-mail, with its operator's status."""
    statement = _with_status.where(_logins.c.email == email)
    return (await db.execute(statement)).mappings().first()


async def login_of(db: AsyncSession, operator_id: UUID) -> RowMapping | None:
    """The login of this operator, with the operator's status."""
    statement = _with_status.where(_logins.c.operator_id == operator_id)
    return (await db.execute(statement)).mappings().first()


async def count_failure(
    db: AsyncSession, operator_id: UUID, *, failures_max: int, lock_until: datetime, now: datetime
) -> bool:
    """Count one failure in a row; True when it was the one that locked the login.

    While locked nothing is counted, so the lock ends when it was said to; after it counting
    starts anew.
    """
    failures = sa.case((_logins.c.locked_until.is_not(None), 1), else_=_logins.c.failures + 1)
    statement = (
        sa.update(_logins)
        .where(_logins.c.operator_id == operator_id, _not_locked(now))
        .values(
            failures=failures,
            locked_until=sa.case(
                (failures >= failures_max, sa.literal(lock_until, _logins.c.locked_until.type)),
                else_=sa.null(),
            ),
        )
        .returning(_logins.c.locked_until)
    )
    return (await db.execute(statement)).scalar() is not None


async def confirm_password(
    db: AsyncSession, operator_id: UUID, verified_hash: str, kept_hash: str, *, now: datetime
) -> bool:
    """Forget failures, unless the login was locked or its password changed since it was read."""
    statement = (
        sa.update(_logins)
        .where(
            _logins.c.operator_id == operator_id,
            _logins.c.password_hash == verified_hash,
            _not_locked(now),
        )
        .values(failures=0, locked_until=None, password_hash=kept_hash)
        .returning(_logins.c.operator_id)
    )
    return (await db.execute(statement)).first() is not None


async def set_password(
    db: AsyncSession, operator_id: UUID, password_hash: str, *, now: datetime
) -> None:
    """Replace the password."""
    await db.execute(
        sa.update(_logins)
        .where(_logins.c.operator_id == operator_id)
        .values(password_hash=password_hash, password_changed_at=now)
    )


async def me(db: AsyncSession, operator_id: UUID) -> RowMapping | None:
    """An operator's own account, roles aside."""
    statement = (
        sa.select(
            _operators.c.id.label("operator_id"),
            _operators.c.created_at,
            _operators.c.platform_role,
            _logins.c.email,
            _logins.c.password_changed_at,
        )
        .join(_logins, _logins.c.operator_id == _operators.c.id)
        .where(_operators.c.id == operator_id)
    )
    return (await db.execute(statement)).mappings().first()


async def role_of(db: AsyncSession, operator_id: UUID, shop_id: UUID) -> ShopRole | None:
    """The role held in one shop."""
    statement = sa.select(_roles.c.role).where(
        _roles.c.operator_id == operator_id, _roles.c.shop_id == shop_id
    )
    role: ShopRole | None = (await db.execute(statement)).scalar()
    return role


async def grant_role(db: AsyncSession, operator_id: UUID, shop_id: UUID, role: ShopRole) -> bool:
    """Give or change the role in a shop; an owner stays owner. True when something changed."""
    statement = upsert(db, _roles).values(operator_id=operator_id, shop_id=shop_id, role=role)
    statement = statement.on_conflict_do_update(
        index_elements=["operator_id", "shop_id"],
        set_={"role": statement.excluded.role},
        where=sa.and_(_roles.c.role != ShopRole.OWNER, _roles.c.role != statement.excluded.role),
    ).returning(_roles.c.role)
    return (await db.execute(statement)).first() is not None


async def grant_platform_role(db: AsyncSession, operator_id: UUID, role: PlatformRole) -> bool:
    """Give a platform role; an admin stays admin. True when something changed."""
    held = _operators.c.platform_role
    statement = (
        sa.update(_operators)
        .where(
            _operators.c.id == operator_id,
            sa.or_(held.is_(None), sa.and_(held != PlatformRole.ADMIN, held != role)),
        )
        .values(platform_role=role)
        .returning(_operators.c.id)
    )
    return (await db.execute(statement)).first() is not None


async def remove_role(db: AsyncSession, operator_id: UUID, shop_id: UUID) -> ShopRole | None:
    """Take a role away unless it is the last owner's; the role that was taken.

    The owners of the shop are locked, in order, before they are counted: of two owners who
    remove each other at once, one goes and the other stays.
    """
    owners = (
        sa.select(_roles.c.operator_id)
        .where(_roles.c.shop_id == shop_id, _roles.c.role == ShopRole.OWNER)
        .order_by(_roles.c.operator_id)
        .with_for_update()
        .cte("owners")
    )
    others = sa.select(sa.func.count()).select_from(owners).scalar_subquery()
    statement = (
        sa.delete(_roles)
        .where(
            _roles.c.operator_id == operator_id,
            _roles.c.shop_id == shop_id,
            sa.or_(others > 1, _roles.c.role != ShopRole.OWNER),
        )
        .returning(_roles.c.role)
    )
    role: ShopRole | None = (await db.execute(statement)).scalar()
    return role


async def staff(
    db: AsyncSession, shop_id: UUID, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Those who have a role in the shop."""
    statement = (
        sa.select(_roles.c.operator_id, _roles.c.role, _logins.c.email)
        .join(_logins, _logins.c.operator_id == _roles.c.operator_id)
        .where(_roles.c.shop_id == shop_id)
        .order_by(_roles.c.operator_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(beyond([_roles.c.operator_id], [after], descending=False))
    return (await db.execute(statement)).mappings().all()
