"""Password hashing with argon2, off the event loop and never more than two at a time."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers import HasherProtocol
from pwdlib.hashers.argon2 import Argon2Hasher

# One hash costs about 150 ms of a core and 64 MiB; more at once would starve all other requests.
HASHES_AT_ONCE_MAX = 2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password fits; `fresh_hash` when the kept hash has outdated parameters."""

    fits: bool
    fresh_hash: str | None = None


class Passwords:
    """Hashes and verifies; asked about nobody, it works as long as it would for somebody."""

    def __init__(self, hasher: HasherProtocol | None = None) -> None:
        self._argon2 = PasswordHash((hasher or Argon2Hasher(),))
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE_MAX, thread_name_prefix="argon2")
        self._nobodys_hash: str | None = None

    async def hash(self, password: str) -> str:
        """The hash to keep of a new password."""
        return await self._in_thread(lambda: self._argon2.hash(password))

    async def verify(self, password: str, kept_hash: str | None) -> Verdict:
        """Whether the password fits the kept hash; `None`, nobody's hash, never fits."""
        if self._nobodys_hash is None:
            self._nobodys_hash = await self.hash(secrets.token_urlsafe())
        asked = kept_hash or self._nobodys_hash
        fits, fresh_hash = await self._in_thread(
            lambda: self._argon2.verify_and_update(password, asked)
        )
        return Verdict(fits and kept_hash is not None, fresh_hash)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
