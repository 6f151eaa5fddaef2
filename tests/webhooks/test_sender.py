"""Sending against real receivers: nothing is lost, nobody waits for another's failures."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core.db import Database
from app.core.sql import table
from app.settings import Settings
from app.webhooks import service
from app.webhooks.adapters.resolving import Resolver
from app.webhooks.models import DisabledReason, EndpointState, WebhookEndpoint, WebhookSecret
from app.webhooks.repository import sending as repository
from app.webhooks.rules.schedule import PAUSES
from app.webhooks.service import sender as sender_module
from tests.conftest import make_settings
from tests.fakes import FrozenClock
from tests.webhooks import receivers
from tests.webhooks.post import PostOffice, verified
from tests.webhooks.receivers import HOST, Behaviour, Receiver, answers, receiver

CONCURRENCY = 8


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(
        database_url,
        webhook_allow_loopback=True,
        webhook_concurrency=CONCURRENCY,
        webhook_timeout_seconds=1,
        worker_poll_seconds=0.05,
    )


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
async def office(database: Database, clock: FrozenClock) -> AsyncIterator[PostOffice]:
    made = PostOffice(database, clock)
    yield made
    await made.close()


async def test_a_fact_arrives_signed_and_is_done(office: PostOffice, clock: FrozenClock) -> None:
    shop_id = await office.shop()
    async with receiver(answers(204, b"")) as mine:
        endpoint = await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        assert await office.sender().run_once() == 1
    (message,) = mine.heard
    told = verified(message, endpoint.secret, clock.now())
    assert told["type"] == "community.member_joined"
    assert message.headers["content-type"] == "application/json"
    assert message.headers["user-agent"].startswith("Quanpu-Webhooks/")
    assert message.headers["webhook-timestamp"] == str(int(clock.now().timestamp()))
    (delivery,) = await office.deliveries()
    (attempt,) = await office.rows("webhook_attempts")
    assert message.id == str(delivery["event_id"])
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == (
        "delivered",
        1,
        204,
    )
    assert (delivery["lease_until"], delivery["finished_at"]) == (None, clock.now())
    assert (attempt["delivery_id"], attempt["status"], attempt["error"]) == (
        delivery["id"],
        204,
        None,
    )
    row = await office.one_endpoint(endpoint.id)
    assert (row["last_success_at"], row["failing_since"], row["version"]) == (clock.now(), None, 1)


@pytest.mark.parametrize(
    ("behaviour", "status", "error", "pause"),
    [
        (answers(500), 500, None, 5),
        (answers(302, location="http://127.0.0.1:1/"), 302, None, 5),
        (answers(400, b"\x00\xff"), 400, None, 5),
        (answers(429, retry_after="3600"), 429, None, 3_600),
        (answers(503, retry_after="999999999999"), 503, None, 86_400),
        (answers(429, retry_after="1"), 429, None, 5),
        (receivers.hangs, None, "timeout", 5),
        (receivers.drips_headers, None, "timeout", 5),
        (receivers.endless_headers, None, "too_large", 5),
        (receivers.closes_at_once, None, "not_http", 5),
    ],
)
async def test_what_is_not_taken_comes_again_the_same(
    office: PostOffice,
    clock: FrozenClock,
    behaviour: Behaviour,
    status: int | None,
    error: str | None,
    pause: int,
) -> None:
    shop_id, sender = await office.shop(), office.sender()
    async with receiver(behaviour) as mine:
        endpoint = await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        assert await sender.run_once() == 1
        (delivery,) = await office.deliveries()
        assert (delivery["state"], delivery["attempts"]) == ("pending", 1)
        assert (delivery["last_status"], delivery["last_error"]) == (status, error)
        assert delivery["due_at"] - clock.now() == timedelta(seconds=pause)
        assert (await office.one_endpoint(endpoint.id))["failing_since"] == clock.now()

        clock.advance(seconds=pause - 1)
        assert await sender.run_once() == 0
        mine.behaviour = answers(200)
        clock.advance(seconds=1)
        assert await sender.run_once() == 1
    first, second = mine.heard
    assert (first.id, first.body) == (second.id, second.body)
    verified(second, endpoint.secret, clock.now())
    (delivery,) = await office.deliveries()
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    assert (await office.one_endpoint(endpoint.id))["failing_since"] is None
    assert [a["status"] for a in await office.rows("webhook_attempts")] == [status, 200]


@pytest.mark.parametrize(
    "behaviour",
    [receivers.endless_body, receivers.gzip_bomb, receivers.drips_body, receivers.closes_in_body],
)
async def test_a_status_decides_whatever_its_body(office: PostOffice, behaviour: Behaviour) -> None:
    shop_id = await office.shop()
    async with receiver(behaviour) as mine:
        await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        assert await office.sender().run_once() == 1
    (delivery,) = await office.deliveries()
    assert (delivery["state"], delivery["last_status"]) == ("delivered", 200)


async def test_ten_attempts_and_no_more(office: PostOffice, clock: FrozenClock) -> None:
    shop_id, sender = await office.shop(), office.sender()
    async with receiver(answers(500)) as mine:
        endpoint = await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        for pause in (timedelta(), *PAUSES):
            clock.advance(seconds=pause.total_seconds())
            assert await sender.run_once() == 1
        clock.advance(days=1)
        assert await sender.run_once() == 0
    assert len(mine.heard) == 10
    assert {m.id for m in mine.heard} == {mine.heard[0].id}
    verified(mine.heard[-1], endpoint.secret, clock.now() - timedelta(days=1))
    (delivery,) = await office.deliveries()
    assert (delivery["state"], delivery["attempts"]) == ("failed", 10)
    assert delivery["finished_at"] == clock.now() - timedelta(days=1)
    # A message that is given up is no reason yet to give up its endpoint.
    assert (await office.one_endpoint(endpoint.id))["state"] == EndpointState.ENABLED


async def test_gone_switches_off_and_keeps_what_waits(
    office: PostOffice, clock: FrozenClock
) -> None:
    shop_id, sender = await office.shop(), office.sender()
    async with receiver(answers(410)) as mine, receiver(answers(200)) as other:
        endpoint = await office.endpoint(shop_id, mine)
        await office.facts(shop_id, 3)
        assert await sender.run_once() >= 1
        row = await office.one_endpoint(endpoint.id)
        assert (row["state"], row["disabled_reason"]) == ("disabled", DisabledReason.GONE)
        assert {d["state"] for d in await office.deliveries()} == {"pending"}
        heard = len(mine.heard)
        await office.endpoint(shop_id, other, ["webhook.endpoint_disabled"])
        clock.advance(hours=1)
        assert await sender.run_once() == 0
        (entry,) = [e for e in await office.rows("audit_log") if e["action"] == "webhooks.disabled"]
        assert entry["subject_id"] == endpoint.id

        mine.behaviour = answers(200)
        await office.database.transact(
            lambda db: service.enable_endpoint(db, shop_id, endpoint.id, now=clock.now())
        )
        assert await sender.run_once() == 3
    assert len(mine.heard) == heard + 3
    assert {d["state"] for d in await office.deliveries()} == {"delivered"}


@pytest.mark.parametrize("status", [410, 500])
async def test_what_the_old_place_answers_late_is_not_held_against_the_new_one(
    office: PostOffice, clock: FrozenClock, status: int
) -> None:
    """The old host is taken down while its last messages are still on their way."""
    shop_id, sender = await office.shop(), office.sender()
    moved = asyncio.Event()

    async def late(*line: Any) -> None:
        await moved.wait()
        await answers(status)(*line)

    async with receiver(late) as old, receiver(answers(200)) as new:
        endpoint = await office.endpoint(shop_id, old)
        await office.facts(shop_id)
        sending = asyncio.create_task(sender.run_once())
        await until(lambda: old.heard)
        clock.advance(seconds=1)
        values = {"url": new.url, "enabled_at": clock.now()}
        places = table(WebhookEndpoint)
        change = sa.update(places).where(places.c.id == endpoint.id).values(values)
        await office.database.transact(lambda db: db.execute(change))
        moved.set()
        await sending
        row = await office.one_endpoint(endpoint.id)
        assert (row["state"], row["failing_since"]) == ("enabled", None)
        clock.advance(hours=1)
        assert await sender.run_once() == 1
    assert len(new.heard) == 1


async def test_the_others_hear_that_one_is_switched_off(
    office: PostOffice, clock: FrozenClock
) -> None:
    shop_id, sender = await office.shop(), office.sender()
    async with receiver(answers(410)) as mine, receiver(answers(200)) as other:
        gone = await office.endpoint(shop_id, mine)
        told = await office.endpoint(shop_id, other, ["webhook.endpoint_disabled"])
        await office.facts(shop_id)
        await sender.run_once()
        await office.facts(shop_id, 0)
        await sender.run_once()
    (message,) = other.heard
    data = verified(message, told.secret, clock.now())["data"]
    assert data == {"endpoint_id": str(gone.id), "reason": "gone"}


async def test_five_days_without_a_success_switch_off(
    office: PostOffice, clock: FrozenClock
) -> None:
    shop_id, sender = await office.shop(), office.sender()
    async with receiver(answers(500)) as mine:
        endpoint = await office.endpoint(shop_id, mine)
        for _ in range(5):
            await office.facts(shop_id)
            await sender.run_once()
            assert (await office.one_endpoint(endpoint.id))["state"] == "enabled"
            clock.advance(hours=24)
        await office.facts(shop_id)
        await sender.run_once()
        row = await office.one_endpoint(endpoint.id)
        assert (row["state"], row["disabled_reason"]) == ("disabled", DisabledReason.FAILING)
        heard = len(mine.heard)
        clock.advance(days=2)
        await sender.run_once()
    assert len(mine.heard) == heard


async def test_one_success_begins_the_five_days_anew(
    office: PostOffice, clock: FrozenClock
) -> None:
    shop_id, sender = await office.shop(), office.sender()
    async with receiver(answers(500)) as mine:
        endpoint = await office.endpoint(shop_id, mine)
        for day in range(9):
            mine.behaviour = answers(200 if day == 4 else 500)
            await office.facts(shop_id)
            await sender.run_once()
            clock.advance(hours=24)
    assert (await office.one_endpoint(endpoint.id))["state"] == "enabled"


async def test_the_oldest_goes_first(office: PostOffice, clock: FrozenClock) -> None:
    shop_id = await office.shop()
    async with receiver(answers(200)) as mine:
        await office.endpoint(shop_id, mine)
        for _ in range(4):
            await office.facts(shop_id)
            clock.advance(seconds=1)
        order = [str(d["event_id"]) for d in await office.deliveries()]
        await office.sender().run_once()
    assert mine.heard[0].id == order[0]
    assert sorted(m.id for m in mine.heard) == sorted(order)


async def test_rivals_send_everything_once(office: PostOffice) -> None:
    shop_id = await office.shop()
    async with receiver(answers(200)) as mine, receiver(answers(200)) as other:
        await office.endpoint(shop_id, mine)
        await office.endpoint(shop_id, other)
        await office.facts(shop_id, 30)
        sent = await asyncio.gather(*(office.sender().run_once() for _ in range(3)))
    assert sum(sent) == 60
    for each in (mine, other):
        assert len({m.id for m in each.heard}) == len(each.heard) == 30


async def test_what_a_dead_sender_had_taken_is_sent_when_its_lease_ends(
    office: PostOffice, clock: FrozenClock
) -> None:
    shop_id, sender = await office.shop(), office.sender()
    async with receiver(answers(200)) as mine:
        endpoint = await office.endpoint(shop_id, mine)
        await office.facts(shop_id, 2)
        now = clock.now()
        until = now + timedelta(seconds=40)
        taken = await office.database.transact(
            lambda db: repository.claim(db, endpoint.id, 1, now=now, lease_until=until)
        )
        assert await sender.run_once() == 1
        clock.advance(seconds=40)
        assert await sender.run_once() == 0
        clock.advance(seconds=1)
        assert await sender.run_once() == 1
    assert mine.heard[1].id == str(taken[0]["event_id"])
    assert {d["state"] for d in await office.deliveries()} == {"delivered"}


async def test_who_has_lost_the_lease_has_not_the_last_word(
    office: PostOffice, clock: FrozenClock
) -> None:
    """One hangs so long that another has taken over and delivered; its failure comes last."""
    shop_id = await office.shop()
    async with receiver(receivers.hangs) as mine:
        endpoint = await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        slow = asyncio.create_task(office.sender().run_once())
        await until(lambda: mine.heard)
        mine.behaviour = answers(200)
        clock.advance(minutes=2)
        assert await office.sender().run_once() == 1
        assert await slow == 1
    (delivery,) = await office.deliveries()
    assert (delivery["state"], delivery["attempts"], delivery["last_error"]) == (
        "delivered",
        1,
        None,
    )
    assert [a["error"] for a in await office.rows("webhook_attempts")] == [None, "timeout"]
    assert endpoint


async def test_a_resend_during_an_attempt_is_not_undone(
    office: PostOffice, clock: FrozenClock
) -> None:
    """A message that was put on its way anew while an old attempt hung still goes out."""
    shop_id = await office.shop()
    async with receiver(receivers.hangs) as mine:
        await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        slow = asyncio.create_task(office.sender().run_once())
        await until(lambda: mine.heard)
        clock.advance(minutes=2)
        (delivery,) = await office.deliveries()
        wish = service.Replay(clock.now() - timedelta(hours=1), ("*",), None)
        place = (shop_id, delivery["endpoint_id"])
        replayed = await office.database.transact(
            lambda db: service.replay(db, place, wish, kept_days=30, now=clock.now())
        )
        assert replayed.count == 1
        (delivery,) = await office.deliveries()
        assert delivery["lease_until"] is None
        mine.behaviour = answers(200)
        # The one that was late sees it is due again and sends it, as anybody would.
        assert await slow == 2
    (delivery,) = await office.deliveries()
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)


async def test_no_more_is_in_flight_than_there_is_room_for(office: PostOffice) -> None:
    shop_id = await office.shop()
    most = 0

    async def watch(
        mine: Receiver, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal most
        most = max(most, len(sender._flying))
        await asyncio.sleep(0.01)
        await answers(200)(mine, _reader, writer)

    sender = office.sender(seconds=30)
    async with receiver(watch) as mine:
        for _ in range(3):
            await office.endpoint(shop_id, mine)
        await office.facts(shop_id, 40)
        assert await sender.run_once() == 120
    assert CONCURRENCY // 2 < most <= CONCURRENCY


async def test_twenty_that_hang_do_not_delay_one_that_is_well(office: PostOffice) -> None:
    """The healthy one has everything while not one of the others has ended."""
    async with receiver(receivers.hangs) as dead, receiver(answers(200)) as mine:
        well = await office.shop()
        endpoint = await office.endpoint(well, mine)
        await office.facts(well)
        sender, stop = office.sender(seconds=300), asyncio.Event()
        assert await sender.run_once() == 1
        for number in range(2):
            ill = await office.shop(f"ill-{number}")
            for _ in range(10):
                await office.endpoint(ill, dead)
            await office.facts(ill, 3)
        running = asyncio.create_task(sender.run(stop))
        await until(lambda: dead.open == CONCURRENCY // 2)
        await office.facts(well, 40)
        await until(lambda: len(mine.heard) == 41)
        assert dead.open == dead.connections == CONCURRENCY // 2
        dead.hang_up()
        stop.set()
        await running
    assert endpoint


async def test_stopping_writes_what_has_ended_and_lets_go_of_the_rest(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "STOP_SECONDS", 0.2)
    shop_id = await office.shop()
    async with receiver(receivers.hangs) as mine:
        await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        stop = asyncio.Event()
        running = asyncio.create_task(office.sender(seconds=300).run(stop))
        await until(lambda: mine.heard)
        stop.set()
        await running
        (delivery,) = await office.deliveries()
        assert (delivery["state"], delivery["attempts"], delivery["lease_until"]) == (
            "pending",
            0,
            None,
        )
        mine.behaviour = answers(200)
        assert await office.sender().run_once() == 1
    assert mine.heard[0].id == mine.heard[1].id


async def test_an_attempt_that_was_cut_off_is_made_again(
    office: PostOffice, clock: FrozenClock
) -> None:
    """As by SIGKILL: it was sent, and nobody wrote that down."""
    shop_id = await office.shop()
    async with receiver(receivers.hangs) as mine:
        await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        cut = asyncio.create_task(office.sender(seconds=300).run_once())
        await until(lambda: mine.heard)
        cut.cancel()
        mine.behaviour = answers(200)
        assert await office.sender().run_once() == 0
        clock.advance(seconds=32)
        assert await office.sender().run_once() == 1
    assert mine.heard[0].id == mine.heard[1].id


async def test_a_database_that_is_away_costs_no_result(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_id = await office.shop()
    away = [True, True]
    real = sender_module.write_down

    async def write(*args: Any, **more: Any) -> None:
        if away:
            away.pop()
            raise ConnectionRefusedError("port 5432")
        await real(*args, **more)

    monkeypatch.setattr(sender_module, "write_down", write)
    async with receiver(answers(200)) as mine:
        await office.endpoint(shop_id, mine)
        await office.facts(shop_id, 3)
        stop = asyncio.Event()
        running = asyncio.create_task(office.sender().run(stop))
        await until(lambda: len(mine.heard) == 3)
        stop.set()
        await running
    assert not away
    assert [d["attempts"] for d in await office.deliveries()] == [1, 1, 1]
    assert len(mine.heard) == 3


async def test_a_result_that_cannot_be_written_keeps_no_other(
    office: PostOffice, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_id = await office.shop()
    real = sender_module.write_down
    poison = []

    async def write(db: Any, ended: Sequence[Any], **more: Any) -> None:
        if any(each.delivery["id"] == poison[0] for each in ended):
            raise ValueError("of ours")
        await real(db, ended, **more)

    async with receiver(answers(200)) as mine:
        await office.endpoint(shop_id, mine)
        await office.facts(shop_id, 4)
        poison.append((await office.deliveries())[1]["id"])
        monkeypatch.setattr(sender_module, "write_down", write)
        assert await office.sender().run_once() == 4
        states = [d["state"] for d in await office.deliveries()]
        assert states == ["delivered", "pending", "delivered", "delivered"]
        monkeypatch.setattr(sender_module, "write_down", real)
        clock.advance(minutes=1)
        assert await office.sender().run_once() == 1


async def test_a_secret_nobody_can_read_holds_up_nobody_else(office: PostOffice) -> None:
    shop_id = await office.shop()
    async with receiver(answers(200)) as mine:
        broken = await office.endpoint(shop_id, mine)
        await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        secrets = table(WebhookSecret)
        await office.database.transact(
            lambda db: db.execute(
                secrets.update()
                .where(secrets.c.endpoint_id == broken.id)
                .values(sealed_with="0" * 16)
            )
        )
        assert await office.sender().run_once() == 2
    assert len(mine.heard) == 1
    by_endpoint = {d["endpoint_id"]: d["last_error"] for d in await office.deliveries()}
    assert by_endpoint.pop(broken.id) == "secret_unreadable"
    assert set(by_endpoint.values()) == {None}


async def test_both_secrets_of_a_rotation_verify_until_the_old_one_ends(
    office: PostOffice, clock: FrozenClock
) -> None:
    shop_id, sender = await office.shop(), office.sender()
    async with receiver(answers(200)) as mine:
        endpoint = await office.endpoint(shop_id, mine)
        rotation = service.Rotation(secret=None, keep_previous_seconds=3_600)
        fresh = await office.database.transact(
            lambda db: service.rotate_secret(db, shop_id, endpoint.id, rotation, office.desk())
        )
        await office.facts(shop_id)
        await sender.run_once()
        for secret in (fresh, endpoint.secret):
            verified(mine.heard[0], secret, clock.now())
        clock.advance(hours=1, seconds=1)
        await office.facts(shop_id)
        await sender.run_once()
    assert mine.heard[1].headers["webhook-signature"].count("v1,") == 1
    verified(mine.heard[1], fresh, clock.now())


async def test_a_name_that_flips_after_its_registration_is_never_connected_to(
    office: PostOffice, clock: FrozenClock, settings: Settings
) -> None:
    """The endpoint was registered while its name was public; now it is the loopback's."""
    shop_id = await office.shop()
    async with receiver(answers(200)) as mine:
        await office.endpoint(shop_id, f"http://hooks.example.com:{mine.port}/")
        await office.facts(shop_id)
        object.__setattr__(office.database, "settings", guarded(settings))
        sender = office.sender(resolve=Resolver(lambda _host, _port: [HOST]))
        sender._allow_loopback = True  # the URL's text may stand; the address must not
        assert await sender.run_once() == 1
        await asyncio.sleep(0.05)
        assert mine.connections == 0
    (delivery,) = await office.deliveries()
    assert (delivery["state"], delivery["last_error"]) == ("pending", "address_refused")


async def test_a_url_that_may_no_longer_stand_is_not_dialled(
    office: PostOffice, settings: Settings
) -> None:
    shop_id = await office.shop()
    async with receiver(answers(200)) as mine:
        await office.endpoint(shop_id, mine)
        await office.facts(shop_id)
        object.__setattr__(office.database, "settings", guarded(settings))
        assert await office.sender().run_once() == 1
        assert mine.connections == 0
    (delivery,) = await office.deliveries()
    assert delivery["last_error"] == "url_refused"


def guarded(settings: Settings) -> Settings:
    """The same settings, as they are in production."""
    return settings.model_copy(update={"webhook_allow_loopback": False})


async def until(holds: Any) -> None:
    """Wait for something that must come; however slow the machine is."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for is on the other side of a socket
            await asyncio.sleep(0.01)
