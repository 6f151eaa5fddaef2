"""Members, their profiles, WeChat accounts and addresses."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import ids_in, table, upsert
from app.identity.models import (
    Member,
    MemberAddress,
    MemberPhone,
    MemberProfile,
    MemberStatus,
    MemberWechat,
)

_members = table(Member)
_profiles = table(MemberProfile)
_wechats = table(MemberWechat)
_phones = table(MemberPhone)
_addresses = table(MemberAddress)

_address_shown = (
    _addresses.c.id.label("address_id"),
    _addresses.c.recipient,
    _addresses.c.phone,
    _addresses.c.province,
    _addresses.c.city,
    _addresses.c.district,
    _addresses.c.street,
    _addresses.c.detail,
    _addresses.c.postal_code,
    _addresses.c.is_default,
)


async def by_wechat(db: AsyncSession, app_id: str, openid: str) -> RowMapping | None:
    """The member of a WeChat account: id, status, and the unionid known so far."""
    statement = (
        sa.select(_members.c.id, _members.c.status, _wechats.c.unionid)
        .join(_wechats, _wechats.c.member_id == _members.c.id)
        .where(_wechats.c.app_id == app_id, _wechats.c.openid == openid)
    )
    return (await db.execute(statement)).mappings().first()


async def openid_of(db: AsyncSession, member_id: UUID, app_id: str) -> str | None:
    """The openid of a member in one app, the same one each time."""
    statement = (
        sa.select(_wechats.c.openid)
        .where(_wechats.c.member_id == member_id, _wechats.c.app_id == app_id)
        .order_by(_wechats.c.openid)
        .limit(1)
    )
    return (await db.execute(statement)).scalar()


async def add(
    db: AsyncSession, member_id: UUID, nickname: str | None, *, language: str, now: datetime
) -> None:
    """A new member with a profile."""
    await db.execute(
        sa.insert(_members).values(
            id=member_id, created_at=now, status=MemberStatus.ACTIVE, language=language
        )
    )
    await db.execute(
        sa.insert(_profiles).values(member_id=member_id, nickname=nickname, shown_to_fellows=False)
    )


async def claim_wechat(db: AsyncSession, account: MemberWechat) -> bool:
    """Tie a WeChat account to its member; False where a rival has done so first."""
    statement = (
        upsert(db, _wechats)
        .values(account.model_dump())
        .on_conflict_do_nothing(index_elements=["app_id", "openid"])
        .returning(_wechats.c.member_id)
    )
    return (await db.execute(statement)).first() is not None


async def drop(db: AsyncSession, member_id: UUID) -> None:
    """Take back a member made in this transaction, which nothing refers to yet."""
    await db.execute(sa.delete(_profiles).where(_profiles.c.member_id == member_id))
    await db.execute(sa.delete(_members).where(_members.c.id == member_id))


async def set_unionid(db: AsyncSession, app_id: str, openid: str, unionid: str) -> None:
    """Keep a unionid that WeChat has told later."""
    await db.execute(
        sa.update(_wechats)
        .where(_wechats.c.app_id == app_id, _wechats.c.openid == openid)
        .values(unionid=unionid)
    )


async def me(db: AsyncSession, member_id: UUID) -> RowMapping | None:
    """All that a member sees of its own account."""
    statement = (
        sa.select(
            _members.c.id.label("member_id"),
            _members.c.created_at,
            _members.c.language,
            _profiles.c.nickname,
            _profiles.c.avatar_url,
            sa.func.coalesce(_profiles.c.shown_to_fellows, sa.false()).label("shown_to_fellows"),
            _phones.c.phone,
        )
        .outerjoin(_profiles, _profiles.c.member_id == _members.c.id)
        .outerjoin(_phones, _phones.c.member_id == _members.c.id)
        .where(_members.c.id == member_id)
    )
    return (await db.execute(statement)).mappings().first()


async def set_language(db: AsyncSession, member_id: UUID, language: str) -> None:
    """Choose the language of texts sent to a member."""
    await db.execute(
        sa.update(_members).where(_members.c.id == member_id).values(language=language)
    )


async def set_profile(db: AsyncSession, member_id: UUID, changes: Mapping[str, Any]) -> None:
    """Change parts of a profile."""
    await db.execute(
        sa.update(_profiles).where(_profiles.c.member_id == member_id).values(**changes)
    )


async def set_phone(db: AsyncSession, member_id: UUID, phone: str) -> None:
    """Keep the one phone of a member."""
    statement = upsert(db, _phones).values(member_id=member_id, phone=phone)
    await db.execute(
        statement.on_conflict_do_update(index_elements=["member_id"], set_={"phone": phone})
    )


async def drop_phone(db: AsyncSession, member_id: UUID) -> None:
    """Forget the phone of a member, if there is one."""
    await db.execute(sa.delete(_phones).where(_phones.c.member_id == member_id))


async def shown_names(db: AsyncSession, member_ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """Names of those who agreed to be shown by name."""
    statement = sa.select(_profiles.c.member_id, _profiles.c.nickname).where(
        ids_in(db, _profiles.c.member_id, member_ids),
        _profiles.c.shown_to_fellows,
        _profiles.c.nickname.is_not(None),
    )
    return (await db.execute(statement)).mappings().all()


async def hold(db: AsyncSession, member_id: UUID) -> None:
    """Make rival changes of one member's address book wait (SQLite's writer lock already does).

    Taken in a statement of its own: what comes after it sees what the rival has committed.
    """
    await db.execute(
        sa.select(_members.c.id).where(_members.c.id == member_id).with_for_update(key_share=True)
    )


async def addresses(db: AsyncSession, member_id: UUID) -> Sequence[RowMapping]:
    """A member's addresses, the default first, then the newest; their number is bounded."""
    statement = (
        sa.select(*_address_shown)
        .where(_addresses.c.member_id == member_id)
        .order_by(_addresses.c.is_default.desc(), _addresses.c.id.desc())
    )
    return (await db.execute(statement)).mappings().all()


async def address(db: AsyncSession, member_id: UUID, address_id: UUID) -> RowMapping | None:
    """One address of this member."""
    statement = sa.select(*_address_shown).where(
        _addresses.c.id == address_id, _addresses.c.member_id == member_id
    )
    return (await db.execute(statement)).mappings().first()


async def add_address(db: AsyncSession, values: Mapping[str, Any]) -> None:
    """Keep a new address."""
    await db.execute(sa.insert(_addresses).values(**values))


async def set_address(db: AsyncSession, address_id: UUID, changes: Mapping[str, Any]) -> None:
    """Change parts of an address."""
    await db.execute(sa.update(_addresses).where(_addresses.c.id == address_id).values(**changes))


async def no_default(db: AsyncSession, member_id: UUID) -> None:
    """Free the place of the default address."""
    await db.execute(
        sa.update(_addresses)
        .where(_addresses.c.member_id == member_id, _addresses.c.is_default)
        .values(is_default=False)
    )


async def drop_address(db: AsyncSession, address_id: UUID) -> None:
    """Delete an address."""
    await db.execute(sa.delete(_addresses).where(_addresses.c.id == address_id))
