"""Standings, memberships and counters on real databases."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.community import service as communities
from app.community.errors import (
    CapacityBelowMembers,
    CommunityFull,
    JoinNeedsApproval,
    NotAMember,
)
from app.community.models import Access, Buyer, Community, Visibility
from app.community.rules import NewCommunity, Standing
from app.core.db import commit
from app.core.errors import NotFound, Problem, VersionMismatch
from app.core.events import OutboxEvent
from app.core.sql import table
from tests.conftest import rows_in
from tests.factories import Stand, statements

ANY = UUID(int=77)


async def found(stand: Stand, shop_id: UUID, **more: Any) -> Community:
    wanted = NewCommunity(**{"name": "杨梅爱好者", **more})
    return await stand.database.transact(
        lambda db: communities.create_community(db, shop_id, wanted, now=stand.now)
    )


async def join(stand: Stand, member_id: UUID, community_id: UUID) -> None:
    await stand.database.transact(
        lambda db: communities.join(db, member_id, community_id, now=stand.now)
    )


async def leave(stand: Stand, member_id: UUID, community_id: UUID) -> None:
    await stand.database.transact(
        lambda db: communities.leave(db, member_id, community_id, now=stand.now)
    )


async def standing(stand: Stand, member_id: UUID, shop_id: UUID) -> Standing:
    async with stand.database.reading() as db:
        with statements(stand.database) as seen:
            known = await communities.membership(db, member_id, shop_id)
    assert len(seen) == 1
    return known


async def _count(stand: Stand, community: Community) -> int:
    async with stand.database.reading() as db:
        now_there = await communities.community_of_shop(db, community.shop_id, community.id)
    return now_there.member_count


async def _facts(stand: Stand) -> list[tuple[str, int, Any]]:
    outbox = table(OutboxEvent)
    async with stand.database.reading() as db:
        rows = await db.execute(sa.select(outbox).order_by(outbox.c.id))
    return [(row.kind, row.sequence, row.payload["member_id"]) for row in rows]


async def _refused(stand: Stand, kind: type[Problem], work: Any) -> Problem:
    before = await rows_in(stand.database)
    with pytest.raises(kind) as refusal:
        await stand.database.transact(work)
    assert await rows_in(stand.database) == before
    return refusal.value


async def test_a_stranger_has_no_standing(stand: Stand) -> None:
    shop, member = await stand.shop(), await stand.member()
    nobody = Standing(paid_orders=0, community_ids=frozenset(), tags=frozenset())
    assert await standing(stand, member, shop.id) == nobody
    assert await standing(stand, ANY, ANY) == nobody


async def test_a_standing_holds_only_what_concerns_the_shop(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    member, fellow = await stand.member(), await stand.member()
    first, second = await found(stand, shop.id), await found(stand, shop.id)
    left, archived = await found(stand, shop.id), await found(stand, shop.id)
    elsewhere = await found(stand, other.id)
    for community in (first, second, left, archived, elsewhere):
        await join(stand, member, community.id)
    await join(stand, fellow, first.id)
    await leave(stand, member, left.id)

    async def more(db: AsyncSession) -> None:
        await communities.archive_community(db, shop.id, archived.id, now=stand.now)
        await communities.declare_tags(db, member, frozenset({"fruit", "跑步"}), now=stand.now)
        await communities.declare_tags(db, fellow, frozenset({"tea"}), now=stand.now)
        await communities.count_paid_order(db, shop.id, member)
        await communities.count_paid_order(db, shop.id, member)
        await communities.count_paid_order(db, other.id, member)

    await stand.database.transact(more)
    assert await standing(stand, member, shop.id) == Standing(
        paid_orders=2,
        community_ids=frozenset({first.id, second.id}),
        roles={first.id: "member", second.id: "member"},
        tags=frozenset({"fruit", "跑步"}),
    )
    assert await standing(stand, fellow, shop.id) == Standing(
        paid_orders=0,
        community_ids=frozenset({first.id}),
        roles={first.id: "member"},
        tags=frozenset({"tea"}),
    )


async def test_the_community_of_an_order_is_the_buyers_and_the_shops(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    member = await stand.member()
    mine, not_mine = await found(stand, shop.id), await found(stand, shop.id)
    foreign = await found(stand, other.id)
    for community in (mine, foreign):
        await join(stand, member, community.id)
    async with stand.database.reading() as db:
        check = communities.community_for_order
        assert await check(db, member, shop.id, None) is None
        assert await check(db, member, shop.id, mine.id) == mine.id
        for wrong in (not_mine.id, foreign.id, ANY):
            with pytest.raises(NotAMember):
                await check(db, member, shop.id, wrong)


async def test_fellows_share_a_community_of_the_shop_now(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    me, fellow, gone, elsewhere, stranger = [await stand.member() for _ in range(5)]
    here, there = await found(stand, shop.id), await found(stand, other.id)
    for member in (me, fellow, gone):
        await join(stand, member, here.id)
    for member in (me, elsewhere):
        await join(stand, member, there.id)
    await leave(stand, gone, here.id)
    everybody = [me, fellow, gone, elsewhere, stranger]
    async with stand.database.reading() as db:
        assert await communities.fellows(db, me, shop.id, everybody) == {fellow}
        assert await communities.fellows(db, me, other.id, everybody) == {elsewhere}
        assert await communities.fellows(db, stranger, shop.id, everybody) == frozenset()
        assert await communities.fellows(db, me, shop.id, []) == frozenset()


async def test_paid_orders_are_counted_exactly_by_a_crowd(stand: Stand) -> None:
    shop, member = await stand.shop(), await stand.member()

    async def count() -> int:
        return await stand.database.transact(
            lambda db: communities.count_paid_order(db, shop.id, member)
        )

    async def uncount() -> None:
        await stand.database.transact(
            lambda db: communities.uncount_paid_order(db, shop.id, member)
        )

    numbers = await asyncio.gather(*(count() for _ in range(20)))
    assert sorted(numbers) == list(range(1, 21))
    await asyncio.gather(*(uncount() for _ in range(20)))
    assert (await standing(stand, member, shop.id)).paid_orders == 0
    with pytest.raises(RuntimeError, match="never counted"):
        await uncount()
    buyers = table(Buyer)
    async with stand.database.writing() as db:
        with pytest.raises(IntegrityError):
            await db.execute(sa.update(buyers).values(paid_orders=-1))


async def test_joining_leaving_and_coming_back(stand: Stand) -> None:
    shop, member = await stand.shop(), await stand.member()
    community = await found(stand, shop.id)
    await join(stand, member, community.id)
    await join(stand, member, community.id)
    assert await _count(stand, community) == 1
    await leave(stand, member, community.id)
    await _refused(
        stand,
        NotAMember,
        lambda db: communities.leave(db, member, community.id, now=stand.now),
    )
    assert await _count(stand, community) == 0
    await join(stand, member, community.id)
    assert await _count(stand, community) == 1
    assert await _facts(stand) == [
        ("community.member_joined", 1, str(member)),
        ("community.member_left", 2, str(member)),
        ("community.member_joined", 3, str(member)),
    ]


@pytest.mark.parametrize("access", [Access.APPROVAL, Access.INVITE])
async def test_closed_communities_are_not_walked_into(stand: Stand, access: Access) -> None:
    shop, member = await stand.shop(), await stand.member()
    community = await found(stand, shop.id, access=access)
    refusal = await _refused(
        stand,
        JoinNeedsApproval,
        lambda db: communities.join(db, member, community.id, now=stand.now),
    )
    assert refusal.params == {"access": access.value}


async def test_hidden_archived_and_unknown_communities_are_not_there(stand: Stand) -> None:
    shop, member = await stand.shop(), await stand.member()
    hidden = await found(stand, shop.id, visibility=Visibility.HIDDEN)
    archived = await found(stand, shop.id)
    await stand.database.transact(
        lambda db: communities.archive_community(db, shop.id, archived.id, now=stand.now)
    )
    for community_id in (hidden.id, archived.id, ANY):
        for verb in (communities.join, communities.leave):
            await _refused(
                stand,
                NotFound,
                lambda db, v=verb, c=community_id: v(db, member, c, now=stand.now),
            )


async def test_a_crowd_before_the_last_places(stand: Stand) -> None:
    shop = await stand.shop()
    community = await found(stand, shop.id, capacity=5)
    members = [await stand.member() for _ in range(24)]

    async def one(member_id: UUID) -> bool:
        """In one try: a rival must make nobody start over."""
        async with stand.database.writing() as db:
            try:
                await communities.join(db, member_id, community.id, now=stand.now)
            except CommunityFull:
                return False
            await commit(db)
            return True

    results = await asyncio.gather(*(one(member) for member in members))
    assert results.count(True) == 5
    assert await _count(stand, community) == 5
    rows = await rows_in(stand.database)
    assert rows["memberships"] == 5
    late = await stand.member()
    refusal = await _refused(
        stand,
        CommunityFull,
        lambda db: communities.join(db, late, community.id, now=stand.now),
    )
    assert refusal.params == {"capacity": 5}
    assert [number for _, number, _ in await _facts(stand)] == [1, 2, 3, 4, 5]
    out = members[results.index(True)]
    await leave(stand, out, community.id)
    await join(stand, members[results.index(False)], community.id)
    assert await _count(stand, community) == 5


async def test_one_member_on_many_devices_joins_once(stand: Stand) -> None:
    shop, member = await stand.shop(), await stand.member()
    community = await found(stand, shop.id, capacity=2)
    await asyncio.gather(*(join(stand, member, community.id) for _ in range(12)))
    assert await _count(stand, community) == 1
    assert len(await _facts(stand)) == 1
    await asyncio.gather(
        *(leave(stand, member, community.id) for _ in range(6)), return_exceptions=True
    )
    assert await _count(stand, community) == 0
    assert len(await _facts(stand)) == 2


async def test_edits_keep_to_versions_and_to_those_who_are_in(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    community = await found(stand, shop.id)
    for _ in range(2):
        await join(stand, await stand.member(), community.id)

    def edit(version: int, shop_id: UUID = shop.id, **changes: Any) -> Any:
        return lambda db: communities.edit_community(
            db, shop_id, community.id, changes, version=version, now=stand.now
        )

    refusal = await _refused(stand, CapacityBelowMembers, edit(1, capacity=1))
    assert refusal.params == {"member_count": 2}
    await _refused(stand, VersionMismatch, edit(2, name="x"))
    await _refused(stand, NotFound, edit(1, other.id, name="x"))
    after = await stand.database.transact(edit(1, capacity=2, access=Access.INVITE))
    assert (after.capacity, after.access, after.version) == (2, Access.INVITE, 2)
    assert (await stand.database.transact(edit(2, capacity=2))).version == 2
    assert (await stand.database.transact(edit(2, capacity=None))).capacity is None


async def test_declared_tags_are_replaced_and_logged_by_number_only(stand: Stand) -> None:
    member = await stand.member()

    async def declare(*tags: str) -> list[str]:
        return await stand.database.transact(
            lambda db: communities.declare_tags(db, member, frozenset(tags), now=stand.now)
        )

    assert await declare("b", "a") == ["a", "b"]
    assert await declare("c", "b") == ["b", "c"]
    async with stand.database.reading() as db:
        assert await communities.tags_of(db, member) == ["b", "c"]
        log = (await db.execute(sa.text("SELECT before, after FROM audit_log"))).all()
    assert "tags" in str(log[-1])
    assert "'b'" not in str(log)
    before = await rows_in(stand.database)
    assert await declare("b", "c") == ["b", "c"]
    assert await rows_in(stand.database) == before
    assert await declare() == []
    async with stand.database.reading() as db:
        assert await communities.tags_of(db, member) == []
