"""A provider that is given only so long for each answer."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import TypeVar

from app.payments.gateway import (
    Charge,
    ChargeWish,
    Closing,
    Gateway,
    GatewayRefund,
    GatewayUnavailable,
    Notice,
    Notifier,
    RefundWish,
    payer_app_id,
)

T = TypeVar("T")


class TimedGateway:
    """Satisfies `Gateway`: a call that takes longer than `seconds` counts as not answered."""

    def __init__(self, gateway: Gateway, *, seconds: float) -> None:
        self.name = gateway.name
        self.payer_app_id = payer_app_id(gateway)
        self._gateway = gateway
        self._seconds = seconds

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Take the money, or say why not."""
        return await self._in_time(self._gateway.charge(wish, now=now))

    async def find(self, wish: ChargeWish, *, now: datetime) -> Charge | None:
        """The provider's word on a payment; `None` when it never heard of it."""
        return await self._in_time(self._gateway.find(wish, now=now))

    async def cancel(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Make sure that no money is taken any more."""
        return await self._in_time(self._gateway.cancel(wish, now=now))

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        """Give money back."""
        return await self._in_time(self._gateway.refund(wish, now=now))

    async def close(self) -> None:
        """Let go of connections, where the provider keeps any."""
        if isinstance(self._gateway, Closing):
            await self._gateway.close()

    async def _in_time(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await call
        except TimeoutError as error:
            raise GatewayUnavailable from error


class TimedNotifier(TimedGateway):
    """Satisfies `Notifier`; its notices have to come in time too."""

    def __init__(self, gateway: Notifier, *, seconds: float) -> None:
        super().__init__(gateway, seconds=seconds)
        self._notifier = gateway

    async def notices(self, now: datetime, rows_max: int) -> Sequence[Notice]:
        """Messages due to be sent."""
        return await self._in_time(self._notifier.notices(now, rows_max))

    async def heard(self, notice: Notice, *, now: datetime) -> None:
        """The receiver has dealt with a message."""
        await self._in_time(self._notifier.heard(notice, now=now))


def timed(gateway: Gateway, *, seconds: float) -> TimedGateway:
    """The same provider with a limit to each call; a notifier stays one."""
    if isinstance(gateway, Notifier):
        return TimedNotifier(gateway, seconds=seconds)
    return TimedGateway(gateway, seconds=seconds)
