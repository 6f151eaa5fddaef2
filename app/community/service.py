"""What others may ask of communities; each takes the caller's session first.

Counters are written last: a row that everybody shares is held for the shortest time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.service import shop
from app.community.errors import (
    CapacityBelowMembers,
    CommunityFull,
    MemberNotVisible,
    NotAMember,
)
from app.community.events import MemberJoined, MemberLeft
from app.community.models import Audience, Community
from app.community.repository import audiences, forgetting
from app.community.repository import communities as repository
from app.community.rules import (
    AudienceView,
    CommunityView,
    MemberListed,
    NewCommunity,
    Standing,
    check_open,
    may_see,
)
from app.core.audit_log import note
from app.core.errors import NotFound, VersionMismatch
from app.core.events import record
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.identity.service import names_of


async def membership(db: AsyncSession, member_id: UUID, shop_id: UUID) -> Standing:
    """What prices in a shop may depend on of this member, by one statement."""
    return await repository.standing(db, member_id, shop_id)


async def memberships(
    db: AsyncSession, member_ids: Collection[UUID], shop_id: UUID
) -> Mapping[UUID, Standing]:
    """The same of many members at once, by one statement."""
    return await repository.standings(db, member_ids, shop_id)


async def community_for_order(
    db: AsyncSession, member_id: UUID, shop_id: UUID, community_id: UUID | None
) -> UUID | None:
    """The community an order is placed in, proven to be the buyer's and the shop's; or none.

    `NotAMember` for an unknown, foreign, archived or hidden one just as for one not joined.
    """
    if community_id is None:
        return None
    if not await repository.belongs(db, member_id, shop_id, community_id):
        raise NotAMember
    return community_id


async def fellows(
    db: AsyncSession, member_id: UUID, shop_id: UUID, among: Sequence[UUID]
) -> frozenset[UUID]:
    """Who among the given members shares a community of the shop with this one; never itself."""
    if not among:
        return frozenset()
    return await repository.fellows(db, member_id, shop_id, among)


async def count_paid_order(db: AsyncSession, shop_id: UUID, member_id: UUID) -> int:
    """Count a paid order of a member in a shop; returns which one it is, 1 for the first."""
    return await repository.count_paid_order(db, shop_id, member_id)


async def uncount_paid_order(db: AsyncSession, shop_id: UUID, member_id: UUID) -> None:
    """Take back a counted order that was refunded in full; one that was counted, that is."""
    if not await repository.uncount_paid_order(db, shop_id, member_id):
        raise RuntimeError("an order was uncounted that was never counted")


async def list_communities(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[Community]:
    """The communities of a shop that anybody may find."""
    await shop(db, shop_id)
    return await repository.list_communities(db, shop_id, paging, all_of_them=False)


async def list_all_communities(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[Community]:
    """All communities of a shop, hidden and archived ones too."""
    return await repository.list_communities(db, shop_id, paging, all_of_them=True)


async def my_communities(db: AsyncSession, member_id: UUID, paging: Paging) -> Slice[CommunityView]:
    """The communities a member belongs to."""
    return await repository.list_own(db, member_id, paging)


async def community(db: AsyncSession, community_id: UUID, member_id: UUID | None) -> CommunityView:
    """A community as this member, or nobody, may see it; else `NotFound`."""
    found = await repository.view(db, community_id, member_id)
    if found is None or not may_see(found.community, found.my_role):
        raise NotFound
    return found


async def community_of_shop(db: AsyncSession, shop_id: UUID, community_id: UUID) -> Community:
    """A community of this shop, whatever its visibility; `NotFound` for another shop's."""
    found = await repository.view(db, community_id, None)
    if found is None or found.community.shop_id != shop_id:
        raise NotFound
    return found.community


async def join(
    db: AsyncSession, member_id: UUID, community_id: UUID, *, now: datetime
) -> CommunityView:
    """Enter an open community; whoever is in already stays in, as what it was."""
    found = await community(db, community_id, member_id)
    if found.my_role is not None:
        return found
    check_open(found.community)
    if await repository.enter(db, community_id, member_id, now):
        if not await repository.count_in(db, community_id):
            raise CommunityFull(capacity=found.community.capacity)
        await _tell(db, MemberJoined, found.community, member_id, now)
    return await community(db, community_id, member_id)


