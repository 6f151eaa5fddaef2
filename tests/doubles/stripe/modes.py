"""How messages are to be sent: well, or in one of the ways that go wrong."""

from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Modes:
    """All harmless unless set; `types` limits the others to these types of events.

    Times are in seconds. `only` is how many events the tampering ones spoil, None for all.
    """

    types: tuple[str, ...] = ()
    only: int | None = None
    seed: int = 0
    duplicate: int = 0  # so many more times the same event
    second_ids: int = 0  # so many more events with ids of their own about the same effect
    delay: float = 0
    reorder: bool = False  # what comes within `window` is shuffled with the seed
    window: float = 0.1
    early: bool = False  # sent before the request that caused it is answered
    drop: float = 0  # the probability that an event is never sent
    hold: bool = False  # nothing is sent until this is taken back
    retry_after: float = 0.1  # doubled with each try, up to two seconds
    # Tampering.
    wrong_signature: bool = False
    stale: int = 0  # the signature is so much older
    short_by: int = 0  # the amounts in the event are so much smaller
    wrong_currency: str | None = None
    flip_livemode: bool = False
    # How the money behaves.
    refund_settles_after: float | None = 0.2  # None: by the control call alone
    fee_known_after: float = 0  # the balance transaction of a charge comes so much later
    fee_per_mille: int = 29
    dispute_fee: int = 1_500

    def for_type(self, kind: str) -> "Modes":
        """These modes, or the harmless ones for types that are not meant."""
        if not self.types or kind in self.types:
            return self
        kept = {one: getattr(self, one) for one in ("hold", "reorder", "window", "retry_after")}
        return Modes(**kept)

    def changed(self, values: dict[str, Any]) -> "Modes":
        known = {one.name for one in fields(self)}
        unknown = set(values) - known
        if unknown:
            raise ValueError(f"no such modes: {sorted(unknown)}")
        if "types" in values:
            values = {**values, "types": tuple(values["types"])}
        return replace(self, **values)

    @property
    def tampers(self) -> bool:
        return bool(
            self.wrong_signature
            or self.stale
            or self.short_by
            or self.wrong_currency
            or self.flip_livemode
        )
