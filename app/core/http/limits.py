"""Rate limits for doors that are knocked at: sign-in, codes, invitations."""

import ipaddress
from collections.abc import Callable
from typing import Any, cast

from fastapi import Request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from app.core.errors import TooManyRequests
from app.settings import Settings


def _redis(address: str) -> Storage:
    return RedisStorage(f"async+{address}", wrap_exceptions=True)


class RateLimits:
    """Counts knocks per door and caller; in memory, or in Redis when several servers share them.

    A limit is a courtesy, never the truth: when Redis is away the door stays open.
    """

    def __init__(self, settings: Settings) -> None:
        address = settings.redis_url.get_secret_value()
        storage: Storage = _redis(address) if address else MemoryStorage()
        self._limiter = SlidingWindowCounterRateLimiter(cast("Any", storage))
        self._item: RateLimitItem = RateLimitItemPerMinute(settings.sign_in_attempts_per_minute)
        self._trusted = frozenset(settings.trusted_proxies)

    async def knock(self, request: Request, door: str, *names: str) -> None:
        """Count one knock by address and by each given name; refuse when any came too often."""
        for name in (self.address(request), *names):
            await self._hit(door, name)

    async def _hit(self, door: str, name: str) -> None:
        try:
            free = await self._limiter.hit(self._item, door, name)
        except StorageError:
            return
        if not free:
            raise TooManyRequests(retry_after_seconds=self._item.get_expiry())

    def address(self, request: Request) -> str:
        """The caller's address; forwarded ones are believed from trusted proxies only."""
        direct = request.client.host if request.client else "unknown"
        forwarded = request.headers.get("x-forwarded-for", "")
        if direct not in self._trusted or not forwarded:
            return direct
        nearest = forwarded.rsplit(",", 1)[-1].strip()
        try:
            return str(ipaddress.ip_address(nearest))
        except ValueError:
            return direct


def guard(door: str) -> Callable[[Request], Any]:
    """A dependency that counts a knock at the door by address."""

    async def knocked(request: Request) -> None:
        limits: RateLimits = request.app.state.limits
        await limits.knock(request, door)

    return knocked
