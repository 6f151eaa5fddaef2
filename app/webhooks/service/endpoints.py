"""Endpoints: added, changed, switched on and off, and taken away."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.core.audit_log import note
from app.core.errors import NotFound, VersionMismatch
from app.core.events import record
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.core.metrics import WEBHOOK_ENDPOINTS_DISABLED
from app.webhooks.errors import WebhookEndpointsMax, WebhookEventUnknown, WebhookUrlRefused
from app.webhooks.events import WebhookEndpointDisabled
from app.webhooks.models import EVERY_KIND, DisabledReason, EndpointState
from app.webhooks.repository import endpoints as repository
from app.webhooks.rules.urls import read_url
from app.webhooks.service.desk import Desk, kinds_of
from app.webhooks.service.secrets import checked, set_secret

log = structlog.get_logger("webhooks")
# Longer than any request may take, from the time it tells to its commit.
SURE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """Where to send, what, and signed with what; without a secret a fresh one is made."""

    url: str
    description: str
    kinds: Sequence[str]
    secret: str | None


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint with what it wants to hear and the secrets that hold, which are not told."""

    row: sa.RowMapping
    kinds: Sequence[str]
    secrets: Sequence[sa.RowMapping]


async def create_endpoint(
    db: AsyncSession, shop_id: UUID, wish: NewEndpoint, desk: Desk
) -> tuple[EndpointView, str]:
    """Add an endpoint that hears from now on; its secret is told here and never again."""
    kinds = checked_kinds(db, wish.kinds)
    secret = checked(wish.secret)
    await catalog.shop(db, shop_id)
    host = await _checked_host(wish.url, desk)
    endpoint_id = new_id()
    endpoint = {
        "id": endpoint_id,
        "shop_id": shop_id,
        "url": wish.url,
        "description": wish.description,
        "state": EndpointState.ENABLED,
        "enabled_at": desk.now,
        "created_at": desk.now,
        "version": 1,
    }
    if not await repository.add(db, endpoint):
        raise WebhookEndpointsMax
    await repository.set_filters(db, endpoint_id, kinds, sure_from=desk.now + SURE_AFTER)
    await set_secret(db, endpoint_id, secret, desk)
    change = (None, {"host": host, "kinds": kinds})
    await _note(db, "created", shop_id, endpoint_id, desk.now, change)
    return await endpoint_of_shop(db, shop_id, endpoint_id, now=desk.now), secret


def checked_kinds(db: AsyncSession, kinds: Iterable[str]) -> list[str]:
    """Kinds of facts that there are, sorted; every kind is told as `*` alone."""
    wanted = sorted(set(kinds))
    known = kinds_of(db).keys()
    for kind in wanted:
        if kind != EVERY_KIND and kind not in known:
            raise WebhookEventUnknown(kind=kind)
    return [EVERY_KIND] if EVERY_KIND in wanted else wanted


async def _checked_host(url: str, desk: Desk) -> str:
    """The host of a URL that may be sent to; its name is resolved while nothing is locked."""
    target = read_url(url, allow_loopback=desk.settings.webhook_allow_loopback)
    if isinstance(target, str):
        raise WebhookUrlRefused(reason=target)
    async with desk.outside():
        fault = await desk.host_fault(target.name)
    if fault is not None:
        raise WebhookUrlRefused(reason=fault)
    return target.host


async def endpoint_of_shop(
    db: AsyncSession, shop_id: UUID, endpoint_id: UUID, *, now: datetime
) -> EndpointView:
    """An endpoint of this shop; `NotFound` when it has none of this id."""
    row = await repository.one(db, shop_id, endpoint_id)
    if row is None:
        raise NotFound
    (view,) = await _views(db, [row], now)
    return view


async def list_endpoints(
    db: AsyncSession, shop_id: UUID, paging: Paging, *, now: datetime
) -> Slice[EndpointView]:
    """A shop's endpoints, the newest first."""
    after = paging.after(UUID)
    rows = await repository.page(db, shop_id, after[0] if after else None, paging.limit + 1)
    return paging.cut(await _views(db, rows, now), lambda view: (view.row["id"],))


async def _views(
    db: AsyncSession, rows: Sequence[sa.RowMapping], now: datetime
) -> list[EndpointView]:
    ids = [row["id"] for row in rows]
    filters = await repository.filters_of(db, ids)
    secrets = await repository.live_secrets(db, ids, now=now)
    return [
        EndpointView(
            row,
            [f["kind"] for f in filters if f["endpoint_id"] == row["id"]],
            [s for s in secrets if s["endpoint_id"] == row["id"]],
        )
        for row in rows
    ]


