"""Campaigns copied, and stopped with or without the groups that gather."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.core.audit_log import AuditEntry
from app.core.jobs import JobContext
from app.core.sql import table
from app.groupbuy import service
from app.groupbuy.errors import CampaignStopped
from app.groupbuy.jobs import end_stopped_groups
from app.groupbuy.models import GroupStatus, SeatStatus
from app.settings import Settings
from tests.factories import Stand
from tests.groupbuy.party import Party
from tests.groupbuy.test_campaigns import act, path, prices_of, refused, untouched
from tests.groupbuy.test_terms import community_in, drafted, tier


async def noted(party: Party, action: str) -> list[dict[str, Any]]:
    entries = table(AuditEntry)
    async with party.database.reading() as db:
        wanted = sa.select(entries).where(entries.c.action == action).order_by(entries.c.id)
        return [dict(row) for row in (await db.execute(wanted)).mappings()]


async def test_a_copy_says_the_same_and_starts_anew(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    audience = {"community_ids": [await community_in(stand, party.shop_id)]}
    made = await drafted(
        owner,
        party,
        member_units_max=4,
        newcomers_only=True,
        audience=audience,
        ladder=[tier(party, 5, 8_800)],
        min_paid=2,
        late_payment="reseat",
        prices=prices_of(party, leader_amount=9_000),
        starts_at="2026-06-18T04:00:00Z",
    )
    await act(owner, party, made["id"], "schedule", 1)
    await act(owner, party, made["id"], "stop", 2, end_groups=True)
    stand.clock.advance(hours=2)
    owner = await stand.as_owner(party.shop_id)
    answer = await owner.post(path(party.shop_id, made["id"], "copy"))
    copied = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"'), answer.text
    fresh = {"id": copied["id"], "created_at": "2026-06-18T06:00:00Z"}
    assert copied == {**made, **fresh}
    assert copied["id"] != made["id"]
    assert (await owner.get(path(party.shop_id, copied["id"]))).json() == copied
    [entry] = await noted(party, "campaign.copied")
    assert (entry["subject_id"], entry["after"]["copy_of"]) == (UUID(copied["id"]), made["id"])
    # It is a campaign of its own: what is changed in it leaves the first as it was.
    await owner.patch(path(party.shop_id, copied["id"]), {"ladder": []}, version=1)
    kept = (await owner.get(path(party.shop_id, made["id"]))).json()
    assert (kept["ladder"], kept["phase"]) == (made["ladder"], "stopped")


async def test_a_copy_may_be_made_in_every_phase_and_has_no_groups(
    stand: Stand, party: Party
) -> None:
    owner = await stand.as_owner(party.shop_id)
    running = await party.campaign(size=2, stock_quota=10)
    await party.joined((await party.opened(running)).group_id)
    later = party.now.replace(hour=6)
    ids = [running, await party.campaign(starts_at=later), (await party.draft()).campaign["id"]]
    over = await party.campaign(ends_at=party.now.replace(hour=5))
    stand.clock.advance(hours=1)
    owner = await stand.as_owner(party.shop_id)
    for campaign_id in (*ids, over):
        answer = await owner.post(path(party.shop_id, campaign_id, "copy"))
        copied = answer.json()
        assert (answer.status_code, copied["phase"]) == (201, "draft"), answer.text
        assert (copied["quota_taken"], set(copied["groups"].values())) == (0, {0})
        assert {sums["seats"] for sums in copied["seats"].values()} == {0}
    stale = await act(owner, party, copied["id"], "schedule", 1)
    await refused(party, stale, 409, "bad_campaign", reason="ended")


async def test_nothing_is_copied_that_is_not_the_shops(stand: Stand, party: Party) -> None:
    other = await stand.shop("lake")
    stranger = await stand.as_owner(other.id)
    campaign_id = await party.campaign()
    before = await untouched(party)
    for where in (
        path(party.shop_id, campaign_id, "copy"),
        path(other.id, campaign_id, "copy"),
        path(other.id, uuid4(), "copy"),
    ):
        await refused(party, await stranger.post(where), 404, "not_found")
    assert await untouched(party) == before


@pytest.mark.parametrize("body", [{}, {"end_groups": False}])
async def test_groups_of_a_stopped_campaign_run_on(
    stand: Stand, party: Party, settings: Settings, body: dict[str, Any]
) -> None:
    campaign_id = await party.campaign(size=3)
    leader = await party.opened(campaign_id)
    owner = await stand.as_owner(party.shop_id)
    stopped = (await act(owner, party, campaign_id, "stop", 2, **body)).json()
    assert (stopped["phase"], stopped["stop_ends_groups"]) == ("stopped", False)
    assert await end_stopped_groups(JobContext(settings, party.database, {})) == 0
    listed = (await stand.client.get(f"/v1/campaigns/{campaign_id}/groups")).json()["items"]
    assert [row["id"] for row in listed] == [str(leader.group_id)]
    with pytest.raises(CampaignStopped):
        await party.open(campaign_id)
    await party.joined(leader.group_id)
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 2, 2)


async def test_groups_may_be_stopped_with_their_campaign(
    stand: Stand, party: Party, settings: Settings
) -> None:
    campaign_id = await party.campaign(size=3, stock_quota=30)
    open_, pending = await party.opened(campaign_id), await party.open(campaign_id)
    held = await party.join(open_.group_id)
    whole = await party.opened(campaign_id)
    for _ in range(2):
        await party.joined(whole.group_id)
    elsewhere = await party.opened(await party.campaign())
    owner = await stand.as_owner(party.shop_id)
    answer = await act(owner, party, campaign_id, "stop", 2, end_groups=True)
    shown = answer.json()
    assert (shown["phase"], shown["stop_ends_groups"]) == ("stopped", True), answer.text
    assert shown["groups"]["open"] == 1, "the worker has not come by yet"
    context = JobContext(settings, party.database, {})
    assert (await end_stopped_groups(context), await end_stopped_groups(context)) == (2, 0)
    assert [await party.seat(place) for place in (open_, held, pending, whole)] == [
        SeatStatus.REFUND_DUE,
        SeatStatus.RELEASED,
        SeatStatus.RELEASED,
        SeatStatus.CONFIRMED,
    ]
    statuses = [(await party.group(p.group_id))["status"] for p in (open_, pending, whole)]
    assert statuses == [GroupStatus.FAILED, GroupStatus.CANCELLED, GroupStatus.SUCCEEDED]
    assert await party.standing(elsewhere.group_id) == (GroupStatus.OPEN, 1, 1)
    assert {fact["cause"] for fact in await party.facts("group.failed")} == {"campaign_stopped"}
    assert await party.quota_taken(campaign_id) == 3


async def test_nobody_joins_a_group_that_is_to_be_ended(stand: Stand, party: Party) -> None:
    """Before the worker comes by, and not even with an offer from before."""
    campaign_id = await party.campaign(size=3)
    leader = await party.opened(campaign_id)
    late = await party.member()
    offered = await party.offer(service.GroupWish(group_id=leader.group_id))
    owner = await stand.as_owner(party.shop_id)
    await act(owner, party, campaign_id, "stop", 2, end_groups=True)
    [entry] = await noted(party, "campaign.stopped")
    assert entry["before"] == {"status": "scheduled", "stop_ends_groups": False}
    assert entry["after"] == {"status": "stopped", "stop_ends_groups": True}
    listed = await stand.client.get(f"/v1/campaigns/{campaign_id}/groups")
    assert listed.json() == {"items": [], "next_cursor": None}
    rows = await untouched(party)
    with pytest.raises(CampaignStopped):
        await party.join(leader.group_id, late)
    with pytest.raises(CampaignStopped):
        await party.claim(offered, late)
    assert await untouched(party) == rows
    assert await party.standing(leader.group_id) == (GroupStatus.OPEN, 1, 1)


async def test_who_completes_a_group_before_it_is_ended_has_completed_it(
    stand: Stand, party: Party, settings: Settings
) -> None:
    campaign_id = await party.campaign(size=2)
    leader = await party.opened(campaign_id)
    last = await party.join(leader.group_id)
    owner = await stand.as_owner(party.shop_id)
    await act(owner, party, campaign_id, "stop", 2, end_groups=True)
    await party.pay(last)
    assert await end_stopped_groups(JobContext(settings, party.database, {})) == 0
    assert await party.standing(leader.group_id) == (GroupStatus.SUCCEEDED, 2, 2)


async def test_groups_may_be_ended_after_their_campaign(
    stand: Stand, party: Party, settings: Settings
) -> None:
    """One that was stopped and let its groups run on, and one that has ended by itself."""
    stopped = await party.campaign(group_seconds=86_400)
    over = await party.campaign(group_seconds=86_400, ends_at=party.now.replace(hour=5))
    leaders = [await party.opened(campaign_id) for campaign_id in (stopped, over)]
    owner = await stand.as_owner(party.shop_id)
    await act(owner, party, stopped, "stop", 2)
    stand.clock.advance(hours=2)
    owner = await stand.as_owner(party.shop_id)
    refusals = [
        await act(owner, party, stopped, "stop", 3),
        await act(owner, party, over, "stop", 2),
    ]
    for refusal, phase in zip(refusals, ("stopped", "ended"), strict=True):
        await refused(party, refusal, 409, "campaign_not_editable", phase=phase)
    for campaign_id, version in ((stopped, 3), (over, 2)):
        answer = await act(owner, party, campaign_id, "stop", version, end_groups=True)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["phase"], answer.json()["stop_ends_groups"]) == ("stopped", True)
    assert await end_stopped_groups(JobContext(settings, party.database, {})) == 2
    for leader in leaders:
        assert await party.standing(leader.group_id) == (GroupStatus.FAILED, 0, 0)
        assert await party.seat(leader) is SeatStatus.REFUND_DUE


async def test_stopping_takes_no_other_body(stand: Stand, party: Party) -> None:
    campaign_id = await party.campaign()
    owner = await stand.as_owner(party.shop_id)
    before = await untouched(party)
    for body in ({"end_groups": None}, {"end_groups": "yes"}, {"ends_groups": True}):
        answer = await act(owner, party, campaign_id, "stop", 2, **body)
        await refused(party, answer, 422, "validation_failed")
    assert await untouched(party) == before
    assert (await owner.get(path(party.shop_id, campaign_id))).json()["phase"] == "running"
