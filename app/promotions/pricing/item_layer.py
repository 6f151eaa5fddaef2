"""The shapes of item-layer mechanics that save so much per unit, or so much per set of units."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDiscount(Promotion, ABC):
    """A mechanic that saves a fixed amount on each unit it consumes, whatever else it consumes."""

    @abstractmethod
    def unit_savings(self, types: Sequence[UnitType]) -> list[int]:
        """What one unit of each type saves when this promotion consumes it, floors respected."""


@dataclass(frozen=True, slots=True)
class UnitSet:
    """Units consumed together, as (type index, units) in order of the index, and what they save."""

    units: tuple[tuple[int, int], ...]
    saving_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDiscount(Promotion, ABC):
    """A mechanic that consumes sets of units; each set saves so much, spread over its own units."""

    times_max: int | None = None

    @abstractmethod
    def sets(
        self, types: Sequence[UnitType], index: LineIndex, most: int
    ) -> tuple[list[UnitSet], bool]:
        """At most so many sets that save something among the types, and whether that is all."""

    @abstractmethod
    def missing_units(self, types: Sequence[UnitType], index: LineIndex) -> int:
        """How many units more would make the first set; 0 when there are enough."""