async def edit_endpoint(
    db: AsyncSession,
    place: tuple[UUID, UUID],
    changes: Mapping[str, Any],
    version: int,
    desk: Desk,
) -> EndpointView:
    """Change what is named of the endpoint at (shop, endpoint), if it still is of this version."""
    shop_id, endpoint_id = place
    kinds = checked_kinds(db, changes["kinds"]) if "kinds" in changes else None
    before = await endpoint_of_shop(db, shop_id, endpoint_id, now=desk.now)
    if before.row["version"] != version:
        raise VersionMismatch
    values = {name: changes[name] for name in ("url", "description") if name in changes}
    noted = {"kinds": kinds} if kinds is not None else {}
    if "url" in values:
        noted["host"] = [await _checked_host(values["url"], desk)]
        # What failed so far was another place.
        values |= {"failing_since": None, "enabled_at": desk.now}
    if not await repository.edit(db, shop_id, endpoint_id, values, version):
        raise VersionMismatch
    if kinds is not None:
        await repository.set_filters(db, endpoint_id, kinds, sure_from=desk.now + SURE_AFTER)
    await _note(db, "changed", shop_id, endpoint_id, desk.now, ({}, noted))
    return await endpoint_of_shop(db, shop_id, endpoint_id, now=desk.now)


async def enable_endpoint(
    db: AsyncSession, shop_id: UUID, endpoint_id: UUID, *, now: datetime
) -> EndpointView:
    """Send again, what has waited first; an enabled endpoint stays as it is."""
    values = {
        "state": EndpointState.ENABLED,
        "disabled_reason": None,
        "disabled_at": None,
        "failing_since": None,
        "enabled_at": now,
    }
    disabled = EndpointState.DISABLED
    if await repository.touch(db, shop_id, endpoint_id, values, only=disabled):
        await repository.renew_filters(db, endpoint_id, sure_from=now + SURE_AFTER)
        await _note(db, "enabled", shop_id, endpoint_id, now)
    return await endpoint_of_shop(db, shop_id, endpoint_id, now=now)


async def disable_endpoint(
    db: AsyncSession, shop_id: UUID, endpoint_id: UUID, *, now: datetime
) -> EndpointView:
    """Send nothing more for now; a disabled endpoint stays as it is."""
    await switch_off(db, shop_id, endpoint_id, DisabledReason.OPERATOR, now=now)
    return await endpoint_of_shop(db, shop_id, endpoint_id, now=now)


async def switch_off(
    db: AsyncSession,
    shop_id: UUID,
    endpoint_id: UUID,
    reason: DisabledReason,
    *,
    now: datetime,
) -> bool:
    """Disable an enabled endpoint and tell the shop's others; false when it was not enabled.

    What was put by for it stays, and goes out when it is enabled again.
    """
    values = {"state": EndpointState.DISABLED, "disabled_reason": reason, "disabled_at": now}
    enabled = EndpointState.ENABLED
    if not await repository.touch(db, shop_id, endpoint_id, values, only=enabled):
        return False
    await _note(db, "disabled", shop_id, endpoint_id, now, (None, {"reason": reason}))
    fact = WebhookEndpointDisabled(
        at=now, shop_id=shop_id, aggregate_id=endpoint_id, endpoint_id=endpoint_id, reason=reason
    )
    await record(db, fact)
    if reason is not DisabledReason.OPERATOR:
        log.warning("endpoint_disabled", endpoint_id=str(endpoint_id), reason=reason)
    WEBHOOK_ENDPOINTS_DISABLED.labels(reason).inc()
    return True


async def delete_endpoint(
    db: AsyncSession, shop_id: UUID, endpoint_id: UUID, *, now: datetime
) -> None:
    """Take an endpoint away with its secrets; what it was sent is forgotten by and by."""
    values = {
        "state": EndpointState.DISABLED,
        "disabled_reason": DisabledReason.OPERATOR,
        "disabled_at": now,
        "deleted_at": now,
    }
    if not await repository.touch(db, shop_id, endpoint_id, values):
        raise NotFound
    await repository.drop_filters(db, endpoint_id)
    await repository.drop_secrets(db, endpoint_id)
    await _note(db, "deleted", shop_id, endpoint_id, now)


async def _note(
    db: AsyncSession,
    verb: str,
    shop_id: UUID,
    endpoint_id: UUID,
    at: datetime,
    change: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None),
) -> None:
    """Whoever has a URL may know a secret in it: the log has its host alone."""
    subject = ("webhook_endpoint", endpoint_id)
    await note(db, f"webhooks.{verb}", subject, at=at, shop_id=shop_id, change=change)
