"""Mechanics that wait for a subtotal of the goods once all discounts of goods are known."""

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

from app.core.money import PRICE_AMOUNT_MAX
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterGoods(Promotion, ABC):
    """From `threshold_amount` of the matching goods on, after the coupon; 0 asks for nothing.

    Neither add-ons nor points count towards or against it.
    """

    is_later: ClassVar[bool] = True

    threshold_amount: int = 0

    def __post_init__(self) -> None:
        """Refuse a threshold out of bounds."""
        Promotion.__post_init__(self)
        check_range("threshold_amount", self.threshold_amount, 0, PRICE_AMOUNT_MAX)
