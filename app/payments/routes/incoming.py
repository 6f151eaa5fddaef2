"""Payments over HTTP: providers' messages come in, operators see what needs a person."""

from collections.abc import Mapping
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from app.core.clock import Now
from app.core.db import Db, ReadDb, database_of
from app.core.errors import BodyTooLarge, Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.paging import Paged
from app.core.http.problem import problems
from app.core.http.route import Inbound, Reading, Transactional
from app.core.metrics import HOOK_EVENTS
from app.core.security import Principal
from app.identity.deps import may, platform
from app.identity.rules import Right
from app.payments import service
from app.payments.errors import HookEventNotReplayable, NoSuchHook
from app.payments.gateway import DisputeState, Gateway, Hooked, HookNotGenuine
from app.payments.schemas.incoming import (
    DisputePage,
    DisputeShown,
    HookEventShown,
    HookReceived,
    ShopPaymentPage,
    ShopPaymentShown,
)

_SIGNED = (Unauthenticated, Forbidden)
hooks = APIRouter(prefix="/v1/hooks", tags=["hooks"], route_class=Inbound)
of_shop = APIRouter(
    prefix="/v1/operator/shops/{shop_id}", tags=["operator_payments"], route_class=Reading
)
of_platform = APIRouter(
    prefix="/v1/operator/hook-events", tags=["operator_payments"], route_class=Transactional
)

ReadsOrders = Annotated[Principal, Depends(may(Right.ORDERS_READ))]
Quarantined = Annotated[bool | None, Query(description="Only those, or only the others.")]
RunsPlatform = Annotated[Principal, Depends(platform(Right.PLATFORM_WRITE))]


async def _hooked(request: Request, gateway: Annotated[str, Path(max_length=24)]) -> Hooked:
    gateways = cast("Mapping[str, Gateway]", request.app.state.gateways)
    found = gateways.get(gateway)
    if not isinstance(found, Hooked):
        raise NoSuchHook
    return found


@hooks.post("/{gateway}", responses=problems(NoSuchHook, HookNotGenuine, BodyTooLarge))
async def receive(
    request: Request, gateway: Annotated[Hooked, Depends(_hooked)], now: Now
) -> HookReceived:
    """Keep a provider's signed message, once; it is answered when it is kept, worked on later.

    The body is whatever the provider sends: its signature is over the very bytes.
    """
    body = await request.body()
    try:
        event = gateway.verify(body, request.headers, now=now)
    except (HookNotGenuine, ValueError) as error:
        HOOK_EVENTS.labels(gateway.name, "refused").inc()
        # Nothing is told of what was wrong: it would help nobody but a forger.
        raise HookNotGenuine from error
    is_new = await database_of(request).transact(
        lambda db: service.keep_hook(db, gateway.name, event, now=now)
    )
    HOOK_EVENTS.labels(gateway.name, "kept" if is_new else "known").inc()
    return HookReceived(received=True)


@of_shop.get("/payments", responses=problems(*_SIGNED, NotFound, InvalidCursor))
async def list_payments(
    shop_id: UUID, _: ReadsOrders, db: ReadDb, paging: Paged, quarantined: Quarantined = None
) -> ShopPaymentPage:
    """The shop's payments, newest first; `quarantined` are those a person has to look at."""
    found = await service.payments_of_shop(db, shop_id, paging, quarantined=quarantined)
    return paging.page(found, lambda row: _shown(ShopPaymentShown, row))


@of_shop.get("/disputes", responses=problems(*_SIGNED, NotFound, InvalidCursor))
async def list_disputes(
    shop_id: UUID, _: ReadsOrders, db: ReadDb, paging: Paged, state: DisputeState | None = None
) -> DisputePage:
    """The shop's disputes in one state or all, newest first."""
    found = await service.disputes_of_shop(db, shop_id, state, paging)
    return paging.page(found, lambda row: _shown(DisputeShown, row))


def _shown(shape: Any, row: Mapping[Any, Any]) -> Any:
    return shape(**{name: row[name] for name in shape.model_fields})


@of_platform.post(
    "/{event_id}/replay", responses=problems(*_SIGNED, NotFound, HookEventNotReplayable)
)
async def replay_hook_event(event_id: UUID, _: RunsPlatform, db: Db, now: Now) -> HookEventShown:
    """Try a message anew that was given up; several times have the effect of one."""
    return HookEventShown.of(await service.replay_hook(db, event_id, now=now))
