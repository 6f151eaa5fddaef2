"""The verbs of webhooks."""

from app.webhooks.service.deliveries import (
    DeliveryView,
    Replay,
    Replayed,
    delivery_of_shop,
    list_deliveries,
    replay,
    resend,
    send_test,
)
from app.webhooks.service.desk import Desk
from app.webhooks.service.endpoints import (
    EndpointView,
    NewEndpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    edit_endpoint,
    enable_endpoint,
    endpoint_of_shop,
    list_endpoints,
    switch_off,
)
from app.webhooks.service.events import Asked, Listing, Place, list_events
from app.webhooks.service.fanning import fan_out
from app.webhooks.service.forgetting import forget
from app.webhooks.service.secrets import Rotation, rotate_secret

__all__ = [
    "Asked",
    "DeliveryView",
    "Desk",
    "EndpointView",
    "Listing",
    "NewEndpoint",
    "Place",
    "Replay",
    "Replayed",
    "Rotation",
    "create_endpoint",
    "delete_endpoint",
    "delivery_of_shop",
    "disable_endpoint",
    "edit_endpoint",
    "enable_endpoint",
    "endpoint_of_shop",
    "fan_out",
    "forget",
    "list_deliveries",
    "list_endpoints",
    "list_events",
    "replay",
    "resend",
    "rotate_secret",
    "send_test",
    "switch_off",
]
