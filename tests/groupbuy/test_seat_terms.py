"""What a campaign may say of prices and sizes: ladders, leaders, and success that is short."""

from datetime import timedelta
from typing import Any

import pytest

from app.groupbuy import service
from app.groupbuy.models import GroupStatus, SeatStatus
from app.groupbuy.rules.campaigns import GroupPriceWish
from tests.groupbuy.party import GRACE_SECONDS, Party, Place

GROUP_AMOUNT = 9_900
OVER_SECONDS = 3_600 + GRACE_SECONDS


def back(place: Place, unit: int, reward: int = 0) -> dict[str, Any]:
    return {"order_id": str(place.order_id), "unit_amount": unit, "reward_amount": reward}


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["order_id"])


async def success(party: Party) -> dict[str, Any]:
    """The one success that was stated."""
    [succeeded] = await party.facts("group.succeeded")
    assert succeeded["paid_back"] == in_order(succeeded["paid_back"])
    return succeeded


async def test_a_ladder_fills_to_its_largest_tier_and_pays_back_the_difference(
    party: Party,
) -> None:
    campaign = await party.campaign(size=2, ladder=party.ladder(of_3=8_000, of_4=7_000))
    leader, second, third = await party.gathered(campaign, 3)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 3, 3)
    assert await party.facts("group.succeeded") == []
    last = await party.join(leader.group_id, quantity=2)
    assert (await party.seat_row(last))["unit_amount"] == GROUP_AMOUNT
    await party.pay(last)
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 4, 4)
    told = await success(party)
    assert (told["paid"], told["is_short"]) == (4, False)
    # Per unit: who bought two gets it twice, which is the order's affair.
    assert told["paid_back"] == in_order([back(p, 2_900) for p in (leader, second, third, last)])


@pytest.mark.parametrize(("paid", "unit"), [(2, 0), (3, 1_900)])
async def test_at_the_deadline_a_ladder_succeeds_with_the_tier_it_reached(
    party: Party, paid: int, unit: int
) -> None:
    """A place that is only held reaches no tier, and goes back afterwards."""
    campaign = await party.campaign(size=2, ladder=party.ladder(of_3=8_000, of_4=7_000))
    inside = await party.gathered(campaign, paid)
    group_id = inside[0].group_id
    held = await party.join(group_id)
    party.clock.advance(seconds=OVER_SECONDS - 1)
    assert not await party.settle(group_id)
    party.clock.advance(seconds=1)
    assert await party.settle(group_id)
    assert await party.standing(group_id) == (GroupStatus.SUCCEEDED, paid + 1, paid)
    told = await success(party)
    assert (told["paid"], told["is_short"]) == (paid, True)
    assert sorted(told["order_ids"]) == sorted(str(p.order_id) for p in inside)
    assert told["paid_back"] == in_order([back(p, unit) for p in inside] if unit else [])
    assert await party.release(held)
    assert await party.standing(group_id) == (GroupStatus.SUCCEEDED, paid, paid)
    assert not await party.settle(group_id)


async def test_below_its_smallest_tier_a_ladder_fails(party: Party) -> None:
    campaign = await party.campaign(size=3, ladder=party.ladder(of_4=8_000), stock_quota=9)
    inside = await party.gathered(campaign, 2)
    party.clock.advance(seconds=OVER_SECONDS)
    assert await party.settle(inside[0].group_id)
    assert await party.standing(inside[0].group_id) == (GroupStatus.FAILED, 0, 0)
    assert [await party.seat(p) for p in inside] == [SeatStatus.REFUND_DUE] * 2
    assert await party.facts("group.succeeded") == []
    assert await party.quota_taken(campaign) == 0


async def test_the_tier_reached_by_who_is_left_decides(party: Party) -> None:
    campaign = await party.campaign(size=2, ladder=party.ladder(of_3=8_000, of_4=7_000))
    leader, second, third = await party.gathered(campaign, 3)
    await party.leave(second)
    party.clock.advance(seconds=OVER_SECONDS)
    assert await party.settle(leader.group_id)
    told = await success(party)
    assert (told["paid"], told["paid_back"]) == (2, [])
    assert [await party.seat(p) for p in (leader, third)] == [SeatStatus.CONFIRMED] * 2


async def test_only_who_opens_a_group_has_the_leaders_price(party: Party) -> None:
    prices = (GroupPriceWish(party.variant_id, GROUP_AMOUNT, leader_amount=8_500),)
    campaign = await party.campaign(size=2, prices=prices)
    leader = await party.opened(campaign)
    to_join = await party.offer(service.GroupWish(group_id=leader.group_id))
    assert (to_join.leader_amounts, to_join.pays_back) == (None, False)
    to_open = await party.offer(service.GroupWish(campaign_id=campaign))
    assert to_open.leader_amounts == {party.variant_id: 8_500}
    joiner = await party.joined(leader.group_id)
    amounts = [(await party.seat_row(p))["unit_amount"] for p in (leader, joiner)]
    assert amounts == [8_500, GROUP_AMOUNT]
    assert (await success(party))["paid_back"] == []


