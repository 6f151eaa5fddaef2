"""Names become addresses in threads of our own, and only public addresses are let through."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import structlog

from app.webhooks.rules.addresses import is_public

log = structlog.get_logger("webhooks")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
LookUp = Callable[[str, int], Sequence[str]]

THREADS_MAX = 32
KNOWN_MAX = 4_096
# How long a registration waits for a name.
ASKING_SECONDS_MAX = 5.0


def system_look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver; no address where the name has none."""
    try:
        # As bytes the name is taken as it stands: no second reader folds its characters.
        found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """Satisfies `Resolve` with threads that hold neither each other nor the process's end.

    A name that did not resolve last time, or was never asked for, waits in one half of the
    threads: servers of names that hang leave the other half to those that answer. Nothing is
    remembered but which names answered: an address is as new as its connection.
    """

    def __init__(self, look_up: LookUp = system_look_up, threads: int = THREADS_MAX) -> None:
        self._look_up = look_up
        self._rooms = [asyncio.Semaphore(max(threads // 2, 1)) for _ in range(2)]
        self._known: OrderedDict[str, None] = OrderedDict()
        self._asked: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a name, in the resolver's order; callers at once share one answer."""
        key = (host, port)
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.create_task(self._ask(host, port))
            asked.add_done_callback(lambda _: self._asked.pop(key, None))
        # Whoever gives up waiting takes nobody else's answer away.
        return await asyncio.shield(asked)

    async def _ask(self, host: str, port: int) -> Sequence[str]:
        async with self._rooms[host in self._known]:
            found = await _in_thread(lambda: self._look_up(host, port))
        self._known.pop(host, None)
        if found:
            self._known[host] = None
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return found


async def _in_thread(work: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Run in a thread that the process does not wait for: a pool's threads delay its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Sequence[str]] = loop.create_future()

    def tell(found: Sequence[str]) -> None:
        if not done.done():
            done.set_result(found)

    def run() -> None:
        found: Sequence[str] = ()
        try:
            found = work()
        except Exception:
            log.exception("look_up_failed")
        finally:
            # The loop may be closed by the time the name's server answers.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    return await done


async def public_addresses(
    host: str, port: int, resolve: Resolve, *, allow_loopback: bool
) -> Sequence[str]:
    """Where a host may be dialled; none unless every address of it is public.

    One that is not makes the others worthless: the next connection may take it.
    """
    found = (host,) if _is_address(host) else await resolve(host, port)
    if all(is_public(address, allow_loopback=allow_loopback) for address in found):
        return found
    return ()


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


_AT_REGISTRATION = Resolver()


async def address_fault(
    host: str, *, allow_loopback: bool, resolve: Resolve = _AT_REGISTRATION
) -> str | None:
    """Why no endpoint may stand at this host now; `None` where it may.

    There is one reason only, `address_refused`: whoever registers must not learn from us which
    names exist inside a network, nor what they resolve to.
    """
    try:
        async with asyncio.timeout(ASKING_SECONDS_MAX):
            found = await public_addresses(host, 443, resolve, allow_loopback=allow_loopback)
    except TimeoutError:
        found = ()
    return None if found else "address_refused"
