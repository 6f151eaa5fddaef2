"""One time for all: measured against the database, or moved by tests in a row they share."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from app.core import system
from app.core.clock import SharedTestClock, SystemClock, TestClockRow, advance_test_clock
from app.core.db import Database
from app.settings import Settings
from tests.conftest import make_settings
from tests.core.conftest import NOTHING_WIRED, keyed, problem_of
from tests.core.little import Script, create_little_app


async def open_database(settings: Settings, clock: SystemClock) -> AsyncIterator[Database]:
    database = Database(settings, wiring=NOTHING_WIRED, clock=clock)
    yield database
    await database.dispose()


@pytest.fixture
async def one(settings: Settings) -> AsyncIterator[Database]:
    async for database in open_database(settings, SharedTestClock()):
        yield database


@pytest.fixture
async def two(settings: Settings) -> AsyncIterator[Database]:
    async for database in open_database(settings, SharedTestClock()):
        yield database


async def test_the_offset_to_the_database_is_measured(
    database: Database, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return real_now(UTC) - timedelta(minutes=5)

    real_now = datetime.now
    clock = SystemClock()
    monkeypatch.setattr("app.core.clock.datetime", Late)
    async with database.reading() as db:
        await clock.sync(db)
    if backend == "sqlite":
        assert clock.offset_seconds == 0.0
        return
    assert clock.offset_seconds == pytest.approx(300, abs=1)
    assert abs((clock.now() - real_now(UTC)).total_seconds()) < 1
    monkeypatch.undo()
    async with database.reading() as db:
        await clock.sync(db)  # not due yet
    assert clock.offset_seconds == pytest.approx(300, abs=1)
    clock._measured_at = -1e9
    async with database.reading() as db:
        await clock.sync(db)
    assert clock.offset_seconds == pytest.approx(0, abs=1)


async def test_the_clock_is_aware_and_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


async def test_a_moved_clock_is_seen_through_every_database_object(
    one: Database, two: Database
) -> None:
    await one.transact(lambda db: advance_test_clock(db, 90_000))
    await two.transact(lambda db: advance_test_clock(db, 10_000))
    for database in (one, two):
        async with database.reading() as db:
            await database.clock.sync(db)
        assert database.clock.offset_seconds == 100.0
        ahead = database.clock.now() - datetime.now(UTC)
        assert ahead.total_seconds() == pytest.approx(100, abs=1)


async def test_first_moves_at_once_add_up(one: Database, two: Database) -> None:
    await asyncio.gather(
        *(d.transact(lambda db: advance_test_clock(db, 1_000)) for d in (one, two, one, two))
    )
    async with one.reading() as db:
        rows = (await db.execute(sa.select(sa.column("ahead_ms")).select_from(
            sa.table(TestClockRow.__tablename__)
        ))).scalars().all()  # fmt: skip
    assert rows == [4_000]


async def test_the_clock_is_moved_over_http_and_seen_by_the_next_request(
    settings: Settings,
) -> None:
    clock = SharedTestClock()
    application = create_little_app(settings, clock, NOTHING_WIRED)
    transport = httpx2.ASGITransport(application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        before = datetime.now(UTC)
        answer = await client.post("/v1/test/clock", json={"seconds": 3_600}, headers=keyed())
        told = datetime.fromisoformat(answer.json()["now"])
        assert (told - before).total_seconds() == pytest.approx(3_600, abs=2)
        answer = await client.post("/v1/test/clock", json={"seconds": -1}, headers=keyed())
        problem_of(answer, 422, "validation_failed")
    rival = Database(settings, wiring=NOTHING_WIRED, clock=SharedTestClock())
    async with rival.reading() as db:
        await rival.clock.sync(db)
    assert rival.clock.offset_seconds == 3_600
    await rival.dispose()
    await application.state.database.dispose()


@pytest.mark.parametrize(("env", "status"), [("test", 201), ("development", 404)])
async def test_the_test_clock_exists_under_test_only(
    database_url: str, env: str, status: int
) -> None:
    import app.main

    application = app.main.create_app(make_settings(database_url, app_env=env))
    transport = httpx2.ASGITransport(application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        answer = await client.post("/v1/test/clock", json={"seconds": 1}, headers=keyed())
    await application.state.database.dispose()
    if status == 404:
        problem_of(answer, 404, "not_found")
        assert isinstance(application.state.clock, SystemClock)
        assert not isinstance(application.state.clock, SharedTestClock)
    else:
        assert answer.status_code in {200, 201}
        assert isinstance(application.state.clock, SharedTestClock)


async def test_clocks_that_disagree_make_the_server_unready(
    application: FastAPI, client: httpx2.AsyncClient, script: Script
) -> None:
    clock = application.state.clock
    clock.moved_by_tests, clock.offset_seconds = False, system.CLOCK_OFFSET_MAX_SECONDS + 0.5
    document = problem_of(await client.get("/readyz"), 503, "unavailable")
    assert document["params"] == {"reason": "clock", "offset_ms": 2_500}
