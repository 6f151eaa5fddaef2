"""整单X折 percent_off of the order: one percentage of the matching goods' subtotal, perhaps capped.

It is also what a percentage behind a coupon does, one layer later.
"""

from dataclasses import dataclass
from typing import ClassVar

from app.core.money import BASIS_POINTS, PRICE_AMOUNT_MAX
from app.promotions.pricing.order_layer import OrderDiscount
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentOffOrder(OrderDiscount):
    """`off_bp` of what the layers before left, rounded half-up once, at most `off_max_amount`."""

    kind: ClassVar[str] = "percent_off"

    off_bp: int

    def __post_init__(self) -> None:
        """Refuse a discount of nothing or of more than everything."""
        Promotion.__post_init__(self)
        check_range("off_bp", self.off_bp, 1, BASIS_POINTS)
        if self.off_max_amount is not None:
            check_range("off_max_amount", self.off_max_amount, 1, PRICE_AMOUNT_MAX)

    def thresholds(self, subtotal_amount: int) -> tuple[int, ...]:
        """It asks for no subtotal."""
        return ()

    def off(self, subtotal_amount: int) -> tuple[int, int]:
        """The percentage, whatever the subtotal."""
        return self.off_bp, 0
