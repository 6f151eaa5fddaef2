"""立减 amount_off: minor units off each unit, each whole line, or the order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.core.money import PRICE_AMOUNT_MAX
from app.promotions.pricing.item_layer import SetDiscount, UnitDiscount, UnitSet
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.order_layer import OrderDiscount
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountOffUnit(UnitDiscount):
    """`off_amount` off every matching unit, or `units_max` of them, as far as the floor allows."""

    kind: ClassVar[str] = "amount_off"

    off_amount: int

    def __post_init__(self) -> None:
        """Refuse a discount of nothing."""
        UnitDiscount.__post_init__(self)
        check_range("off_amount", self.off_amount, 1, PRICE_AMOUNT_MAX)

    def unit_savings(self, types: Sequence[UnitType]) -> list[int]:
        """The amount, cut where it would cross the floor."""
        return [min(self.off_amount, unit.room_amount) for unit in types]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountOffLine(SetDiscount):
    """`off_amount` off each matching line, which is taken whole: all its units or none."""

    kind: ClassVar[str] = "amount_off"

    off_amount: int

    def __post_init__(self) -> None:
        """Refuse a discount of nothing."""
        Promotion.__post_init__(self)
        check_range("off_amount", self.off_amount, 1, PRICE_AMOUNT_MAX)

    def sets(
        self, types: Sequence[UnitType], index: LineIndex, most: int
    ) -> tuple[list[UnitSet], bool]:
        """Each line is a set of its own, and can be taken once."""
        found = []
        for unit in types[:most]:
            saving = min(self.off_amount, unit.room_amount * unit.quantity)
            if saving:
                found.append(UnitSet(((unit.index, unit.quantity),), saving))
        return found, len(types) <= most

    def missing_units(self, types: Sequence[UnitType], index: LineIndex) -> int:
        """Any matching line is enough."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountOffOrder(OrderDiscount):
    """`off_amount` off the matching goods of the order together, spread over their units."""

    kind: ClassVar[str] = "amount_off"

    off_amount: int

    def __post_init__(self) -> None:
        """Refuse a discount of nothing."""
        Promotion.__post_init__(self)
        check_range("off_amount", self.off_amount, 1, PRICE_AMOUNT_MAX)

    def thresholds(self, subtotal_amount: int) -> tuple[int, ...]:
        """It asks for no subtotal."""
        return ()

    def off(self, subtotal_amount: int) -> tuple[int, int]:
        """The amount, whatever the subtotal."""
        return 0, self.off_amount
