"""The one clock: application time corrected to the database's, or moved by hand under test."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol

import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from app.core.sql import is_postgresql, table, upsert


def machine_ms() -> int:
    """The machine's own milliseconds, uncorrected: what ids begin with."""
    return time.time_ns() // 1_000_000


class TestClockRow(SQLModel, table=True):
    """How far the test clock stands ahead of real time; one row, shared by all processes."""

    __test__ = False
    __tablename__ = "test_clock"

    id: int = Field(default=1, primary_key=True, sa_column_kwargs={"autoincrement": False})
    ahead_ms: int = Field(default=0, sa_type=sa.BigInteger)


class Clock(Protocol):
    """What tells the time to requests, workers and jobs."""

    offset_seconds: float
    moved_by_tests: bool

    def now(self) -> datetime:
        """The current time, aware, in UTC."""

    async def sync(self, db: AsyncSession) -> None:
        """Take over what the database knows about the time."""


class SystemClock:
    """Wall time plus the last measured offset to the database, so that all servers agree."""

    # Every deadline is judged by the database's time; measuring once a minute follows drift.
    MEASURE_EVERY_SECONDS = 60.0
    moved_by_tests = False

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self._measured_at: float | None = None

    def now(self) -> datetime:
        """Wall time plus offset."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)

    async def sync(self, db: AsyncSession) -> None:
        """Measure the offset, at most once a minute; SQLite shares the machine's own clock."""
        measured_at = self._measured_at
        due = measured_at is None or time.monotonic() - measured_at > self.MEASURE_EVERY_SECONDS
        if not due or not is_postgresql(db):
            return
        before = datetime.now(UTC)
        told: datetime = (await db.execute(sa.select(sa.func.clock_timestamp()))).scalar_one()
        after = datetime.now(UTC)
        self.offset_seconds = (told - (before + (after - before) / 2)).total_seconds()
        self._measured_at = time.monotonic()


class SharedTestClock(SystemClock):
    """Real time plus what a test has added in the database; read anew at every request."""

    moved_by_tests = True

    async def sync(self, db: AsyncSession) -> None:
        """Read how far ahead the tests have set the clock."""
        row = table(TestClockRow)
        ahead_ms = (await db.execute(sa.select(row.c.ahead_ms))).scalar()
        self.offset_seconds = (ahead_ms or 0) / 1000


async def advance_test_clock(db: AsyncSession, milliseconds: int) -> None:
    """Move the shared test clock forward; it never goes back."""
    row = table(TestClockRow)
    first = upsert(db, row).values(id=1, ahead_ms=milliseconds)
    await db.execute(
        first.on_conflict_do_update(
            index_elements=["id"], set_={"ahead_ms": row.c.ahead_ms + milliseconds}
        )
    )


async def _now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


Now = Annotated[datetime, Depends(_now)]
