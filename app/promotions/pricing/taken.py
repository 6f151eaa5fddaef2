"""What a search of the item layer takes, finds, and may still look at."""

from dataclasses import dataclass

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.item_layer import SetDiscount


@dataclass(frozen=True, slots=True)
class Taken:
    """Units a promotion consumes together, as (type index, units), and what they save together.

    A set may be taken several `times` over, each saving so much; free units are one set.
    """

    promotion: SetDiscount | BuyNGetM
    units: tuple[tuple[int, int], ...]
    saving_amount: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a component, with the reserve of the units left, and its bound."""

    saving_amount: int
    taken: tuple[Taken, ...]
    bound_saving_amount: int


class Steps:
    """How much work may still be done, in looks at a choice or a type."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        """Begin with so many."""
        self.left = left

    def take(self, looks: int = 1) -> bool:
        """Use some up; False when there are none."""
        self.left -= looks
        return self.left >= 0
