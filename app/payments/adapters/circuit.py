"""A provider that is left alone for a while after it has not answered several times in a row.

Buyers then hear at once that they have to try again, instead of waiting out a time limit each,
and a provider that struggles to its feet is not trampled down. Counted per process.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from app.payments.adapters.guarded import Guarded, guarded
from app.payments.gateway import Gateway, GatewayUnavailable

FAILURES_MAX = 5
REST = timedelta(seconds=10)
SECOND = timedelta(seconds=1)
T = TypeVar("T")


class Circuit:
    """Satisfies `Guard`: after `failures_max` silences in a row, no call is made for `rest`.

    Then one goes out to see; while it is on its way, and if it fails, the rest begins anew.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        failures_max: int = FAILURES_MAX,
        rest: timedelta = REST,
    ) -> None:
        self._clock = clock
        self._failures_max = failures_max
        self._rest = rest
        self._failures = 0
        self._rests_until: datetime | None = None

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's answer; `GatewayUnavailable` at once where none is made."""
        self._admit()
        try:
            answer = await call()
        except GatewayUnavailable as silence:
            if silence.is_answer:
                # One payment that cannot be understood must not close the door to all others.
                self._failures, self._rests_until = 0, None
                raise
            self._failures += 1
            if self._failures >= self._failures_max:
                self._rests_until = self._clock() + self._rest
            raise
        self._failures, self._rests_until = 0, None
        return answer

    def _admit(self) -> None:
        if self._rests_until is None:
            return
        left = self._rests_until - self._clock()
        # A clock that was set back must not prolong the rest.
        if timedelta(0) < left <= self._rest:
            raise GatewayUnavailable(-(-left // SECOND))
        self._rests_until = self._clock() + self._rest


def with_circuit(gateway: Gateway, clock: Callable[[], datetime]) -> Guarded:
    """The same provider, left alone when it is down."""
    return guarded(gateway, Circuit(clock))
