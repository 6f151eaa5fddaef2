"""A provider that is given only so long for each answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.payments.adapters.guarded import Guarded, guarded
from app.payments.gateway import Gateway, GatewayUnavailable

T = TypeVar("T")


class TimeLimit:
    """Satisfies `Guard`: a call that takes longer than `seconds` counts as not answered."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's answer, in time."""
        try:
            async with asyncio.timeout(self._seconds):
                return await call()
        except TimeoutError as error:
            raise GatewayUnavailable from error


def timed(gateway: Gateway, *, seconds: float) -> Guarded:
    """The same provider with a limit to each call."""
    return guarded(gateway, TimeLimit(seconds))
