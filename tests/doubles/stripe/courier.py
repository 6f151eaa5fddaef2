"""Messages to the merchant: signed, tried until they are taken, or spoilt on purpose."""

import asyncio
import copy
import hashlib
import hmac
import json
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.doubles.stripe.books import Books
from tests.doubles.stripe.clock import Clock
from tests.doubles.stripe.modes import Modes

TRY_SECONDS = 10.0
RETRY_SECONDS_MAX = 2.0
AT_ONCE_MAX = 16
LOG_LINES_MAX = 20_000
AMOUNTS = ("amount", "amount_received", "amount_captured", "amount_refunded")
WRONG_SECRET = "whsec_of_somebody_else"


def signature(body: bytes, secrets: Sequence[str], at: int) -> str:
    """A `Stripe-Signature` header: one `v1` for each secret, as while a secret is rolled."""
    signed = f"{at}.".encode() + body
    codes = [hmac.new(one.encode(), signed, hashlib.sha256).hexdigest() for one in secrets]
    return ",".join([f"t={at}", *(f"v1={code}" for code in codes), "v0=" + "0" * 64])


def spoilt(event: dict[str, Any], modes: Modes) -> dict[str, Any]:
    """The event with the wrong contents that are wished."""
    event = copy.deepcopy(event)
    about = event["data"]["object"]
    if modes.short_by:
        about.update({
            name: about[name] - modes.short_by for name in AMOUNTS if about.get(name)
        })  # fmt: skip
    if modes.wrong_currency and "currency" in about:
        about["currency"] = modes.wrong_currency
    if modes.flip_livemode:
        event["livemode"] = not event["livemode"]
        if "livemode" in about:
            about["livemode"] = not about["livemode"]
    return event


@dataclass
class Letter:
    """One copy of an event on its way to one address."""

    event_id: str
    kind: str
    url: str
    body: bytes
    delay: float
    tries: int = 0


class Courier:
    def __init__(self, books: Books, clock: Clock) -> None:
        self.modes = Modes()
        self.urls: list[str] = []
        self.secrets: list[str] = []
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LINES_MAX)
        self._books = books
        self._clock = clock
        self._waiting: list[Letter] = []
        self._open: Counter[str] = Counter()
        self._woken = asyncio.Event()
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random(0)
        self._client: httpx2.AsyncClient | None = None

    def set_modes(self, values: dict[str, Any]) -> None:
        """A new `seed` starts the drawing anew."""
        self.modes = self.modes.changed(values)
        if "seed" in values:
            self._random.seed(self.modes.seed)
        self._woken.set()

    def reset_modes(self) -> None:
        self.modes = Modes()
        self._woken.set()

    async def start(self) -> None:
        self._client = httpx2.AsyncClient(timeout=TRY_SECONDS, trust_env=False)
        for event_id in list(self._books.unsent):
            self._waiting += self._letters(self._books.objects[event_id])
        self._woken.set()
        self._spawn(self._run())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def tell(self, event: dict[str, Any]) -> None:
        self._waiting += self._letters(event)
        self._woken.set()

    async def tell_now(self, events: Sequence[dict[str, Any]]) -> None:
        """One try for each, before the request that caused them is answered."""
        letters = [letter for event in events for letter in self._letters(event)]
        await asyncio.gather(*(self._try(letter) for letter in letters))

    def again(self, event_id: str) -> None:
        """The same event once more, however often it has been taken."""
        self.tell(self._books.objects[event_id])

    async def idle(self, seconds: float) -> bool:
        """Wait until everything that may be sent has been taken."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not self._open or (self.modes.hold and not len(self._tasks) > 1):
                return True
            await asyncio.sleep(0.01)
        return False

    def _letters(self, event: dict[str, Any]) -> list[Letter]:
        """The copies that are to be sent of one event."""
        modes = self._take_modes(event["type"])
        is_lost = bool(modes.drop) and self._random.random() < modes.drop
        if not self.urls or is_lost:
            self._books.sent(event["id"], dropped=is_lost)
            return []
        body = json.dumps(spoilt(event, modes), indent=2, ensure_ascii=False).encode()
        letters = [
            Letter(event["id"], event["type"], url, body, modes.delay)
            for url in self.urls
            for _ in range(1 + modes.duplicate)
        ]
        self._open[event["id"]] += len(letters)
        return letters

    def _take_modes(self, kind: str) -> Modes:
        """The modes for this event; each spoilt one counts."""
        modes = self.modes.for_type(kind)
        if modes.only is None or not modes.tampers:
            return modes
        if modes.wrong_signature or modes.stale:
            return modes  # counted when it is signed
        return self._counted(modes)

    def _counted(self, modes: Modes) -> Modes:
        if modes.only is None:
            return modes
        if modes.only < 1:
            return modes.changed({
                "short_by": 0, "wrong_currency": None, "flip_livemode": False,
                "wrong_signature": False, "stale": 0,
            })  # fmt: skip
        self.modes = self.modes.changed({"only": modes.only - 1})
        return modes

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self.modes.hold or not self._waiting:
                continue
            if self.modes.reorder:
                await asyncio.sleep(self.modes.window)
            batch, self._waiting = self._waiting, []
            if self.modes.reorder:
                self._random.shuffle(batch)
                self._spawn(self._in_turn(batch))
            else:
                for letter in batch:
                    self._spawn(self._try(letter))

    async def _in_turn(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            await self._try(letter)

    async def _try(self, letter: Letter) -> None:
        """Send it; what was not taken is sent again later."""
        if letter.delay:
            await asyncio.sleep(letter.delay)
            letter.delay = 0
        async with self._gate:
            status = await self._send(letter)
        letter.tries += 1
        said = {"event": letter.event_id, "type": letter.kind, "url": letter.url}
        self.log.append({**said, "status": status, "try": letter.tries})
        if status is not None and 200 <= status < 300:
            self._taken(letter.event_id)
            return
        wait = min(self.modes.retry_after * 2 ** (letter.tries - 1), RETRY_SECONDS_MAX)
        self._spawn(self._once_more(letter, wait))

    async def _once_more(self, letter: Letter, wait: float) -> None:
        await asyncio.sleep(wait)
        self._waiting.append(letter)
        self._woken.set()

    def _taken(self, event_id: str) -> None:
        self._open[event_id] -= 1
        if self._open[event_id] <= 0:
            del self._open[event_id]
            self._books.sent(event_id)

    async def _send(self, letter: Letter) -> int | None:
        assert self._client is not None
        modes = self.modes.for_type(letter.kind)
        if modes.wrong_signature or modes.stale:
            modes = self._counted(modes)
        secrets = [WRONG_SECRET] if modes.wrong_signature else self.secrets
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(letter.body, secrets, self._clock.now() - modes.stale),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            answer = await self._client.post(letter.url, content=letter.body, headers=headers)
        except httpx2.HTTPError:
            return None
        return answer.status_code
