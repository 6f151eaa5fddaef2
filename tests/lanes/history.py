"""What clients were told: every answer to every request that changes something."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

IN_FLIGHT = "idempotency_in_flight"
# Refusals that say "ask again".
PASSING = frozenset({IN_FLIGHT, "payment_in_progress", "too_many_requests"})
# Refusals that may be another answer when asked again, so the service keeps none for their key.
UNKEPT = frozenset(
    {"out_of_stock", "promotion_used_up", "coupon_taken", "coupons_gone", "order_disputed"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the wire."""

    status: int
    raw: bytes
    seconds: float
    replayed: bool = False

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """The refusal's code; empty for a success."""
        return "" if self.status < 400 else str(self.body.get("code", ""))

    @property
    def is_definite(self) -> bool:
        """A success, or a refusal that ends the matter."""
        return self.status < 500 and self.code not in PASSING

    @property
    def is_kept(self) -> bool:
        """An answer that its key gives for ever."""
        return self.is_definite and self.code not in UNKEPT


@dataclass(frozen=True, slots=True)
class Told:
    """One answer to one keyed request."""

    verb: str
    member_id: UUID
    key: str
    path: str
    sent: Any
    answer: Answer
    # By the client's own steady clock: what began after an answer was heard came after it.
    asked_at: float = 0.0
    heard_at: float = 0.0
    kind: str = "member"

    @property
    def scope(self) -> str:
        """The fingerprint under which the service keeps this key."""
        return hashlib.sha256(f"{self.kind}:{self.member_id}\n{self.key}".encode()).hexdigest()


@dataclass
class History:
    """All that was told, in the order in which it came."""

    told: list[Told] = field(default_factory=list)

    def add(self, told: Told) -> None:
        self.told.append(told)

    def definite(self, verb: str = "") -> Iterator[Told]:
        """Definite answers, of one verb or of all."""
        for told in self.told:
            if told.answer.is_definite and verb in {"", told.verb}:
                yield told

    def successes(self, verb: str) -> Iterator[Told]:
        """What was granted."""
        return (t for t in self.definite(verb) if t.answer.status < 300)
