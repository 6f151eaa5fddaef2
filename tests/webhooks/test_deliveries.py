"""The log of messages: shown, sent again, replayed, tested, and forgotten in time."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.core.ids import new_id
from app.core.jobs import JobContext
from app.webhooks.jobs import forget_messages
from app.webhooks.models import DeliveryState
from app.webhooks.service import deliveries as service
from app.webhooks.service.messages import message_of
from tests.conftest import make_settings
from tests.fakes import FrozenClock
from tests.policy.schema import faults
from tests.webhooks.switchboard import (
    Switchboard,
    attempts,
    deliveries,
    endpoints,
    outbox,
    secrets,
)


async def lease(board: Switchboard, until: Any) -> None:
    change = sa.update(deliveries).values(lease_until=until)
    await board.database.transact(lambda db: db.execute(change))


async def attempt(board: Switchboard, delivery_id: UUID, **more: Any) -> None:
    row = {
        "id": new_id(),
        "delivery_id": delivery_id,
        "at": board.now,
        "duration_ms": 12,
        "status": 500,
        "error": None,
        "answer": "no",
        **more,
    }
    await board.database.transact(lambda db: db.execute(sa.insert(attempts).values(row)))


async def only(board: Switchboard) -> Any:
    [row] = await board.rows()
    return row


async def test_the_list_tells_what_became_of_each(board: Switchboard) -> None:
    made = await board.endpoint("community.member_joined")
    await board.joined(*"abc")
    await board.deliver()
    rows = await board.rows()
    change = sa.update(deliveries).where(deliveries.c.id == rows[0]["id"])
    failed = change.values(
        state=DeliveryState.FAILED, finished_at=board.now, attempts=10, last_status=500
    )
    await board.database.transact(lambda db: db.execute(failed))
    path = f"{board.path}/{made['endpoint_id']}/deliveries"
    first = (await board.owner.get(path, limit=2)).json()
    rest = (await board.owner.get(path, limit=2, cursor=first["next_cursor"])).json()
    shown = [*first["items"], *rest["items"]]
    assert [item["delivery_id"] for item in shown] == [str(row["id"]) for row in rows[::-1]]
    assert rest["next_cursor"] is None
    assert (shown[2]["state"], shown[2]["attempts"], shown[2]["due_at"]) == ("failed", 10, None)
    assert (shown[0]["state"], shown[0]["due_at"]) == ("pending", _z(board.now))
    for state, count in (("failed", 1), ("pending", 2), ("delivered", 0)):
        page = (await board.owner.get(path, state=state)).json()
        assert [item["state"] for item in page["items"]] == [state] * count


def _z(at: Any) -> str:
    told: str = at.isoformat().replace("+00:00", "Z")
    return told


async def test_a_delivery_is_shown_with_its_message_and_attempts(board: Switchboard) -> None:
    await board.endpoint()
    await board.joined("ann")
    await board.deliver()
    row = await only(board)
    await attempt(board, row["id"], status=None, error="timeout", answer="")
    await attempt(board, row["id"], status=500, answer="oops")
    shown = (await board.owner.get(f"{board.log_path}/{row['id']}")).json()
    [fact] = await board.rows(outbox)
    assert shown["message"] == {**message_of(fact), "test": False}
    assert [(a["status"], a["error"], a["answer"]) for a in shown["attempts_made"]] == [
        (500, None, "oops"),
        (None, "timeout", ""),
    ]
    assert shown["event_id"] == str(fact["id"])


async def test_another_shops_deliveries_do_not_exist(board: Switchboard) -> None:
    made = await board.endpoint()
    await board.joined("ann")
    await board.deliver()
    row = await only(board)
    await board.ended()
    other = await board.shop("other")
    stranger = await board.as_owner(other.id)
    base = f"/v1/operator/shops/{other.id}"
    for asked in (
        stranger.get(f"{base}/webhook-deliveries/{row['id']}"),
        stranger.post(f"{base}/webhook-deliveries/{row['id']}/resend"),
        stranger.get(f"{base}/webhook-endpoints/{made['endpoint_id']}/deliveries"),
        stranger.post(
            f"{base}/webhook-endpoints/{made['endpoint_id']}/replay", {"since": _z(board.now)}
        ),
        stranger.post(
            f"{base}/webhook-endpoints/{made['endpoint_id']}/test", {"kind": "order.paid"}
        ),
    ):
        await board.untouched(asked, 404, "not_found")


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.FAILED])
async def test_what_has_ended_is_sent_again_with_the_same_event(
    board: Switchboard, clock: FrozenClock, state: DeliveryState
) -> None:
    await board.endpoint()
    await board.joined("ann")
    await board.deliver()
    before = await only(board)
    await board.ended(state, last_status=500)
    clock.advance(hours=1)
    answer = await board.owner.post(f"{board.log_path}/{before['id']}/resend")
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "pending"
    after = await only(board)
    assert (after["id"], after["event_id"]) == (before["id"], before["event_id"])
    assert (after["state"], after["attempts"], after["finished_at"]) == ("pending", 0, None)
    assert after["due_at"] == clock.now()


async def test_what_is_due_or_under_way_is_not_sent_twice(
    board: Switchboard, clock: FrozenClock
) -> None:
    await board.endpoint()
    await board.joined("ann")
    await board.deliver()
    row = await only(board)
    path = f"{board.log_path}/{row['id']}/resend"
    await board.untouched(board.owner.post(path), 409, "webhook_delivery_pending")
    later = sa.update(deliveries).values(due_at=clock.now() + timedelta(hours=20), attempts=8)
    await board.database.transact(lambda db: db.execute(later))
    await lease(board, clock.now() + timedelta(seconds=30))
    await board.untouched(board.owner.post(path), 409, "webhook_delivery_pending")
    # Nobody is at it any more, and its next attempt is far away: then it is sent now.
    clock.advance(seconds=31)
    assert (await board.owner.post(path)).status_code == 200
    row = await only(board)
    assert (row["due_at"], row["attempts"], row["lease_until"]) == (clock.now(), 0, None)


async def test_sent_again_by_many_at_once_it_is_sent_again_once(board: Switchboard) -> None:
    await board.endpoint()
    await board.joined("ann")
    await board.deliver()
    await board.ended()
    row = await only(board)
    path = f"{board.log_path}/{row['id']}/resend"
    answers = await asyncio.gather(*(board.owner.post(path) for _ in range(5)))
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]


async def test_nothing_is_sent_again_to_a_disabled_endpoint(board: Switchboard) -> None:
    made = await board.endpoint()
    await board.joined("ann")
    await board.deliver()
    await board.ended()
    row = await only(board)
    path = f"{board.path}/{made['endpoint_id']}"
    await board.owner.post(f"{path}/disable")
    resent = board.owner.post(f"{board.log_path}/{row['id']}/resend")
    told = await board.untouched(resent, 409, "webhook_endpoint_disabled")
    assert told["params"] == {"reason": "operator"}
    tested = board.owner.post(f"{path}/test", {"kind": "order.paid"})
    await board.untouched(tested, 409, "webhook_endpoint_disabled")


async def test_a_test_message_is_put_by_whatever_the_filter(board: Switchboard) -> None:
    made = await board.endpoint("order.paid")
    path = f"{board.path}/{made['endpoint_id']}/test"
    for kind in ("group.succeeded", "group.succeeded"):
        answer = await board.owner.post(path, {"kind": kind})
        assert answer.status_code == 201, answer.text
        shown = answer.json()
        assert (shown["cause"], shown["event_id"], shown["state"]) == ("test", None, "pending")
        assert shown["message"]["test"] is True
        assert shown["message"]["id"] == shown["delivery_id"]
        assert faults(shown["message"], {"$ref": "#/c/GroupSucceededMessage"}) == []
        again = await board.owner.get(f"{board.log_path}/{shown['delivery_id']}")
        assert again.json() == shown
    assert len(await board.rows()) == 2
    assert await board.rows(outbox) == [], "a test is no fact"
    unknown = board.owner.post(path, {"kind": "order.eaten"})
    await board.untouched(unknown, 422, "webhook_event_unknown")


async def replayed(board: Switchboard, endpoint_id: str, **body: Any) -> dict[str, Any]:
    answer = await board.owner.post(f"{board.path}/{endpoint_id}/replay", body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_replay_adds_what_was_missed_and_renews_what_was_sent(
    board: Switchboard, clock: FrozenClock
) -> None:
    await board.joined("long ago")
    await board.deliver()
    clock.advance(hours=1)
    since = clock.now()
    made = await board.endpoint("community.member_joined")
    await board.joined("ann")
    await board.deliver()
    await board.ended()
    await board.owner.post(f"{board.path}/{made['endpoint_id']}/disable")
    await board.state(("joined", "bob"), ("left", "bob"))
    await board.deliver()
    await board.owner.post(f"{board.path}/{made['endpoint_id']}/enable")
    sent = (await only(board))["id"]
    clock.advance(hours=1)
    told = await replayed(board, made["endpoint_id"], since=_z(since))
    assert told == {"count": 2, "next_after": None}
    rows = await board.rows()
    assert {(r["cause"], r["state"], r["attempts"]) for r in rows} == {("replay", "pending", 0)}
    assert sent in {row["id"] for row in rows}
    assert {row["kind"] for row in rows} == {"community.member_joined"}
    assert len({row["event_id"] for row in rows}) == 2
    # Other kinds may be asked for by name; the first is on its way again too.
    kinds = ["community.member_left"]
    assert (await replayed(board, made["endpoint_id"], since=_z(since), kinds=kinds))["count"] == 1


async def test_a_replay_leaves_to_its_sender_what_is_being_sent(
    board: Switchboard, clock: FrozenClock
) -> None:
    made = await board.endpoint("community.member_joined")
    await board.joined("ann")
    await board.deliver()
    await lease(board, clock.now() + timedelta(seconds=30))
    before = await only(board)
    told = await replayed(board, made["endpoint_id"], since=_z(clock.now()))
    assert told["count"] == 0
    assert await only(board) == before


async def test_a_long_replay_goes_on_where_it_left_off(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "REPLAY_ROWS_MAX", 3)
    since = _z(board.now)
    await board.joined(*"abcdefgh")
    await board.deliver()
    made = await board.endpoint("community.member_joined")
    after, counts = None, []
    while True:
        told = await replayed(board, made["endpoint_id"], since=since, after=after)
        counts.append(told["count"])
        after = told["next_after"]
        if after is None:
            break
    assert counts == [3, 3, 2]
    assert len({row["event_id"] for row in await board.rows()}) == 8


async def test_two_replays_at_once_put_each_fact_by_once(board: Switchboard) -> None:
    since = _z(board.now)
    await board.joined(*"abcdefgh")
    await board.deliver()
    made = await board.endpoint("community.member_joined")
    ask = [replayed(board, made["endpoint_id"], since=since) for _ in range(4)]
    assert {told["count"] for told in await asyncio.gather(*ask)} == {8}
    assert len(await board.rows()) == 8


async def test_a_replay_that_cannot_be_is_refused(board: Switchboard) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}/replay"
    old = _z(board.now - timedelta(days=30, seconds=1))
    told = await board.untouched(
        board.owner.post(path, {"since": old}), 422, "webhook_replay_too_old"
    )
    assert told["params"] == {"earliest_at": (board.now - timedelta(days=30)).isoformat()}
    unknown = board.owner.post(path, {"since": _z(board.now), "kinds": ["a.b"]})
    await board.untouched(unknown, 422, "webhook_event_unknown")
    for forged in ("AAAA", "x" * 40):
        asked = board.owner.post(path, {"since": _z(board.now), "after": forged})
        await board.untouched(asked, 422, "invalid_cursor")


async def forget(board: Switchboard, *, days: int = 30, rows: int = 100) -> int:
    url = board.database.settings.database_url.get_secret_value()
    settings = make_settings(url, webhook_kept_days=days, sweep_batch_rows=rows)
    return await forget_messages(JobContext(settings, board.database, {}))


async def test_what_ended_long_ago_is_forgotten_with_its_attempts(
    board: Switchboard, clock: FrozenClock
) -> None:
    await board.endpoint()
    await board.joined(*"abc")
    await board.deliver()
    await board.ended()
    for row in await board.rows():
        await attempt(board, row["id"])
    await board.joined("late")
    await board.deliver()
    clock.advance(days=30)
    assert await forget(board) == 0
    clock.advance(seconds=1)
    assert await forget(board, rows=2) == 2
    assert await forget(board, rows=2) == 1
    assert await forget(board, rows=2) == 0
    # What is still to be sent stays, however old it is.
    assert [row["state"] for row in await board.rows()] == ["pending"]
    assert await board.rows(attempts) == []
    assert len(await board.rows(outbox)) == 4


async def test_what_waits_for_a_disabled_endpoint_is_given_up_in_the_end(
    board: Switchboard, clock: FrozenClock
) -> None:
    made = await board.endpoint("community.member_joined")
    await board.joined("ann")
    await board.deliver()
    await board.owner.post(f"{board.path}/{made['endpoint_id']}/disable")
    clock.advance(days=30)
    assert await forget(board) == 0
    clock.advance(seconds=1)
    assert await forget(board) == 1
    row = await only(board)
    assert (row["state"], row["last_error"]) == ("failed", "endpoint_disabled")
    assert row["finished_at"] == clock.now()


async def test_a_deleted_endpoint_is_forgotten_with_all_it_was_sent(
    board: Switchboard,
) -> None:
    made, kept = await board.endpoint(), await board.endpoint()
    await board.joined(*"abc")
    await board.deliver()
    for row in await board.rows():
        await attempt(board, row["id"])
    assert (await board.delete(made["endpoint_id"])).status_code == 204
    assert await forget(board, rows=2) == 2
    assert len(await board.rows(endpoints)) == 2
    while await forget(board, rows=2):
        pass
    assert [str(row["id"]) for row in await board.rows(endpoints)] == [kept["endpoint_id"]]
    assert {str(row["endpoint_id"]) for row in await board.rows()} == {kept["endpoint_id"]}
    assert len(await board.rows()) == len(await board.rows(attempts)) == 3


async def test_ended_secrets_are_forgotten(board: Switchboard, clock: FrozenClock) -> None:
    made = await board.endpoint()
    await board.owner.post(f"{board.path}/{made['endpoint_id']}/rotate-secret", {})
    clock.advance(days=1)
    assert await forget(board) == 0
    clock.advance(seconds=1)
    assert await forget(board) == 1
    [row] = await board.rows(secrets)
    assert row["expires_at"] is None


async def test_rows_of_no_endpoint_are_impossible(board: Switchboard) -> None:
    await board.endpoint()
    await board.joined("ann")
    await board.deliver()
    row = dict(await only(board))
    for wrong in (
        {"endpoint_id": uuid4()},
        {"event_id": None},
        {"finished_at": board.now},
        {"state": "lost"},
    ):
        insert = sa.insert(deliveries).values({**row, "id": uuid4(), **wrong})
        with pytest.raises((sa.exc.IntegrityError, sa.exc.StatementError)):
            await board.database.transact(lambda db, statement=insert: db.execute(statement))
