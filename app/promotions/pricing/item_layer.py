"""The shapes of item-layer mechanics that save so much per unit, or so much per set of units."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.money import QUANTITY_MAX
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class UnitSet:
    """Units consumed together, as (type index, units) in order of the index, and what they save.

    Taken several times, it saves no more than `saving_max_amount` together.
    """

    units: tuple[tuple[int, int], ...]
    saving_amount: int
    saving_max_amount: int | None = None

    def saving_of(self, times: int) -> int:
        """What so many of it save together."""
        saving = self.saving_amount * times
        return saving if self.saving_max_amount is None else min(saving, self.saving_max_amount)


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to use a promotion: its sets, counted together, at least and at most so often."""

    sets: tuple[UnitSet, ...]
    times_min: int = 0
    times_max: int | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What each set of a promotion is made of: (type indexes that fit, units), for one price."""

    slots: tuple[tuple[tuple[int, ...], int], ...]
    price_amount: int

    def within(self, mask: int) -> "Parts":
        """The same of the types of the mask alone."""
        slots = ((tuple(i for i in fits if mask >> i & 1), n) for fits, n in self.slots)
        return Parts(tuple(slots), self.price_amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDiscount(Promotion, ABC):
    """A mechanic that saves a fixed amount on each unit it consumes, whatever else it consumes.

    With a limit on units or savings it is searched as sets of one unit each.
    """

    units_max: int | None = None

    def __post_init__(self) -> None:
        """Refuse a limit of nothing."""
        Promotion.__post_init__(self)
        if self.units_max is not None:
            check_range("units_max", self.units_max, 1, QUANTITY_MAX)

    @property
    def is_plain(self) -> bool:
        """Whether each unit can be discounted without a look at the others."""
        return self.units_max is None

    @property
    def saving_max_amount(self) -> int | None:
        """The most it takes off an order."""
        return None

    @abstractmethod
    def unit_savings(self, types: Sequence[UnitType]) -> list[int]:
        """What one unit of each type saves when this promotion consumes it, floors respected."""

    def modes(self, types: Sequence[UnitType]) -> tuple[Mode, ...]:
        """How it may be used on these types, limits respected."""
        savings = zip(types, self.unit_savings(types), strict=True)
        sets = tuple(UnitSet(((unit.index, 1),), saving) for unit, saving in savings if saving > 0)
        return (Mode(sets, times_max=self.units_max),)

    def missing_units(self, types: Sequence[UnitType], index: LineIndex) -> int:
        """How many units more would make it apply; 0 when there are enough."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDiscount(Promotion, ABC):
    """A mechanic that consumes sets of units; each set saves so much, spread over its own units."""

    times_max: int | None = None

    @abstractmethod
    def sets(
        self, types: Sequence[UnitType], index: LineIndex, most: int
    ) -> tuple[list[UnitSet], bool]:
        """At most so many sets that save something among the types, and whether that is all."""

    def parts_of(self, types: Sequence[UnitType], index: LineIndex) -> Parts | None:
        """What each set is made of, where every set costs the same; None where it does not."""
        return None

    @abstractmethod
    def missing_units(self, types: Sequence[UnitType], index: LineIndex) -> int:
        """How many units more would make the first set; 0 when there are enough."""
