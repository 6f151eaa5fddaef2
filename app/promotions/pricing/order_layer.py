"""What the order layer and the coupon layer do: discounts on a subtotal of goods, floors kept.

Every condition of a layer sees one subtotal, the one that the layer before has left. Percentages
come before amounts, then the older promotion; each works on what the one before left, is rounded
once, and is spread over its units.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.core.money import percent_of
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spread import spread


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDiscount(Promotion, ABC):
    """A mechanic of the order layer: basis points or an amount, by the subtotal of its goods."""

    is_later: ClassVar[bool] = True

    off_max_amount: int | None = None

    @abstractmethod
    def thresholds(self, subtotal_amount: int) -> tuple[int, ...]:
        """The subtotals up to this one, rising, at which it gives something else."""

    def most_for(self, subtotal_amount: int, highest_amount: int) -> tuple[int, int]:
        """A line above all that it gives up to `highest_amount`, read at this subtotal.

        Numerator and denominator, in minor units. The line rises with the subtotal, and what `off`
        gives is never above it.
        """
        off_bp, off_amount = self.off(highest_amount)
        return percent_of(highest_amount, off_bp) + off_amount, 1

    def lists_all(self, subtotal_amount: int) -> bool:
        """Whether `thresholds` leaves none out up to this subtotal."""
        return True

    @property
    def lowest_threshold_amount(self) -> int:
        """The least subtotal at which it gives anything."""
        return 0

    @abstractmethod
    def off(self, subtotal_amount: int) -> tuple[int, int]:
        """Basis points and amount off at this subtotal; at most one of the two is above zero."""


@dataclass(frozen=True, slots=True)
class OrderOffer:
    """An order discount whose other conditions hold, and the lines it covers, by type index.

    `minimum_amount` is the running subtotal its conditions ask for; `off_max_amount` is the least
    of its own cap and of what is left of its budget.
    """

    promotion: OrderDiscount
    covers: tuple[bool, ...]
    minimum_amount: int = 0
    off_max_amount: int | None = None

    @property
    def lowest_threshold_amount(self) -> int:
        """The least subtotal at which it gives anything."""
        return max(self.minimum_amount, self.promotion.lowest_threshold_amount)

    def thresholds(self, subtotal_amount: int) -> tuple[int, ...]:
        """The subtotals up to this one, rising, at which it gives something else."""
        found = self.promotion.thresholds(subtotal_amount)
        minimum = self.minimum_amount
        if not minimum:
            return found
        if subtotal_amount < minimum:
            return ()
        return (minimum, *(amount for amount in found if amount > minimum))

    def rate(self, subtotal_amount: int) -> tuple[int, int]:
        """Basis points and amount off at this subtotal."""
        if subtotal_amount < self.minimum_amount:
            return 0, 0
        return self.promotion.off(subtotal_amount)

    def takes(self, rate: tuple[int, int], amount: int) -> int:
        """What a rate takes off an amount, within the cap; an amount off is not cut to it."""
        off_bp, off_amount = rate
        off = percent_of(amount, off_bp) if off_bp else off_amount
        return off if self.off_max_amount is None else min(off, self.off_max_amount)


@dataclass(frozen=True, slots=True)
class Rest:
    """Like units after the item layer: `units` of one type that each cost and have room so much.

    Before promotions each cost `price_amount`.
    """

    type_index: int
    units: int
    amount: int
    room_amount: int
    price_amount: int
    list_amount: int


@dataclass(frozen=True, slots=True)
class Piles:
    """The rests with what is left to pay of each, and how much of that may still go."""

    rests: Sequence[Rest]
    left: tuple[int, ...]
    room: tuple[int, ...]

    @staticmethod
    def of(rests: Sequence[Rest]) -> "Piles":
        """The rests as the item layer left them."""
        return Piles(
            rests,
            tuple([rest.amount * rest.units for rest in rests]),
            tuple([rest.room_amount * rest.units for rest in rests]),
        )

    def subtotal(self, covers: Sequence[bool]) -> int:
        """What is left to pay of the types covered."""
        rows = zip(self.rests, self.left, strict=True)
        return sum([left for rest, left in rows if covers[rest.type_index]])

    def less(self, parts: Sequence[int]) -> "Piles":
        """The same with so much taken off each."""
        return Piles(
            self.rests,
            tuple([was - part for was, part in zip(self.left, parts, strict=True)]),
            tuple([was - part for was, part in zip(self.room, parts, strict=True)]),
        )


Taking = list[tuple[OrderOffer, list[int]]]


def discount_order(piles: Piles, offers: Sequence[OrderOffer]) -> tuple[Taking, Piles]:
    """What each offer that gives something takes off each pile, and what that leaves."""
    if not offers:
        return [], piles
    decided = [(offer, offer.rate(piles.subtotal(offer.covers))) for offer in offers]
    weights = [(rest.list_amount, rest.units) for rest in piles.rests]
    taken: Taking = []
    for offer, rate in sorted(decided, key=_turn):
        amount = offer.takes(rate, piles.subtotal(offer.covers)) if any(rate) else 0
        covered = zip(piles.rests, piles.room, strict=True)
        room = [r if offer.covers[rest.type_index] else 0 for rest, r in covered]
        parts = spread(amount, weights, room)
        if any(parts):
            taken.append((offer, parts))
            piles = piles.less(parts)
    return taken, piles


def _turn(decided: tuple[OrderOffer, tuple[int, int]]) -> tuple[bool, int]:
    offer, (off_bp, _) = decided
    return off_bp == 0, offer.promotion.id.int
