"""What webhooks tell of themselves."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.events import Event
from app.webhooks.models import DisabledReason


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointDisabled(Event):
    """An endpoint is sent nothing more until it is enabled; the shop's others hear of it."""

    kind: ClassVar[str] = "webhook.endpoint_disabled"
    aggregate: ClassVar[str] = "webhook_endpoint"

    endpoint_id: UUID
    reason: DisabledReason


EVENTS: tuple[type[Event], ...] = (WebhookEndpointDisabled,)
