"""The worker: one fault never ends the loop, and stopping ends it between two pieces of work."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app import worker as worker_module
from app.core.db import Database
from app.core.ids import new_id
from app.core.jobs import Job, JobContext, WorkerBeat, beat, last_beat
from app.core.logging import configure_logging
from app.core.sql import table
from app.worker import Worker
from tests.fakes import FrozenClock

Run = Callable[[JobContext], Awaitable[int]]
Hire = Callable[..., Worker]


@pytest.fixture
def hire(database: Database) -> Hire:
    """A worker with these jobs."""

    def hired(**jobs: Run) -> Worker:
        found = tuple(Job(name, 3_600.0, run) for name, run in jobs.items())
        return Worker(database.settings, database, {}, found)

    return hired


async def test_a_failing_job_stops_no_other(hire: Hire) -> None:
    ran: list[str] = []

    async def bad(_context: JobContext) -> int:
        ran.append("bad")
        raise RuntimeError("always")

    async def good(_context: JobContext) -> int:
        ran.append("good")
        return 0

    await hire(bad=bad, good=good).run_once()
    assert ran == ["bad", "good"]


async def test_an_outage_is_one_line_and_a_fault_is_a_trace(hire: Hire) -> None:
    """A database that restarts is no bug; the trace of a bug must not drown in its lines."""

    async def away(_context: JobContext) -> int:
        raise ConnectionRefusedError("port 5432")

    async def bug(_context: JobContext) -> int:
        raise RuntimeError("of ours")

    configure_logging("warning")
    with capture_logs() as lines:
        await hire(away=away, bug=bug).run_once()
    assert [(e["event"], e["log_level"], "exc_info" in e) for e in lines] == [
        ("database_away", "warning", False),
        ("job_failed", "error", True),
    ]
    assert (lines[0]["work"], lines[0]["job"], lines[0]["detail"]) == ("job", "away", "port 5432")


async def test_a_job_is_called_again_while_its_batch_is_full(
    hire: Hire, database: Database
) -> None:
    batch = database.settings.sweep_batch_rows
    left = [batch * 2 + 1]
    calls: list[int] = []

    async def sweep(_context: JobContext) -> int:
        moved = min(batch, left[0])
        left[0] -= moved
        calls.append(moved)
        return moved

    await hire(sweep=sweep).run_once()
    assert calls == [batch, batch, 1, 0]


async def test_one_job_does_not_starve_the_others(hire: Hire, database: Database) -> None:
    calls: list[str] = []

    async def greedy(_context: JobContext) -> int:
        calls.append("greedy")
        return database.settings.sweep_batch_rows

    async def other(_context: JobContext) -> int:
        calls.append("other")
        worker.stop()
        return 0

    worker = hire(greedy=greedy, other=other)
    await asyncio.wait_for(worker.run(), 5)
    assert calls == ["greedy", "other"]


async def test_a_worker_works_until_it_is_stopped_and_says_that_it_lives(
    hire: Hire, database: Database, clock: FrozenClock
) -> None:
    ran = asyncio.Event()

    async def once(_context: JobContext) -> int:
        ran.set()
        return 0

    worker = hire(once=once)
    task = asyncio.create_task(worker.run())
    await asyncio.wait_for(ran.wait(), 5)
    assert not task.done()
    worker.stop()
    await asyncio.wait_for(task, 2)
    async with database.reading() as db:
        assert await last_beat(db) == clock.now()
        beats = (await db.execute(sa.select(table(WorkerBeat)))).mappings().all()
    assert [b["worker_id"] for b in beats] == [worker.worker_id]


async def test_a_worker_amid_work_that_does_not_end_is_stopped_all_the_same(
    hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of refunds to a provider that hangs takes longer than anybody waits for an end."""
    ran, ended = asyncio.Event(), []

    async def endless(_context: JobContext) -> int:
        ran.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")
        return 0

    async def next_one(_context: JobContext) -> int:
        ended.append("next")
        return 0

    monkeypatch.setattr(worker_module, "STOP_GRACE_SECONDS", 0.05, raising=False)
    worker = hire(endless=endless, next_one=next_one)
    task = asyncio.create_task(worker.run())
    await asyncio.wait_for(ran.wait(), 5)
    worker.stop()
    await asyncio.wait_for(task, 5)
    assert ended == ["endless"]


