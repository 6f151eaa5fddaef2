"""买N送M buy_n_get_m: of the units no other promotion consumes, the cheapest are given."""

from dataclasses import dataclass
from typing import ClassVar

from app.core.money import BASIS_POINTS, QUANTITY_MAX, percent_of
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range
from app.promotions.pricing.units import UnitType

GROUP_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyNGetM(Promotion):
    """For each `buy` + `get` units the `get` cheapest of all are free, or `off_bp` off.

    With n matching units that no other promotion consumes, r = n // (buy + get), at most
    `times_max`: the r x get cheapest are given, and r x buy of the others are consumed.
    """

    kind: ClassVar[str] = "buy_n_get_m"

    buy: int
    get: int
    off_bp: int = BASIS_POINTS
    times_max: int | None = None

    def __post_init__(self) -> None:
        """Refuse counts and discounts of nothing."""
        Promotion.__post_init__(self)
        check_range("buy", self.buy, 1, GROUP_MAX)
        check_range("get", self.get, 1, GROUP_MAX)
        check_range("off_bp", self.off_bp, 1, BASIS_POINTS)
        if self.times_max is not None:
            check_range("times_max", self.times_max, 1, QUANTITY_MAX)

    def times(self, units: int) -> int:
        """How often it applies to so many units."""
        times = units // (self.buy + self.get)
        return times if self.times_max is None else min(times, self.times_max)

    def off(self, unit: UnitType) -> int:
        """What a given unit saves."""
        return percent_of(unit.price_amount, self.off_bp)
