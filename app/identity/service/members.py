"""Members: made at their first sign-in, seen and changed by themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.i18n import DEFAULT_LANGUAGE, Language
from app.core.ids import new_id
from app.identity.adapters.wechat import SANDBOX_APP_ID, WechatIdentity
from app.identity.errors import AccountBlocked
from app.identity.models import MemberStatus, MemberWechat, SessionKind
from app.identity.repository import members as repository
from app.identity.service.desk import Desk
from app.identity.service.sessions import Grant, open_session


@dataclass(frozen=True, slots=True)
class Welcome:
    """Who a member turned out to be, and whether it is here for the first time."""

    member_id: UUID
    is_new: bool


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What a first sign-in may tell about itself."""

    nickname: str | None = None
    language: Language = DEFAULT_LANGUAGE


async def sign_in_by_wechat(
    db: AsyncSession, code: str, newcomer: Newcomer, *, desk: Desk
) -> tuple[Welcome, Grant]:
    """Exchange a WeChat code for a session, making the member at its first sign-in."""
    async with desk.outside():
        identity = await desk.wechat.exchange(code)
    welcome = await _member_of(db, identity, newcomer, now=desk.now)
    return welcome, await open_session(db, SessionKind.MEMBER, welcome.member_id, desk=desk)


async def create_member(
    db: AsyncSession, *, openid: str, nickname: str | None, now: datetime
) -> UUID:
    """The member of a sandbox openid, made if need be."""
    identity = WechatIdentity(openid, None, SANDBOX_APP_ID)
    return (await _member_of(db, identity, Newcomer(nickname), now=now)).member_id


async def openid_of(db: AsyncSession, member_id: UUID, app_id: str) -> str | None:
    """Who a member is to WeChat in one of its apps, where it has signed in by it."""
    return await repository.openid_of(db, member_id, app_id)


async def names_of(db: AsyncSession, member_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Nicknames by member, of those only who agreed to be shown to their fellows."""
    rows = await repository.shown_names(db, member_ids)
    return {row["member_id"]: row["nickname"] for row in rows}


async def me(db: AsyncSession, member_id: UUID) -> RowMapping:
    """A member's own account."""
    row = await repository.me(db, member_id)
    if row is None:
        raise NotFound
    return row


async def change_me(db: AsyncSession, member_id: UUID, changes: Mapping[str, Any]) -> RowMapping:
    """Change what is given of language, phone and profile."""
    profile = dict(changes)
    if "language" in profile:
        await repository.set_language(db, member_id, profile.pop("language"))
    if "phone" in profile:
        await _set_phone(db, member_id, profile.pop("phone"))
    if profile:
        await repository.set_profile(db, member_id, profile)
    return await me(db, member_id)


async def _set_phone(db: AsyncSession, member_id: UUID, phone: str | None) -> None:
    """Any number may be given by any number of members: it is not verified, and a refusal would
    tell that somebody else has it.
    """
    if phone is None:
        await repository.drop_phone(db, member_id)
    else:
        await repository.set_phone(db, member_id, phone)


async def _member_of(
    db: AsyncSession, identity: WechatIdentity, newcomer: Newcomer, *, now: datetime
) -> Welcome:
    known = await repository.by_wechat(db, identity.app_id, identity.openid)
    if known is None:
        member_id = await _join(db, identity, newcomer, now=now)
        if member_id is not None:
            return Welcome(member_id, is_new=True)
        # A rival sign-in of the same person has committed first.
        known = await repository.by_wechat(db, identity.app_id, identity.openid)
    if known is None or known["status"] is not MemberStatus.ACTIVE:
        raise AccountBlocked
    if identity.unionid and known["unionid"] != identity.unionid:
        await repository.set_unionid(db, identity.app_id, identity.openid, identity.unionid)
    return Welcome(known["id"], is_new=False)


async def _join(
    db: AsyncSession, identity: WechatIdentity, newcomer: Newcomer, *, now: datetime
) -> UUID | None:
    member_id = new_id()
    await repository.add(db, member_id, newcomer.nickname, language=newcomer.language, now=now)
    account = MemberWechat(
        app_id=identity.app_id,
        openid=identity.openid,
        unionid=identity.unionid,
        member_id=member_id,
    )
    if await repository.claim_wechat(db, account):
        return member_id
    await repository.drop(db, member_id)
    return None
