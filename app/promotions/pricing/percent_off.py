"""打X折 percent_off: basis points off matching units, the discount rounded half-up per unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.core.money import BASIS_POINTS, percent_of
from app.promotions.pricing.item_layer import UnitDiscount
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentOff(UnitDiscount):
    """`off_bp` basis points off, 1 to 10,000: 打8折 is 2,000."""

    kind: ClassVar[str] = "percent_off"

    off_bp: int

    def __post_init__(self) -> None:
        """Refuse a discount of nothing or of more than everything."""
        # Zero-argument super() does not survive the class that slots=True creates anew.
        Promotion.__post_init__(self)
        check_range("off_bp", self.off_bp, 1, BASIS_POINTS)

    def unit_savings(self, types: Sequence[UnitType]) -> list[int]:
        """The percentage of each unit's price, cut where it would cross the floor."""
        off_bp = self.off_bp
        return [min(percent_of(unit.price_amount, off_bp), unit.room_amount) for unit in types]
