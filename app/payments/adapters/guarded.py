"""A provider behind a guard: its calls pass through it, what else it can do stays as it is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from app.payments.gateway import (
    Bookkeeper,
    Charge,
    ChargeWish,
    Gateway,
    GatewayRefund,
    Hooked,
    HookEvent,
    KeepsOpen,
    Notice,
    Notifier,
    RefundWish,
    Told,
)

T = TypeVar("T")


class Guard(Protocol):
    """Decides whether, and for how long, a call is made; raises `GatewayUnavailable` instead."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's own answer or refusal."""


class Guarded:
    """Satisfies `Gateway`, and by `guarded` whatever else its provider does."""

    def __init__(self, gateway: Gateway, guard: Guard) -> None:
        self.name = gateway.name
        self._gateway: Any = gateway
        self._guard = guard

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Take the money, or say why not."""
        return await self._guard(lambda: self._gateway.charge(wish, now=now))

    async def find(self, wish: ChargeWish, *, now: datetime) -> Charge | None:
        """The provider's word on a payment; `None` when it never heard of it."""
        return await self._guard(lambda: self._gateway.find(wish, now=now))

    async def cancel(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Make sure that no money is taken any more."""
        return await self._guard(lambda: self._gateway.cancel(wish, now=now))

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        """Give money back."""
        return await self._guard(lambda: self._gateway.refund(wish, now=now))


class _Notices(Guarded):
    async def notices(self, now: datetime, rows_max: int) -> Sequence[Notice]:
        return await self._guard(lambda: self._gateway.notices(now, rows_max))

    async def heard(self, notice: Notice, *, now: datetime) -> None:
        await self._guard(lambda: self._gateway.heard(notice, now=now))


class _Hooks(Guarded):
    """Nothing is asked of the provider here, so nothing is guarded."""

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> HookEvent:
        event: HookEvent = self._gateway.verify(body, headers, now=now)
        return event

    def read(self, event: HookEvent) -> Sequence[Told]:
        told: Sequence[Told] = self._gateway.read(event)
        return told


class _Books(Guarded):
    """A statement is long: the provider's own limit to each of its pages has to do."""

    def statement(self, since: datetime) -> AsyncIterator[Told]:
        told: AsyncIterator[Told] = self._gateway.statement(since)
        return told


class _Open(Guarded):
    async def close(self) -> None:
        await self._gateway.close()


_ABILITIES = ((Notifier, _Notices), (Hooked, _Hooks), (Bookkeeper, _Books), (KeepsOpen, _Open))


def guarded(gateway: Gateway, guard: Guard) -> Guarded:
    """The same provider behind the guard, with all it could do before and nothing more."""
    kinds = tuple(kind for ability, kind in _ABILITIES if isinstance(gateway, ability))
    made: Guarded = type("Guarded", (*kinds, Guarded), {})(gateway, guard)
    return made
