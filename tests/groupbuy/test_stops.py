"""A campaign that is stopped with its groups: at once for who comes, one by one for who is in."""

import asyncio
from typing import Any

import pytest

from app.core.db import commit
from app.core.jobs import JobContext
from app.core.sql import is_postgresql
from app.groupbuy import service
from app.groupbuy.errors import CampaignNotEditable, CampaignStopped, GroupDidNotForm
from app.groupbuy.jobs import end_stopped_groups
from app.groupbuy.models import GroupStatus, SeatStatus
from app.groupbuy.service import GroupWish
from app.settings import Settings
from tests.groupbuy.party import GRACE_SECONDS, NOBODY_YET, Party, refused
from tests.groupbuy.test_jobs import set_quota_taken, swept
from tests.groupbuy.test_races import _until_it_waits as until_it_waits


@pytest.fixture
def context(party: Party, settings: Settings) -> JobContext:
    return JobContext(settings, party.database, {})


async def test_a_stop_takes_nothing_from_who_was_enough_at_the_deadline(
    party: Party, context: JobContext
) -> None:
    campaign = await party.campaign(size=3, min_paid=2)
    leader, _ = await party.gathered(campaign, 2)
    party.clock.advance(seconds=3_600)
    await party.stop(campaign)
    assert await end_stopped_groups(context) == 0
    party.clock.advance(seconds=GRACE_SECONDS)
    assert await party.settle(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 2, 2)


