"""A group seen by who is near: own communities first, how many fellows are in, what to share."""

from base64 import urlsafe_b64decode
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import table
from app.groupbuy.models import Group
from app.groupbuy.rules.campaigns import GroupPriceWish
from app.main import create_app
from app.settings import Settings
from tests.factories import Caller, Stand
from tests.groupbuy.party import Party, Place
from tests.groupbuy.test_names import share_a_community
from tests.groupbuy.test_pages import read, unknown
from tests.groupbuy.test_terms import community_in


async def opened_in(party: Party, campaign_id: UUID, community_id: str | None) -> str:
    """A group that was opened in a community."""
    place = await party.opened(campaign_id)
    groups = table(Group)
    change = (
        sa.update(groups)
        .where(groups.c.id == place.group_id)
        .values(community_id=UUID(community_id) if community_id else None)
    )
    await party.database.transact(lambda db: db.execute(change))
    return str(place.group_id)


async def pages_of(
    caller: Caller, campaign_id: UUID, limit: int
) -> tuple[list[tuple[str, bool]], list[int]]:
    """The whole list by pages, and how long each page was."""
    rows: list[tuple[str, bool]] = []
    lengths: list[int] = []
    more: dict[str, Any] = {}
    while len(lengths) < 20:
        answer = await caller.get(f"/v1/campaigns/{campaign_id}/groups", limit=limit, **more)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += [(row["id"], row["is_near"]) for row in page["items"]]
        lengths.append(len(page["items"]))
        if page["next_cursor"] is None:
            return rows, lengths
        more = {"cursor": page["next_cursor"]}
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7])
async def test_groups_of_ones_own_communities_come_first(
    stand: Stand, party: Party, limit: int
) -> None:
    campaign_id = await party.campaign()
    mine, also_mine, other = [
        await community_in(stand, party.shop_id, name) for name in ("甲", "乙", "丙")
    ]
    viewer = await stand.as_member(await party.member())
    for community_id in (mine, also_mine):
        assert (await viewer.post(f"/v1/communities/{community_id}/join")).status_code == 200
    made = []
    for community_id in (None, other, mine, None, also_mine, mine):
        made.append(await opened_in(party, campaign_id, community_id))
        stand.clock.advance(minutes=1)
    order = [2, 4, 5, 0, 1, 3]
    rows, lengths = await pages_of(viewer, campaign_id, limit)
    assert rows == [(made[i], i in {2, 4, 5}) for i in order]
    assert lengths[:-1] == [limit] * (len(lengths) - 1)
    stranger = await stand.as_member(await party.member())
    for caller in (stranger, Caller(stand.client, {})):
        rows, _ = await pages_of(caller, campaign_id, limit)
        assert rows == [(group_id, False) for group_id in made]


async def test_near_groups_of_one_deadline_are_paged_without_loss(
    stand: Stand, party: Party
) -> None:
    campaign_id = await party.campaign()
    mine = await community_in(stand, party.shop_id)
    viewer = await stand.as_member(await party.member())
    await viewer.post(f"/v1/communities/{mine}/join")
    made = [await opened_in(party, campaign_id, (None, mine)[n % 2]) for n in range(6)]
    rows, _ = await pages_of(viewer, campaign_id, 2)
    near, far = sorted(made[1::2]), sorted(made[::2])
    assert rows == [*((i, True) for i in near), *((i, False) for i in far)]


async def fellows_of(stand: Stand, group_id: UUID, viewer_id: UUID | None) -> Any:
    where = f"/v1/groups/{group_id}"
    if viewer_id is None:
        return (await read(stand, where))["fellows_count"]
    answer = await (await stand.as_member(viewer_id)).get(where)
    assert answer.status_code == 200, answer.text
    return answer.json()["fellows_count"]


async def a_group(party: Party, paid: int) -> list[Place]:
    leader = await party.opened(await party.campaign(size=9))
    return [leader, *[await party.joined(leader.group_id) for _ in range(paid - 1)]]


async def test_fellows_who_have_paid_are_counted(stand: Stand, party: Party) -> None:
    """Whether they agreed to be named or not: a number names nobody."""
    leader, fellow, stranger, gone = await a_group(party, 4)
    unpaid = await party.join(leader.group_id)
    await party.leave(gone)
    viewer, other = await party.member(), await party.member()
    near = [place.member_id for place in (leader, fellow, gone, unpaid)]
    await share_a_community(stand, party.shop_id, viewer, *near)
    elsewhere = await stand.shop("lake")
    await share_a_community(stand, elsewhere.id, other, leader.member_id, stranger.member_id)
    group_id = leader.group_id
    counted = [await fellows_of(stand, group_id, who) for who in (viewer, other, None)]
    assert counted == [2, 0, 0]
    # Nobody is a fellow of oneself.
    inside = [fellow.member_id, stranger.member_id, unpaid.member_id]
    assert [await fellows_of(stand, group_id, who) for who in inside] == [1, 0, 2]


