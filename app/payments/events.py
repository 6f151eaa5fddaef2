"""What happened to money."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCaptured(Event):
    """The provider holds the money; `captured_at` is its time, `at` is when we learnt of it."""

    kind: ClassVar[str] = "payment.captured"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    order_id: UUID
    amount: int
    currency: str
    captured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDeclined(Event):
    """The provider refused; nothing was taken and the order may be paid another way."""

    kind: ClassVar[str] = "payment.declined"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    order_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSucceeded(Event):
    """The buyer has got this money back; `refunded_amount` is the payment's total so far."""

    kind: ClassVar[str] = "payment.refund_succeeded"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    refund_id: UUID
    order_id: UUID
    amount: int
    currency: str
    refunded_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed(Event):
    """The provider could not give the money back; it stays owed and is tried again."""

    kind: ClassVar[str] = "payment.refund_failed"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    refund_id: UUID
    order_id: UUID
    amount: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundReturned(Event):
    """Money that was back with the buyer has bounced: it is owed again and will be sent again."""

    kind: ClassVar[str] = "payment.refund_returned"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    refund_id: UUID
    order_id: UUID
    amount: int
    currency: str
    refunded_amount: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAdopted(Event):
    """A refund that somebody made at the provider is now one of ours; nothing was decided here."""

    kind: ClassVar[str] = "payment.refund_adopted"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    refund_id: UUID
    order_id: UUID
    amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusCaptured(Event):
    """An order was paid a second time; that money is owed back at once, beside the order."""

    kind: ClassVar[str] = "payment.surplus_captured"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    order_id: UUID
    amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusReturned(Event):
    """The money of a second payment is back with the buyer; `is_back` false: it has bounced."""

    kind: ClassVar[str] = "payment.surplus_returned"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    refund_id: UUID
    order_id: UUID
    amount: int
    currency: str
    is_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened(Event):
    """The buyer has called the money back at their bank; it and the fee are gone for now."""

    kind: ClassVar[str] = "payment.dispute_opened"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    dispute_id: UUID
    order_id: UUID
    amount: int
    currency: str
    fee_amount: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeClosed(Event):
    """The bank has decided; `is_lost` money stays with the buyer, else it is here again.

    `fee_amount` is what the provider keeps of its fee, as far as it has told.
    """

    kind: ClassVar[str] = "payment.dispute_closed"
    aggregate: ClassVar[str] = "payment"

    payment_id: UUID
    dispute_id: UUID
    order_id: UUID
    amount: int
    currency: str
    fee_amount: int
    is_lost: bool


EVENTS: tuple[type[Event], ...] = (
    PaymentCaptured,
    PaymentDeclined,
    RefundSucceeded,
    RefundFailed,
    RefundReturned,
    RefundAdopted,
    SurplusCaptured,
    SurplusReturned,
    DisputeOpened,
    DisputeClosed,
)
