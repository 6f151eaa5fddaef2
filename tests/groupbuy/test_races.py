"""Seats at the same time: swarms on one last thing, and rivals placed at the bad moment."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.core.db import commit
from app.core.errors import Problem
from app.core.sql import is_postgresql
from app.groupbuy import service
from app.groupbuy.errors import (
    AlreadyInGroup,
    CampaignEnded,
    CampaignStopped,
    GroupDidNotForm,
    GroupFull,
    QuotaSoldOut,
)
from app.groupbuy.models import GroupStatus, SeatStatus
from app.groupbuy.repository import groups as repository
from app.groupbuy.service import campaigns
from tests.conftest import rows_in
from tests.groupbuy.party import GRACE_SECONDS, NOBODY_YET, Money, Party, Place, refused

SWARM = 32


async def swarm(work: Sequence[Awaitable[Any]]) -> tuple[list[Any], list[Problem]]:
    """Everything at once: what succeeded and what was refused; any other fault is raised."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    refusals = [o for o in outcomes if isinstance(o, Problem)]
    faults = [o for o in outcomes if isinstance(o, BaseException) and not isinstance(o, Problem)]
    assert not faults, faults
    return [o for o in outcomes if not isinstance(o, BaseException)], refusals


async def test_one_last_seat_goes_to_exactly_one(party: Party) -> None:
    leader = await party.opened(await party.campaign(size=2))
    members = await party.members(SWARM)
    # All were shown the free seat before anybody took it.
    offered = await party.offer(service.GroupWish(group_id=leader.group_id))
    taken, refusals = await swarm([party.claim(offered, m) for m in members])
    assert len(taken) == 1
    assert {type(refusal) for refusal in refusals} == {GroupFull}
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 2, 1)


async def test_every_seat_is_taken_and_paid_by_as_many_as_there_are(party: Party) -> None:
    leader = await party.opened(await party.campaign(size=6))
    members = await party.members(SWARM)
    offered = await party.offer(service.GroupWish(group_id=leader.group_id))
    taken, refusals = await swarm([party.claim(offered, m) for m in members])
    assert len(taken) == 5
    assert len(refusals) == SWARM - 5
    await swarm([party.pay(place) for place in taken])
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 6, 6)
    assert len(await party.facts("group.succeeded")) == 1


async def test_one_member_on_many_devices_opens_one_group(party: Party) -> None:
    campaign, member = await party.campaign(), await party.member()
    taken, refusals = await swarm([party.open(campaign, member) for _ in range(SWARM)])
    assert len(taken) == 1
    assert {type(refusal) for refusal in refusals} == {AlreadyInGroup}


async def test_one_member_on_many_devices_joins_one_of_two_groups(party: Party) -> None:
    campaign, member = await party.campaign(size=20), await party.member()
    groups = [(await party.opened(campaign)).group_id for _ in range(2)]
    taken, refusals = await swarm([party.join(groups[i % 2], member) for i in range(SWARM)])
    assert len(taken) == 1
    assert {type(refusal) for refusal in refusals} == {AlreadyInGroup}
    seats = [(await party.standing(group_id))[1] for group_id in groups]
    assert sorted(seats) == [1, 2]


async def test_the_quota_is_sold_exactly(party: Party) -> None:
    campaign = await party.campaign(stock_quota=7)
    members = await party.members(SWARM)
    offered = await party.offer(service.GroupWish(campaign_id=campaign), 2)
    taken, refusals = await swarm([party.claim(offered, m, 2) for m in members])
    assert len(taken) == 3
    assert {type(refusal) for refusal in refusals} == {QuotaSoldOut}
    assert await party.quota_taken(campaign) == 6


async def test_the_last_two_payers_at_once_complete_the_group(party: Party) -> None:
    """One holds the group and has not counted; the other arrives in between and must wait for it.

    Were each to count from what it saw on arrival, the group would stay open, full and paid.
    """
    leader = await party.opened(await party.campaign(size=3))
    first, second = await party.join(leader.group_id), await party.join(leader.group_id)
    async with party.database.writing() as db:
        assert await repository.hold_group_of(db, first.order_id) is not None
        rival = asyncio.create_task(party.pay(second))
        await _until_it_waits(party, db, rival)
        await service.count_payment(db, Money(first.order_id, party.now, party.now))
        assert not rival.done()
        await commit(db)
    await rival
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 3, 3)
    [succeeded] = await party.facts("group.succeeded")
    assert len(succeeded["order_ids"]) == 3


async def test_a_payment_beside_the_sweep_counts_or_is_owed_back(party: Party) -> None:
    """The sweep holds the group when the last payer's news comes: too late, and owed back."""
    leader = await party.opened(await party.campaign(size=2))
    last = await party.join(leader.group_id)
    captured_at = party.now
    party.clock.advance(seconds=3_600 + GRACE_SECONDS)
    async with party.database.writing() as db:
        assert await service.settle_group(
            db, leader.group_id, grace_seconds=GRACE_SECONDS, now=party.now
        )
        rival = asyncio.create_task(party.pay(last, captured_at=captured_at))
        await _until_it_waits(party, db, rival)
        await commit(db)
    await rival
    assert await party.standing(leader.group_id) == (GroupStatus.FAILED, 0, 0)
    assert [await party.seat(p) for p in (leader, last)] == [SeatStatus.REFUND_DUE] * 2
    [failed] = await party.facts("group.failed")
    [late] = await party.facts("seat.payment_refused")
    assert failed["paid_order_ids"] == [str(leader.order_id)]
    assert late["order_id"] == str(last.order_id)


