"""满赠 gift: units of a variant at price 0, from a stock of their own."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.money import QUANTITY_MAX
from app.promotions.pricing.after_goods import AfterGoods
from app.promotions.pricing.ranges import check_range


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift(AfterGoods):
    """`quantity` units of the variant; with `repeat` for each time the threshold is met.

    A gift changes no price, so it is never weighed against discounts: whoever meets its threshold
    on the cheapest combination gets it.
    """

    kind: ClassVar[str] = "gift"

    variant_id: UUID
    quantity: int = 1
    repeat: bool = False
    times_max: int | None = None

    def __post_init__(self) -> None:
        """Refuse a gift of nothing, and repetitions of no threshold."""
        AfterGoods.__post_init__(self)
        check_range("quantity", self.quantity, 1, QUANTITY_MAX)
        if self.times_max is not None:
            check_range("times_max", self.times_max, 1, QUANTITY_MAX)
        if self.repeat and not self.threshold_amount:
            raise ValueError("only a threshold can be met several times")

    def units(self, subtotal_amount: int) -> int:
        """How many units a subtotal earns."""
        if subtotal_amount < self.threshold_amount:
            return 0
        times = subtotal_amount // self.threshold_amount if self.repeat else 1
        times = times if self.times_max is None else min(times, self.times_max)
        return min(times * self.quantity, QUANTITY_MAX)
