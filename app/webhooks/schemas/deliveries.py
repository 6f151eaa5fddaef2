"""Shapes of messages, their ways, and the attempts at them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field
from sqlalchemy.engine import RowMapping

from app.core.http.schema import Shown
from app.identity.schemas.common import example
from app.webhooks.models import DeliveryCause, DeliveryState
from app.webhooks.service import DeliveryView, Listing, Place

_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_AT = "2026-06-18T04:00:00Z"
_MESSAGE = {
    "type": "order.received",
    "version": 1,
    "id": f"{_ID}2",
    "timestamp": _AT,
    "shop_id": f"{_ID}9",
    "aggregate": "order",
    "aggregate_id": f"{_ID}7",
    "sequence": 5,
    "data": {"order_id": f"{_ID}7", "member_id": f"{_ID}6"},
    "truncated": [],
    "test": False,
}
_DELIVERY = {
    "delivery_id": f"{_ID}3",
    "endpoint_id": f"{_ID}1",
    "event_id": f"{_ID}2",
    "kind": "order.received",
    "cause": "event",
    "state": "delivered",
    "attempts": 1,
    "due_at": None,
    "created_at": _AT,
    "finished_at": _AT,
    "last_status": 200,
    "last_error": None,
}
_ATTEMPT = {"at": _AT, "duration_ms": 41, "status": 200, "error": None, "answer": "ok"}


class WebhookMessage(Shown):
    """An event as it is sent; the `webhooks` of this document tell the `data` of each type."""

    model_config = example(**_MESSAGE)

    type: str
    version: int
    id: UUID
    timestamp: datetime
    shop_id: UUID | None
    aggregate: str
    aggregate_id: UUID
    sequence: int
    data: dict[str, Any]
    truncated: list[str]
    test: bool = Field(default=False, description="Only test messages have it, as true.")


class WebhookDeliveryShown(Shown):
    """A message to an endpoint; `due_at` is when it is tried next, null when it has ended."""

    model_config = example(**_DELIVERY)

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID | None
    kind: str
    cause: DeliveryCause
    state: DeliveryState
    attempts: int
    due_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    last_status: int | None
    last_error: str | None

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """As it stands in the list."""
        return cls(**_told(row))


class WebhookAttemptShown(Shown):
    """One attempt: the status it was answered with, or the code of what went wrong."""

    model_config = example(**_ATTEMPT)

    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    answer: str = Field(description="The beginning of what the receiver answered.")


class WebhookDeliveryWhole(WebhookDeliveryShown):
    """A message with what it says and the latest attempts at it, the newest first."""

    model_config = example(**_DELIVERY, message=_MESSAGE, attempts_made=[_ATTEMPT])

    message: WebhookMessage
    attempts_made: list[WebhookAttemptShown]

    @classmethod
    def whole(cls, view: DeliveryView) -> Self:
        """As it is shown alone."""
        return cls(
            **_told(view.row),
            message=WebhookMessage(**view.message),
            attempts_made=[WebhookAttemptShown(**row) for row in view.attempts],
        )


def _told(row: RowMapping) -> dict[str, Any]:
    due_at = row["due_at"] if row["state"] == DeliveryState.PENDING else None
    return {**row, "delivery_id": row["id"], "due_at": due_at}


class WebhookEventList(Shown):
    """Events in their order, and where to go on: at once while `has_more`, later from then on."""

    model_config = example(events=[_MESSAGE], next_after="dGhlcmU", has_more=False)

    events: list[WebhookMessage]
    next_after: str | None = Field(description="Pass it as `after`.")
    has_more: bool

    @classmethod
    def of(cls, listing: Listing, seal: Callable[[Place], str | None]) -> Self:
        """As whoever fetches events sees them."""
        events = [WebhookMessage(**message) for message in listing.messages]
        return cls(events=events, next_after=seal(listing.place), has_more=listing.has_more)