async def test_the_lead_passes_and_every_paid_price_stays(party: Party) -> None:
    prices = (GroupPriceWish(party.variant_id, GROUP_AMOUNT, leader_amount=8_500),)
    campaign = await party.campaign(size=2, ladder=party.ladder(of_3=9_000), prices=prices)
    leader, heir = await party.gathered(campaign, 2)
    deadline_at = (await party.group(leader.group_id))["deadline_at"]
    await party.leave(leader)
    after = await party.group(leader.group_id)
    assert (after["leader_member_id"], after["deadline_at"]) == (heir.member_id, deadline_at)
    assert (await party.seat_row(heir))["unit_amount"] == GROUP_AMOUNT
    others = [await party.joined(leader.group_id) for _ in range(2)]
    told = await success(party)
    assert told["paid_back"] == in_order([back(p, 900) for p in (heir, *others)])


@pytest.mark.parametrize(("tier", "to_leader"), [(9_000, 0), (8_500, 0), (8_000, 500)])
async def test_a_leaders_price_is_undercut_by_a_tier_or_stays(
    party: Party, tier: int, to_leader: int
) -> None:
    prices = (GroupPriceWish(party.variant_id, GROUP_AMOUNT, leader_amount=8_500),)
    campaign = await party.campaign(size=2, ladder=party.ladder(of_3=tier), prices=prices)
    leader, *others = await party.gathered(campaign, 3)
    expected = [back(p, GROUP_AMOUNT - tier) for p in others]
    expected += [back(leader, to_leader)] if to_leader else []
    assert (await success(party))["paid_back"] == in_order(expected)


async def test_the_reward_goes_to_whoever_leads_when_the_group_succeeds(party: Party) -> None:
    campaign = await party.campaign(
        size=2, ladder=party.ladder(of_3=9_000), leader_reward_amount=500
    )
    first, second = await party.gathered(campaign, 2)
    await party.leave(first)
    third, fourth = [await party.joined(first.group_id) for _ in range(2)]
    told = await success(party)
    assert told["paid_back"] == in_order(
        [back(second, 900, 500), back(third, 900), back(fourth, 900)]
    )


@pytest.mark.parametrize("ladder", [{}, {"of_3": 9_000}])
async def test_a_reward_is_owed_though_no_tier_was_reached(
    party: Party, ladder: dict[str, int]
) -> None:
    campaign = await party.campaign(size=2, ladder=party.ladder(**ladder), leader_reward_amount=500)
    leader, _ = await party.gathered(campaign, 2)
    party.clock.advance(seconds=OVER_SECONDS)
    await party.settle(leader.group_id)
    assert (await success(party))["paid_back"] == [back(leader, 0, 500)]


async def test_four_of_seven_are_enough_where_the_operator_said_so(party: Party) -> None:
    """One more holds a place unpaid at that moment: it is no member, and its money is too late."""
    campaign = await party.campaign(size=7, min_paid=4, stock_quota=20)
    inside = await party.gathered(campaign, 4)
    group_id = inside[0].group_id
    party.clock.advance(seconds=3_599)
    held = await party.join(group_id, quantity=3)
    assert held.expires_at == party.now + timedelta(seconds=1)
    captured_at = party.now
    party.clock.advance(seconds=1 + GRACE_SECONDS)
    assert await party.settle(group_id)
    assert await party.standing(group_id) == (GroupStatus.SUCCEEDED, 5, 4)
    told = await success(party)
    assert (told["paid"], told["is_short"], told["paid_back"]) == (4, True, [])
    assert sorted(told["order_ids"]) == sorted(str(p.order_id) for p in inside)
    await party.pay(held, captured_at=captured_at, times=2)
    assert await party.standing(group_id) == (GroupStatus.SUCCEEDED, 4, 4)
    assert await party.seat(held) is SeatStatus.REFUND_DUE
    [late] = await party.facts("seat.payment_refused")
    assert (late["cause"], late["units"]) == ("paid_too_late", 3)
    assert await party.quota_taken(campaign) == 4


async def test_three_of_seven_fail_where_four_are_wanted(party: Party) -> None:
    campaign = await party.campaign(size=7, min_paid=4)
    inside = await party.gathered(campaign, 3)
    held = await party.join(inside[0].group_id)
    party.clock.advance(seconds=OVER_SECONDS)
    assert await party.settle(inside[0].group_id)
    assert await party.standing(inside[0].group_id) == (GroupStatus.FAILED, 0, 0)
    assert [await party.seat(p) for p in inside] == [SeatStatus.REFUND_DUE] * 3
    assert await party.seat(held) is SeatStatus.RELEASED


async def test_enough_is_not_success_before_the_deadline(party: Party) -> None:
    """Who may succeed short is still full at once, and may still be left."""
    campaign = await party.campaign(size=3, min_paid=2)
    leader, second = await party.gathered(campaign, 2)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 2, 2)
    await party.leave(second)
    for _ in range(2):
        await party.joined(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 3, 3)
    assert (await success(party))["is_short"] is False


async def test_news_in_the_grace_may_still_make_it_enough(party: Party) -> None:
    campaign = await party.campaign(size=4, min_paid=3)
    leader, _ = await party.gathered(campaign, 2)
    third = await party.join(leader.group_id)
    captured_at = party.now
    party.clock.advance(seconds=OVER_SECONDS - 1)
    await party.pay(third, captured_at=captured_at)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 3, 3)
    party.clock.advance(seconds=1)
    assert await party.settle(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 3, 3)
