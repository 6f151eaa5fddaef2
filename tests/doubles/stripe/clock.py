"""The double's own time, so that it can go with a test's clock."""

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
