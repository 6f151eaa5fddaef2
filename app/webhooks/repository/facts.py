"""A shop's facts in the outbox, for those who fetch them and for replays."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import Clock
from app.core.events import OutboxEvent
from app.core.sql import all_rows, first_row, table

_outbox = table(OutboxEvent)
# Ids are made by the clock of whoever stated the fact, shortly before it was committed.
CLOCKS_APART_MAX = timedelta(days=1)


async def one(db: AsyncSession, event_id: UUID) -> sa.RowMapping | None:
    """A fact by its id."""
    return await first_row(db, sa.select(_outbox).where(_outbox.c.id == event_id))


async def page(
    db: AsyncSession,
    shop_id: UUID,
    kinds: Sequence[str],
    *,
    after: UUID | None,
    since: datetime | None,
    rows_max: int,
) -> Sequence[sa.RowMapping]:
    """A shop's facts of these kinds (or all) stated since then, in the order of their ids."""
    query = sa.select(_outbox).where(_outbox.c.shop_id == shop_id)
    if kinds:
        query = query.where(_outbox.c.kind.in_(kinds))
    start = after
    if since is not None:
        query = query.where(_outbox.c.at >= since)
        start = after or _earliest_id(db, since)
    if start is not None:
        query = query.where(_outbox.c.id > start)
    return await all_rows(db, query.order_by(_outbox.c.id).limit(rows_max))


def _earliest_id(db: AsyncSession, since: datetime) -> UUID | None:
    """No fact stated since then has a smaller id: they begin with the time in milliseconds."""
    clock: Clock = db.info["clock"]
    if clock.moved_by_tests:
        return None  # facts tell the tests' time, ids the machine's
    milliseconds = int((since - CLOCKS_APART_MAX).timestamp() * 1000)
    return UUID(int=max(milliseconds, 0) << 80)
