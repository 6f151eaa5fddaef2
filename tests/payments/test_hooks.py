"""Messages of providers: only genuine ones, each once, none lost, none in another's way."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from app.identity.rules import PlatformRole
from app.payments.jobs import forget_hooks
from tests.conftest import rows_in
from tests.fakes import FrozenClock
from tests.orders.books import all_of, facts
from tests.orders.market import Market, problem
from tests.payments.signed import Desk, charge, message, refund, sign


@pytest.fixture
def desk(market: Market) -> Desk:
    return Desk(market)


async def test_a_message_that_is_not_genuine_is_refused_and_leaves_nothing(
    desk: Desk, clock: FrozenClock
) -> None:
    _, _, row = await desk.paid("sandbox_delay")
    body = message(charge(row))
    good = sign(body, clock.at)
    old = sign(body, clock.at)
    before = await rows_in(desk.market.database)
    spaced = body.replace(b",", b", ")
    for wrong, headers in (
        (body, {}),
        (body, {**good, "signature": "0" * 64}),
        (body, sign(body, clock.at, b"another secret")),
        (body, {**good, "signature-time": "x"}),
        (spaced, good),
        (body[:-1] + b" ", good),
        (b"", good),
        (b"\x00{", good),
        (b"not json", sign(b"not json", clock.at)),
        (message(charge(row), event_id="a\x00b"), None),
        (message(charge(row), event_id="x" * 256), None),
    ):
        document = problem(await desk.send(wrong, headers), 400, "hook_not_genuine")
        assert (document["params"], document["errors"]) == ({}, [])
    clock.advance(seconds=301)
    problem(await desk.send(body, old), 400, "hook_not_genuine")
    for name in ("nobody", "sandbox2", "x" * 24):
        problem(await desk.send(body, name=name), 404, "no_such_hook")
    problem(await desk.send(b" " * 1_048_577), 413, "body_too_large")
    assert await rows_in(desk.market.database) == before


async def test_a_message_counts_once_however_often_and_under_whatever_name(desk: Desk) -> None:
    buyer, order, row = await desk.paid("sandbox_delay")
    body = message(charge(row), event_id="evt_1")
    answers = await asyncio.gather(*(desk.send(body) for _ in range(10)))
    assert {(a.status_code, a.text) for a in answers} == {(200, '{"received":true}')}
    await desk.tell(charge(row), event_id="evt_2")
    # What is no JSON of ours is still a message: a member twice, no media type, no key.
    doubled = message(charge(row), event_id="evt_3").replace(b"{", b'{"live":false,', 1)
    assert (await desk.send(doubled)).status_code == 200
    assert len(await all_of(desk.market.database, "hook_events")) == 3
    await asyncio.gather(*(desk.work() for _ in range(3)))
    now = await desk.market.order(buyer, order)
    assert (now["status"], now["payments"][0]["state"]) == ("paid", "captured")
    assert len(await facts(desk.market.database, "payment.captured")) == 1
    assert await desk.work() == 0


async def dead(desk: Desk, state: str = "failed") -> list[dict[str, Any]]:
    auditor = await desk.market.as_operator(
        await desk.market.operator(platform=PlatformRole.AUDITOR)
    )
    answer = await auditor.get("/v1/audit/hook-events", state=state)
    assert answer.status_code == 200, answer.text
    assert "body" not in answer.text.replace("hook_body", "")
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_poison_is_given_up_and_others_flow(desk: Desk, clock: FrozenClock) -> None:
    _, _, row = await desk.paid("sandbox_delay")
    for n in range(3):
        await desk.tell({"type": "nonsense", "phone": "13800000000"}, event_id=f"evt_{n}")
    await desk.tell(event_id="evt_idle")
    await desk.tell(charge(row), event_id="evt_live", live=True)
    await desk.tell(charge(row), event_id="evt_good")
    assert await desk.work() == 6
    assert (await desk.payment({"id": str(row["order_id"])}))["state"] == "captured"
    assert [e["event_id"] for e in await dead(desk)] == ["evt_live"]
    assert [e["event_id"] for e in await dead(desk, "ignored")] == ["evt_idle"]
    tries = 1
    for _ in range(8):
        clock.advance(hours=2)
        tries += bool(await desk.work())
    assert tries == 6
    failed = {e["event_id"]: e for e in await dead(desk)}
    assert failed.keys() == {"evt_0", "evt_1", "evt_2", "evt_live"}
    assert failed["evt_live"]["error"] == "a live message in test mode"
    assert failed["evt_0"]["error"].startswith("KeyError in signed.py:")
    assert "138" not in str(failed["evt_0"]["error"])


async def test_a_dead_letter_is_replayed_by_the_platform(desk: Desk) -> None:
    await desk.tell(event_id="evt_live", live=True)
    await desk.work()
    [event] = await dead(desk)
    admin = await desk.market.as_operator(await desk.market.operator(platform=PlatformRole.ADMIN))
    path = f"/v1/operator/hook-events/{event['id']}/replay"
    again = await admin.post(path, {})
    assert (again.status_code, again.json()["state"]) == (200, "waiting"), again.text
    await desk.market.refused(admin.post(path, {}), 409, "hook_event_not_replayable")
    nowhere = f"/v1/operator/hook-events/{uuid4()}/replay"
    await desk.market.refused(admin.post(nowhere, {}), 404, "not_found")
    await desk.work()
    assert len(await dead(desk)) == 1


async def test_a_message_before_our_own_commit_waits_for_it(desk: Desk, clock: FrozenClock) -> None:
    """A refund that is told before its payment is captured here, and one that never comes."""
    _, order, row = await desk.paid("sandbox_delay")
    await desk.tell(refund(row, 100), event_id="evt_early")
    await desk.tell({**charge(row), "payment_id": uuid4()}, event_id="evt_never")
    assert await desk.work() == 2
    assert {e["error"] for e in await dead(desk, "waiting")} == {"unknown_payment"}
    await desk.tell(charge(row))
    await desk.work()
    clock.advance(seconds=2)
    await desk.work()
    assert (await desk.payment(order))["refunded_amount"] == 100
    assert [e["event_id"] for e in await dead(desk, "waiting")] == ["evt_never"]
    clock.advance(days=3)
    await desk.market.work()
    assert [e["error"] for e in await dead(desk)] == ["unknown_payment"]
    assert await desk.broken() == []


@pytest.mark.parametrize("wrong", [{"amount": 15_899}, {"currency": "USD"}])
async def test_a_capture_of_something_else_never_counts(desk: Desk, wrong: dict[str, Any]) -> None:
    buyer, order, row = await desk.paid("sandbox_delay")
    await desk.tell(charge(row, **wrong))
    await desk.work()
    now = await desk.market.order(buyer, order)
    assert (now["status"], now["payments"][0]["state"]) == ("placed", "pending")
    owner = await desk.market.as_owner(desk.market.shop_id)
    path = f"/v1/operator/shops/{desk.market.shop_id}/payments"
    [shown] = (await owner.get(path, quarantined="true")).json()["items"]
    assert (shown["id"], shown["quarantine_reason"]) == (str(row["id"]), "amount_mismatch")
    assert (await owner.get(path, quarantined="false")).json()["items"] == []
    assert await desk.broken() == []


async def test_finished_messages_are_forgotten(desk: Desk, clock: FrozenClock) -> None:
    await desk.tell(event_id="evt_idle")
    await desk.tell(event_id="evt_live", live=True)
    await desk.work()
    clock.advance(days=30, seconds=-1)
    await forget_hooks(desk.context())
    assert len(await all_of(desk.market.database, "hook_events")) == 2
    clock.advance(seconds=1)
    await forget_hooks(desk.context())
    assert await all_of(desk.market.database, "hook_events") == []
