"""打X折 percent_off: basis points off matching units, the discount rounded half-up per unit.

The rate may rise with the units it is used on (2件9折, 3件8折), and what it takes off one merged
line or the whole order may be capped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.core.money import BASIS_POINTS, PRICE_AMOUNT_MAX, QUANTITY_MAX, percent_of
from app.promotions.pricing.item_layer import Mode, UnitDiscount, UnitSet
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.ranges import check_range
from app.promotions.pricing.units import UnitType

STEPS_MAX = 10


@dataclass(frozen=True, slots=True)
class LadderStep:
    """From `units` units on, `off_bp` off each of them."""

    units: int
    off_bp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentOff(UnitDiscount):
    """`off_bp` basis points off, 1 to 10,000: 打8折 is 2,000; or the highest `ladder` step met.

    A ladder counts the units that this promotion consumes, those at their floor as well; the one
    rate holds for all of them, and under the first step there is none. `line_off_max_amount` caps
    what it takes off one merged line, `order_off_max_amount` what it takes off all of them; a
    capped saving is spread by list price over the units consumed, to none more than its own.
    """

    kind: ClassVar[str] = "percent_off"

    off_bp: int | None = None
    ladder: tuple[LadderStep, ...] = ()
    line_off_max_amount: int | None = None
    order_off_max_amount: int | None = None

    def __post_init__(self) -> None:
        """Refuse a discount of nothing, of more than everything, or of two rates at once."""
        # Zero-argument super() does not survive the class that slots=True creates anew.
        UnitDiscount.__post_init__(self)
        if (self.off_bp is None) == (not self.ladder):
            raise ValueError("either off_bp or a ladder says the percentage")
        if self.off_bp is not None:
            check_range("off_bp", self.off_bp, 1, BASIS_POINTS)
        for name in ("line_off_max_amount", "order_off_max_amount"):
            cap = getattr(self, name)
            if cap is not None:
                check_range(name, cap, 1, PRICE_AMOUNT_MAX)
        self._check_ladder()

    def _check_ladder(self) -> None:
        check_range("ladder", len(self.ladder), 0, STEPS_MAX)
        for step in self.ladder:
            check_range("units", step.units, 1, self.units_max or QUANTITY_MAX)
            check_range("off_bp", step.off_bp, 1, BASIS_POINTS)
        for low, high in zip(self.ladder, self.ladder[1:], strict=False):
            if low.units >= high.units or low.off_bp >= high.off_bp:
                raise ValueError("each step of a ladder must ask for more units and give more")

    @property
    def is_plain(self) -> bool:
        """No ladder, no cap and no limit of units."""
        return (
            self.units_max is None
            and not self.ladder
            and self.line_off_max_amount is None
            and self.order_off_max_amount is None
        )

    @property
    def saving_max_amount(self) -> int | None:
        """The cap on the order."""
        return self.order_off_max_amount

    def unit_savings(self, types: Sequence[UnitType]) -> list[int]:
        """The percentage of each unit's price, at the highest rate, cut at the floor."""
        return self._savings(types, self.off_bp or self.ladder[-1].off_bp)

    def _savings(self, types: Sequence[UnitType], off_bp: int) -> list[int]:
        return [min(percent_of(unit.price_amount, off_bp), unit.room_amount) for unit in types]

    def modes(self, types: Sequence[UnitType]) -> tuple[Mode, ...]:
        """One for the single rate, or one for each step that the units there are can reach."""
        if self.off_bp is not None:
            sets = [one for one in self._sets(types, self.off_bp) if one.saving_amount]
            return (Mode(tuple(sets), times_max=self.units_max),)
        # With as many units as the next step asks for, the next step it is.
        ends = [*(step.units - 1 for step in self.ladder[1:]), self.units_max]
        units = sum(unit.quantity for unit in types)
        return tuple(
            Mode(tuple(self._sets(types, step.off_bp)), step.units, end)
            for step, end in zip(self.ladder, ends, strict=True)
            if step.units <= units
        )

    def _sets(self, types: Sequence[UnitType], off_bp: int) -> list[UnitSet]:
        savings = zip(types, self._savings(types, off_bp), strict=True)
        cap = self.line_off_max_amount
        return [UnitSet(((unit.index, 1),), saving, cap) for unit, saving in savings]

    def missing_units(self, types: Sequence[UnitType], index: LineIndex) -> int:
        """How many units the first step of the ladder lacks."""
        if not self.ladder:
            return 0
        mask = index.mask(self.match)
        units = sum(unit.quantity for unit in types if mask >> unit.index & 1)
        return max(self.ladder[0].units - units, 0)
