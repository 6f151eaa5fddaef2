"""What a search of the item layer takes, finds, and may still look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.components import SetOffer
from app.promotions.pricing.item_layer import SetDiscount, UnitDiscount, UnitSet
from app.promotions.pricing.spread import spread
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class Taken:
    """Units a promotion consumes together, as (type index, units), and what they save together.

    A set may be taken several `times` over, each saving so much; free units are one set. Where a
    cap cut the saving, `most_amounts` has what the units of each entry would have saved without it.
    """

    promotion: SetDiscount | UnitDiscount | BuyNGetM
    units: tuple[tuple[int, int], ...]
    saving_amount: int
    times: int = 1
    most_amounts: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a component, with the reserve of the units left, and its bound.

    `prices` are those that it was bounded by, where they are not the reserves alone.
    """

    saving_amount: int
    taken: tuple[Taken, ...]
    bound_saving_amount: int
    prices: Mapping[int, int] = field(default_factory=dict)


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


Picks = Sequence[tuple[UnitSet, int]]


def saving_of(offer: SetOffer, picks: Picks) -> int:
    """What sets of the offer, each so many times, save together."""
    saving = sum(one.saving_of(times) for one, times in picks)
    cap = offer.saving_max_amount
    return saving if cap is None else min(saving, cap)


def taken_of(offer: SetOffer, picks: Picks, types: Sequence[UnitType]) -> tuple[Taken, ...]:
    """The sets picked, each for itself unless what they save together is capped."""
    apart = tuple(_taken(offer, one, times) for one, times in picks)
    saving = saving_of(offer, picks)
    if sum(taken.saving_amount * taken.times for taken in apart) == saving:
        return apart
    rows = [row for taken in apart for row in savings_by_type(taken, types)]
    units = tuple((index, n) for index, n, _ in rows)
    most = tuple(amount for _, _, amount in rows)
    return (Taken(offer.promotion, units, saving, most_amounts=most),)


def _taken(offer: SetOffer, one: UnitSet, times: int) -> Taken:
    if one.saving_max_amount is None:
        return Taken(offer.promotion, one.units, one.saving_amount, times)
    units = tuple((i, n * times) for i, n in one.units)
    return Taken(offer.promotion, units, one.saving_of(times))


def savings_by_type(taken: Taken, types: Sequence[UnitType]) -> list[tuple[int, int, int]]:
    """(type index, units, saving) of what was taken: spread by list price over its own units."""
    groups = [(types[i].line.list_amount, n) for i, n in taken.units]
    most = taken.most_amounts or [types[i].room_amount * n for i, n in taken.units]
    parts = spread(taken.saving_amount, groups, most)
    return [
        (i, n * taken.times, part * taken.times)
        for (i, n), part in zip(taken.units, parts, strict=True)
    ]