async def test_a_joiner_beside_the_failure_does_not_stay_in_an_ended_group(party: Party) -> None:
    """The last member leaves and has not committed when somebody joins."""
    leader = await party.opened(await party.campaign(size=3))
    member = await party.member()
    async with party.database.writing() as db:
        await service.leave(db, leader.order_id, now=party.now)
        rival = asyncio.create_task(party.join(leader.group_id, member))
        await _until_it_waits(party, db, rival)
        await commit(db)
    [outcome] = await asyncio.gather(rival, return_exceptions=True)
    assert isinstance(outcome, GroupDidNotForm)
    assert await party.standing(leader.group_id) == (GroupStatus.CANCELLED, 0, 0)


async def _stop(party: Party, campaign_id: UUID) -> None:
    await party.database.transact(
        lambda db: campaigns.stop_campaign(
            db, party.shop_id, campaign_id, ends_groups=False, version=2, now=party.now
        )
    )


@pytest.mark.parametrize(("end", "refusal"), [("stop", CampaignStopped), ("clock", CampaignEnded)])
async def test_what_was_offered_is_not_opened_after_the_campaign_ended(
    party: Party, end: str, refusal: type[Problem]
) -> None:
    campaign, member = await party.campaign(), await party.member()
    offered = await party.offer(service.GroupWish(campaign_id=campaign))
    if end == "stop":
        await _stop(party, campaign)
    else:
        party.clock.advance(days=7)
    before = await rows_in(party.database)
    with pytest.raises(refusal):
        await party.claim(offered, member)
    assert await rows_in(party.database) == before


async def test_a_stop_between_the_offer_and_the_seat_of_one_transaction(party: Party) -> None:
    """An order was offered the price; the operator's stop commits before it takes the seat."""
    campaign, member = await party.campaign(), await party.member()
    wish = service.GroupWish(campaign_id=campaign)
    async with party.database.writing() as db:
        if not is_postgresql(db):
            pytest.skip("one writer at a time: nothing comes between")
        wanted = service.OfferWish(party.variant_id, 1, NOBODY_YET, member)
        offered = await service.offer(db, party.shop_id, wish, wanted, now=party.now)
        await _stop(party, campaign)
        with pytest.raises(CampaignStopped):
            await service.take_seat(db, offered, party.seat_wish(offered, member), now=party.now)
        await commit(db)
    rows = await rows_in(party.database)
    assert (rows["groups"], rows["seats"]) == (0, 0)


async def _until_it_waits(party: Party, db: Any, rival: "asyncio.Task[Any]") -> None:
    """Until the rival stands before a lock; on SQLite it waits for the writer, nothing to see."""
    for _ in range(500):
        assert not rival.done()
        await asyncio.sleep(0.01)
        if not is_postgresql(db):
            return
        async with party.database.reading() as looking:
            waiting = sa.text(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if (await looking.execute(waiting)).scalar_one():
                return
    raise AssertionError("the rival never waited")


async def test_two_sweepers_fail_a_group_once(party: Party) -> None:
    campaign = await party.campaign(size=4, stock_quota=8)
    leader = await party.opened(campaign, quantity=2)
    await party.joined(leader.group_id)
    party.clock.advance(seconds=3_600 + GRACE_SECONDS)
    done, _ = await swarm([party.settle(leader.group_id) for _ in range(8)])
    assert sorted(done) == [False] * 7 + [True]
    assert len(await party.facts("group.failed")) == 1
    assert await party.quota_taken(campaign) == 0


async def test_a_payment_and_the_release_of_its_seat_agree(party: Party) -> None:
    """In either order: the seat is paid, or it is free and the money is owed back."""
    campaign = await party.campaign(size=20, stock_quota=100)
    leader = await party.opened(campaign)
    places = [await party.join(leader.group_id) for _ in range(12)]
    both: list[Awaitable[Any]] = [work(p) for p in places for work in (party.pay, party.release)]
    await swarm(both)
    ends = [await party.seat(place) for place in places]
    assert set(ends) <= {SeatStatus.PAID, SeatStatus.REFUND_DUE}
    paid = ends.count(SeatStatus.PAID)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, paid + 1, paid + 1)
    assert len(await party.facts("seat.payment_refused")) == len(places) - paid


async def test_payers_and_leavers_at_once_neither_deadlock_nor_lose_count(party: Party) -> None:
    leader = await party.opened(await party.campaign(size=21))
    inside: list[Place] = [await party.joined(leader.group_id) for _ in range(10)]
    coming = [await party.join(leader.group_id) for _ in range(10)]
    left, refusals = await swarm(
        [*(party.leave(p) for p in (leader, *inside[:5])), *(party.pay(p) for p in coming)]
    )
    assert (len(left), refusals) == (16, [])
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 15, 15)
    heir = (await party.group(leader.group_id))["leader_member_id"]
    assert heir in {p.member_id for p in (*inside[5:], *coming)}


async def test_a_place_that_comes_free_beside_a_refusal_is_no_stop(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group was full when the place was asked for, and is not when the reason is looked up."""
    leader = await party.opened(await party.campaign(size=2))
    offered, member = (
        await party.offer(service.GroupWish(group_id=leader.group_id)),
        await party.member(),
    )
    held = await party.join(leader.group_id)

    async def full(*_: Any, **__: Any) -> None:
        return None

    await party.release(held)
    monkeypatch.setattr(repository, "take_place", full)
    await refused(party, GroupFull, party.claim(offered, member))
