"""Messages on their way and what became of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.events import OutboxEvent
from app.core.ids import new_id
from app.core.sql import all_rows, changed, first_row, given, ids_in, table, upsert
from app.webhooks.models import (
    EVERY_KIND,
    DeliveryCause,
    DeliveryState,
    EndpointState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookFilter,
)

ATTEMPTS_SHOWN_MAX = 100

_endpoints, _filters = table(WebhookEndpoint), table(WebhookFilter)
_deliveries, _attempts = table(WebhookDelivery), table(WebhookAttempt)
_outbox = table(OutboxEvent)
_NEW: Mapping[str, sa.types.TypeEngine[Any]] = {
    "id": sa.Uuid(),
    "shop_id": sa.Uuid(),
    "endpoint_id": sa.Uuid(),
    "event_id": sa.Uuid(),
    "kind": sa.Text(),
}
_PENDING, _ENDED = DeliveryState.PENDING, (DeliveryState.DELIVERED, DeliveryState.FAILED)

Rows = Sequence[Mapping[str, Any]]


async def wanted(db: AsyncSession, event_ids: Sequence[UUID]) -> Rows:
    """Which enabled endpoint of its shop wants to hear each of these facts, in their order."""
    query = (
        sa.select(
            _outbox.c.id.label("event_id"),
            _outbox.c.kind,
            _outbox.c.shop_id,
            _endpoints.c.id.label("endpoint_id"),
        )
        .join(_endpoints, _endpoints.c.shop_id == _outbox.c.shop_id)
        .where(
            ids_in(db, _outbox.c.id, event_ids),
            _endpoints.c.state == EndpointState.ENABLED,
            sa.exists(
                sa.select(1).where(
                    _filters.c.endpoint_id == _endpoints.c.id,
                    _filters.c.kind.in_((_outbox.c.kind, EVERY_KIND)),
                )
            ),
        )
        .order_by(_outbox.c.id)
    )
    return [dict(row) for row in await all_rows(db, query)]


async def add_all(db: AsyncSession, rows: Rows, *, now: datetime) -> None:
    """Put messages on their way, once each; those that are there are left as they are."""
    insert = _adding(db, rows, DeliveryCause.EVENT, now)
    await db.execute(insert.on_conflict_do_nothing(index_elements=["endpoint_id", "event_id"]))


async def renew_all(db: AsyncSession, rows: Rows, *, now: datetime) -> int:
    """Put messages on their way, from the first attempt on where they were before.

    What is being sent at this moment stays as it is; how many others there are.
    """
    insert = _adding(db, rows, DeliveryCause.REPLAY, now)
    statement = insert.on_conflict_do_update(
        index_elements=["endpoint_id", "event_id"],
        set_={**_renewed(now), "cause": DeliveryCause.REPLAY},
        where=sa.or_(_deliveries.c.lease_until.is_(None), _deliveries.c.lease_until <= now),
    )
    return await changed(db, statement)


def _adding(db: AsyncSession, rows: Rows, cause: DeliveryCause, now: datetime) -> Any:
    told = given(db, "told", _NEW, [{**row, "id": new_id()} for row in rows])
    common = {
        "cause": cause,
        "state": _PENDING,
        "attempts": 0,
        "due_at": now,
        "created_at": now,
    }
    values = [sa.literal(value, _deliveries.c[name].type) for name, value in common.items()]
    row = sa.select(*(told.c[name] for name in _NEW), *values).where(sa.true())
    return upsert(db, _deliveries).from_select([*_NEW, *common], row.order_by(told.c.id))


def _renewed(now: datetime) -> dict[str, Any]:
    """What makes a message one that was never tried."""
    return {
        "state": _PENDING,
        "attempts": 0,
        "due_at": now,
        "lease_until": None,
        "finished_at": None,
    }


async def add_test(db: AsyncSession, delivery: Mapping[str, Any], *, now: datetime) -> None:
    """Put a test message on its way."""
    common = {"cause": DeliveryCause.TEST, "state": _PENDING, "attempts": 0}
    await db.execute(
        sa.insert(_deliveries).values(**delivery, **common, due_at=now, created_at=now)
    )


async def resend(db: AsyncSession, shop_id: UUID, delivery_id: UUID, *, now: datetime) -> bool:
    """Send a message again that has ended, or that waits for a later attempt."""
    waits = sa.and_(_deliveries.c.state == _PENDING, _deliveries.c.due_at > now)
    is_free = sa.or_(_deliveries.c.lease_until.is_(None), _deliveries.c.lease_until <= now)
    statement = (
        sa.update(_deliveries)
        .where(
            _deliveries.c.id == delivery_id,
            _deliveries.c.shop_id == shop_id,
            sa.or_(_deliveries.c.state.in_(_ENDED), sa.and_(waits, is_free)),
        )
        .values(**_renewed(now))
    )
    return await changed(db, statement) > 0


async def page(
    db: AsyncSession,
    endpoint_id: UUID,
    state: DeliveryState | None,
    after: UUID | None,
    rows_max: int,
) -> Sequence[sa.RowMapping]:
    """An endpoint's messages in one state or all, the newest first."""
    query = sa.select(_deliveries).where(_deliveries.c.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(_deliveries.c.state == state)
    if after is not None:
        query = query.where(_deliveries.c.id < after)
    return await all_rows(db, query.order_by(_deliveries.c.id.desc()).limit(rows_max))


async def one(db: AsyncSession, shop_id: UUID, delivery_id: UUID) -> sa.RowMapping | None:
    """A message of this shop, unless its endpoint is deleted."""
    query = (
        sa.select(_deliveries)
        .join(_endpoints, _endpoints.c.id == _deliveries.c.endpoint_id)
        .where(
            _deliveries.c.id == delivery_id,
            _deliveries.c.shop_id == shop_id,
            _endpoints.c.deleted_at.is_(None),
        )
    )
    return await first_row(db, query)


async def attempts_of(db: AsyncSession, delivery_id: UUID) -> Sequence[sa.RowMapping]:
    """The latest attempts at a message, the newest first."""
    query = sa.select(_attempts).where(_attempts.c.delivery_id == delivery_id)
    return await all_rows(db, query.order_by(_attempts.c.id.desc()).limit(ATTEMPTS_SHOWN_MAX))


async def give_up_on_disabled(
    db: AsyncSession, *, before: datetime, now: datetime, rows_max: int
) -> int:
    """End a bounded number of messages that have waited for a disabled endpoint since then."""
    old = (
        sa.select(_deliveries.c.id)
        .join(_endpoints, _endpoints.c.id == _deliveries.c.endpoint_id)
        .where(
            _endpoints.c.state == EndpointState.DISABLED,
            _endpoints.c.disabled_at < before,
            _deliveries.c.state == _PENDING,
            _deliveries.c.created_at < before,
        )
        .limit(rows_max)
        .with_for_update(skip_locked=True, of=_deliveries)
        .cte("old")
    )
    given_up = (
        sa.update(_deliveries)
        .where(_deliveries.c.id.in_(sa.select(old.c.id)))
        .values(
            state=DeliveryState.FAILED,
            finished_at=now,
            lease_until=None,
            last_error="endpoint_disabled",
        )
        .returning(_deliveries.c.id)
    )
    # SQLite counts no rows of a statement that begins with a common table expression.
    return len(await all_rows(db, given_up))


async def forget(db: AsyncSession, *, before: datetime, rows_max: int) -> int:
    """Forget a bounded number of messages that ended before, with their attempts."""
    ended = sa.select(_deliveries.c.id).where(
        _deliveries.c.state != _PENDING, _deliveries.c.finished_at < before
    )
    return await _forget(db, ended.order_by(_deliveries.c.finished_at), rows_max)


async def forget_deleted(db: AsyncSession, *, rows_max: int) -> int:
    """Forget a bounded number of messages of deleted endpoints, then the endpoints themselves."""
    orphans = (
        sa.select(_deliveries.c.id)
        .join(_endpoints, _endpoints.c.id == _deliveries.c.endpoint_id)
        .where(_endpoints.c.deleted_at.is_not(None))
    )
    forgotten = await _forget(db, orphans, rows_max)
    if not forgotten:
        left = sa.select(1).where(_deliveries.c.endpoint_id == _endpoints.c.id)
        gone = sa.delete(_endpoints).where(
            _endpoints.c.deleted_at.is_not(None), ~sa.exists(left.correlate(_endpoints))
        )
        await db.execute(gone)
    return forgotten


async def _forget(db: AsyncSession, which: sa.Select[Any], rows_max: int) -> int:
    locked = which.limit(rows_max).with_for_update(skip_locked=True, of=_deliveries)
    ids = list((await db.execute(locked)).scalars())
    if ids:
        await db.execute(sa.delete(_attempts).where(ids_in(db, _attempts.c.delivery_id, ids)))
        await db.execute(sa.delete(_deliveries).where(ids_in(db, _deliveries.c.id, ids)))
    return len(ids)