async def leave(db: AsyncSession, member_id: UUID, community_id: UUID, *, now: datetime) -> None:
    """Leave a community, at any time; a role held in it is lost."""
    found = await community(db, community_id, member_id)
    if not await repository.leave(db, community_id, member_id, now):
        raise NotAMember
    await repository.count_out(db, community_id)
    await _tell(db, MemberLeft, found.community, member_id, now)


async def forget_member(db: AsyncSession, member_id: UUID, *, now: datetime) -> None:
    """Leave every community, tags and audiences; that there was a member stays. Idempotent."""
    for found in await forgetting.communities_of(db, member_id):
        if await repository.leave(db, found.id, member_id, now):
            await repository.count_out(db, found.id)
            await _tell(db, MemberLeft, found, member_id, now)
    await forgetting.forget(db, member_id)


async def _tell(
    db: AsyncSession,
    fact: type[MemberJoined] | type[MemberLeft],
    of: Community,
    member_id: UUID,
    now: datetime,
) -> None:
    await note(
        db,
        fact.kind,
        ("community", of.id),
        at=now,
        shop_id=of.shop_id,
        change=(None, {"member_id": member_id}),
    )
    await record(db, fact(at=now, shop_id=of.shop_id, aggregate_id=of.id, member_id=member_id))


async def create_community(
    db: AsyncSession, shop_id: UUID, wanted: NewCommunity, *, now: datetime
) -> Community:
    """Found a community of a shop."""
    await shop(db, shop_id)
    made = Community(id=new_id(), shop_id=shop_id, created_at=now, **asdict(wanted))
    await repository.add(db, made)
    await note(
        db,
        "community.created",
        ("community", made.id),
        at=now,
        shop_id=shop_id,
        change=(None, asdict(wanted)),
    )
    return made


async def edit_community(
    db: AsyncSession,
    shop_id: UUID,
    community_id: UUID,
    changes: Mapping[str, Any],
    *,
    version: int,
    now: datetime,
) -> Community:
    """Change a community; those who are in stay in, whatever the new terms."""
    before = await community_of_shop(db, shop_id, community_id)
    if before.version != version:
        raise VersionMismatch
    changed = {k: v for k, v in changes.items() if getattr(before, k) != v}
    if not changed:
        return before
    after = await repository.change(db, community_id, version=version, values=changed)
    if after is None:
        raise await _why_not(db, shop_id, community_id, version)
    await note(
        db,
        "community.edited",
        ("community", community_id),
        at=now,
        shop_id=shop_id,
        change=({k: _plain(getattr(before, k)) for k in changed}, _all_plain(changed)),
    )
    return after


async def _why_not(
    db: AsyncSession, shop_id: UUID, community_id: UUID, version: int
) -> VersionMismatch | CapacityBelowMembers:
    now_there = await community_of_shop(db, shop_id, community_id)
    if now_there.version != version:
        return VersionMismatch()
    return CapacityBelowMembers(member_count=now_there.member_count)


def _all_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, StrEnum) else value


async def archive_community(
    db: AsyncSession, shop_id: UUID, community_id: UUID, *, now: datetime
) -> Community:
    """Close a community for good: it is found by nobody and counts for no price."""
    before = await community_of_shop(db, shop_id, community_id)
    if before.archived_at is not None:
        return before
    after = await repository.change(
        db, community_id, version=before.version, values={"archived_at": now}
    )
    if after is None:
        raise VersionMismatch
    await note(
        db,
        "community.archived",
        ("community", community_id),
        at=now,
        shop_id=shop_id,
        change=({"archived_at": None}, {"archived_at": now}),
    )
    return after


async def members_of(
    db: AsyncSession, shop_id: UUID, community_id: UUID, paging: Paging
) -> Slice[MemberListed]:
    """Who belongs to a community; by name only those who agreed to be shown."""
    await community_of_shop(db, shop_id, community_id)
    found = await repository.list_members(db, community_id, paging)
    names = await names_of(db, [row["member_id"] for row in found.rows])
    rows = [MemberListed(**row, nickname=names.get(row["member_id"])) for row in found.rows]
    return Slice(rows, found.next_after)


