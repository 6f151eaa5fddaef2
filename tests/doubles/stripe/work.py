"""One piece of work: what it touches, tells and moves is written at once, or not at all."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.doubles.stripe import shapes
from tests.doubles.stripe.books import Books
from tests.doubles.stripe.clock import Clock
from tests.doubles.stripe.errors import missing
from tests.doubles.stripe.modes import Modes

API_VERSION = "2026-10-28.endive"
Object = dict[str, Any]


@dataclass
class Caller:
    """Who asks: the mode of their key, and what their request said of itself."""

    livemode: bool
    is_public: bool = False
    version: str = API_VERSION
    idempotency_key: str | None = None
    request_id: str | None = None
    client_secret: str | None = None


class Desk(Protocol):
    """What all the work has in common."""

    books: Books
    clock: Clock
    modes: Modes

    def later(self, seconds: float, act: "Callable[[Work], object]", *, livemode: bool) -> None:
        """Do something by itself after a while, as a bank would."""

    def tell(self, event: Object) -> None:
        """Send a message."""


@dataclass
class Work:
    desk: Desk
    caller: Caller
    touched: dict[str, Object] = field(default_factory=dict)
    facts: list[Object] = field(default_factory=list)
    events: list[Object] = field(default_factory=list)

    @property
    def now(self) -> int:
        return self.desk.clock.now()

    def get(self, kind: str, reference: str, param: str = "id") -> Object:
        """An object of this mode; it may be changed in place and put back."""
        found = self.touched.get(reference) or self.desk.books.objects.get(reference)
        if found is None or found["object"] != kind:
            raise missing(kind, reference, param)
        if reference not in self.touched:
            if self.desk.books.is_live(reference) != self.caller.livemode:
                raise missing(kind, reference, param)
            found = copy.deepcopy(found)
        return found

    def find(self, reference: str) -> Object:
        """An object that is known to exist, as this work leaves it."""
        return self.touched.get(reference) or self.desk.books.objects[reference]

    def put(self, found: Object) -> Object:
        self.touched[found["id"]] = found
        return found

    def fact(self, kind: str, source: Object, amount: int, **more: Any) -> None:
        """Money moved: `source` is the charge, refund or dispute that moved it."""
        charge = source if source["object"] == "charge" else self.get("charge", source["charge"])
        self.facts.append({
            "is": "fact",
            "fact": kind,
            "id": source["id"],
            "payment_intent": charge["payment_intent"],
            "charge": charge["id"],
            "amount": amount,
            "currency": source["currency"],
            "livemode": self.caller.livemode,
            "metadata": source["metadata"],
            "at": self.now,
            **more,
        })  # fmt: skip

    def event(self, kind: str, about: Object, before: Object | None = None) -> None:
        """Tell of an object as it stands now; `before` are earlier values of what changed."""
        data = {"object": copy.deepcopy(about)}
        if before is not None:
            data["previous_attributes"] = before
        modes = self.desk.modes.for_type(kind)
        for _ in range(1 + modes.second_ids):
            told = shapes.event(
                self.now, kind, data, livemode=self.caller.livemode, version=self.caller.version
            )
            told["pending_webhooks"] = 1
            told["request"] = {
                "id": self.caller.request_id,
                "idempotency_key": self.caller.idempotency_key,
            }
            self.events.append(told)

    def lines(self) -> list[Object]:
        """What is to be written about this work."""
        kept = [*self.touched.values(), *self.events]
        live = self.caller.livemode
        return [*self.facts, *({"is": "object", "livemode": live, "object": one} for one in kept)]
