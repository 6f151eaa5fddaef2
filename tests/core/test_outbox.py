"""Delivery: at least once, each effect exactly once, and no fault stops anything else."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.context import request_id_var
from app.core.db import Database
from app.core.events import OutboxEvent, OutboxHandled, Wiring, on, record
from app.core.outbox import BACKOFF_SECONDS, Deliverer, pending_facts
from app.core.sql import table
from tests.core.little import ThingMade, counters
from tests.fakes import FrozenClock

outbox, handled = table(OutboxEvent), table(OutboxHandled)
Hear = Callable[[AsyncSession, ThingMade], Awaitable[None]]


class Ears:
    """Handlers for the tests: one counts in the database, one does what it is told."""

    def __init__(self) -> None:
        self.told: Hear | None = None
        self.heard: list[str] = []

    async def count(self, db: AsyncSession, event: ThingMade) -> None:
        self.heard.append(event.name)
        bumped = await db.execute(
            sa.update(counters)
            .where(counters.c.id == event.aggregate_id)
            .values(taken=counters.c.taken + 1)
        )
        if not bumped.rowcount:  # type: ignore[attr-defined]
            await db.execute(sa.insert(counters).values(id=event.aggregate_id, taken=1))

    async def obey(self, db: AsyncSession, event: ThingMade) -> None:
        if self.told:
            await self.told(db, event)


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def wiring(ears: Ears) -> Wiring:
    return Wiring.of((), (on(ThingMade, ears.obey, ears.count),), (ThingMade,))


@pytest.fixture
def deliverer(database: Database, wiring: Wiring) -> Deliverer:
    return Deliverer(database, wiring)


async def state(database: Database, *names: str, clock: FrozenClock) -> UUID:
    """Commit one fact per name, all of one aggregate."""
    aggregate = uuid4()

    async def work(db: AsyncSession) -> None:
        for name in names:
            await record(
                db, ThingMade(at=clock.now(), shop_id=None, aggregate_id=aggregate, name=name)
            )

    await database.transact(work)
    return aggregate


async def rows(database: Database, of: sa.Table = outbox) -> list[Any]:
    async with database.reading() as db:
        return list((await db.execute(sa.select(of))).mappings())


async def counted(database: Database) -> list[int]:
    return [row["taken"] for row in await rows(database, counters)]


async def test_a_fact_is_delivered_once_and_is_done(
    database: Database, deliverer: Deliverer, ears: Ears, clock: FrozenClock
) -> None:
    await state(database, "a", "b", clock=clock)
    assert await deliverer.run_once() == 2
    assert ears.heard == ["a", "b"]
    assert await deliverer.run_once() == 0
    assert {(r["done_at"], r["lease_until"]) for r in await rows(database)} == {(clock.now(), None)}
    assert len(await rows(database, handled)) == 4
    async with database.reading() as db:
        assert await pending_facts(db) == 0


async def test_a_fact_nobody_listens_to_is_done_at_once(
    database: Database, clock: FrozenClock
) -> None:
    await state(database, "a", clock=clock)
    deliverer = Deliverer(database, Wiring.of((), (), (ThingMade,)))
    assert await deliverer.run_once() == 1
    assert (await rows(database))[0]["done_at"] == clock.now()


async def test_a_batch_is_bounded(
    database: Database, deliverer: Deliverer, clock: FrozenClock
) -> None:
    most = database.settings.outbox_batch_rows
    await state(database, *("x" for _ in range(most + 3)), clock=clock)
    assert [await deliverer.run_once() for _ in range(3)] == [most, 3, 0]


async def test_the_effect_happens_once_with_many_deliverers_at_once(
    database: Database, wiring: Wiring, clock: FrozenClock
) -> None:
    await asyncio.gather(*(state(database, "x", "y", clock=clock) for _ in range(5)))
    await asyncio.gather(*(Deliverer(database, wiring).run_once() for _ in range(4)))
    assert await counted(database) == [2] * 5
    assert all(row["done_at"] for row in await rows(database))


async def test_the_effect_happens_once_although_heard_twice(
    database: Database, deliverer: Deliverer, wiring: Wiring, ears: Ears, clock: FrozenClock
) -> None:
    """The first stands still after its claim, its lease ends, a second delivers all."""
    await state(database, "x", clock=clock)
    now = clock.now()
    claimed = await database.transact(lambda db: deliverer._claim(db, now))
    clock.advance(seconds=database.settings.outbox_lease_seconds, microseconds=1)
    assert await Deliverer(database, wiring).run_once() == 1

    async def choke(_db: AsyncSession, _event: ThingMade) -> None:
        raise RuntimeError("this mark was set by the other, so this is not reached")

    ears.told = choke
    for row in claimed:
        await deliverer._deliver(row)
    assert ears.heard == ["x"]
    assert await counted(database) == [1]
    (row,) = await rows(database)
    assert row["done_at"] is not None
    assert row["last_error"] is None


async def test_a_late_failure_does_not_reopen_what_a_rival_has_finished(
    database: Database, deliverer: Deliverer, wiring: Wiring, ears: Ears, clock: FrozenClock
) -> None:
    await state(database, "x", clock=clock)
    now = clock.now()
    claimed = await database.transact(lambda db: deliverer._claim(db, now))
    clock.advance(seconds=31)

    async def rival_first(_db: AsyncSession, _event: ThingMade) -> None:
        ears.told = None
        raise RuntimeError("the first fails, then the rival delivers before it is written down")

    ears.told = rival_first
    first = Deliverer(_RivalBetween(database, wiring), wiring)
    for row in claimed:
        await first._deliver(row)
    (row,) = await rows(database)
    assert row["done_at"] is not None
    assert row["last_error"] is None
    assert await counted(database) == [1]


class _RivalBetween(Database):
    """Lets a rival deliver just before the failure of this one is written down."""

    def __init__(self, database: Database, wiring: Wiring) -> None:
        self.__dict__.update(vars(database))
        self.real, self.rival, self.transactions = database, Deliverer(database, wiring), 0

    async def transact(self, work: Any) -> Any:
        self.transactions += 1
        if self.transactions == 3:  # two handlers, then the note of the failure
            assert await self.rival.run_once() == 1
        return await self.real.transact(work)


async def test_the_lease_of_a_killed_deliverer_ends(
    database: Database, deliverer: Deliverer, wiring: Wiring, ears: Ears, clock: FrozenClock
) -> None:
    await state(database, "x", clock=clock)
    hanging = asyncio.Event()

    async def hang(_db: AsyncSession, _event: ThingMade) -> None:
        hanging.set()
        await asyncio.Event().wait()

    ears.told = hang
    task = asyncio.create_task(deliverer.run_once())
    await asyncio.wait_for(hanging.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ears.told = None
    rival = Deliverer(database, wiring)
    assert await rival.run_once() == 0
    clock.advance(seconds=database.settings.outbox_lease_seconds, microseconds=1)
    assert await rival.run_once() == 1
    assert await counted(database) == [1]
    assert (await rows(database))[0]["attempts"] == 2


async def test_poison_stops_neither_other_handlers_nor_other_facts(
    database: Database, deliverer: Deliverer, ears: Ears, clock: FrozenClock
) -> None:
    await state(database, "good", "poison", "fine", clock=clock)

    async def choke(_db: AsyncSession, event: ThingMade) -> None:
        if event.name == "poison":
            raise RuntimeError("cannot take sk_test_CANARY of 13800138000")

    ears.told = choke
    assert await deliverer.run_once() == 3
    assert ears.heard == ["good", "poison", "fine"]
    waiting = [row for row in await rows(database) if row["done_at"] is None]
    assert [row["payload"]["name"] for row in waiting] == ["poison"]
    assert waiting[0]["last_error"] == "failed: tests.core.test_outbox.Ears.obey"
    assert "CANARY" not in str(waiting[0])
    ears.told = None
    clock.advance(seconds=BACKOFF_SECONDS[0])
    assert await deliverer.run_once() == 1
    assert ears.heard == ["good", "poison", "fine"], "the other handler is not run again"
    assert await counted(database) == [3]


async def test_a_failed_handler_leaves_nothing_of_its_work(
    database: Database, deliverer: Deliverer, ears: Ears, clock: FrozenClock
) -> None:
    async def half(db: AsyncSession, _event: ThingMade) -> None:
        await db.execute(sa.insert(counters).values(id=uuid4(), taken=99))
        raise RuntimeError("half way")

    ears.told = half
    await state(database, "x", clock=clock)
    await deliverer.run_once()
    assert await counted(database) == [1]


async def test_retries_come_later_and_later(
    database: Database, deliverer: Deliverer, ears: Ears, clock: FrozenClock
) -> None:
    async def choke(_db: AsyncSession, _event: ThingMade) -> None:
        raise RuntimeError("always")

    ears.told = choke
    await state(database, "x", clock=clock)
    for delay in (*BACKOFF_SECONDS, BACKOFF_SECONDS[-1]):
        assert await deliverer.run_once() == 1
        assert await deliverer.run_once() == 0
        (row,) = await rows(database)
        assert row["deliver_after"] == clock.now() + timedelta(seconds=delay)
        clock.advance(seconds=delay)
    assert await counted(database) == [1]


async def test_an_unknown_kind_does_not_stop_the_rest(
    database: Database, ears: Ears, clock: FrozenClock
) -> None:
    """A row written by a newer release: its kind has a handler here, but no class."""
    await state(database, "strange", "known", clock=clock)
    async with database.writing() as db:
        await db.execute(
            sa.update(outbox).where(outbox.c.sequence == 1).values(payload={"other": 1})
        )
        await db.commit()
    deliverer = Deliverer(database, Wiring.of((), (on(ThingMade, ears.count),), (ThingMade,)))
    assert await deliverer.run_once() == 2
    assert ears.heard == ["known"]
    assert [row["sequence"] for row in await rows(database) if row["done_at"] is None] == [1]


async def test_a_fact_of_a_newer_release_waits_for_its_worker(
    database: Database, deliverer: Deliverer, ears: Ears, clock: FrozenClock
) -> None:
    """While releases are rolled out, an older worker meets kinds that it does not know."""
    await state(database, "known", clock=clock)
    older = Deliverer(database, Wiring.of((), (), ()))
    assert await older.run_once() == 1
    (row,) = await rows(database)
    assert (row["done_at"], row["lease_until"]) == (None, None)
    assert row["deliver_after"] == clock.now() + timedelta(seconds=BACKOFF_SECONDS[0])
    assert row["last_error"] == "unknown kind"
    assert await older.run_once() == 0
    clock.advance(seconds=BACKOFF_SECONDS[0])
    assert await deliverer.run_once() == 1
    assert ears.heard == ["known"]
    (row,) = await rows(database)
    assert (row["done_at"], row["last_error"]) == (clock.now(), None)


async def test_handlers_work_under_the_request_id_of_the_fact(
    database: Database, deliverer: Deliverer, ears: Ears, clock: FrozenClock
) -> None:
    seen: list[str] = []

    async def look(_db: AsyncSession, _event: ThingMade) -> None:
        seen.append(request_id_var.get())

    ears.told = look
    token = request_id_var.set("request-of-the-fact")
    await state(database, "x", clock=clock)
    request_id_var.reset(token)
    await deliverer.run_once()
    assert seen == ["request-of-the-fact"]
