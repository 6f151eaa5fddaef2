"""Whom a campaign is for, and how much of it one member may have."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.community import service as community
from app.community.rules import NewCommunity
from app.core.sql import table
from app.groupbuy import service
from app.groupbuy.errors import (
    AlreadyInGroup,
    MemberUnitsReached,
    NewcomersOnly,
    NotInCampaignAudience,
)
from app.groupbuy.models import CampaignMember, GroupStatus, SeatStatus
from app.groupbuy.service import GroupWish
from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.conditions import Conditions
from tests.groupbuy.party import GRACE_SECONDS, NOBODY_YET, Party, refused
from tests.groupbuy.test_races import swarm

HAS_BOUGHT = replace(NOBODY_YET, paid_orders=1)
UNKNOWN = replace(NOBODY_YET, is_known=False)


async def buys(party: Party, member_id: UUID) -> None:
    """A paid order of the member in the shop, as the community counts it."""
    await party.database.transact(
        lambda db: community.count_paid_order(db, party.shop_id, member_id)
    )


async def test_who_has_bought_may_open_and_not_join_a_group_for_newcomers(party: Party) -> None:
    campaign = await party.campaign(newcomers_only=True)
    leader = await party.member()
    await buys(party, leader)
    to_open = await party.offer(GroupWish(campaign_id=campaign), buyer=HAS_BOUGHT)
    place = await party.claim(to_open, leader)
    await party.pay(place)
    assert await party.standing(place.group_id) == (GroupStatus.OPEN, 1, 1)
    to_join = GroupWish(group_id=place.group_id)
    await refused(party, NewcomersOnly, party.offer(to_join, buyer=HAS_BOUGHT))
    await party.joined(place.group_id)
    assert (await party.standing(place.group_id))[2] == 2


async def test_one_newcomers_seat_for_each_member_of_a_shop(party: Party) -> None:
    """Of two first orders only one can be the first, held or paid; who gave one up is free."""
    here, there = [await party.campaign(newcomers_only=True) for _ in range(2)]
    groups = [(await party.opened(each)).group_id for each in (here, there)]
    member = await party.member()
    place = await party.join(groups[0], member)
    offered = await party.offer(GroupWish(group_id=groups[1]))
    again = await party.offer(GroupWish(group_id=groups[0]))
    await refused(party, NewcomersOnly, party.claim(offered, member))
    await refused(party, AlreadyInGroup, party.claim(again, member))
    await party.release(place)
    place = await party.join(groups[1], member)
    await party.pay(place)
    await refused(party, NewcomersOnly, party.claim(again, member))
    # Opening asks nobody to be new, and other campaigns ask nothing at all.
    await party.open(here, member)
    await party.open(await party.campaign(), member)


async def test_a_member_on_many_devices_is_a_newcomer_once(party: Party) -> None:
    member = await party.member()
    offers = []
    for _ in range(6):
        leader = await party.opened(await party.campaign(newcomers_only=True))
        offers.append(await party.offer(GroupWish(group_id=leader.group_id)))
    taken, refusals = await swarm([party.claim(offered, member) for offered in offers])
    assert len(taken) == 1
    assert {type(refusal) for refusal in refusals} == {NewcomersOnly}


async def test_money_of_who_is_no_newcomer_any_more_goes_back(party: Party) -> None:
    campaign = await party.campaign(size=2, newcomers_only=True, stock_quota=9, member_units_max=5)
    leader = await party.opened(campaign)
    place = await party.join(leader.group_id, quantity=3)
    await buys(party, place.member_id)

    async def check() -> None:
        async with party.database.reading() as db:
            await service.check_newcomer(db, place.order_id, party.shop_id, place.member_id)

    await refused(party, NewcomersOnly, check())
    await party.pay(place, times=2)
    assert await party.seat(place) is SeatStatus.REFUND_DUE
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 1, 1)
    [told] = await party.facts("seat.payment_refused")
    assert (told["cause"], told["units"], told["order_id"]) == (
        "not_a_newcomer",
        3,
        str(place.order_id),
    )
    assert await party.quota_taken(campaign) == 1
    assert await party.units_of(campaign, place.member_id) == 0
    # The place is somebody's who is new.
    await party.joined(leader.group_id)
    assert (await party.group(leader.group_id))["status"] is GroupStatus.SUCCEEDED


async def test_a_leader_who_bought_meanwhile_is_not_asked(party: Party) -> None:
    leader = await party.open(await party.campaign(size=2, newcomers_only=True))
    await buys(party, leader.member_id)
    async with party.database.reading() as db:
        await service.check_newcomer(db, leader.order_id, party.shop_id, leader.member_id)
    await party.pay(leader)
    assert await party.seat(leader) is SeatStatus.PAID


async def test_a_second_capture_of_a_newcomers_seat_says_nothing(party: Party) -> None:
    """Its own order has been counted by then."""
    leader = await party.opened(await party.campaign(newcomers_only=True))
    place = await party.joined(leader.group_id)
    await buys(party, place.member_id)
    await party.pay(place)
    assert await party.seat(place) is SeatStatus.PAID
    assert await party.facts("seat.payment_refused") == []


async def circle(party: Party) -> UUID:
    made = await party.database.transact(
        lambda db: community.create_community(
            db, party.shop_id, NewCommunity("杨梅社群"), now=party.now
        )
    )
    return made.id


async def named(party: Party) -> UUID:
    made = await party.database.transact(
        lambda db: community.create_audience(db, party.shop_id, "老客", now=party.now)
    )
    return made.id


async def asked_for(party: Party, what: str) -> tuple[Conditions, Buyer, dict[str, Any]]:
    """Conditions, a buyer who meets them, and what one is told who does not."""
    if what == "community":
        group = await circle(party)
        asked, met = {"community_ids": frozenset({group})}, {"community_ids": frozenset({group})}
        told: dict[str, Any] = {"reason": "not_in_community", "community_ids": (str(group),)}
    elif what == "audience":
        group = await named(party)
        asked, met = {"audience_ids": frozenset({group})}, {"audience_ids": frozenset({group})}
        told = {"reason": "not_in_audience", "audience_ids": (str(group),)}
    else:
        asked, met = {what: frozenset({"宝妈"})}, {"tags": frozenset({"宝妈"})}  # type: ignore[dict-item]
        told = {"reason": "tags_missing", "tags": ("宝妈",)}
    return Conditions(**asked), replace(NOBODY_YET, **met), told  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["community", "audience", "member_tags_any", "member_tags_all"])
async def test_a_campaign_for_some_is_refused_to_others(party: Party, what: str) -> None:
    audience, among, told = await asked_for(party, what)
    campaign = await party.campaign(audience=audience)
    member = await party.member()
    opens = GroupWish(campaign_id=campaign)
    leader = await party.claim(await party.offer(opens, buyer=among), member)
    await party.pay(leader)
    joins = GroupWish(group_id=leader.group_id)
    await party.offer(joins, buyer=among)
    for wish in (opens, joins):
        refusal = await refused(party, NotInCampaignAudience, party.offer(wish))
        assert refusal.params == told
        anonymous = party.offer(wish, buyer=UNKNOWN)
        refusal = await refused(party, NotInCampaignAudience, anonymous)
        assert refusal.params == {"reason": "sign_in"}


async def test_a_campaign_may_be_for_those_without_a_tag(party: Party) -> None:
    audience = Conditions(member_tags_none=frozenset({"同行"}))
    wish = GroupWish(campaign_id=await party.campaign(audience=audience))
    await party.offer(wish)
    rival = replace(NOBODY_YET, tags=frozenset({"同行", "宝妈"}))
    refusal = await refused(party, NotInCampaignAudience, party.offer(wish, buyer=rival))
    assert refusal.params == {"reason": "tags_forbidden", "tags": ("同行",)}
    await refused(party, NotInCampaignAudience, party.offer(wish, buyer=UNKNOWN))


async def test_a_campaign_for_all_is_shown_to_who_has_not_signed_in(party: Party) -> None:
    offered = await party.offer(GroupWish(campaign_id=await party.campaign()), buyer=UNKNOWN)
    assert offered.group_amounts


async def test_units_of_a_member_are_counted_over_all_groups(party: Party) -> None:
    campaign = await party.campaign(size=2, member_units_max=3)
    first = await party.opened(campaign, quantity=2)
    member = first.member_id
    await party.joined(first.group_id)
    assert (await party.group(first.group_id))["status"] is GroupStatus.SUCCEEDED
    assert await party.units_of(campaign, member) == 2
    wish = GroupWish(campaign_id=campaign)
    refusal = await refused(party, MemberUnitsReached, party.offer(wish, 2, member_id=member))
    assert refusal.params == {"member_units_max": 3, "units_left": 1}
    # An offer that was made before knows nothing of it.
    stale = await party.offer(wish, 2)
    await refused(party, MemberUnitsReached, party.claim(stale, member, 2))
    await party.claim(await party.offer(wish, 1, member_id=member), member)
    assert await party.units_of(campaign, member) == 3
    await refused(party, MemberUnitsReached, party.offer(wish, member_id=member))
    await refused(party, MemberUnitsReached, party.offer(wish, 4))


async def test_more_than_ever_allowed_is_refused_to_who_has_nothing_yet(party: Party) -> None:
    offered = await party.offer(GroupWish(campaign_id=await party.campaign(member_units_max=3)))
    member = await party.member()
    await refused(party, MemberUnitsReached, party.claim(offered, member, 4))


async def test_units_come_back_with_the_seat(party: Party) -> None:
    """By release, by leaving, with a failed group, and from who is left in one that is over."""
    campaign = await party.campaign(size=4, member_units_max=3, stock_quota=50)
    leader = await party.opened(campaign, quantity=3)
    released, left = [await party.join(leader.group_id, quantity=n) for n in (3, 2)]
    stays = await party.join(leader.group_id, quantity=2)
    await party.pay(left)
    places = (leader, released, left, stays)
    assert [await party.units_of(campaign, p.member_id) for p in places] == [3, 3, 2, 2]
    await party.release(released)
    await party.leave(left)
    assert [await party.units_of(campaign, p.member_id) for p in places] == [3, 0, 0, 2]
    again = await party.join(leader.group_id, left.member_id, 3)
    party.clock.advance(seconds=3_600 + GRACE_SECONDS)
    assert await party.settle(leader.group_id)
    places = (*places, again)
    assert [await party.units_of(campaign, p.member_id) for p in places] == [0] * 5
    assert await party.quota_taken(campaign) == 0
    rejoined = await party.open(campaign, leader.member_id, 3)
    assert await party.seat(rejoined) is SeatStatus.RESERVED


async def test_units_of_a_member_are_exact_under_a_swarm(party: Party) -> None:
    """Seats of one member keep one another out, so the counter alone is asked here."""
    campaign, member = await party.campaign(member_units_max=7), await party.member()
    offered = await party.offer(GroupWish(campaign_id=campaign), 2)
    wish = party.seat_wish(offered, member, 2)
    taken, refusals = await swarm(
        [
            party.database.transact(lambda db: service.take_quota(db, offered, wish))
            for _ in range(32)
        ]
    )
    assert len(taken) == 3
    assert {type(refusal) for refusal in refusals} == {MemberUnitsReached}
    assert await party.units_of(campaign, member) == 6
    # There are no seats behind these units.
    await party.database.transact(lambda db: db.execute(sa.delete(table(CampaignMember))))


async def test_one_member_on_many_devices_never_passes_the_limit(party: Party) -> None:
    campaign, member = (
        await party.campaign(member_units_max=3, stock_quota=50),
        await party.member(),
    )
    offered = await party.offer(GroupWish(campaign_id=campaign), 2)
    taken, _ = await swarm([party.claim(offered, member, 2) for _ in range(32)])
    assert len(taken) == 1
    assert await party.units_of(campaign, member) == 2
    assert await party.quota_taken(campaign) == 2
