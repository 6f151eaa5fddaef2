"""The events list: everything at least once, in order, for whoever fetches it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.core.ids import new_id
from app.webhooks.service import events as service
from app.webhooks.service.messages import message_of
from tests.fakes import FrozenClock
from tests.webhooks.switchboard import Switchboard, outbox


async def listed(board: Switchboard, **params: Any) -> dict[str, Any]:
    answer = await board.owner.get(board.events_path, **params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def ids(told: dict[str, Any]) -> list[str]:
    return [event["id"] for event in told["events"]]


async def facts(board: Switchboard) -> list[str]:
    return [str(row["id"]) for row in await board.rows(outbox)]


async def age(board: Switchboard) -> None:
    """As if everything so far had been stated an hour ago: ids tell when."""
    hour = int(timedelta(hours=1).total_seconds() * 1000) << 80
    for row in await board.rows(outbox):
        older = sa.update(outbox).where(outbox.c.id == row["id"])
        moved = older.values(id=UUID(int=row["id"].int - hour))
        await board.database.transact(lambda db, statement=moved: db.execute(statement))


async def test_events_are_the_messages_that_endpoints_are_sent(board: Switchboard) -> None:
    await board.state(("joined", "ann"), ("left", "ann"))
    told = await listed(board)
    rows = await board.rows(outbox)
    assert told["events"] == [{**message_of(row), "test": False} for row in rows]
    assert told["has_more"] is False


async def test_pages_follow_each_other_without_gaps(board: Switchboard) -> None:
    await board.joined(*"abcdefg")
    await age(board)
    seen, after = [], {}
    while True:
        told = await listed(board, limit=3, **after)
        seen += ids(told)
        after = {"after": told["next_after"]}
        if not told["has_more"]:
            break
    assert seen == await facts(board)
    assert ids(await listed(board, **after)) == []
    # The place stays good, and what comes later comes after it.
    await board.joined("late")
    assert ids(await listed(board, **after)) == (await facts(board))[-1:]


async def test_a_fact_that_is_committed_late_is_not_left_out(board: Switchboard) -> None:
    """It had its id before the others had theirs, and was seen after them."""
    await board.joined("ann")
    slow = new_id()
    await board.joined("bob")
    told = await listed(board)
    assert len(told["events"]) == 2
    [row] = [r for r in await board.rows(outbox) if r["sequence"] == 1][:1]
    late = {**row, "id": slow, "aggregate_id": new_id()}
    await board.database.transact(lambda db: db.execute(sa.insert(outbox).values(late)))
    after = {"after": told["next_after"]} if told["next_after"] else {}
    assert str(slow) in ids(await listed(board, **after))


async def test_what_is_settled_is_not_told_again(board: Switchboard) -> None:
    await board.joined("ann")
    await age(board)
    await board.joined("bob")
    first = await listed(board)
    assert len(first["events"]) == 2
    again = await listed(board, after=first["next_after"])
    assert ids(again) == ids(first)[1:]
    third = await listed(board, after=again["next_after"])
    assert ids(third) == ids(first)[1:]


async def test_a_late_fact_is_told_however_many_pages_were_told_since(board: Switchboard) -> None:
    """Pages of a busy shop end among facts of the last second; the next round goes back."""
    await board.joined("ann")
    slow = new_id()
    await board.joined(*"bcdefg")
    [row, *_] = await board.rows(outbox)
    told = await listed(board, limit=2)
    seen = ids(told)
    while told["has_more"]:
        told = await listed(board, limit=2, after=told["next_after"])
        seen += ids(told)
    late = {**row, "id": slow, "aggregate_id": new_id()}
    await board.database.transact(lambda db: db.execute(sa.insert(outbox).values(late)))
    assert len(seen) == len(set(seen)) == 7
    assert str(slow) in ids(await listed(board, limit=20, after=told["next_after"]))


async def test_where_nothing_fits_the_place_moves_on_all_the_same(board: Switchboard) -> None:
    """Or else every question would read all that was ever stated."""
    await board.joined("ann")
    await age(board)
    first = await listed(board, kinds="order.paid")
    assert (ids(first), first["has_more"]) == ([], False)
    assert ids(await listed(board, after=first["next_after"])) == []


async def test_kinds_and_times_narrow_the_list(board: Switchboard, clock: FrozenClock) -> None:
    await board.state(("joined", "ann"), ("left", "ann"))
    clock.advance(hours=1)
    await board.state(("joined", "bob"), ("left", "bob"))
    every = await facts(board)
    assert ids(await listed(board, kinds="community.member_left")) == [every[1], every[3]]
    since = clock.now().isoformat().replace("+00:00", "Z")
    assert ids(await listed(board, since=since)) == every[2:]
    kinds = ["community.member_joined", "community.member_left"]
    assert ids(await listed(board, since=since, kinds=kinds)) == every[2:]
    assert ids(await listed(board, kinds="*")) == every


async def test_since_holds_by_ids_too_where_time_is_not_moved_by_tests(
    board: Switchboard, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await board.joined("ann")
    monkeypatch.setattr(type(clock), "moved_by_tests", False)
    since = clock.now().isoformat().replace("+00:00", "Z")
    assert ids(await listed(board, since=since)) == await facts(board)


async def test_another_shops_events_are_not_listed(board: Switchboard) -> None:
    other = await board.shop("other")
    await board.joined("bob", shop_id=other.id)
    await board.joined("ann")
    mine = await listed(board)
    assert len(mine["events"]) == 1
    assert mine["events"][0]["shop_id"] == str(board.shop_id)
    await age(board)
    place = (await listed(board))["next_after"]
    stranger = await board.as_owner(other.id)
    path = f"/v1/operator/shops/{other.id}/webhook-events"
    await board.untouched(stranger.get(board.events_path), 404, "not_found")
    await board.untouched(stranger.get(path, after=place), 422, "invalid_cursor")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"kinds": "order.eaten"}, "webhook_event_unknown"),
        ({"kinds": "Order"}, "validation_failed"),
        ({"limit": 0}, "validation_failed"),
        ({"limit": 101}, "validation_failed"),
        ({"after": "AAAA"}, "invalid_cursor"),
        ({"after": "ä"}, "validation_failed"),
        ({"since": "yesterday"}, "validation_failed"),
    ],
)
async def test_what_cannot_be_listed_is_refused(
    board: Switchboard, params: dict[str, Any], code: str
) -> None:
    await board.untouched(board.owner.get(board.events_path, **params), 422, code)


def test_what_is_settled_lies_a_minute_back() -> None:
    settled = service.settled_before()
    apart = (new_id().int >> 80) - (settled.int >> 80)
    assert 60_000 <= apart < 61_000
