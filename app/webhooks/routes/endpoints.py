"""Endpoints of integrators: where a shop's facts are sent.

Adding one and rotating its secret take no Idempotency-Key: the kept answer would hold the secret
in clear for two days. Where an answer is lost the list shows what was done, and a client that
brings a secret of its own has lost nothing.
"""

from uuid import UUID

from fastapi import APIRouter, Response

from app.catalog.deps import STALE, needs, refusals
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import InvalidCursor
from app.core.http.paging import Page, Paged
from app.core.http.route import Transactional, TransactionalUnkeyed
from app.core.http.versions import IfMatch, etag
from app.identity.rules import Right
from app.webhooks import service
from app.webhooks.deps import AtDeskIn, DeskIn
from app.webhooks.errors import (
    WebhookEndpointsMax,
    WebhookEventUnknown,
    WebhookRotationRunning,
    WebhookSecretWeak,
    WebhookUrlRefused,
)
from app.webhooks.schemas.endpoints import (
    AddWebhookEndpoint,
    EditWebhookEndpoint,
    RotateWebhookSecret,
    WebhookEndpointMade,
    WebhookEndpointShown,
    WebhookSecretMade,
)

_PREFIX = "/v1/operator/shops/{shop_id}/webhook-endpoints"
_ONE = "/{endpoint_id}"
_READ, _WRITE = needs(Right.WEBHOOKS_READ), needs(Right.WEBHOOKS_WRITE)

secretive = APIRouter(prefix=_PREFIX, tags=["webhooks"], route_class=TransactionalUnkeyed)
router = APIRouter(prefix=_PREFIX, tags=["webhooks"], route_class=Transactional)
ROUTERS = (secretive, router)


@secretive.post(
    "",
    status_code=201,
    dependencies=_WRITE,
    responses=refusals(
        WebhookUrlRefused, WebhookEventUnknown, WebhookSecretWeak, WebhookEndpointsMax
    ),
)
async def create_endpoint(
    shop_id: UUID, wish: AddWebhookEndpoint, response: Response, db: Db, desk: DeskIn
) -> WebhookEndpointMade:
    """Add an endpoint that is sent the shop's facts from now on; its secret is shown once.

    Takes no Idempotency-Key, as the kept answer would hold the secret.
    """
    view, secret = await service.create_endpoint(db, shop_id, wish.wanted(), desk)
    response.headers["ETag"] = etag(view.row["version"])
    return WebhookEndpointMade.made(view, secret)


@secretive.post(
    _ONE + "/rotate-secret",
    dependencies=_WRITE,
    responses=refusals(WebhookSecretWeak, WebhookRotationRunning),
)
async def rotate_secret(
    shop_id: UUID, endpoint_id: UUID, wish: RotateWebhookSecret, db: Db, desk: DeskIn
) -> WebhookSecretMade:
    """Sign with a new secret, shown once, and with the old one too for a while.

    Takes no Idempotency-Key, as the kept answer would hold the secret.
    """
    secret = await service.rotate_secret(db, shop_id, endpoint_id, wish.wanted(), desk)
    return WebhookSecretMade(secret=secret)


@router.get("", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_endpoints(
    shop_id: UUID, paging: Paged, db: ReadDb, now: Now
) -> Page[WebhookEndpointShown]:
    """List the shop's endpoints, the newest first."""
    found = await service.list_endpoints(db, shop_id, paging, now=now)
    return paging.page(found, WebhookEndpointShown.of)


@router.get(_ONE, dependencies=_READ, responses=refusals())
async def get_endpoint(
    shop_id: UUID, endpoint_id: UUID, response: Response, db: ReadDb, now: Now
) -> WebhookEndpointShown:
    """Show an endpoint, its version as ETag."""
    return _shown(await service.endpoint_of_shop(db, shop_id, endpoint_id, now=now), response)


@router.patch(
    _ONE,
    dependencies=_WRITE,
    responses=refusals(WebhookUrlRefused, WebhookEventUnknown, *STALE),
)
async def edit_endpoint(
    shop_id: UUID,
    endpoint_id: UUID,
    wish: EditWebhookEndpoint,
    version: IfMatch,
    response: Response,
    at: AtDeskIn,
) -> WebhookEndpointShown:
    """Change where an endpoint is, or what it wants to hear."""
    place = shop_id, endpoint_id
    view = await service.edit_endpoint(at.db, place, wish.changes(), version, at.desk)
    return _shown(view, response)


@router.post(_ONE + "/enable", dependencies=_WRITE, responses=refusals())
async def enable_endpoint(
    shop_id: UUID, endpoint_id: UUID, response: Response, db: Db, now: Now
) -> WebhookEndpointShown:
    """Send again; what was put by before it was disabled goes out first."""
    return _shown(await service.enable_endpoint(db, shop_id, endpoint_id, now=now), response)


@router.post(_ONE + "/disable", dependencies=_WRITE, responses=refusals())
async def disable_endpoint(
    shop_id: UUID, endpoint_id: UUID, response: Response, db: Db, now: Now
) -> WebhookEndpointShown:
    """Send nothing more; what happens meanwhile can be replayed later."""
    return _shown(await service.disable_endpoint(db, shop_id, endpoint_id, now=now), response)


@router.delete(_ONE, status_code=204, dependencies=_WRITE, responses=refusals())
async def delete_endpoint(shop_id: UUID, endpoint_id: UUID, db: Db, now: Now) -> None:
    """Take an endpoint away, with its secrets and all that waits for it."""
    await service.delete_endpoint(db, shop_id, endpoint_id, now=now)


def _shown(view: service.EndpointView, response: Response) -> WebhookEndpointShown:
    response.headers["ETag"] = etag(view.row["version"])
    return WebhookEndpointShown.of(view)
