"""Long thinking beside the event loop: one thought at a time, and only so many that wait."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.core.errors import Unavailable

# Python runs one thread at a time; a second one would only slow the requests down further.
THREADS = 1
THOUGHTS_MAX = 8
T = TypeVar("T")

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="beside")
_begun = 0


async def think(work: Callable[[Callable[[], bool]], T]) -> T:
    """Do pure work in a thread; it is told, when it asks, that nobody waits for it any more.

    Raises `Unavailable` where enough is thought about already.
    """
    global _begun  # noqa: PLW0603 - one process has one such queue
    if _begun >= THOUGHTS_MAX:
        raise Unavailable
    over = threading.Event()
    _begun += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work, over.is_set)
    finally:
        _begun -= 1
        over.set()