async def test_a_worker_that_is_stopped_ends_the_work_at_hand(hire: Hire) -> None:
    ran, go_on, ended = asyncio.Event(), asyncio.Event(), []

    async def slow(_context: JobContext) -> int:
        ran.set()
        await go_on.wait()
        ended.append("slow")
        return 0

    worker = hire(slow=slow)
    task = asyncio.create_task(worker.run())
    await asyncio.wait_for(ran.wait(), 5)
    worker.stop()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait_for(task, 5)
    assert ended == ["slow"]


async def test_workers_long_silent_are_forgotten(database: Database, clock: FrozenClock) -> None:
    gone, silent, alive = new_id(), new_id(), new_id()

    async def beats(worker_id: UUID) -> None:
        await database.transact(lambda db: beat(db, worker_id, clock.now()))

    await beats(gone)
    clock.advance(seconds=1)
    await beats(silent)
    clock.advance(hours=24)
    await beats(alive)
    async with database.reading() as db:
        left = (await db.execute(sa.select(table(WorkerBeat).c.worker_id))).scalars()
        assert set(left) == {silent, alive}


async def test_workers_that_slept_a_day_together_do_not_collide(
    database: Database, clock: FrozenClock, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a deadlock: each holds its own beat, and each would delete the other's old one."""
    if backend != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    both, tries, deletes = (new_id(), new_id()), 0, 0
    for worker_id in both:
        await database.transact(lambda db, i=worker_id: beat(db, i, clock.now()))
    clock.advance(hours=48)
    meeting, execute = asyncio.Barrier(2), AsyncSession.execute

    async def together(db: AsyncSession, statement: sa.Executable) -> object:
        nonlocal deletes
        if isinstance(statement, sa.Delete):
            deletes += 1
            if deletes <= len(both):
                await meeting.wait()
        return await execute(db, statement)

    async def woken(db: AsyncSession, worker_id: UUID) -> None:
        nonlocal tries
        tries += 1
        await beat(db, worker_id, clock.now())

    monkeypatch.setattr(AsyncSession, "execute", together)
    wakes = (database.transact(lambda db, i=i: woken(db, i)) for i in both)
    await asyncio.wait_for(asyncio.gather(*wakes), 10)
    assert tries == len(both), "none had to begin again"
    async with database.reading() as db:
        rows = (await execute(db, sa.select(table(WorkerBeat)))).mappings().all()
    assert {(row["worker_id"], row["at"]) for row in rows} == {(i, clock.now()) for i in both}


async def test_a_database_that_is_away_does_not_end_the_loop(
    hire: Hire, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []

    async def away(_self: object, _db: object) -> None:
        raise ConnectionRefusedError

    async def job(_context: JobContext) -> int:
        ran.append(1)
        return 0

    worker = hire(job=job)
    with monkeypatch.context() as patch:
        patch.setattr(type(database.clock), "sync", away)
        await worker.run_once()
    assert ran == [1]


class Beside:
    """A companion that fails the first time it is begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = asyncio.Event()
        self.left = 3

    async def run(self, stop: asyncio.Event) -> None:
        self.begun += 1
        if self.begun == 1:
            raise RuntimeError("once")
        await stop.wait()
        self.ended.set()

    async def run_once(self) -> int:
        self.left -= bool(self.left)
        return self.left


async def test_a_companion_that_fails_is_begun_anew_and_ends_with_the_worker(
    database: Database,
) -> None:
    beside = Beside()
    worker = Worker(database.settings, database, {}, (), [beside])
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        while beside.begun < 2:  # noqa: ASYNC110 - the worker is what is waited for
            await asyncio.sleep(0.01)
        assert not beside.ended.is_set()
        worker.stop()
        await running
    assert beside.ended.is_set()
    assert beside.begun == 2


async def test_everything_due_includes_what_companions_do(database: Database) -> None:
    beside = Beside()
    await Worker(database.settings, database, {}, (), [beside]).run_once()
    assert beside.left == 0
