"""The controls: what buyers, banks and the wire do, and what the truth is."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.doubles.stripe import disputes, intents, refunds
from tests.doubles.stripe.api import House
from tests.doubles.stripe.books import totals_of
from tests.doubles.stripe.errors import RefusalError
from tests.doubles.stripe.work import Object, Work

DOES = {
    "pay": intents.pay,
    "refuse": intents.refuse,
    "settle_refund": refunds.settle,
    "fail_refund": refunds.fail,
    "dispute": disputes.open_dispute,
    "win": disputes.win,
    "lose": disputes.lose,
}
DONE = {"done": True}


class Control:
    """`POST /_double/{verb}/{id}` with arguments as JSON, and settings by name."""

    def __init__(self, house: House) -> None:
        self._house = house
        courier, faults, clock = house.courier, house.faults, house.clock
        self._settings: dict[tuple[str, str], Callable[[Object], Any]] = {
            ("GET", "truth"): lambda _: self._truth(),
            ("GET", "deliveries"): lambda _: list(courier.log),
            ("POST", "modes"): courier.set_modes,
            ("DELETE", "modes"): lambda _: courier.reset_modes(),
            ("POST", "faults"): faults.add,
            ("DELETE", "faults"): lambda _: faults.clear(),
            ("POST", "outage"): lambda said: faults.out(said["seconds"]),
            ("POST", "latency"): lambda said: faults.delay(said["seconds"]),
            ("POST", "hooks"): self._hooks,
            ("POST", "clock"): lambda said: clock.set(said["now"], frozen=said["frozen"]),
        }

    async def answer(self, request: Request) -> Response:
        if request.url.path == "/readyz":
            return JSONResponse({"ready": True})
        parts = request.url.path.removeprefix("/_double/").split("/")
        try:
            said = await request.body()
            values = json.loads(said) if said else {}
            if len(parts) == 2 and parts[0] in DOES:
                return JSONResponse(self._do(parts[0], parts[1], values))
            if parts[0] == "idle":
                return JSONResponse(await self._house.courier.idle(values.get("seconds", 5)))
            return JSONResponse(self._set(request.method, parts, values))
        except RefusalError as refusal:
            return JSONResponse(refusal.body(), refusal.status)
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": {"message": repr(error)}}, 400)

    def _do(self, verb: str, reference: str, values: dict[str, Any]) -> Object:
        books = self._house.books
        if reference not in books.objects:
            raise RefusalError(f"No such object: {reference}", status=404)
        if verb == "dispute" and books.objects[reference]["object"] == "payment_intent":
            reference = books.objects[reference]["latest_charge"] or reference

        def act(work: Work) -> Object:
            return DOES[verb](work, reference, **values)

        return self._house.do(act, livemode=books.is_live(reference))

    def _set(self, method: str, parts: list[str], values: dict[str, Any]) -> Any:
        if (method, parts[0]) == ("POST", "again"):
            self._house.courier.again(parts[1])
            return DONE
        act = self._settings.get((method, "/".join(parts)))
        if act is None:
            raise RefusalError(f"No such control: {'/'.join(parts)}", status=404)
        answer = act(values)
        return DONE if answer is None else answer

    def _hooks(self, values: Object) -> None:
        courier = self._house.courier
        courier.urls = values.get("urls", courier.urls)
        courier.secrets = values.get("secrets", courier.secrets)

    def _truth(self) -> Object:
        """Sums by currency and by payment intent; see `books.TOTALS` for their names."""
        books = self._house.books
        currencies: dict[str, list[Object]] = defaultdict(list)
        intents_: dict[str, list[Object]] = defaultdict(list)
        for fact in books.facts:
            currencies[fact["currency"]].append(fact)
            intents_[fact["payment_intent"]].append(fact)
        told = {}
        for reference in books.kinds["payment_intent"]:
            intent = books.objects[reference]
            names = ("amount", "currency", "latest_charge", "livemode", "metadata", "status")
            told[reference] = {
                **{name: intent[name] for name in names},
                **totals_of(intents_[reference]),
            }
        return {
            "currencies": {name: totals_of(facts) for name, facts in currencies.items()},
            "payment_intents": told,
            "unsent": len(books.unsent),
        }