async def test_a_deadline_that_passes_while_others_are_stopped_is_kept(
    party: Party, context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch takes its time; each group is judged by the time of its own turn."""
    campaign = await party.campaign(size=3, min_paid=2)
    first, second = [(await party.gathered(campaign, 2))[0] for _ in range(2)]
    party.clock.advance(seconds=3_599)
    await party.stop(campaign)
    transact = party.database.transact

    async def slow(work: Any) -> Any:
        done = await transact(work)
        party.clock.advance(seconds=2)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(party.database, "transact", slow)
        assert await end_stopped_groups(context) == 1
    assert await party.standing(first.group_id) == (GroupStatus.FAILED, 0, 0)
    party.clock.advance(seconds=GRACE_SECONDS)
    assert await party.settle(second.group_id)
    assert await party.standing(second.group_id) == (GroupStatus.SUCCEEDED, 2, 2)


async def test_a_stop_ends_what_gathers_and_owes_everything_once(
    party: Party, context: JobContext
) -> None:
    campaign = await party.campaign(size=3, stock_quota=50)
    open_, paid = await party.gathered(campaign, 2)
    held = await party.join(open_.group_id)
    pending = await party.open(campaign)
    done = await party.gathered(campaign, 3)
    other = await party.opened(await party.campaign())
    await party.stop(campaign)
    assert (await end_stopped_groups(context), await end_stopped_groups(context)) == (2, 0)
    assert await party.standing(open_.group_id) == (GroupStatus.FAILED, 0, 0)
    assert await party.standing(pending.group_id) == (GroupStatus.CANCELLED, 0, 0)
    assert await party.standing(done[0].group_id) == (GroupStatus.SUCCEEDED, 3, 3)
    assert await party.standing(other.group_id) == (GroupStatus.OPEN, 1, 1)
    seats = [await party.seat(place) for place in (open_, paid, held, pending)]
    assert seats == [SeatStatus.REFUND_DUE] * 2 + [SeatStatus.RELEASED] * 2
    facts = {fact["group_id"]: fact for fact in await party.facts("group.failed")}
    assert facts.keys() == {str(open_.group_id), str(pending.group_id)}
    assert {fact["cause"] for fact in facts.values()} == {"campaign_stopped"}
    failed = facts[str(open_.group_id)]
    assert sorted(failed["paid_order_ids"]) == sorted([str(open_.order_id), str(paid.order_id)])
    assert failed["unpaid_order_ids"] == [str(held.order_id)]
    assert await party.quota_taken(campaign) == 3
    # Money that is heard of afterwards goes back too, once.
    for place in (held, pending):
        await party.pay(place, times=2)
        assert await party.seat(place) is SeatStatus.REFUND_DUE
    assert len(await party.facts("seat.payment_refused")) == 2


async def test_nobody_comes_in_once_it_is_stopped(party: Party) -> None:
    """Before the worker has ended anything: by a new offer, and by one that is older."""
    campaign = await party.campaign(size=3)
    leader = await party.opened(campaign)
    member = await party.member()
    wishes = [GroupWish(group_id=leader.group_id), GroupWish(campaign_id=campaign)]
    offers = [await party.offer(wish) for wish in wishes]
    await party.stop(campaign)
    for wish, offered in zip(wishes, offers, strict=True):
        await refused(party, CampaignStopped, party.offer(wish))
        await refused(party, CampaignStopped, party.claim(offered, member))
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 1, 1)


async def test_who_completes_a_group_before_the_worker_comes_has_completed_it(
    party: Party, context: JobContext
) -> None:
    campaign = await party.campaign(size=2)
    leader = await party.opened(campaign)
    last = await party.join(leader.group_id)
    await party.stop(campaign)
    await party.pay(last)
    assert await end_stopped_groups(context) == 0
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 2, 2)


async def test_a_stop_that_lets_groups_run_on_may_be_made_harder(
    party: Party, context: JobContext
) -> None:
    campaign = await party.campaign(size=3)
    leader = await party.opened(campaign)
    await party.stop(campaign, ends_groups=False)
    await party.joined(leader.group_id)
    assert await end_stopped_groups(context) == 0
    again = party.stop(campaign, version=3, ends_groups=False)
    await refused(party, CampaignNotEditable, again)
    await party.stop(campaign, version=3)
    assert await end_stopped_groups(context) == 1
    assert await party.standing(leader.group_id) == (GroupStatus.FAILED, 0, 0)


async def test_groups_that_outlive_their_campaign_may_be_ended(
    party: Party, context: JobContext
) -> None:
    campaign = await party.campaign(group_seconds=30 * 86_400)
    leader = await party.opened(campaign)
    party.clock.advance(days=8)
    await refused(party, CampaignNotEditable, party.stop(campaign, ends_groups=False))
    await party.stop(campaign)
    await refused(party, CampaignStopped, party.offer(GroupWish(group_id=leader.group_id)))
    assert await end_stopped_groups(context) == 1


async def test_a_joiner_who_sat_down_beside_the_stop_goes_with_the_group(
    party: Party, context: JobContext
) -> None:
    """The seat is taken and not committed when the stop commits; the worker comes after both."""
    campaign, member = await party.campaign(size=3), await party.member()
    leader = await party.opened(campaign)
    offered = await party.offer(GroupWish(group_id=leader.group_id))
    async with party.database.writing() as db:
        if not is_postgresql(db):
            pytest.skip("one writer at a time: nothing comes between")
        seat = party.seat_wish(offered, member)
        await service.take_seat(db, offered, seat, now=party.now)
        await party.stop(campaign)
        ending = asyncio.create_task(end_stopped_groups(context))
        await until_it_waits(party, db, ending)
        await commit(db)
    assert await ending == 1
    assert await party.standing(leader.group_id) == (GroupStatus.FAILED, 0, 0)
    [failed] = await party.facts("group.failed")
    assert failed["unpaid_order_ids"] == [str(seat.order_id)]


async def test_a_leader_who_opens_beside_the_stop_is_ended_too(
    party: Party, context: JobContext
) -> None:
    campaign, member = await party.campaign(), await party.member()
    offered = await party.offer(GroupWish(campaign_id=campaign))
    async with party.database.writing() as db:
        if not is_postgresql(db):
            pytest.skip("one writer at a time: nothing comes between")
        taken = await service.take_seat(
            db, offered, party.seat_wish(offered, member), now=party.now
        )
        await party.stop(campaign)
        assert await end_stopped_groups(context) == 0
        await commit(db)
    assert await end_stopped_groups(context) == 1
    assert await party.standing(taken.group_id) == (GroupStatus.CANCELLED, 0, 0)


async def test_a_stop_between_the_offer_and_the_place_of_one_transaction(party: Party) -> None:
    campaign, member = await party.campaign(), await party.member()
    leader = await party.opened(campaign)
    wish = GroupWish(group_id=leader.group_id)
    async with party.database.writing() as db:
        if not is_postgresql(db):
            pytest.skip("one writer at a time: nothing comes between")
        wanted = service.OfferWish(party.variant_id, 1, NOBODY_YET, member)
        offered = await service.offer(db, party.shop_id, wish, wanted, now=party.now)
        await party.stop(campaign)
        with pytest.raises(CampaignStopped):
            await service.take_seat(db, offered, party.seat_wish(offered, member), now=party.now)
        await commit(db)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 1, 1)


async def test_a_joiner_beside_the_worker_is_told_that_it_was_stopped(party: Party) -> None:
    """The worker has ended the group and not committed; who comes need not wait to be refused."""
    campaign, member = await party.campaign(), await party.member()
    leader = await party.opened(campaign)
    offered = await party.offer(GroupWish(group_id=leader.group_id))
    await party.stop(campaign)
    async with party.database.writing() as db:
        assert await service.stop_group(db, leader.group_id, now=party.now)
        rival = asyncio.create_task(party.claim(offered, member))
        if is_postgresql(db):
            with pytest.raises(CampaignStopped):
                await rival
        await commit(db)
    [outcome] = await asyncio.gather(rival, return_exceptions=True)
    assert isinstance(outcome, CampaignStopped | GroupDidNotForm)
    assert await party.standing(leader.group_id) == (GroupStatus.FAILED, 0, 0)


@pytest.mark.parametrize("rows_max", [1, 2, 100])
async def test_groups_that_cannot_be_ended_hide_no_other(
    party: Party, settings: Settings, rows_max: int
) -> None:
    broken = await party.campaign(stock_quota=9)
    stuck = [await party.opened(broken) for _ in range(3)]
    whole = await party.campaign()
    behind = [await party.opened(whole) for _ in range(3)]
    await set_quota_taken(party, broken, 0)
    for campaign in (broken, whole):
        await party.stop(campaign)
    small = settings.model_copy(update={"sweep_batch_rows": rows_max})
    context = JobContext(small, party.database, {})
    assert await swept(context, end_stopped_groups) == 3
    assert {(await party.standing(p.group_id))[0] for p in behind} == {GroupStatus.FAILED}
    assert {(await party.standing(p.group_id))[0] for p in stuck} == {GroupStatus.OPEN}
    await set_quota_taken(party, broken, 3)
    assert await swept(context, end_stopped_groups) == 3
