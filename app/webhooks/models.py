"""Endpoints of integrators, what they want to hear, and how far telling them has come.

A message's body stands nowhere here: it is rendered from the fact's row in the outbox, which never
changes, whenever it is sent.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import Json, enum_column

ENDPOINTS_MAX = 16
EVERY_KIND = "*"


class EndpointState(StrEnum):
    """Only an enabled endpoint is sent anything, or has new facts put by for it."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    """Why: an operator said so, the receiver answered 410, or it failed for days."""

    OPERATOR = "operator"
    GONE = "gone"
    FAILING = "failing"


class DeliveryCause(StrEnum):
    """What put a message on its way."""

    EVENT = "event"
    REPLAY = "replay"
    TEST = "test"


class DeliveryState(StrEnum):
    """`failed` is the end of the attempts; an operator may send it again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


_KEPT = sa.text("deleted_at IS NULL")
_PENDING = sa.text("state = 'pending'")
_ENDED = sa.text("state <> 'pending'")
_CURRENT = sa.text("expires_at IS NULL")


class WebhookEndpoint(SQLModel, table=True):
    """Where one integrator hears of one shop.

    `slot` makes the limit of endpoints hold when several are added at once. `failing_since` is the
    first failure after the last success. A deleted one stays until its deliveries are forgotten.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        sa.Index(
            "uq_webhook_endpoints_slot",
            "shop_id",
            "slot",
            unique=True,
            postgresql_where=_KEPT,
            sqlite_where=_KEPT,
        ),
        sa.Index("ix_webhook_endpoints_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint(f"slot BETWEEN 1 AND {ENDPOINTS_MAX}", "slot"),
        sa.CheckConstraint("(state = 'enabled') = (disabled_reason IS NULL)", "reason"),
        sa.CheckConstraint("deleted_at IS NULL OR state = 'disabled'", "deleted"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    slot: int
    url: str = Field(max_length=500)
    description: str = Field(max_length=200)
    state: EndpointState = Field(sa_type=enum_column(EndpointState))
    disabled_reason: DisabledReason | None = Field(
        default=None, sa_type=enum_column(DisabledReason)
    )
    enabled_at: datetime
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    last_success_at: datetime | None = None
    created_at: datetime
    deleted_at: datetime | None = None
    version: int


class WebhookFilter(SQLModel, table=True):
    """One kind of fact that an endpoint wants to hear; `*` is every kind.

    What is stated after `sure_from` is heard without fail; before, a fact may have been fanned out
    while the row was not committed yet.
    """

    __tablename__ = "webhook_filters"

    endpoint_id: UUID = Field(primary_key=True, foreign_key="webhook_endpoints.id")
    kind: str = Field(primary_key=True, max_length=64)
    sure_from: datetime


class WebhookSecret(SQLModel, table=True):
    """What messages are signed with, sealed; the one without an end is the current one.

    `sealed_with` names the key that sealed it, so that those under an older key can be found.
    """

    __tablename__ = "webhook_secrets"
    __table_args__ = (
        sa.Index(
            "uq_webhook_secrets_current",
            "endpoint_id",
            unique=True,
            postgresql_where=_CURRENT,
            sqlite_where=_CURRENT,
        ),
        sa.Index("ix_webhook_secrets_endpoint_id_id", "endpoint_id", "id"),
        sa.Index("ix_webhook_secrets_sealed_with", "sealed_with"),
    )

    id: UUID = Field(primary_key=True)
    endpoint_id: UUID = Field(foreign_key="webhook_endpoints.id")
    sealed: str = Field(max_length=500)
    sealed_with: str = Field(max_length=16)
    created_at: datetime
    expires_at: datetime | None = None


class WebhookDelivery(SQLModel, table=True):
    """One message to one endpoint; a test message has no fact, but its own sample."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        sa.UniqueConstraint("endpoint_id", "event_id"),
        sa.Index(
            "ix_webhook_deliveries_due",
            "endpoint_id",
            "due_at",
            "id",
            postgresql_where=_PENDING,
            sqlite_where=_PENDING,
        ),
        sa.Index(
            "ix_webhook_deliveries_ended",
            "finished_at",
            postgresql_where=_ENDED,
            sqlite_where=_ENDED,
        ),
        sa.Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        sa.Index("ix_webhook_deliveries_shop_id_id", "shop_id", "id"),
        sa.Index("ix_webhook_deliveries_endpoint_id_state_id", "endpoint_id", "state", "id"),
        sa.CheckConstraint("(event_id IS NULL) = (cause = 'test')", "cause"),
        sa.CheckConstraint("(state = 'pending') = (finished_at IS NULL)", "finished"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    endpoint_id: UUID = Field(foreign_key="webhook_endpoints.id")
    event_id: UUID | None = Field(default=None, foreign_key="outbox_events.id")
    kind: str = Field(max_length=64)
    cause: DeliveryCause = Field(sa_type=enum_column(DeliveryCause))
    sample: dict[str, Any] | None = Field(default=None, sa_type=Json)
    state: DeliveryState = Field(sa_type=enum_column(DeliveryState))
    attempts: int = 0
    due_at: datetime
    lease_until: datetime | None = None
    created_at: datetime
    finished_at: datetime | None = None
    last_status: int | None = None
    last_error: str | None = Field(default=None, max_length=64)


class WebhookAttempt(SQLModel, table=True):
    """One try to deliver and what came of it: a status, or the code of what went wrong."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (sa.Index("ix_webhook_attempts_delivery_id_id", "delivery_id", "id"),)

    id: UUID = Field(primary_key=True)
    delivery_id: UUID = Field(foreign_key="webhook_deliveries.id")
    at: datetime
    duration_ms: int
    status: int | None = None
    error: str | None = Field(default=None, max_length=64)
    answer: str = Field(max_length=1_000)
