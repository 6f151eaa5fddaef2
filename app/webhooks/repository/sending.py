"""What is due, who takes it, and what came of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.events import OutboxEvent
from app.core.sql import all_rows, given, ids_in, table
from app.webhooks.models import (
    EndpointState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from app.webhooks.rules.slots import Standing

_deliveries, _attempts = table(WebhookDelivery), table(WebhookAttempt)
_endpoints, _outbox = table(WebhookEndpoint), table(OutboxEvent)
# An endpoint that is sent to all day is not written to with every message.
SUCCESS_NOTED_EVERY = timedelta(minutes=1)
# Spelt out: a parameter would keep both databases from the index of what is pending.
_PENDING = _deliveries.c.state == sa.literal_column("'pending'")
_STANDINGS: Mapping[Standing, sa.ColumnElement[bool]] = {
    # New ones first: they must not wait behind the steady ones, nor behind those that fail.
    Standing.UNKNOWN: sa.and_(
        _endpoints.c.failing_since.is_(None), _endpoints.c.last_success_at.is_(None)
    ),
    Standing.STEADY: sa.and_(
        _endpoints.c.failing_since.is_(None), _endpoints.c.last_success_at.is_not(None)
    ),
    Standing.FAILING: _endpoints.c.failing_since.is_not(None),
}
ORDER = tuple(_STANDINGS)
_RESULT: Mapping[str, sa.types.TypeEngine[Any]] = {
    "id": sa.Uuid(),
    "lease_until": _deliveries.c.lease_until.type,
    "state": sa.Text(),
    "attempts": sa.Integer(),
    "due_at": _deliveries.c.due_at.type,
    "finished_at": _deliveries.c.finished_at.type,
    "last_status": sa.Integer(),
    "last_error": sa.Text(),
}
_ATTEMPT: Mapping[str, sa.types.TypeEngine[Any]] = {
    "id": sa.Uuid(),
    "delivery_id": sa.Uuid(),
    "at": _attempts.c.at.type,
    "duration_ms": sa.Integer(),
    "status": sa.Integer(),
    "error": sa.Text(),
    "answer": sa.Text(),
}

Rows = Sequence[Mapping[str, Any]]


def _is_due(now: datetime) -> sa.ColumnElement[bool]:
    is_free = sa.or_(_deliveries.c.lease_until.is_(None), _deliveries.c.lease_until < now)
    return sa.and_(_PENDING, _deliveries.c.due_at <= now, is_free)


async def ready(
    db: AsyncSession,
    room: Mapping[Standing, int],
    after: Mapping[Standing, UUID],
    busy: Sequence[UUID],
    *,
    now: datetime,
) -> Sequence[sa.RowMapping]:
    """Enabled endpoints that have something due, as (id, standing), for whom there is room.

    Of each standing as many as asked for, in the order of their ids behind the one that had its
    turn last; none of those that are busy.
    """
    due = (
        sa.select(_deliveries.c.id)
        .where(_deliveries.c.endpoint_id == _endpoints.c.id, _is_due(now))
        # As EXISTS, or in no order, the planner hopes to meet one early by reading everything; an
        # endpoint that has nothing due would cost the whole table.
        .order_by(_deliveries.c.due_at)
        .limit(1)
        .scalar_subquery()
    )
    parts = [
        sa.select(_endpoints.c.id, sa.literal(standing.value).label("standing"))
        .where(
            _endpoints.c.state == EndpointState.ENABLED,
            is_so,
            _endpoints.c.id > after[standing],
            ~ids_in(db, _endpoints.c.id, busy),
            due.is_not(None),
        )
        .order_by(_endpoints.c.id)
        .limit(max(room[standing], 0))
        .subquery(standing.value)
        for standing, is_so in _STANDINGS.items()
    ]
    return await all_rows(db, sa.union_all(*(sa.select(part) for part in parts)))


async def claim(
    db: AsyncSession, endpoint_id: UUID, rows_max: int, *, now: datetime, lease_until: datetime
) -> Sequence[sa.RowMapping]:
    """Take what has been due longest at one endpoint; nobody else takes it until the lease ends."""
    due = (
        sa.select(_deliveries.c.id)
        .where(_deliveries.c.endpoint_id == endpoint_id, _is_due(now))
        .order_by(_deliveries.c.due_at, _deliveries.c.id)
        .limit(rows_max)
        .with_for_update(skip_locked=True)
        # As a subquery of IN the planner may run it again for each row, past its limit.
        .cte("due")
    )
    return await all_rows(
        db,
        sa.update(_deliveries)
        .where(_deliveries.c.id.in_(sa.select(due.c.id)))
        .values(lease_until=lease_until)
        .returning(_deliveries),
    )


async def facts(db: AsyncSession, event_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """The facts that messages tell."""
    return await all_rows(db, sa.select(_outbox).where(ids_in(db, _outbox.c.id, event_ids)))


async def places(db: AsyncSession, endpoint_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """Where each of these endpoints is."""
    query = sa.select(_endpoints.c.id, _endpoints.c.url)
    rows = await all_rows(db, query.where(ids_in(db, _endpoints.c.id, endpoint_ids)))
    return {row["id"]: row["url"] for row in rows}


async def write_results(db: AsyncSession, results: Rows) -> None:
    """Move messages on by what their attempts came to, each only under the lease it was sent by.

    Whoever took a message over, or put it on its way anew, has the last word.
    """
    told = given(db, "told", _RESULT, results)
    values = {name: told.c[name] for name in _RESULT if name not in {"id", "lease_until"}}
    await db.execute(
        sa.update(_deliveries)
        .where(
            _deliveries.c.id == told.c.id,
            _deliveries.c.lease_until == told.c.lease_until,
            _PENDING,
        )
        .values(**values, lease_until=None)
    )


async def write_attempts(db: AsyncSession, attempts: Rows) -> None:
    """Note attempts; not those of messages that were forgotten meanwhile."""
    told = given(db, "told", _ATTEMPT, attempts)
    rows = sa.select(*(told.c[name] for name in _ATTEMPT)).join_from(
        told, _deliveries, _deliveries.c.id == told.c.delivery_id
    )
    await db.execute(sa.insert(_attempts).from_select(list(_ATTEMPT), rows))


async def release(db: AsyncSession, claimed: Sequence[sa.RowMapping]) -> None:
    """Let go of messages whose attempts were cut off; others may take them at once."""
    names = ("id", "lease_until")
    columns = {name: _RESULT[name] for name in names}
    held = given(db, "held", columns, [{name: row[name] for name in names} for row in claimed])
    is_ours = sa.and_(*(_deliveries.c[name] == held.c[name] for name in names))
    await db.execute(sa.update(_deliveries).where(is_ours, _PENDING).values(lease_until=None))


async def note_success(db: AsyncSession, sent: Mapping[UUID, datetime], now: datetime) -> None:
    """Endpoints that have taken a message are well, whatever was before.

    `sent` says when each one's place was read: what another place answered is no news.
    """
    is_news = sa.or_(
        _endpoints.c.failing_since.is_not(None),
        _endpoints.c.last_success_at.is_(None),
        _endpoints.c.last_success_at < now - SUCCESS_NOTED_EVERY,
    )
    await _note(db, sent, is_news, {"last_success_at": now, "failing_since": None})


async def note_failure(db: AsyncSession, sent: Mapping[UUID, datetime], now: datetime) -> None:
    """Endpoints that have failed, from the first failure on; `sent` as above."""
    await _note(db, sent, _endpoints.c.failing_since.is_(None), {"failing_since": now})


async def _note(
    db: AsyncSession,
    sent: Mapping[UUID, datetime],
    is_news: sa.ColumnElement[bool],
    values: Mapping[str, Any],
) -> None:
    """Write unless somebody else is just writing there: the next message brings the same news."""
    if not sent:
        return
    rows = [{"id": endpoint_id, "read_at": at} for endpoint_id, at in sent.items()]
    columns = {"id": sa.Uuid(), "read_at": _endpoints.c.enabled_at.type}
    told = given(db, "sent", columns, rows)
    free = (
        sa.select(_endpoints.c.id)
        .join(told, told.c.id == _endpoints.c.id)
        .where(told.c.read_at >= _endpoints.c.enabled_at, is_news)
        # Whoever puts a message by holds the row's key, and is not in the way.
        .with_for_update(skip_locked=True, key_share=True, of=_endpoints)
        .cte("free")
    )
    await db.execute(
        sa.update(_endpoints).where(_endpoints.c.id.in_(sa.select(free.c.id))).values(**values)
    )


async def failing(db: AsyncSession, endpoint_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """Of these endpoints the enabled ones, with since when they are and since when they fail."""
    names = ("id", "shop_id", "failing_since", "enabled_at")
    query = sa.select(*(_endpoints.c[name] for name in names)).where(
        ids_in(db, _endpoints.c.id, endpoint_ids), _endpoints.c.state == EndpointState.ENABLED
    )
    return await all_rows(db, query.order_by(_endpoints.c.id))


async def count_pending(db: AsyncSession) -> int:
    """How many messages wait to be sent, for the first time or again."""
    return int((await db.execute(sa.select(sa.func.count()).where(_PENDING))).scalar_one())
