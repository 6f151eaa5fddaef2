"""Rate limits: for doors that are knocked at, as sign-in, and for what could be guessed."""

import ipaddress
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
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
        self._knocks: RateLimitItem = RateLimitItemPerMinute(settings.sign_in_attempts_per_minute)
        self._guesses: RateLimitItem = RateLimitItemPerMinute(
            settings.wrong_codes_per_ten_minutes, 10
        )
        self._trusted = tuple(map(ipaddress.ip_network, settings.trusted_proxies))

    async def knock(self, request: Request, door: str, *names: str) -> None:
        """Count one knock by address and by each given name; refuse when any came too often."""
        for name in (self.address(request), *names):
            await self._ask(self._limiter.hit, self._knocks, door, name)

    async def check_guesses(self, door: str, name: str) -> None:
        """Refuse a caller that has guessed wrong as often as it may; this counts nothing."""
        await self._ask(self._limiter.test, self._guesses, door, name)

    async def count_guesses(self, door: str, name: str, wrong: int) -> None:
        """Count wrong guesses; refuse those beyond the limit, before the caller is told of any.

        Requests at the same time all pass the check before: here the last of them are caught.
        """
        # One by one: several that do not fit together would not be counted at all.
        for _ in range(wrong):
            await self._ask(self._limiter.hit, self._guesses, door, name)

    async def _ask(
        self, how: Callable[..., Awaitable[bool]], item: RateLimitItem, door: str, name: str
    ) -> None:
        try:
            free = await how(item, door, name)
        except StorageError:
            return
        if not free:
            raise TooManyRequests(retry_after_seconds=item.get_expiry())

    def address(self, request: Request) -> str:
        """The caller's address: the nearest one that is not a trusted proxy's.

        The one place that reads forwarded addresses, from right to left: each is believed only
        because a trusted proxy has put it there.
        """
        address = request.client.host if request.client else "unknown"
        hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        while hops and self._is_trusted(address):
            told = _ip(hops.pop().strip())
            if told is None:
                break
            address = str(told)
        return address

    def _is_trusted(self, address: str) -> bool:
        found = _ip(address)
        return found is not None and any(found in network for network in self._trusted)


def _ip(told: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ipaddress.ip_address(told)
    except ValueError:
        return None
    # A socket that listens on both families shows an IPv4 caller as ::ffff:10.0.0.1.
    return getattr(found, "ipv4_mapped", None) or found


def guard(door: str) -> Callable[[Request], Any]:
    """A dependency that counts a knock at the door by address."""

    async def knocked(request: Request) -> None:
        limits: RateLimits = request.app.state.limits
        await limits.knock(request, door)

    return knocked
