"""Lines to receivers that are kept open for a moment after a message, by where they lead.

A pool that looks at each of its lines with every message costs more than the sending.
"""

import ssl
import time
from collections import deque
from dataclasses import dataclass, field

import httpcore2

KEEP_ALIVE_SECONDS = 5.0
SWEEP_SECONDS = 1.0

Line = httpcore2.AsyncHTTPConnection
Place = tuple[bytes, bytes, int]


@dataclass(slots=True)
class Lines:
    """Idle lines, newest used first; no more than `idle_max` of them, none longer than needed."""

    network: httpcore2.AsyncNetworkBackend
    tls: ssl.SSLContext
    idle_max: int
    _idle: dict[Place, deque[Line]] = field(default_factory=dict)
    _count: int = 0
    _swept_at: float = 0.0

    async def take(self, request: httpcore2.Request) -> Line:
        """A line to where the request goes: an idle one that still stands, or a new one."""
        origin = request.url.origin
        mine = self._idle.get((origin.scheme, origin.host, origin.port), ())
        while mine:
            line = self._popped(mine)
            if not line.has_expired():
                return line
            await line.aclose()
        return Line(
            origin=origin,
            ssl_context=self.tls,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=self.network,
        )

    async def give_back(self, request: httpcore2.Request, line: Line) -> None:
        """Keep a line whose answer was read to its end; another is closed."""
        await self._sweep()
        if not line.is_available() or self._count >= self.idle_max:
            await line.aclose()
            return
        origin = request.url.origin
        place = (origin.scheme, origin.host, origin.port)
        self._idle.setdefault(place, deque()).append(line)
        self._count += 1

    async def close(self) -> None:
        """Close every idle line."""
        for mine in self._idle.values():
            while mine:
                await self._popped(mine).aclose()
        self._idle.clear()

    def _popped(self, mine: deque[Line]) -> Line:
        self._count -= 1
        return mine.pop()

    async def _sweep(self) -> None:
        """Close what nobody has used for a while, the longest unused of each place first."""
        now = time.monotonic()
        if now - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = now
        ended: list[Line] = []
        for place, mine in list(self._idle.items()):
            while mine and mine[0].has_expired():
                ended.append(mine.popleft())
                self._count -= 1
            if not mine:
                del self._idle[place]
        for line in ended:
            await line.aclose()
