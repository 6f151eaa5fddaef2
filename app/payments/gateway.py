"""What a payment service provider must be able to do, in our words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol, runtime_checkable
from uuid import UUID

from app.core.errors import Problem


class ChargeState(StrEnum):
    """What became of a charge, according to the provider."""

    PENDING = "pending"
    CAPTURED = "captured"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class RefundState(StrEnum):
    """What became of a refund, according to the provider."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ChargeWish:
    """Money to take; `payment_id` is the idempotency key at the provider."""

    payment_id: UUID
    order_id: UUID
    amount: int
    currency: str
    token: str


@dataclass(frozen=True, slots=True)
class Charge:
    """The provider's word on one payment: the truth about money, whatever we believed."""

    payment_id: UUID
    reference: str
    state: ChargeState
    amount: int
    currency: str
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RefundWish:
    """Money to give back; `refund_id` is the idempotency key at the provider."""

    refund_id: UUID
    payment_id: UUID
    charge_reference: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class GatewayRefund:
    """The provider's word on one refund."""

    refund_id: UUID
    reference: str
    state: RefundState
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message from the provider: look at this payment again."""

    id: UUID
    payment_id: UUID


class GatewayUnavailable(Problem):
    """The provider does not answer; what became of the charge is asked again later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "gateway_unavailable"
    title = "The payment provider does not answer, try again"
    title_zh = "支付服务暂不可用，请重试"
    lasting = False

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "2"})


class Gateway(Protocol):
    """A provider. Every call may be repeated: the same ids give the same effect and answer.

    All raise `GatewayUnavailable` when the provider does not answer; then nothing is known.
    """

    name: str

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Take the money, or say why not."""

    async def find(self, payment_id: UUID, *, now: datetime) -> Charge | None:
        """The provider's word on a payment; `None` when it never heard of it."""

    async def cancel(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Make sure that no money is taken any more; answers `CAPTURED` when it was too late."""

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        """Give money back; never more than was captured."""


@runtime_checkable
class Notifier(Gateway, Protocol):
    """A provider whose notices are fetched, because it does not send them itself."""

    async def notices(self, now: datetime, rows_max: int) -> Sequence[Notice]:
        """Messages due to be sent; each is sent until it is said to be heard."""

    async def heard(self, notice: Notice, *, now: datetime) -> None:
        """The receiver has dealt with a message."""
