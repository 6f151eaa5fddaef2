"""Shapes of payments as operators see them, of disputes, and of providers' messages."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.core.http.paging import Page
from app.core.http.schema import Shown
from app.payments.gateway import DisputeState
from app.payments.models import HookState, PaymentState

_AT = "2026-06-18T04:00:00Z"
_ID = "0192f0c1-a5e8-7000-a000-00000000000"


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class HookReceived(Shown):
    """The message is kept; what it says is taken over afterwards."""

    model_config = _example(received=True)

    received: bool


class ShopPaymentShown(Shown):
    """A payment as the shop watches it.

    `quarantine_reason` says what the provider told of it that was not believed: a person has to
    look. `surplus` payments were made beside another one; their money goes back by itself.
    """

    model_config = _example(
        id=f"{_ID}8",
        order_id=f"{_ID}7",
        state="created",
        amount=9_900,
        currency="CNY",
        gateway="stripe",
        reference="pi_3Nk",
        reason=None,
        quarantine_reason="amount_mismatch",
        created_at=_AT,
        captured_at=None,
        refunded_amount=0,
        disputed_amount=0,
        lost_amount=0,
    )

    id: UUID
    order_id: UUID
    state: PaymentState
    amount: int
    currency: str
    gateway: str
    reference: str | None
    reason: str | None
    quarantine_reason: str | None
    created_at: datetime
    captured_at: datetime | None
    refunded_amount: int
    disputed_amount: int = Field(description="Called back by the buyer, not decided yet.")
    lost_amount: int = Field(description="Called back by the buyer for good.")


class DisputeShown(Shown):
    """A buyer's complaint at their bank; `open` ones keep the order from being shipped."""

    model_config = _example(
        id=f"{_ID}b",
        order_id=f"{_ID}7",
        payment_id=f"{_ID}8",
        gateway="stripe",
        reference="dp_1Pg",
        amount=9_900,
        currency="CNY",
        state="open",
        reason="product_not_received",
        fee_amount=1_500,
        fee_returned_amount=0,
        opened_at=_AT,
        closed_at=None,
    )

    id: UUID
    order_id: UUID
    payment_id: UUID
    gateway: str
    reference: str
    amount: int
    currency: str
    state: DisputeState
    reason: str | None
    fee_amount: int
    fee_returned_amount: int = Field(description="What the provider gave back of the fee.")
    opened_at: datetime
    closed_at: datetime | None


class HookEventShown(Shown):
    """A provider's message without what stands in it; `failed` ones wait for a person."""

    model_config = _example(
        id=f"{_ID}c",
        gateway="stripe",
        event_id="evt_1Pg",
        kind="charge.refund.updated",
        state="failed",
        told_at=_AT,
        received_at=_AT,
        attempts=6,
        error="unknown_payment",
        next_try_at=None,
        done_at=None,
        payment_id=None,
    )

    id: UUID
    gateway: str
    event_id: str
    kind: str
    state: HookState
    told_at: datetime
    received_at: datetime
    attempts: int
    error: str | None
    next_try_at: datetime | None = Field(description="When it is tried again, while it waits.")
    done_at: datetime | None
    payment_id: UUID | None

    @staticmethod
    def of(row: Any) -> "HookEventShown":
        """As operators see it."""
        waits = row["state"] == HookState.WAITING
        told = {**row, "next_try_at": row["try_after"] if waits else None}
        return HookEventShown(**{name: told[name] for name in HookEventShown.model_fields})


ShopPaymentPage = Page[ShopPaymentShown]
DisputePage = Page[DisputeShown]
HookEventPage = Page[HookEventShown]
