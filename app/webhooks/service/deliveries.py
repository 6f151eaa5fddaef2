"""The log of messages, and sending some of them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.webhooks.errors import (
    WebhookDeliveryPending,
    WebhookEndpointDisabled,
    WebhookEventUnknown,
    WebhookReplayTooOld,
)
from app.webhooks.models import EVERY_KIND, DeliveryState, EndpointState
from app.webhooks.repository import deliveries as repository
from app.webhooks.repository import endpoints, facts
from app.webhooks.service.desk import kinds_of
from app.webhooks.service.endpoints import checked_kinds, endpoint_of_shop
from app.webhooks.service.messages import message_of, test_fact
from app.webhooks.service.samples import sample_of

REPLAY_ROWS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A message's way, what it says, and the latest attempts at it."""

    row: sa.RowMapping
    message: Mapping[str, Any]
    attempts: Sequence[sa.RowMapping]


@dataclass(frozen=True, slots=True)
class Replay:
    """Which facts to tell an endpoint again: since when, of which kinds, from where on."""

    since: datetime
    kinds: Sequence[str]
    after: UUID | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many messages are on their way again, and after which fact the rest begins."""

    count: int
    next_after: UUID | None


async def list_deliveries(
    db: AsyncSession,
    place: tuple[UUID, UUID],
    state: DeliveryState | None,
    paging: Paging,
    *,
    now: datetime,
) -> Slice[sa.RowMapping]:
    """The messages of the endpoint at (shop, endpoint), the newest first."""
    view = await endpoint_of_shop(db, *place, now=now)
    after = paging.after(UUID)
    rows = await repository.page(
        db, view.row["id"], state, after[0] if after else None, paging.limit + 1
    )
    return paging.cut(rows, lambda row: (row["id"],))


async def delivery_of_shop(db: AsyncSession, shop_id: UUID, delivery_id: UUID) -> DeliveryView:
    """A message with its body and its latest attempts; `NotFound` when the shop has none such."""
    row = await repository.one(db, shop_id, delivery_id)
    if row is None:
        raise NotFound
    attempts = await repository.attempts_of(db, delivery_id)
    return DeliveryView(row, message_of(await _fact_of(db, row)), attempts)


async def _fact_of(db: AsyncSession, row: sa.RowMapping) -> Mapping[Any, Any]:
    if row["event_id"] is None:
        return test_fact(row)
    fact = await facts.one(db, row["event_id"])
    assert fact is not None, "facts are never deleted"
    return fact


async def resend(
    db: AsyncSession, shop_id: UUID, delivery_id: UUID, *, now: datetime
) -> DeliveryView:
    """Send a message again from the first attempt on, now; also one that waits for its next."""
    row = await repository.one(db, shop_id, delivery_id)
    if row is None:
        raise NotFound
    await _require_enabled(db, shop_id, row["endpoint_id"])
    if not await repository.resend(db, shop_id, delivery_id, now=now):
        raise WebhookDeliveryPending
    subject = ("webhook_delivery", delivery_id)
    await note(db, "webhooks.resent", subject, at=now, shop_id=shop_id)
    return await delivery_of_shop(db, shop_id, delivery_id)


async def send_test(
    db: AsyncSession, shop_id: UUID, endpoint_id: UUID, kind: str, *, now: datetime
) -> DeliveryView:
    """Send an example of a kind of event, marked as a test; no filter keeps it back."""
    known = kinds_of(db).get(kind)
    if known is None:
        raise WebhookEventUnknown(kind=kind)
    await _require_enabled(db, shop_id, endpoint_id)
    delivery_id = new_id()
    delivery = {
        "id": delivery_id,
        "shop_id": shop_id,
        "endpoint_id": endpoint_id,
        "kind": kind,
        "sample": sample_of(known, shop_id=shop_id, at=now),
    }
    await repository.add_test(db, delivery, now=now)
    subject = ("webhook_endpoint", endpoint_id)
    change = (None, {"kind": kind})
    await note(db, "webhooks.tested", subject, at=now, shop_id=shop_id, change=change)
    return await delivery_of_shop(db, shop_id, delivery_id)


async def _require_enabled(db: AsyncSession, shop_id: UUID, endpoint_id: UUID) -> None:
    row = await endpoints.one(db, shop_id, endpoint_id)
    if row is None:
        raise NotFound
    if row["state"] != EndpointState.ENABLED:
        raise WebhookEndpointDisabled(reason=row["disabled_reason"])


async def replay(
    db: AsyncSession, place: tuple[UUID, UUID], wish: Replay, *, kept_days: int, now: datetime
) -> Replayed:
    """Tell the endpoint at (shop, endpoint) again what has happened; of its kinds if none is named.

    A bounded number of facts at a time; what is being sent at this moment is left to that.
    """
    earliest = now - timedelta(days=kept_days)
    if wish.since < earliest:
        raise WebhookReplayTooOld(earliest_at=earliest.isoformat())
    view = await endpoint_of_shop(db, *place, now=now)
    shop_id, endpoint_id = place
    kinds = checked_kinds(db, wish.kinds or view.kinds)
    found = await facts.page(
        db,
        shop_id,
        [] if kinds == [EVERY_KIND] else kinds,
        after=wish.after,
        since=wish.since,
        rows_max=REPLAY_ROWS_MAX + 1,
    )
    told = found[:REPLAY_ROWS_MAX]
    rows = [
        {"shop_id": shop_id, "endpoint_id": endpoint_id, "event_id": f["id"], "kind": f["kind"]}
        for f in told
    ]
    count = await repository.renew_all(db, rows, now=now) if rows else 0
    change = (None, {"since": wish.since, "kinds": kinds, "count": count})
    subject = ("webhook_endpoint", endpoint_id)
    await note(db, "webhooks.replayed", subject, at=now, shop_id=shop_id, change=change)
    return Replayed(count, told[-1]["id"] if len(found) > len(told) else None)
