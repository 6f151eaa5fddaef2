"""Where a promotion is, what may be done with it there, and what may still be changed."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from app.core.audit_log import AuditEntry
from app.core.errors import VersionMismatch
from app.core.sql import table
from app.promotions import service
from app.promotions.errors import BadPromotion, WrongPromotionStatus
from app.promotions.models import Promotion, PromotionStatus
from app.promotions.rules import PROMOTION_MOVES, Move, PromotionState, state_of
from tests.factories import Stand
from tests.promotions.ground import Desk, Row, desk

NOW = datetime(2026, 6, 18, 4, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENTS = (None, NOW - DAY, NOW, NOW + DAY)
S = PromotionState


@pytest.mark.parametrize(
    ("status", "starts_at", "ends_at", "state"),
    [
        ("draft", None, NOW - DAY, S.DRAFT),
        ("live", None, None, S.RUNNING),
        ("live", NOW, NOW + DAY, S.RUNNING),
        ("live", NOW + timedelta(microseconds=1), None, S.SCHEDULED),
        ("live", NOW - DAY, NOW, S.ENDED),
        ("live", None, NOW + timedelta(microseconds=1), S.RUNNING),
        ("paused", NOW + DAY, None, S.PAUSED),
        ("paused", None, NOW, S.ENDED),
        ("ended", NOW + DAY, NOW + 2 * DAY, S.ENDED),
    ],
)
def test_the_clock_makes_the_state(status: str, starts_at: Any, ends_at: Any, state: str) -> None:
    assert state_of(PromotionStatus(status), starts_at, ends_at, NOW) is state


async def test_the_list_knows_the_same_states(stand: Stand) -> None:
    """The database filters by what the pure function says, for every status and window."""
    office = await desk(stand)
    like = await office.create()
    windows = [
        (start, end)
        for start, end in itertools.product(MOMENTS, MOMENTS)
        if start is None or end is None or start < end
    ]
    rows = [
        {**like, "id": uuid4(), "status": status, "starts_at": start, "ends_at": end}
        for status in PromotionStatus
        for start, end in windows
    ]

    async def insert(db: Any) -> None:
        await db.execute(sa.insert(table(Promotion)), rows)

    await stand.database.transact(insert)
    owner = await stand.as_owner(office.shop_id)
    assert stand.now == NOW
    path = f"/v1/operator/shops/{office.shop_id}/promotions"
    seen = 0
    for state in PromotionState:
        items = (await owner.get(path, status=state.value, limit=100)).json()["items"]
        expected = {
            str(row["id"])
            for row in [like, *rows]
            if state_of(row["status"], row["starts_at"], row["ends_at"], NOW) is state
        }
        assert {item["id"] for item in items} == expected, state
        assert {item["status"] for item in items} == {state.value}
        seen += len(items)
    assert seen == len(rows) + 1


async def in_state(office: Desk, state: PromotionState) -> Row:
    if state is S.DRAFT:
        return await office.create()
    later = {"starts_at": office.stand.now + DAY} if state is S.SCHEDULED else {}
    made = await office.live(**later)
    verb = {S.PAUSED: "pause", S.ENDED: "end"}.get(state)
    return await office.move(verb, made) if verb else made


@pytest.mark.parametrize("state", PromotionState)
async def test_moves_are_those_of_the_table(stand: Stand, state: PromotionState) -> None:
    office = await desk(stand)
    for verb in Move:
        made = await in_state(office, state)
        if verb in PROMOTION_MOVES[state]:
            after = await office.move(verb, made)
            assert after["status"] is PROMOTION_MOVES[state][verb]
            assert after["version"] == made["version"] + 1
        else:
            told = await office.refused(WrongPromotionStatus, office.move(verb, made))
            assert told == {"promotion_status": state.value, "move": verb.value}


async def test_what_the_clock_has_ended_is_ended(stand: Stand) -> None:
    office = await desk(stand)
    running = await office.live(ends_at=stand.now + DAY)
    paused = await office.move("pause", await office.live(ends_at=stand.now + DAY))
    stand.clock.advance(days=1)
    for made, verbs in ((running, ("pause", "end")), (paused, ("resume", "end"))):
        for verb in verbs:
            told = await office.refused(WrongPromotionStatus, office.move(verb, made))
            assert told["promotion_status"] == "ended"
        edit = office.edit(made, ends_at=stand.now + DAY)
        assert (await office.refused(WrongPromotionStatus, edit))["promotion_status"] == "ended"


async def test_a_paused_one_is_in_no_quote_until_it_is_resumed(stand: Stand) -> None:
    office = await desk(stand)
    made = await office.live()

    async def quoted() -> int:
        async with stand.database.reading() as db:
            return len((await service.live(db, office.shop_id, now=stand.now)).promotions)

    assert await quoted() == 1
    await office.move("pause", made)
    assert await quoted() == 0
    await office.move("resume", made)
    assert await quoted() == 1


async def test_everything_live_is_paused_at_once_and_nothing_else(stand: Stand) -> None:
    office, other = await desk(stand), Desk(stand, (await stand.shop("lake")).id)
    running = await office.live()
    scheduled = await office.live(starts_at=stand.now + DAY)
    over = await office.live(ends_at=stand.now + timedelta(hours=1))
    draft, ended = await office.create(), await office.move("end", await office.live())
    elsewhere = await other.live()
    stand.clock.advance(hours=1)
    owner = await stand.as_owner(office.shop_id)
    answer = await owner.post(f"/v1/operator/shops/{office.shop_id}/promotions/stop-all")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"promotion_ids": [str(running["id"]), str(scheduled["id"])]}
    statuses = {row["id"]: (row["status"], row["version"]) for row in await office.stored()}
    assert statuses == {
        running["id"]: ("paused", 3),
        scheduled["id"]: ("paused", 3),
        over["id"]: ("live", 2),
        draft["id"]: ("draft", 1),
        ended["id"]: ("ended", 3),
        elsewhere["id"]: ("live", 2),
    }
    entries = table(AuditEntry)
    async with stand.database.reading() as db:
        statement = sa.select(entries).where(entries.c.action == "promotion.all_paused")
        [noted] = (await db.execute(statement)).mappings()
    assert noted["after"] == {"paused": [str(running["id"]), str(scheduled["id"])]}
    assert (noted["subject"], noted["subject_id"]) == ("shop", office.shop_id)


LIMITS = {"uses_max": 10, "member_uses_max": None, "budget_amount": 5_000}


@pytest.mark.parametrize("state", [S.RUNNING, S.PAUSED])
@pytest.mark.parametrize(
    "changes",
    [
        {"name_zh": "新", "name_en": "new"},
        {"priority": 9},
        {"ends_at": NOW + timedelta(seconds=1)},
        {"ends_at": None},
        {"limits": {**LIMITS, "uses_max": 11}},
        {"limits": {**LIMITS, "uses_max": None, "budget_amount": 5_001}},
    ],
)
async def test_what_may_be_changed_once_it_has_started(
    stand: Stand, state: PromotionState, changes: dict[str, Any]
) -> None:
    office = await desk(stand)
    made = await office.live(limits=LIMITS, ends_at=NOW + DAY)
    if state is S.PAUSED:
        made = await office.move("pause", made)
    after = await office.edit(made, **changes)
    assert {name: after[name] for name in changes} == changes
    assert (after["status"], after["version"]) == (made["status"], made["version"] + 1)


@pytest.mark.parametrize("state", [S.RUNNING, S.PAUSED])
@pytest.mark.parametrize(
    "changes",
    [
        {"rule": {"kind": "percent_off", "off_bp": 1_000}},
        {"match": {"tags_any": ["fruit"]}},
        {"conditions": {"new_buyers_only": True}},
        {"starts_at": NOW + DAY},
        {"needs_coupon": True},
        {"exclusive": True},
        {"stacking_group": "season"},
        {"limits": {**LIMITS, "uses_max": 9}},
        {"limits": {**LIMITS, "member_uses_max": 1}},
    ],
)
async def test_what_may_not(stand: Stand, state: PromotionState, changes: dict[str, Any]) -> None:
    office = await desk(stand)
    made = await office.live(limits=LIMITS)
    if state is S.PAUSED:
        made = await office.move("pause", made)
    edit = office.edit(made, name_zh="新", **changes)
    told = await office.refused(BadPromotion, edit)
    assert told == {"reason": "running", "fields": list(changes)}


async def test_an_end_in_the_past_is_refused(stand: Stand) -> None:
    office = await desk(stand)
    made = await office.live()
    told = await office.refused(BadPromotion, office.edit(made, ends_at=stand.now))
    assert told["reason"] == "ended"


@pytest.mark.parametrize("state", [S.DRAFT, S.SCHEDULED])
async def test_before_its_start_everything_may_be_changed(
    stand: Stand, state: PromotionState
) -> None:
    office = await desk(stand)
    made = await in_state(office, state)
    changes = {
        "rule": {"kind": "amount_off", "per": "unit", "off_amount": 5},
        "match": {"tags_any": ["fruit"]},
        "conditions": {"channels": ["app"]},
        "limits": LIMITS,
        "starts_at": NOW + 2 * DAY,
        "exclusive": True,
    }
    after = await office.edit(made, **changes)
    assert {name: after[name] for name in changes} == changes
    assert after["kind"] == "amount_off"


async def test_an_edit_of_what_was_stopped_meanwhile_is_refused(stand: Stand) -> None:
    office = await desk(stand)
    made = await office.live()
    await stand.database.transact(lambda db: service.stop_all(db, office.shop_id, now=stand.now))
    [stored] = await office.stored()
    assert (stored["status"], stored["version"]) == (PromotionStatus.PAUSED, made["version"] + 1)
    assert await office.refused(VersionMismatch, office.edit(made, name_zh="新")) == {}


async def test_nothing_slips_past_a_stop_of_all(stand: Stand) -> None:
    """Activations and the stop at once: what came first is paused, what came after is live."""
    office = await desk(stand)
    drafts = [await office.create() for _ in range(4)]
    stop = stand.database.transact(lambda db: service.stop_all(db, office.shop_id, now=stand.now))
    *_, paused = await asyncio.gather(*(office.move("activate", row) for row in drafts), stop)
    found = {row["id"]: row["status"] for row in await office.stored()}
    expected = {
        row["id"]: PromotionStatus.PAUSED if row["id"] in paused else PromotionStatus.LIVE
        for row in drafts
    }
    assert found == expected
