"""What a recurring job is: a name, a period, and work that is safe to run anywhere at any time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from app.core.db import Database, log_fault
from app.core.sql import table, upsert
from app.settings import Settings

log = structlog.get_logger("jobs")
BEAT_KEPT = timedelta(days=1)


class WorkerBeat(SQLModel, table=True):
    """When each worker last said that it lives."""

    __tablename__ = "worker_beats"

    worker_id: UUID = Field(primary_key=True)
    at: datetime


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job may use. Gateways are typed where they are used; core does not know them."""

    settings: Settings
    database: Database
    gateways: Mapping[str, Any]

    def now(self) -> datetime:
        """The one clock's time."""
        return self.database.clock.now()


@dataclass(frozen=True, slots=True)
class Job:
    """Work that recurs: `run` does a batch at most and returns how many rows it moved; after a
    full one it is called again as soon as the others have had their turn. Idempotent, bounded,
    safe beside any number of its own kind.

    A long one is run beside all else, never twice at once: nothing waits for it, and a worker that
    stops breaks it off.
    """

    name: str
    every_seconds: float
    run: Callable[[JobContext], Awaitable[int]]
    is_long: bool = False


class Companion(Protocol):
    """Work that goes on beside the worker's rounds, in the same process."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then end within a few seconds."""

    async def run_once(self) -> int:
        """Everything that is due now, once; how much that was."""


async def each(rows: Iterable[Any], work: Callable[[Any], Awaitable[object]]) -> int:
    """Do the work for one row after another; how many said that something was done.

    A fault of one row is logged and must not keep the others waiting for ever.
    """
    done = 0
    for row in rows:
        try:
            done += bool(await work(row))
        except Exception as error:  # noqa: BLE001 - logged, and the next row has its turn
            row_id = row["id"] if isinstance(row, Mapping) else getattr(row, "id", row)
            log_fault(log, "row", error, row_id=str(row_id))
    return done


async def beat(db: AsyncSession, worker_id: UUID, now: datetime) -> None:
    """Say that this worker lives, and forget those that have long been silent."""
    row = table(WorkerBeat)
    statement = upsert(db, row).values(worker_id=worker_id, at=now)
    await db.execute(
        statement.on_conflict_do_update(index_elements=["worker_id"], set_={"at": now})
    )
    # Every start of a worker has an id of its own. One that wakes up just now holds its old beat
    # and may be about to forget ours: nobody waits for another here.
    silent = (
        sa.select(row.c.worker_id)
        .where(row.c.at < now - BEAT_KEPT)
        .with_for_update(skip_locked=True)
        .cte("silent")
    )
    await db.execute(sa.delete(row).where(row.c.worker_id.in_(sa.select(silent.c.worker_id))))


async def last_beat(db: AsyncSession) -> datetime | None:
    """When any worker last said that it lives."""
    row = table(WorkerBeat)
    at: datetime | None = (await db.execute(sa.select(sa.func.max(row.c.at)))).scalar()
    return at
