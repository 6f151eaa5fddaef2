"""Delivery of committed facts: claimed by lease, heard once by each handler, retried later.

Followers hear every batch before the handlers of its facts do, in one transaction a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.context import request_id_var
from app.core.db import Database, log_fault
from app.core.events import (
    Follower,
    Listener,
    OutboxEvent,
    OutboxHandled,
    Wiring,
    event_from_row,
)
from app.core.metrics import OUTBOX_DELIVERED
from app.core.sql import table, upsert

log = structlog.get_logger("outbox")
BACKOFF_SECONDS = (1, 5, 30, 120, 600, 3_600)

_events = table(OutboxEvent)
_handled = table(OutboxHandled)


@dataclass(slots=True)
class Deliverer:
    """Hands facts to their handlers; any number may run side by side."""

    database: Database
    wiring: Wiring

    async def run_once(self) -> int:
        """Claim a batch and deliver it; returns how many facts were claimed."""
        now = self.database.clock.now()
        rows = await self.database.transact(lambda db: self._claim(db, now))
        known = []
        for row in rows:
            if row["kind"] in self.wiring.kinds:
                known.append(row)
            else:
                await self._leave(row)
        if known:
            await self._deliver_all(known, unheard=await self._unheard(known))
        return len(rows)

    async def _unheard(self, rows: Sequence[sa.RowMapping]) -> list[str]:
        """Let every follower hear the batch; the names of those that failed.

        Handlers move money: they hear their facts all the same, which are then heard again.
        """
        return [
            name
            for name, follower in self.wiring.followers
            if not await self._follow(name, follower, rows)
        ]

    async def _follow(self, name: str, follower: Follower, rows: Sequence[sa.RowMapping]) -> bool:
        try:
            await self.database.transact(lambda db: follower(db, rows))
        except Exception as error:  # noqa: BLE001 - logged, and the batch is heard again
            log_fault(log, "follower", error, follower=name, rows=len(rows))
            OUTBOX_DELIVERED.labels(name, "failed").inc()
            return False
        OUTBOX_DELIVERED.labels(name, "done").inc()
        return True

    async def _deliver_all(self, rows: Sequence[sa.RowMapping], *, unheard: list[str]) -> None:
        idle: list[UUID] = []
        for row in rows:
            if unheard or self.wiring.handlers.get(row["kind"]):
                await self._deliver(row, unheard)
            else:
                idle.append(row["id"])
        if idle:
            await self.database.transact(lambda db: _finish(db, idle, self.database.clock.now()))

    async def _claim(self, db: AsyncSession, now: datetime) -> Sequence[sa.RowMapping]:
        settings = self.database.settings
        free = sa.or_(_events.c.lease_until.is_(None), _events.c.lease_until < now)
        due = (
            sa.select(_events.c.id)
            .where(_events.c.done_at.is_(None), _events.c.deliver_after <= now, free)
            .order_by(_events.c.deliver_after, _events.c.id)
            .limit(settings.outbox_batch_rows)
            .with_for_update(skip_locked=True)
            # As a subquery of IN the planner may run it again for each row, past its limit.
            .cte("due")
        )
        lease = now + timedelta(seconds=settings.outbox_lease_seconds)
        claimed = await db.execute(
            sa.update(_events)
            .where(_events.c.id.in_(sa.select(due.c.id)))
            .values(lease_until=lease, attempts=_events.c.attempts + 1)
            .returning(_events)
        )
        # RETURNING has no order; facts of one aggregate are best heard in theirs.
        return sorted(claimed.mappings().all(), key=lambda row: row["id"])

    async def _leave(self, row: sa.RowMapping) -> None:
        """A fact of a newer release is for its workers: put off, not done, while both run."""
        log.warning("unknown_kind", kind=row["kind"], event_id=str(row["id"]))
        now = self.database.clock.now()
        await self.database.transact(lambda db: _postpone(db, row, "unknown kind", now))

    async def _deliver(self, row: sa.RowMapping, unheard: Sequence[str] = ()) -> None:
        request_id_var.set(row["request_id"])
        failures = [*unheard]
        for name, listener in self.wiring.handlers.get(row["kind"], ()):
            if not await self._hear(row, name, listener):
                failures.append(name)
        now = self.database.clock.now()
        if failures:
            told = f"failed: {', '.join(failures)}"
            await self.database.transact(lambda db: _postpone(db, row, told, now))
        else:
            await self.database.transact(lambda db: _finish(db, [row["id"]], now))

    async def _hear(self, row: sa.RowMapping, name: str, listener: Listener[Any]) -> bool:
        """Run one handler in a transaction of its own; a fault of one does not stop the others."""
        try:
            await self.database.transact(lambda db: self._once(db, row, name, listener))
        except Exception as error:  # noqa: BLE001 - logged, and the fact is delivered again
            told = {"handler": name, "kind": row["kind"], "event_id": str(row["id"])}
            log_fault(log, "handler", error, **told)
            OUTBOX_DELIVERED.labels(name, "failed").inc()
            return False
        OUTBOX_DELIVERED.labels(name, "done").inc()
        return True

    async def _once(
        self, db: AsyncSession, row: sa.RowMapping, name: str, listener: Listener[Any]
    ) -> None:
        """The mark and the effects are one transaction: heard twice, done once."""
        mark = upsert(db, _handled).values(
            event_id=row["id"], handler=name, at=self.database.clock.now()
        )
        first = await db.execute(mark.on_conflict_do_nothing())
        if first.rowcount:  # type: ignore[attr-defined]
            await listener(db, event_from_row(self.wiring.kinds[row["kind"]], row))


async def _finish(db: AsyncSession, ids: Sequence[UUID], now: datetime) -> None:
    await db.execute(
        sa.update(_events)
        .where(_events.c.id.in_(ids))
        .values(done_at=now, lease_until=None, last_error=None)
    )


async def _postpone(db: AsyncSession, row: sa.RowMapping, reason: str, now: datetime) -> None:
    delay = BACKOFF_SECONDS[min(row["attempts"] - 1, len(BACKOFF_SECONDS) - 1)]
    await db.execute(
        sa.update(_events)
        # A rival that took over an ended lease may have finished it meanwhile.
        .where(_events.c.id == row["id"], _events.c.done_at.is_(None))
        .values(
            lease_until=None,
            deliver_after=now + timedelta(seconds=delay),
            last_error=reason[:500],
        )
    )


async def pending_facts(db: AsyncSession) -> int:
    """How many facts still wait for a handler."""
    waiting = sa.select(sa.func.count()).where(_events.c.done_at.is_(None))
    return int((await db.execute(waiting)).scalar_one())
