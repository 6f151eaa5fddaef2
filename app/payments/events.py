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


EVENTS: tuple[type[Event], ...] = (PaymentCaptured, PaymentDeclined, RefundSucceeded, RefundFailed)