async def test_a_group_shows_how_many_are_enough(stand: Stand, party: Party) -> None:
    campaign_id = await party.campaign(size=5, min_paid=3)
    leader = await party.opened(campaign_id)
    page = await read(stand, f"/v1/groups/{leader.group_id}")
    assert [page[name] for name in ("size", "paid_min", "paid", "is_short")] == [5, 3, 1, False]


class Fortune:
    """An estimate that remembers whom it was asked about."""

    def __init__(self, chance_bp: int | None) -> None:
        self.chance_bp = chance_bp
        self.asked: list[tuple[UUID, int]] = []

    async def __call__(self, db: AsyncSession, group: sa.RowMapping) -> int | None:
        assert (await db.execute(sa.select(1))).scalar_one() == 1
        self.asked.append((group["id"], group["paid"]))
        return self.chance_bp


async def test_the_chance_to_fill_is_told_by_who_can_tell(
    stand: Stand, party: Party, settings: Settings
) -> None:
    leader = await party.opened(await party.campaign(size=2))
    pending = await party.open(await party.campaign())
    where = f"/v1/groups/{leader.group_id}"
    assert (await read(stand, where))["fill_chance_bp"] is None, "nobody can tell"
    fortune = Fortune(6_250)
    built = create_app(settings, fill_estimate=fortune)
    assert built.state.fill_estimate is fortune
    await built.state.database.dispose()
    stand.application.state.fill_estimate = fortune
    assert (await read(stand, where))["fill_chance_bp"] == 6_250
    assert fortune.asked == [(leader.group_id, 1)]
    # Of a group that does not gather there is nothing to estimate.
    assert (await read(stand, f"/v1/groups/{pending.group_id}"))["fill_chance_bp"] is None
    await party.joined(leader.group_id)
    assert (await read(stand, where))["fill_chance_bp"] is None
    assert len(fortune.asked) == 1
    stand.application.state.fill_estimate = Fortune(None)
    again = await party.opened(await party.campaign())
    assert (await read(stand, f"/v1/groups/{again.group_id}"))["fill_chance_bp"] is None


SHARED = {
    "zh-CN": (["还差 2 人成团：", "还差 1 人成团：", "一起拼："], "拼团价 ¥60.00 起"),
    "en": (["2 more to go: ", "1 more to go: ", "Buy together: "], "From CN¥60.00 together"),
}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ({}, "zh-CN"),
        ({"Accept-Language": "en"}, "en"),
        ({"Accept-Language": "zh-TW,en;q=0.5"}, "zh-CN"),
        ({"Accept-Language": "fr,en-GB;q=0.8,zh;q=0.2"}, "en"),
        ({"Accept-Language": "fr"}, "zh-CN"),
    ],
)
async def test_a_group_is_shared_in_the_callers_language(
    stand: Stand, party: Party, header: dict[str, str], language: str
) -> None:
    small = await stand.variant(party.shop_id, party.product_id, list_amount=8_000)
    prices = (*party.wish().prices, GroupPriceWish(small.id, 6_000))
    leader = await party.opened(await party.campaign(prices=prices))
    where = f"/v1/groups/{leader.group_id}/share"
    titles, text = SHARED[language]
    for number, title in enumerate(titles):
        answer = await stand.client.get(where, headers=header)
        told = answer.json()
        assert answer.status_code == 200, answer.text
        assert (told["title"], told["text"]) == (f"{title}杨梅三人团", text)
        assert told["seats_left"] == 2 - number
        await party.joined(leader.group_id) if number < 2 else None


async def test_a_shared_group_has_what_a_poster_needs(stand: Stand, party: Party) -> None:
    leader = await party.opened(await party.campaign(size=5, min_paid=2))
    held = await party.join(leader.group_id)
    told = await read(stand, f"/v1/groups/{leader.group_id}/share")
    scene = told.pop("scene")
    assert len(scene) == 22
    assert UUID(bytes=urlsafe_b64decode(scene + "==")) == leader.group_id
    assert told == {
        "group_id": str(leader.group_id),
        "path": f"/groups/{leader.group_id}",
        "title": "还差 1 人成团：杨梅三人团",
        "text": "拼团价 ¥99.00 起",
        "currency": "CNY",
        "lowest_amount": 9_900,
        "seats_left": 3,
        "deadline_at": "2026-06-18T05:00:00Z",
        "server_now": "2026-06-18T04:00:00Z",
    }
    await party.pay(held)
    assert (await read(stand, f"/v1/groups/{leader.group_id}/share"))["title"].startswith("一起拼")
    pending = await party.open(await party.campaign())
    assert (await read(stand, f"/v1/groups/{pending.group_id}/share"))["deadline_at"] is None
    await unknown(stand, f"/v1/groups/{uuid4()}/share")


async def test_nobody_is_named_by_what_is_shared(stand: Stand, party: Party) -> None:
    leader = await party.opened(await party.campaign())
    caller = await stand.as_member(leader.member_id)
    told = (await caller.get(f"/v1/groups/{leader.group_id}/share")).text
    assert str(leader.member_id) not in told
    assert str(leader.order_id) not in told
