"""The double's own time, so that it can go with a test's clock, and waits that can be ended."""

import asyncio
import contextlib
import time


class Clock:
    """Real time until it is set; then it runs on from there, or stands still."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._stands_at: int | None = None

    def now(self) -> int:
        if self._stands_at is not None:
            return self._stands_at
        return int(time.time() + self._ahead)

    def set(self, now: int | None, *, frozen: bool = False) -> None:
        """`None` goes back to real time."""
        self._stands_at = now if frozen else None
        self._ahead = 0.0 if now is None else now - time.time()


class Pause:
    """Waits that all end together when they are told to."""

    def __init__(self) -> None:
        self.waiting = 0
        self._ended = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait so long, or until all are told to go on."""
        self.waiting += 1
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), seconds)
        finally:
            self.waiting -= 1

    def end(self) -> None:
        self._ended.set()
        self._ended = asyncio.Event()
