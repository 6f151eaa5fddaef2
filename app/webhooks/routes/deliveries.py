"""The log of messages, tests, sending again, and the same events for whoever fetches them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.catalog.deps import needs, refusals
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import InvalidCursor
from app.core.http.paging import LIMIT_DEFAULT, LIMIT_MAX, Page, Paged
from app.core.http.route import Transactional
from app.core.http.schema import Moment
from app.identity.rules import Right
from app.webhooks import service
from app.webhooks.deps import DeskIn, PlacesIn
from app.webhooks.errors import (
    WebhookDeliveryPending,
    WebhookEndpointDisabled,
    WebhookEventUnknown,
    WebhookReplayTooOld,
)
from app.webhooks.models import DeliveryState
from app.webhooks.schemas.deliveries import (
    WebhookDeliveryShown,
    WebhookDeliveryWhole,
    WebhookEventList,
)
from app.webhooks.schemas.endpoints import (
    KINDS_MAX,
    EventKind,
    ReplayedShown,
    ReplayWebhooks,
    TestWebhook,
)

_SHOP = "/v1/operator/shops/{shop_id}"
_ENDPOINT = "/webhook-endpoints/{endpoint_id}"
_DELIVERY = "/webhook-deliveries/{delivery_id}"
_READ, _WRITE = needs(Right.WEBHOOKS_READ), needs(Right.WEBHOOKS_WRITE)

router = APIRouter(prefix=_SHOP, tags=["webhooks"], route_class=Transactional)
ROUTERS = (router,)

Kinds = Annotated[
    list[EventKind], Query(max_length=KINDS_MAX, description="Only these kinds of events.")
]


@router.post(
    _ENDPOINT + "/test",
    status_code=201,
    dependencies=_WRITE,
    responses=refusals(WebhookEventUnknown, WebhookEndpointDisabled),
)
async def send_test(
    shop_id: UUID, endpoint_id: UUID, wish: TestWebhook, db: Db, now: Now
) -> WebhookDeliveryWhole:
    """Send an example of a kind of event, marked `test`."""
    view = await service.send_test(db, shop_id, endpoint_id, wish.kind, now=now)
    return WebhookDeliveryWhole.whole(view)


@router.post(
    _ENDPOINT + "/replay",
    dependencies=_WRITE,
    responses=refusals(WebhookEventUnknown, WebhookReplayTooOld, InvalidCursor),
)
async def replay_events(
    shop_id: UUID, endpoint_id: UUID, wish: ReplayWebhooks, db: Db, desk: DeskIn, places: PlacesIn
) -> ReplayedShown:
    """Send everything since then again, with the same ids: a bounded number of events a call."""
    done = await service.replay(
        db,
        (shop_id, endpoint_id),
        service.Replay(wish.since, wish.kinds, places.read(wish.after).at),
        kept_days=desk.settings.webhook_kept_days,
        now=desk.now,
    )
    return ReplayedShown(count=done.count, next_after=places.seal(service.Place(done.next_after)))


@router.get(_ENDPOINT + "/deliveries", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_deliveries(
    shop_id: UUID,
    endpoint_id: UUID,
    paging: Paged,
    db: ReadDb,
    now: Now,
    state: DeliveryState | None = None,
) -> Page[WebhookDeliveryShown]:
    """List what was sent to an endpoint and what waits, in one state or all, the newest first."""
    place = shop_id, endpoint_id
    found = await service.list_deliveries(db, place, state, paging, now=now)
    return paging.page(found, WebhookDeliveryShown.of)


@router.get(_DELIVERY, dependencies=_READ, responses=refusals())
async def get_delivery(shop_id: UUID, delivery_id: UUID, db: ReadDb) -> WebhookDeliveryWhole:
    """Show a message with its body and the latest attempts at it."""
    return WebhookDeliveryWhole.whole(await service.delivery_of_shop(db, shop_id, delivery_id))


@router.post(
    _DELIVERY + "/resend",
    dependencies=_WRITE,
    responses=refusals(WebhookDeliveryPending, WebhookEndpointDisabled),
)
async def resend_delivery(
    shop_id: UUID, delivery_id: UUID, db: Db, now: Now
) -> WebhookDeliveryWhole:
    """Send a message again, with the same id, from the first attempt on."""
    return WebhookDeliveryWhole.whole(await service.resend(db, shop_id, delivery_id, now=now))


async def _asked(
    places: PlacesIn,
    kinds: Kinds = [],  # noqa: B006 - the framework never changes it
    after: Annotated[str | None, Query(max_length=300, pattern=r"^[A-Za-z0-9_-]+$")] = None,
    since: Moment | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> service.Asked:
    return service.Asked(places.read(after), since, kinds, limit)


@router.get(
    "/webhook-events",
    dependencies=_READ,
    responses=refusals(WebhookEventUnknown, InvalidCursor),
)
async def list_events(
    shop_id: UUID,
    db: ReadDb,
    places: PlacesIn,
    asked: Annotated[service.Asked, Depends(_asked)],
) -> WebhookEventList:
    """List the shop's events as the messages that endpoints are sent, the oldest first.

    Go on from `next_after`, at once or whenever you like; the latest events may be told again, with
    the same ids, so that none is left out.
    """
    return WebhookEventList.of(await service.list_events(db, shop_id, asked), places.seal)
