"""What a shop lays down for all its promotions, and what is left of limited ones."""

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Literal

from app.core.money import BASIS_POINTS
from app.promotions.pricing.conflicts import Denial
from app.promotions.pricing.ranges import check_range

Policy = Literal["best_for_buyer", "priority"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`discount_cap_bp` is the share of the goods at their set prices that promotions may take off.

    Hours are judged in the time zone. `denials` add rows to the conflict matrix.
    """

    time_zone: tzinfo = UTC
    policy: Policy = "best_for_buyer"
    discount_cap_bp: int = BASIS_POINTS
    denials: tuple[Denial, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a cap that is no share."""
        check_range("discount_cap_bp", self.discount_cap_bp, 0, BASIS_POINTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What limits leave of a promotion for this buyer; None where there is no limit.

    `tier_units` are the add-on units left in each tier, in order of the tiers.
    """

    uses: int | None = None
    member_uses: int | None = None
    budget_amount: int | None = None
    tier_units: tuple[int | None, ...] = ()


UNLIMITED = Left()
DEFAULT_TERMS = Terms()