async def tags_of(db: AsyncSession, member_id: UUID) -> list[str]:
    """What a member has declared of itself."""
    return await repository.tags_of(db, member_id)


async def declare_tags(
    db: AsyncSession, member_id: UUID, tags: frozenset[str], *, now: datetime
) -> list[str]:
    """Replace what a member declares of itself; the log says how many, never which."""
    before = await repository.tags_of(db, member_id)
    wanted = sorted(tags)
    if wanted != before:
        await repository.declare(db, member_id, wanted, now)
        await note(
            db,
            "community.tags_declared",
            ("member", member_id),
            at=now,
            change=({"tags": len(before)}, {"tags": len(wanted)}),
        )
    return wanted


async def unknown_groups(
    db: AsyncSession,
    shop_id: UUID,
    *,
    community_ids: Collection[UUID],
    audience_ids: Collection[UUID],
) -> tuple[UUID, ...]:
    """Those of the ids that are no community, or no audience, of the shop, by one statement."""
    if not community_ids and not audience_ids:
        return ()
    return await audiences.unknown(db, shop_id, sorted(community_ids), sorted(audience_ids))


async def audience(db: AsyncSession, shop_id: UUID, audience_id: UUID) -> AudienceView:
    """A named audience of this shop; `NotFound` for another shop's."""
    found = await audiences.view(db, shop_id, audience_id)
    if found is None:
        raise NotFound
    return found


async def create_audience(
    db: AsyncSession, shop_id: UUID, name: str, *, now: datetime
) -> AudienceView:
    """Name an audience of a shop; it is empty at first."""
    await shop(db, shop_id)
    made = Audience(id=new_id(), shop_id=shop_id, name=name, created_at=now)
    await audiences.add(db, made)
    subject = ("audience", made.id)
    await note(
        db, "audience.created", subject, at=now, shop_id=shop_id, change=(None, {"name": name})
    )
    return AudienceView(**made.model_dump(), member_count=0)


async def list_audiences(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[AudienceView]:
    """The named audiences of a shop, the youngest first."""
    return await audiences.list_audiences(db, shop_id, paging)


async def audience_members(
    db: AsyncSession, shop_id: UUID, audience_id: UUID, paging: Paging
) -> Slice[sa.RowMapping]:
    """Who belongs to an audience of the shop."""
    await audience(db, shop_id, audience_id)
    return await audiences.list_members(db, audience_id, paging)


async def add_to_audience(
    db: AsyncSession,
    shop_id: UUID,
    audience_id: UUID,
    member_ids: Sequence[UUID],
    *,
    now: datetime,
) -> AudienceView:
    """Put members into an audience; whoever is in it already stays in, and is not counted twice.

    `MemberNotVisible` where one of them never joined a community of the shop nor bought in it;
    then nobody is put in. The log says how many came, never who.
    """
    await audience(db, shop_id, audience_id)
    visible = await audiences.visible(db, shop_id, member_ids)
    unseen = [str(each) for each in member_ids if each not in visible]
    if unseen:
        raise MemberNotVisible(member_ids=unseen)
    added = await audiences.add_members(db, audience_id, member_ids)
    if added:
        await _note_members(db, shop_id, audience_id, {"added": added}, now)
    return await audience(db, shop_id, audience_id)


async def remove_from_audience(
    db: AsyncSession, shop_id: UUID, audience_id: UUID, member_id: UUID, *, now: datetime
) -> None:
    """Take a member out of an audience; `NotFound` for one who is not in it."""
    await audience(db, shop_id, audience_id)
    if not await audiences.remove_member(db, audience_id, member_id):
        raise NotFound
    await _note_members(db, shop_id, audience_id, {"removed": 1}, now)


async def _note_members(
    db: AsyncSession, shop_id: UUID, audience_id: UUID, told: dict[str, Any], now: datetime
) -> None:
    subject = ("audience", audience_id)
    await note(db, "audience.members", subject, at=now, shop_id=shop_id, change=(None, told))
