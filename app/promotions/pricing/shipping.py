"""包邮 free_shipping and shipping_off: what the buyer need not pay of the shipping."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from app.core.money import PRICE_AMOUNT_MAX
from app.promotions.pricing.after_goods import AfterGoods
from app.promotions.pricing.ranges import check_range


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingDiscount(AfterGoods, ABC):
    """A mechanic of the shipping layer, the last one; several follow one another, oldest first."""

    @abstractmethod
    def off(self, shipping_amount: int) -> int:
        """What it takes off so much shipping, never more than all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeShipping(ShippingDiscount):
    """Nothing to pay for shipping."""

    kind: ClassVar[str] = "free_shipping"

    def off(self, shipping_amount: int) -> int:
        """All of it."""
        return shipping_amount


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingOff(ShippingDiscount):
    """`off_amount` off the shipping."""

    kind: ClassVar[str] = "shipping_off"

    off_amount: int

    def __post_init__(self) -> None:
        """Refuse a discount of nothing."""
        AfterGoods.__post_init__(self)
        check_range("off_amount", self.off_amount, 1, PRICE_AMOUNT_MAX)

    def off(self, shipping_amount: int) -> int:
        """The amount, as far as there is so much."""
        return min(self.off_amount, shipping_amount)
