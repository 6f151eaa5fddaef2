"""The sweep of overdue groups: one that cannot be failed keeps back no other."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.core.jobs import JobContext
from app.groupbuy.jobs import settle_due_groups
from app.groupbuy.models import GroupStatus
from app.settings import Settings
from tests.groupbuy.party import Party

Sweep = Callable[[JobContext], Awaitable[int]]


async def swept(context: JobContext, job: Sweep = settle_due_groups) -> int:
    """What a sweep does that is called again as long as it has done something."""
    total = 0
    while moved := await job(context):
        total += moved
    return total


async def set_quota_taken(party: Party, campaign_id: UUID, units: int) -> None:
    """What the rules would never write."""
    change = sa.text("UPDATE campaigns SET quota_taken = :units WHERE id = :id").bindparams(
        sa.bindparam("units", units), sa.bindparam("id", campaign_id, sa.Uuid())
    )
    await party.database.transact(lambda db: db.execute(change))


@pytest.mark.parametrize("rows_max", [1, 2, 100])
async def test_groups_that_cannot_be_failed_hide_no_other(
    party: Party, settings: Settings, rows_max: int
) -> None:
    broken = await party.campaign(stock_quota=9)
    stuck = [await party.opened(broken) for _ in range(3)]
    party.clock.advance(seconds=1)
    behind = [await party.opened(await party.campaign()) for _ in range(2)]
    party.clock.advance(seconds=3_600 + settings.group_grace_seconds)
    # The quota of the groups in front cannot be given back.
    await set_quota_taken(party, broken, 0)
    small = settings.model_copy(update={"sweep_batch_rows": rows_max})
    context = JobContext(small, party.database, {})
    assert await swept(context) == 2
    for places, standing in (
        (stuck, (GroupStatus.OPEN, 1, 1)),
        (behind, (GroupStatus.FAILED, 0, 0)),
    ):
        for place in places:
            assert await party.standing(place.group_id) == standing

    await set_quota_taken(party, broken, 3)
    assert (await swept(context), await swept(context)) == (3, 0)
    for place in stuck:
        assert await party.standing(place.group_id) == (GroupStatus.FAILED, 0, 0)
    assert await party.quota_taken(broken) == 0


async def test_groups_of_one_deadline_are_each_failed_once(
    party: Party, settings: Settings
) -> None:
    campaign = await party.campaign()
    places = [await party.opened(campaign) for _ in range(5)]
    party.clock.advance(seconds=3_600 + settings.group_grace_seconds)
    small = settings.model_copy(update={"sweep_batch_rows": 2})
    assert await settle_due_groups(JobContext(small, party.database, {})) == 2, "others have a turn"
    assert await swept(JobContext(small, party.database, {})) == 3
    failed = await party.facts("group.failed")
    assert sorted(fact["group_id"] for fact in failed) == sorted(str(p.group_id) for p in places)
