"""All SQL of the messages of providers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, changed, first_row, table, upsert
from app.payments.models import HookEventRow, HookState

_events = table(HookEventRow)
# Whoever reads a list has no business with what stands in a message.
_BRIEF = [c for c in _events.c if c.name != "body"]


async def add(db: AsyncSession, values: dict[str, Any]) -> bool:
    """Keep a message unless it is kept already; says whether it is new."""
    statement = upsert(db, _events).values(**values)
    kept = statement.on_conflict_do_nothing(index_elements=["gateway", "event_id"])
    return await changed(db, kept) > 0


async def claim(
    db: AsyncSession, now: datetime, lease_until: datetime, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Lease messages that are due, in the order they came; a rival worker gets others.

    Those that were tried come after those that were not, so that no number of them keeps new
    ones waiting.
    """
    free = sa.or_(_events.c.lease_until.is_(None), _events.c.lease_until < now)
    due = (
        sa.select(_events.c.id)
        .where(_events.c.state == HookState.WAITING, _events.c.try_after <= now, free)
        .order_by(_events.c.attempts, _events.c.id)
        .limit(rows_max)
        .with_for_update(skip_locked=True)
        # As a subquery of IN the planner may run it again for each row, past its limit.
        .cte("due")
    )
    statement = (
        sa.update(_events)
        .where(_events.c.id.in_(sa.select(due.c.id)))
        .values(lease_until=lease_until, attempts=_events.c.attempts + 1)
        .returning(_events)
    )
    rows = await all_rows(db, statement)
    return sorted(rows, key=lambda row: (row["attempts"], row["id"]))


async def move(db: AsyncSession, event_id: UUID, values: dict[str, Any]) -> None:
    """Write what became of a message; one that a rival has finished stays finished."""
    await db.execute(
        sa.update(_events)
        .where(_events.c.id == event_id, _events.c.state == HookState.WAITING)
        .values(lease_until=None, **values)
    )


async def replay(db: AsyncSession, event_id: UUID, values: dict[str, Any]) -> bool:
    """Let a failed message wait again; says whether there was one."""
    statement = (
        sa.update(_events)
        .where(_events.c.id == event_id, _events.c.state == HookState.FAILED)
        .values(state=HookState.WAITING, **values)
    )
    return await changed(db, statement) > 0


async def event(db: AsyncSession, event_id: UUID) -> sa.RowMapping | None:
    """One message without its body."""
    return await first_row(db, sa.select(*_BRIEF).where(_events.c.id == event_id))


async def events(
    db: AsyncSession, state: HookState | None, after: UUID | None, limit: int
) -> Sequence[sa.RowMapping]:
    """Messages in one state or all, newest first, from an id on, without their bodies."""
    statement = sa.select(*_BRIEF)
    if state is not None:
        statement = statement.where(_events.c.state == state)
    if after is not None:
        statement = statement.where(_events.c.id < after)
    return await all_rows(db, statement.order_by(_events.c.id.desc()).limit(limit))


async def prune(db: AsyncSession, *, before: datetime, rows_max: int) -> int:
    """Forget messages done with long ago, at most `rows_max`: their bodies hold personal data.

    So are those that were given up: nobody has replayed them in all that time.
    """
    over = _events.c.state != HookState.WAITING
    old = (
        sa.select(_events.c.id)
        .where(over, _events.c.done_at <= before)
        .order_by(_events.c.id)
        .limit(rows_max)
    )
    return await changed(db, sa.delete(_events).where(_events.c.id.in_(old)))
