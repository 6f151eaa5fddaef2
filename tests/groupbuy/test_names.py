"""Whom a group page names: fellows of the viewer who agreed, and nobody to anybody else."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.community import service as communities
from app.community.rules import NewCommunity
from app.core.sql import table
from app.identity.models import MemberProfile
from tests.factories import Stand
from tests.groupbuy.party import Party, Place


async def agree(stand: Stand, member_id: UUID, nickname: str, *, shown: bool = True) -> None:
    """The member is named so, and agrees to be shown unless told otherwise."""
    profiles = table(MemberProfile)
    values = {"nickname": nickname, "shown_to_fellows": shown}

    async def work(db: AsyncSession) -> None:
        chosen = profiles.c.member_id == member_id
        await db.execute(sa.update(profiles).where(chosen).values(**values))

    await stand.database.transact(work)


async def share_a_community(stand: Stand, shop_id: UUID, *member_ids: UUID) -> None:
    """A community of the shop that these belong to."""

    async def work(db: AsyncSession) -> None:
        made = await communities.create_community(db, shop_id, NewCommunity("近邻"), now=stand.now)
        for member_id in member_ids:
            await communities.join(db, member_id, made.id, now=stand.now)

    await stand.database.transact(work)


async def named(stand: Stand, group_id: UUID, viewer_id: UUID | None) -> tuple[Any, Any, Any]:
    """The leader's name, the names of the others, and how many are not named."""
    path = f"/v1/groups/{group_id}"
    if viewer_id is None:
        page = (await stand.client.get(path)).json()
    else:
        page = (await (await stand.as_member(viewer_id)).get(path)).json()
    return page["leader_name"], page["member_names"], page["others_count"]


@pytest.fixture
async def inside(stand: Stand, party: Party) -> dict[str, Place]:
    """A group of people with names: all paid but one, all agreed but one, and one has left."""
    leader = await party.opened(await party.campaign(size=8))
    joined = [await party.joined(leader.group_id) for _ in range(4)]
    names = ("shown", "silent", "stranger", "gone")
    places = {"leader": leader, **dict(zip(names, joined, strict=True))}
    places["unpaid"] = await party.join(leader.group_id)
    await party.leave(places["gone"])
    for name, place in places.items():
        await agree(stand, place.member_id, name, shown=name != "silent")
    return places


async def test_fellows_who_agreed_are_named_and_the_others_counted(
    stand: Stand, party: Party, inside: dict[str, Place]
) -> None:
    viewer, group_id = await party.member(), inside["leader"].group_id
    near = [place.member_id for name, place in inside.items() if name != "stranger"]
    await share_a_community(stand, party.shop_id, viewer, *near)
    assert await named(stand, group_id, viewer) == ("leader", ["shown"], 2)


async def test_nobody_is_named_to_those_who_are_no_fellows(
    stand: Stand, party: Party, inside: dict[str, Place]
) -> None:
    stranger, neighbour = await party.member(), await party.member()
    other_shop = await stand.shop("other")
    members = [place.member_id for place in inside.values()]
    await share_a_community(stand, party.shop_id, *members)
    await share_a_community(stand, other_shop.id, neighbour, *members)
    for viewer in (None, stranger, neighbour):
        assert await named(stand, inside["leader"].group_id, viewer) == (None, [], 4)
    path = f"/v1/groups/{inside['leader'].group_id}"
    owner = await stand.as_owner(party.shop_id)
    assert (await owner.get(path)).json()["others_count"] == 4


async def test_one_reads_ones_own_name_where_one_agreed(
    stand: Stand, inside: dict[str, Place]
) -> None:
    seen = {
        name: await named(stand, inside["leader"].group_id, inside[name].member_id)
        for name in ("leader", "shown", "silent", "unpaid")
    }
    assert seen == {
        "leader": ("leader", [], 3),
        "shown": (None, ["shown"], 3),
        "silent": (None, [], 4),
        "unpaid": (None, [], 4),
    }


async def test_nobody_is_named_for_private_goods(
    stand: Stand, party: Party, inside: dict[str, Place]
) -> None:
    viewer, group_id = await party.member(), inside["leader"].group_id
    await share_a_community(
        stand, party.shop_id, viewer, *(place.member_id for place in inside.values())
    )

    async def hide(db: AsyncSession) -> None:
        product = await catalog.product_of_shop(db, party.shop_id, party.product_id)
        await catalog.edit_product(
            db,
            party.shop_id,
            party.product_id,
            {"is_private": True},
            version=product.version,
            now=party.now,
        )

    assert await named(stand, group_id, viewer) == ("leader", ["shown", "stranger"], 1)
    await stand.database.transact(hide)
    for who in (viewer, inside["leader"].member_id):
        assert await named(stand, group_id, who) == (None, [], 4)
