"""The sandbox provider's books: entries are appended, the first of a slot counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.sql import all_rows, changed, ids_in, table, upsert
from app.payments.models import SandboxEntry, SandboxNotice

_entries = table(SandboxEntry)
_notices = table(SandboxNotice)


async def append(db: AsyncSession, values: dict[str, Any]) -> bool:
    """Append an entry unless its slot is taken; says whether it did."""
    statement = upsert(db, _entries).on_conflict_do_nothing(index_elements=["slot"])
    return await changed(db, statement, {"id": new_id(), **values}) > 0


async def entries_of(db: AsyncSession, payment_id: UUID) -> Sequence[sa.RowMapping]:
    """Everything the books say about a payment."""
    statement = (
        sa.select(_entries).where(_entries.c.payment_id == payment_id).order_by(_entries.c.id)
    )
    return await all_rows(db, statement)


async def payments_since(
    db: AsyncSession, since: datetime, after: UUID | None, rows_max: int
) -> Sequence[UUID]:
    """Payments the books say anything about since then, by id, from an id on."""
    statement = sa.select(_entries.c.payment_id).where(_entries.c.at >= since).distinct()
    if after is not None:
        statement = statement.where(_entries.c.payment_id > after)
    found = await db.scalars(statement.order_by(_entries.c.payment_id).limit(rows_max))
    return found.all()


async def entries_of_all(db: AsyncSession, payment_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """Everything the books say about some payments, one payment after another."""
    statement = (
        sa.select(_entries)
        .where(ids_in(db, _entries.c.payment_id, payment_ids))
        .order_by(_entries.c.payment_id, _entries.c.id)
    )
    return await all_rows(db, statement)


async def lock_charge(db: AsyncSession, payment_id: UUID) -> None:
    """Let one reader or writer of a charge that was booked, or of its refunds, in at a time."""
    await db.execute(
        sa.select(_entries.c.id).where(_entries.c.slot == f"payment:{payment_id}").with_for_update()
    )


async def add_notices(db: AsyncSession, payment_id: UUID, due_at: datetime, count: int) -> None:
    """Put messages in the outgoing tray."""
    rows = [{"id": new_id(), "payment_id": payment_id, "due_at": due_at} for _ in range(count)]
    await db.execute(sa.insert(_notices), rows)


async def due_notices(db: AsyncSession, now: datetime, rows_max: int) -> Sequence[sa.RowMapping]:
    """Messages that should have been sent by now."""
    statement = (
        sa.select(_notices)
        .where(_notices.c.heard_at.is_(None), _notices.c.due_at <= now)
        .order_by(_notices.c.due_at, _notices.c.id)
        .limit(rows_max)
    )
    return await all_rows(db, statement)


async def mark_heard(db: AsyncSession, notice_id: UUID, now: datetime) -> None:
    """Strike a message off the tray."""
    await db.execute(sa.update(_notices).where(_notices.c.id == notice_id).values(heard_at=now))
