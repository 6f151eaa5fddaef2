"""满减/满折 spend_threshold: from so much on, an amount or a percentage off the matching goods."""

from dataclasses import dataclass
from typing import ClassVar

from app.core.money import BASIS_POINTS, PRICE_AMOUNT_MAX
from app.promotions.pricing.order_layer import OrderDiscount
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range

TIERS_MAX = 10
# A repeated threshold is looked at from the top, so many steps down and no further.
REPEATS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Tier:
    """From `threshold_amount` on, inclusive: `off_amount` or `off_bp`, the other being zero."""

    threshold_amount: int
    off_amount: int = 0
    off_bp: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendThreshold(OrderDiscount):
    """Only the highest tier met applies; `repeat` gives the one tier's amount for each time met.

    In no case more than `off_max_amount`.
    """

    kind: ClassVar[str] = "spend_threshold"

    tiers: tuple[Tier, ...]
    repeat: bool = False

    def __post_init__(self) -> None:
        """Refuse tiers that do not rise, give nothing, or mix percentages with amounts."""
        Promotion.__post_init__(self)
        check_range("tiers", len(self.tiers), 1, 1 if self.repeat else TIERS_MAX)
        for tier in self.tiers:
            check_range("threshold_amount", tier.threshold_amount, 1, PRICE_AMOUNT_MAX)
            check_range("off_amount", tier.off_amount, 0, tier.threshold_amount)
            check_range("off_bp", tier.off_bp, 0, 0 if self.repeat else BASIS_POINTS)
        if self.off_max_amount is not None:
            check_range("off_max_amount", self.off_max_amount, 1, PRICE_AMOUNT_MAX)
        self._check_order()

    def _check_order(self) -> None:
        if len({tier.off_bp > 0 for tier in self.tiers}) > 1 or any(
            (tier.off_bp > 0) == (tier.off_amount > 0) for tier in self.tiers
        ):
            raise ValueError("every tier gives an amount, or every tier a percentage")
        for low, high in zip(self.tiers, self.tiers[1:], strict=False):
            if low.threshold_amount >= high.threshold_amount:
                raise ValueError("thresholds must rise")
            if (low.off_bp, low.off_amount) >= (high.off_bp, high.off_amount):
                raise ValueError("a higher tier must give more")

    @property
    def lowest_threshold_amount(self) -> int:
        """The first tier."""
        return self.tiers[0].threshold_amount

    def most_for(self, subtotal_amount: int, highest_amount: int) -> tuple[int, int]:
        """A repeated tier gives so much for each minor unit; the others their highest tier met."""
        if self.repeat:
            tier = self.tiers[0]
            return subtotal_amount * tier.off_amount, tier.threshold_amount
        return OrderDiscount.most_for(self, subtotal_amount, highest_amount)

    def thresholds(self, subtotal_amount: int) -> tuple[int, ...]:
        """Each tier, or each multiple of the repeated one, up to the subtotal."""
        if not self.repeat:
            found = (tier.threshold_amount for tier in self.tiers)
            return tuple(amount for amount in found if amount <= subtotal_amount)
        step = self.tiers[0].threshold_amount
        highest = subtotal_amount // step
        lowest = max(highest - REPEATS_LOOKED_AT, 0)
        return tuple(step * times for times in range(lowest + 1, highest + 1))

    def lists_all(self, subtotal_amount: int) -> bool:
        """A repeated one lists the highest of many."""
        return not self.repeat or (
            subtotal_amount // self.tiers[0].threshold_amount <= REPEATS_LOOKED_AT
        )

    def off(self, subtotal_amount: int) -> tuple[int, int]:
        """What the highest tier met gives."""
        if self.repeat:
            tier = self.tiers[0]
            return 0, subtotal_amount // tier.threshold_amount * tier.off_amount
        met = [tier for tier in self.tiers if tier.threshold_amount <= subtotal_amount]
        return (met[-1].off_bp, met[-1].off_amount) if met else (0, 0)
