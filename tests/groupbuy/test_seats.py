"""Seats one after the other: every way in, every way out, and what the group becomes."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.core.errors import NotFound, Problem
from app.core.jobs import JobContext
from app.groupbuy import service
from app.groupbuy.errors import (
    AlreadyInGroup,
    CampaignEnded,
    CampaignNotStarted,
    GroupClosed,
    GroupDidNotForm,
    GroupFull,
    QuotaSoldOut,
    SeatNotLeavable,
    TooManyUnits,
    VariantNotInCampaign,
)
from app.groupbuy.jobs import JOBS
from app.groupbuy.models import GroupStatus, SeatStatus
from app.settings import Settings
from tests.conftest import rows_in
from tests.factories import Stand
from tests.groupbuy.party import GRACE_SECONDS, TTL_SECONDS, Money, Party


async def refused(party: Party, kind: type[Problem], work: Any) -> Problem:
    """The refusal, after which nothing is different."""
    before = await _state(party)
    with pytest.raises(kind) as caught:
        await work
    assert await _state(party) == before
    return caught.value


async def _state(party: Party) -> Any:
    counts = await rows_in(party.database)
    # The member who tries is made on the way.
    return {n: c for n, c in counts.items() if not n.startswith("member")}


async def test_a_group_waits_for_its_leader_then_opens_grows_and_succeeds(party: Party) -> None:
    campaign = await party.campaign()
    leader = await party.open(campaign)
    assert leader.expires_at == party.now + timedelta(seconds=TTL_SECONDS)
    assert await party.standing(leader.group_id) == (GroupStatus.PENDING, 1, 0)
    assert (await party.group(leader.group_id))["deadline_at"] is None

    party.clock.advance(seconds=40)
    opened_at = party.now
    await party.pay(leader, captured_at=opened_at - timedelta(seconds=5))
    group = await party.group(leader.group_id)
    assert (group["status"], group["paid"]) == (GroupStatus.OPEN, 1)
    assert group["opened_at"] == opened_at - timedelta(seconds=5)
    assert group["deadline_at"] == opened_at + timedelta(seconds=3_595)

    second, third = await party.join(leader.group_id), await party.join(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 3, 1)
    await party.pay(third)
    party.clock.advance(seconds=30)
    await party.pay(second)
    group = await party.group(leader.group_id)
    assert (group["status"], group["paid"]) == (GroupStatus.SUCCEEDED, 3)
    assert group["succeeded_at"] == group["ended_at"] == party.now
    assert group["deadline_at"] == opened_at + timedelta(seconds=3_595)
    [opened] = await party.facts("group.opened")
    assert opened["leader_member_id"] == str(leader.member_id)
    assert opened["deadline_at"] == group["deadline_at"].isoformat()
    [succeeded] = await party.facts("group.succeeded")
    orders = sorted(str(place.order_id) for place in (leader, second, third))
    assert sorted(succeeded["order_ids"]) == orders


async def test_nobody_joins_before_the_leader_has_paid(party: Party) -> None:
    leader = await party.open(await party.campaign())
    refusal = await refused(party, GroupClosed, party.join(leader.group_id))
    assert refusal.params["status"] == GroupStatus.PENDING


async def test_nobody_joins_a_full_group(party: Party) -> None:
    leader = await party.opened(await party.campaign(size=2))
    await party.join(leader.group_id)
    await refused(party, GroupFull, party.join(leader.group_id))


async def test_nobody_joins_at_the_deadline_and_everybody_before(party: Party) -> None:
    leader = await party.opened(await party.campaign())
    party.clock.advance(seconds=3_599)
    last = await party.join(leader.group_id)
    assert last.expires_at == party.now + timedelta(seconds=1)
    party.clock.advance(seconds=1)
    await refused(party, GroupClosed, party.join(leader.group_id))


async def test_a_campaigns_end_ends_opening_but_not_joining(party: Party) -> None:
    campaign = await party.campaign(ends_at=party.now + timedelta(minutes=1))
    leader = await party.opened(campaign)
    party.clock.advance(minutes=1)
    await refused(party, CampaignEnded, party.open(campaign))
    await party.joined(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 2, 2)


async def test_what_is_not_offered_cannot_be_taken(party: Party, stand: Stand) -> None:
    later = await party.campaign(starts_at=party.now + timedelta(seconds=1))
    await refused(party, CampaignNotStarted, party.open(later))
    drafted = (await party.draft()).campaign["id"]
    await refused(party, NotFound, party.open(drafted))
    await refused(party, NotFound, party.open(uuid4()))
    await refused(party, NotFound, party.join(uuid4()))
    running = await party.campaign(units_per_order_max=2)
    refusal = await refused(party, TooManyUnits, party.open(running, quantity=3))
    assert refusal.params == {"units_per_order_max": 2}
    party.variant_id = (await stand.goods(party.shop_id, units=1)).id
    await refused(party, VariantNotInCampaign, party.open(running))
    party.shop_id = (await stand.shop("lake")).id
    await refused(party, NotFound, party.open(running))


async def test_one_gathering_seat_for_each_member_of_a_campaign(party: Party) -> None:
    campaign = await party.campaign(size=2)
    other = await party.campaign(size=2)
    leader = await party.opened(campaign)
    rival = await party.opened(campaign)
    for group_id in (leader.group_id, rival.group_id):
        await refused(party, AlreadyInGroup, party.join(group_id, leader.member_id))
    await refused(party, AlreadyInGroup, party.open(campaign, leader.member_id))
    await party.open(other, leader.member_id)
    await party.joined(leader.group_id)
    assert (await party.group(leader.group_id))["status"] is GroupStatus.SUCCEEDED
    again = await party.join(rival.group_id, leader.member_id)
    assert await party.seat(again) is SeatStatus.RESERVED


async def test_a_released_seat_is_free_again_and_its_member_too(party: Party) -> None:
    leader = await party.opened(await party.campaign(size=2))
    place = await party.join(leader.group_id)
    assert await party.release(place)
    assert not await party.release(place)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 1, 1)
    again = await party.join(leader.group_id, place.member_id)
    await party.pay(again)
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 2, 2)


async def test_the_leaders_release_cancels_the_pending_group(party: Party) -> None:
    campaign = await party.campaign()
    leader = await party.open(campaign)
    assert await party.release(leader)
    assert await party.standing(leader.group_id) == (GroupStatus.CANCELLED, 0, 0)
    await refused(party, GroupDidNotForm, party.join(leader.group_id))
    assert (await party.open(campaign, leader.member_id)).group_id != leader.group_id
    await party.pay(leader)
    assert await party.seat(leader) is SeatStatus.REFUND_DUE
    assert await party.standing(leader.group_id) == (GroupStatus.CANCELLED, 0, 0)


async def test_a_paid_seat_is_not_released(party: Party) -> None:
    leader = await party.opened(await party.campaign())
    assert not await party.release(leader)
    assert await party.seat(leader) is SeatStatus.PAID


async def test_money_for_a_released_seat_is_owed_back_once(party: Party) -> None:
    campaign = await party.campaign(stock_quota=10)
    leader = await party.opened(campaign)
    place = await party.join(leader.group_id)
    await party.release(place)
    await party.pay(place, times=2)
    assert await party.seat(place) is SeatStatus.REFUND_DUE
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 1, 1)
    [late] = await party.facts("seat.payment_refused")
    assert (late["order_id"], late["units"]) == (str(place.order_id), 0)
    assert await party.quota_taken(campaign) == 1
    await party.database.transact(
        lambda db: service.note_refund(db, Money(place.order_id, party.now, party.now))
    )
    assert await party.seat(place) is SeatStatus.REFUNDED


async def test_money_captured_after_the_deadline_is_owed_back_and_frees_the_place(
    party: Party,
) -> None:
    """The group still stands in its grace; neither the place nor the quota may stay held."""
    campaign = await party.campaign(stock_quota=10)
    leader = await party.opened(campaign)
    place = await party.join(leader.group_id, quantity=4)
    party.clock.advance(seconds=3_601)
    assert not await party.settle(leader.group_id)
    await party.pay(place)
    assert await party.seat(place) is SeatStatus.REFUND_DUE
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 1, 1)
    [late] = await party.facts("seat.payment_refused")
    assert (late["order_id"], late["units"]) == (str(place.order_id), 4)
    assert await party.quota_taken(campaign) == 1


async def test_money_captured_in_time_counts_though_heard_of_later(party: Party) -> None:
    leader = await party.opened(await party.campaign(size=2))
    place = await party.join(leader.group_id)
    party.clock.advance(seconds=3_600)
    captured_at = party.now
    party.clock.advance(seconds=GRACE_SECONDS - 1)
    assert not await party.settle(leader.group_id)
    await party.pay(place, captured_at=captured_at)
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 2, 2)
    party.clock.advance(seconds=10)
    assert not await party.settle(leader.group_id)


async def test_money_heard_of_after_the_failure_is_owed_back(party: Party) -> None:
    leader = await party.opened(await party.campaign(size=2))
    place = await party.join(leader.group_id)
    captured_at = party.now
    party.clock.advance(seconds=3_600 + GRACE_SECONDS)
    assert await party.settle(leader.group_id)
    await party.pay(place, captured_at=captured_at)
    assert await party.seat(place) is SeatStatus.REFUND_DUE
    [late] = await party.facts("seat.payment_refused")
    assert (late["order_id"], late["units"]) == (str(place.order_id), 0)


@pytest.mark.parametrize("size", [2, 3])
async def test_a_second_payment_of_an_order_says_nothing_about_its_seat(
    party: Party, size: int
) -> None:
    """Two captures of one order, gathering or succeeded: the seat stays, no refund is owed here."""
    leader = await party.opened(await party.campaign(size=size))
    place = await party.joined(leader.group_id)
    before, seat = await party.standing(leader.group_id), await party.seat(place)
    await party.pay(place)
    assert await party.standing(leader.group_id) == before
    assert await party.seat(place) is seat
    assert await party.facts("seat.payment_refused") == []


async def test_money_for_an_order_without_a_seat_is_nothing_to_a_group(party: Party) -> None:
    before = await rows_in(party.database)
    await party.database.transact(
        lambda db: service.count_payment(db, Money(uuid4(), party.now, party.now))
    )
    assert await rows_in(party.database) == before


async def test_a_leader_who_leaves_passes_the_lead_to_the_earliest_payer(party: Party) -> None:
    campaign = await party.campaign(size=4, stock_quota=9)
    leader = await party.opened(campaign)
    deadline_at = (await party.group(leader.group_id))["deadline_at"]
    slow, fast = await party.join(leader.group_id), await party.join(leader.group_id)
    party.clock.advance(seconds=1)
    await party.pay(fast)
    party.clock.advance(seconds=1)
    await party.pay(slow)
    await party.leave(leader)
    group = await party.group(leader.group_id)
    assert (group["leader_member_id"], group["deadline_at"]) == (fast.member_id, deadline_at)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 2, 2)
    assert await party.seat(leader) is SeatStatus.REFUND_DUE
    await party.leave(slow)
    assert (await party.group(leader.group_id))["leader_member_id"] == fast.member_id
    assert await party.quota_taken(campaign) == 1
    assert await party.facts("group.failed") == []


async def test_the_last_payer_who_leaves_ends_the_group_for_all(party: Party) -> None:
    campaign = await party.campaign(stock_quota=9)
    leader = await party.opened(campaign, quantity=2)
    waiting = await party.join(leader.group_id, quantity=3)
    await party.leave(leader)
    assert await party.standing(leader.group_id) == (GroupStatus.CANCELLED, 0, 0)
    assert await party.seat(waiting) is SeatStatus.RELEASED
    [failed] = await party.facts("group.failed")
    assert (failed["cause"], failed["units"]) == ("nobody_left", 2 + 3)
    assert (failed["paid_order_ids"], failed["left_order_ids"]) == ([], [str(leader.order_id)])
    assert failed["unpaid_order_ids"] == [str(waiting.order_id)]
    assert await party.quota_taken(campaign) == 0


async def test_who_has_no_paid_seat_in_a_gathering_group_cannot_leave(party: Party) -> None:
    leader = await party.opened(await party.campaign(size=3))
    unpaid, gone = await party.join(leader.group_id), await party.join(leader.group_id)
    await party.release(gone)
    standing = await party.standing(leader.group_id)
    for place in (unpaid, gone):
        await refused(party, SeatNotLeavable, party.leave(place))
    assert await party.standing(leader.group_id) == standing == (GroupStatus.OPEN, 2, 1)
    assert await party.seat(gone) is SeatStatus.RELEASED
    await party.pay(unpaid)
    await party.joined(leader.group_id)
    assert (await party.group(leader.group_id))["status"] is GroupStatus.SUCCEEDED
    await refused(party, SeatNotLeavable, party.leave(leader))


async def test_who_was_enough_at_the_deadline_is_not_left_in_the_grace(party: Party) -> None:
    """The grace is for news of payments: who goes then would undo what the others have reached."""
    leader, second = await party.gathered(await party.campaign(size=3, min_paid=2), 2)
    party.clock.advance(seconds=3_600)
    for place in (leader, second):
        await refused(party, SeatNotLeavable, party.leave(place))
    party.clock.advance(seconds=GRACE_SECONDS)
    assert await party.settle(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 2, 2)


async def test_an_overdue_group_fails_and_is_emptied(party: Party) -> None:
    campaign = await party.campaign(size=4, stock_quota=9)
    leader = await party.opened(campaign, quantity=2)
    paid, unpaid = await party.joined(leader.group_id), await party.join(leader.group_id)
    party.clock.advance(seconds=3_599 + GRACE_SECONDS)
    assert not await party.settle(leader.group_id)
    assert await _due(party) == []
    party.clock.advance(seconds=1)
    assert await _due(party) == [leader.group_id]
    assert await party.settle(leader.group_id)
    assert not await party.settle(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.FAILED, 0, 0)
    assert [await party.seat(place) for place in (leader, paid, unpaid)] == [
        SeatStatus.REFUND_DUE,
        SeatStatus.REFUND_DUE,
        SeatStatus.RELEASED,
    ]
    [failed] = await party.facts("group.failed")
    assert (failed["cause"], failed["units"]) == ("deadline", 4)
    assert sorted(failed["paid_order_ids"]) == sorted([str(leader.order_id), str(paid.order_id)])
    assert failed["unpaid_order_ids"] == [str(unpaid.order_id)]
    assert await party.quota_taken(campaign) == 0
    await party.open(campaign, leader.member_id)


async def _due(party: Party) -> Any:
    async with party.database.reading() as db:
        due = await service.due_to_settle(
            db, grace_seconds=GRACE_SECONDS, now=party.now, after=None, rows_max=10
        )
    return [row["id"] for row in due]


async def test_the_job_fails_what_is_overdue_and_nothing_else(
    party: Party, settings: Settings
) -> None:
    campaign = await party.campaign()
    overdue = [await party.opened(campaign) for _ in range(3)]
    party.clock.advance(seconds=settings.group_grace_seconds + 1)
    fresh = await party.opened(campaign)
    party.clock.advance(seconds=3_599)
    context = JobContext(settings, party.database, {})
    job = JOBS[0]
    assert (await job.run(context), await job.run(context)) == (3, 0)
    failed = {(await party.group(p.group_id))["status"] for p in overdue}
    assert failed == {GroupStatus.FAILED}
    assert (await party.group(fresh.group_id))["status"] is GroupStatus.OPEN


async def test_the_quota_is_taken_to_the_last_unit_and_not_beyond(party: Party) -> None:
    campaign = await party.campaign(stock_quota=5)
    leader = await party.opened(campaign, quantity=3)
    await refused(party, QuotaSoldOut, party.open(campaign, quantity=3))
    place = await party.join(leader.group_id, quantity=2)
    await refused(party, QuotaSoldOut, party.join(leader.group_id))
    assert await party.quota_taken(campaign) == 5
    await party.release(place)
    assert await party.quota_taken(campaign) == 3
