"""How many fellows a viewer was shown is kept after the answer, and never costs the answer."""

from datetime import timedelta
from typing import Any, Never
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.core.jobs import JobContext
from app.core.sql import table
from app.groupbuy.jobs import forget_old_proofs
from app.groupbuy.models import ProofShown
from app.groupbuy.repository import pages as repository
from app.settings import Settings
from tests.conftest import rows_in
from tests.factories import Stand
from tests.groupbuy.party import Party, Place
from tests.groupbuy.test_names import share_a_community


async def proofs(stand: Stand) -> list[dict[str, Any]]:
    """What was kept, without the ids of the rows."""
    kept = table(ProofShown)
    async with stand.database.reading() as db:
        rows = (await db.execute(sa.select(kept).order_by(kept.c.id))).mappings().all()
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


async def look(stand: Stand, group_id: object, viewer_id: UUID | None = None) -> dict[str, Any]:
    headers = dict((await stand.as_member(viewer_id)).headers) if viewer_id else {}
    answer = await stand.client.get(f"/v1/groups/{group_id}", headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.fixture
async def group(party: Party) -> list[Place]:
    """A leader, a member who has paid and one who has not."""
    leader = await party.opened(await party.campaign(size=5))
    paid = await party.joined(leader.group_id)
    return [leader, paid, await party.join(leader.group_id)]


async def test_what_outsiders_were_shown_is_kept(
    stand: Stand, party: Party, group: list[Place]
) -> None:
    leader, _, _ = group
    viewer = await party.member()
    await share_a_community(stand, party.shop_id, viewer, leader.member_id)
    assert (await look(stand, leader.group_id, viewer))["fellows_count"] == 1
    stand.clock.advance(minutes=1)
    await look(stand, leader.group_id)
    both = {"shop_id": party.shop_id, "group_id": leader.group_id, "paid_count": 2}
    early = party.now - timedelta(minutes=1)
    # Nobody can say what became of somebody who is not signed in.
    assert await proofs(stand) == [{**both, "at": early, "member_id": viewer, "fellows_count": 1}]


async def test_who_sits_in_the_group_was_not_moved_by_it(stand: Stand, group: list[Place]) -> None:
    for place in group:
        assert (await look(stand, place.group_id, place.member_id))["mine"] is True
    assert await proofs(stand) == []


async def test_who_has_left_is_an_outsider_again(
    stand: Stand, party: Party, group: list[Place]
) -> None:
    await party.leave(group[1])
    await look(stand, group[1].group_id, group[1].member_id)
    assert [row["member_id"] for row in await proofs(stand)] == [group[1].member_id]


async def test_nothing_is_told_or_kept_of_private_goods(
    stand: Stand, party: Party, group: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = await party.member()
    await share_a_community(stand, party.shop_id, viewer, *(place.member_id for place in group))

    async def hide(db: AsyncSession) -> None:
        product = await catalog.product_of_shop(db, party.shop_id, party.product_id)
        change, version = {"is_private": True}, product.version
        await catalog.edit_product(
            db, party.shop_id, party.product_id, change, version=version, now=party.now
        )

    await stand.database.transact(hide)
    kept: list[Any] = []

    async def keep(_db: AsyncSession, values: dict[str, Any]) -> None:
        kept.append(values)

    monkeypatch.setattr(repository, "add_proof", keep)
    for who in (viewer, None, group[0].member_id):
        assert (await look(stand, group[0].group_id, who))["fellows_count"] is None
    assert kept == []


async def test_a_look_at_no_group_keeps_nothing(stand: Stand, group: list[Place]) -> None:
    before = await rows_in(stand.database)
    assert (await stand.client.get(f"/v1/groups/{uuid4()}")).status_code == 404
    forged = {"Authorization": "Bearer forged"}
    answer = await stand.client.get(f"/v1/groups/{group[0].group_id}", headers=forged)
    assert answer.status_code == 401
    for where in ("share",):
        await stand.client.get(f"/v1/groups/{group[0].group_id}/{where}")
    assert await rows_in(stand.database) == before


async def _refused_by_the_database(db: AsyncSession, values: dict[str, Any]) -> None:
    """A row that the database does not take."""
    await db.execute(sa.insert(table(ProofShown)).values(**{**values, "group_id": uuid4()}))


async def _no_connection(db: AsyncSession, values: dict[str, Any]) -> Never:
    raise ConnectionRefusedError


@pytest.mark.parametrize("fails", [_refused_by_the_database, _no_connection])
async def test_a_look_is_answered_though_nothing_can_be_kept(
    stand: Stand,
    party: Party,
    group: list[Place],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fails: Any,
) -> None:
    monkeypatch.setattr(repository, "add_proof", fails)
    viewer = await party.member()
    assert (await look(stand, group[0].group_id, viewer))["paid"] == 2
    assert await proofs(stand) == []
    assert [r for r in caplog.records if r.levelname == "ERROR"] == [], "no request has failed"
    monkeypatch.undo()
    await look(stand, group[0].group_id, viewer)
    assert len(await proofs(stand)) == 1


async def test_what_was_shown_is_forgotten_when_nobody_reports_on_it_any_more(
    stand: Stand, party: Party, group: list[Place], settings: Settings
) -> None:
    viewer = await party.member()
    for _ in range(3):
        await look(stand, group[0].group_id, viewer)
    stand.clock.advance(seconds=1)
    await look(stand, group[0].group_id, viewer)
    context = JobContext(settings.model_copy(update={"sweep_batch_rows": 2}), party.database, {})
    stand.clock.advance(days=180, seconds=-1)
    assert await forget_old_proofs(context) == 0
    stand.clock.advance(seconds=1)
    assert [await forget_old_proofs(context) for _ in range(3)] == [2, 1, 0]
    [kept] = await proofs(stand)
    assert kept["at"] == party.now - timedelta(days=180)
