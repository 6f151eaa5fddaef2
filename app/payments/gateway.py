"""What a payment service provider must be able to do, in our words."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol, TypeVar, runtime_checkable
from uuid import UUID

from app.core.errors import Problem

T = TypeVar("T")
# Plays at payments, for development and demonstrations: no money moves.
SANDBOX = "sandbox"


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


class DisputeState(StrEnum):
    """What became of a buyer's complaint at their bank, according to the provider."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class ChargeWish:
    """Money to take; `payment_id` is the idempotency key at the provider.

    `reference` is the provider's own name of it, where it has told us one; `payer` is who pays by
    the provider's name of them, where it wants to know that beforehand.
    """

    payment_id: UUID
    order_id: UUID
    amount: int
    currency: str
    token: str
    reference: str | None = None
    payer: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Charge:
    """The provider's word on one payment: the truth about money, whatever we believed.

    `next_step` is what the buyer's device needs to go on, and is told to nobody else;
    `fee_amount` is what the provider keeps of the capture, in the same currency.
    """

    payment_id: UUID
    reference: str
    state: ChargeState
    amount: int
    currency: str
    at: datetime
    reason: str | None = None
    fee_amount: int = 0
    next_step: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RefundWish:
    """Money to give back; `refund_id` with `round` is the idempotency key at the provider.

    A provider repeats its answer to a key. So each failure it has told begins a new round, and a
    try whose answer was lost stays in its own. `reference` is the provider's name of this round's
    refund, where it has told one.
    """

    refund_id: UUID
    payment_id: UUID
    charge_reference: str
    amount: int
    currency: str
    round: int = 1
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayRefund:
    """The provider's word on one refund.

    `refund_id` is None for one that was made at the provider by hand; `payment_id` is None where
    the provider names the charge by `charge_reference` alone.
    """

    refund_id: UUID | None
    reference: str
    state: RefundState
    at: datetime
    reason: str | None = None
    payment_id: UUID | None = None
    charge_reference: str | None = None
    amount: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """The provider's word on a complaint; while it is not won, its amount is gone.

    Of the fee, `fee_returned_amount` was given back: some providers do so where it is won.
    """

    reference: str
    payment_id: UUID | None
    charge_reference: str
    amount: int
    currency: str
    state: DisputeState
    at: datetime
    reason: str | None = None
    fee_amount: int = 0
    fee_returned_amount: int = 0


Told = Charge | GatewayRefund | Dispute


@dataclass(frozen=True, slots=True)
class HookEvent:
    """A message that a provider has signed, as it is kept: `body` is its very bytes."""

    id: str
    kind: str
    at: datetime
    body: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message from the provider: look at this payment again."""

    id: UUID
    payment_id: UUID


class GatewayUnavailable(Problem):
    """The provider does not answer; what became of the charge is asked again later.

    `is_answer` where it did, though nothing can be learnt from what it said: it is not away.
    """

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "gateway_unavailable"
    title = "The payment provider does not answer, try again"
    title_zh = "支付服务暂不可用，请重试"
    lasting = False

    def __init__(self, retry_after_seconds: int = 2, *, is_answer: bool = False) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_seconds)})
        self.is_answer = is_answer


class Patience:
    """How long one piece of work waits for each provider: beyond it, `GatewayUnavailable` at once.

    What is asked in turn would otherwise wait for all that a silent or slow one is asked before.
    """

    def __init__(self, *, seconds: float, silences_max: int = 3) -> None:
        self._left = defaultdict[str, float](lambda: seconds)
        self._silences = Counter[str]()
        self._silences_max = silences_max

    async def ask(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """The call's answer, while there is patience with this provider."""
        if self._left[name] <= 0 or self._silences[name] >= self._silences_max:
            raise GatewayUnavailable
        clock = asyncio.get_running_loop().time
        began_at = clock()
        try:
            return await call()
        except GatewayUnavailable as silence:
            self._silences[name] += not silence.is_answer
            raise
        finally:
            self._left[name] -= clock() - began_at


class HookNotGenuine(Problem):
    """The message was not signed by the provider, not for us, or too long ago."""

    status = HTTPStatus.BAD_REQUEST
    code = "hook_not_genuine"
    title = "The message carries no valid signature of the provider"
    title_zh = "回调签名无效"


class NotOurBusinessError(Exception):
    """A genuine message is about something else: another mode, account or kind of object."""


class Gateway(Protocol):
    """A provider. Every call may be repeated: the same ids give the same effect and answer.

    All raise `GatewayUnavailable` when the provider does not answer; then nothing is known.
    """

    name: str

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Take the money, or say why not, or what the buyer has to do for it."""

    async def find(self, wish: ChargeWish, *, now: datetime) -> Charge | None:
        """The provider's word on a payment; `None` when it never heard of it."""

    async def cancel(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Make sure that no money is taken any more; answers `CAPTURED` when it was too late."""

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        """Give money back, or say what became of it; never more than was captured."""


def payer_app_id(gateway: Gateway) -> str | None:
    """The WeChat app by whose openid the provider wants to be told the payer; most want none."""
    found: str | None = getattr(gateway, "payer_app_id", None)
    return found


@runtime_checkable
class Notifier(Gateway, Protocol):
    """A provider whose notices are fetched, because it does not send them itself."""

    async def notices(self, now: datetime, rows_max: int) -> Sequence[Notice]:
        """Messages due to be sent; each is sent until it is said to be heard."""

    async def heard(self, notice: Notice, *, now: datetime) -> None:
        """The receiver has dealt with a message."""


@runtime_checkable
class Hooked(Gateway, Protocol):
    """A provider that sends signed messages to `/v1/hooks/{name}`."""

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> HookEvent:
        """Check the signature over the raw body before anything is read of it.

        Raises `HookNotGenuine`.
        """

    def read(self, event: HookEvent) -> Sequence[Told]:
        """What a kept message says, in our words; nothing for kinds that do not matter here.

        Raises `NotOurBusinessError`, or `ValueError` for a body that cannot be read.
        """


@runtime_checkable
class Bookkeeper(Gateway, Protocol):
    """A provider whose books can be read back, to hold ours against them."""

    def statement(self, since: datetime) -> AsyncIterator[Told]:
        """Every charge, refund and dispute made since then, as each stands now."""


@runtime_checkable
class KeepsOpen(Gateway, Protocol):
    """A provider to which connections are kept open as long as the process lives."""

    async def close(self) -> None:
        """Hang up; nothing is asked after this."""


async def hang_up(gateways: Mapping[str, Gateway]) -> None:
    """Close what the gateways keep open."""
    for gateway in gateways.values():
        if isinstance(gateway, KeepsOpen):
            await gateway.close()
