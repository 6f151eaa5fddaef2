"""The double as an ASGI application: the API, and the controls beside it."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.doubles.stripe import refunds
from tests.doubles.stripe.access import Keyring
from tests.doubles.stripe.api import Api
from tests.doubles.stripe.books import Books
from tests.doubles.stripe.charges import settle
from tests.doubles.stripe.clock import Clock
from tests.doubles.stripe.control import Control
from tests.doubles.stripe.courier import Courier
from tests.doubles.stripe.errors import RefusalError
from tests.doubles.stripe.faults import Faults
from tests.doubles.stripe.modes import Modes
from tests.doubles.stripe.wire import cut
from tests.doubles.stripe.work import Caller, Work


class StripeDouble:
    """State in `truth`; see `Modes` and `Faults` for what it can be made to do."""

    def __init__(self, truth: Path, keys: Keyring, urls: list[str], secrets: list[str]) -> None:
        self.books = Books(truth)
        self.clock = Clock()
        self.faults = Faults()
        self.keys = keys
        self.courier = Courier(self.books, self.clock)
        self.courier.urls, self.courier.secrets = urls, secrets
        self._timers: set[asyncio.TimerHandle] = set()
        self._api = Api(self)
        self._control = Control(self)

    @property
    def modes(self) -> Modes:
        return self.courier.modes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        request = Request(scope, receive)
        if request.url.path.startswith("/_double/") or request.url.path == "/readyz":
            response: Response | None = await self._control.answer(request)
        else:
            response = await self._api.answer(request)
        if response is None:
            await cut(scope, receive)
        else:
            await response(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        await self.courier.start()
        self._resume()
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        for timer in list(self._timers):
            timer.cancel()
        await self.courier.stop()
        self.books.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _resume(self) -> None:
        """What was under way when the double was killed."""
        for live in (False, True):
            for refund in self.books.of_kind("refund", livemode=live):
                if refund["status"] == "pending":
                    refunds.plan(Work(self, Caller(livemode=live)), refund, None)
            for charge in self.books.of_kind("charge", livemode=live):
                if charge["captured"] and charge["balance_transaction"] is None:
                    settle_it = _settling(charge["id"])
                    self.later(self.modes.fee_known_after, settle_it, livemode=live)

    def later(self, seconds: float, act: Callable[[Work], object], *, livemode: bool) -> None:
        """Do something by itself after a while; what has become impossible is left."""

        def run() -> None:
            self._timers.discard(timer)
            with contextlib.suppress(RefusalError):
                self.do(act, livemode=livemode)

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)

    def do(self, act: Callable[[Work], Any], *, livemode: bool) -> Any:
        """Work that no request of the API asks for."""
        work = Work(self, Caller(livemode=livemode))
        answer = act(work)
        self.books.write(work.lines())
        for event in work.events:
            self.tell(event)
        return answer

    def tell(self, event: dict[str, Any]) -> None:
        self.courier.tell(event)


def _settling(charge_id: str) -> Callable[[Work], None]:
    return lambda work: settle(work, charge_id)
