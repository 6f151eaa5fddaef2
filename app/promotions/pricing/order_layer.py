"""What the order layer does: discounts on the subtotal that the item layer left, floors kept.

Every condition sees that one subtotal. Percentages come before amounts, then the older promotion;
each works on what the one before left, is rounded once, and is spread over its units.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.money import percent_of
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spread import spread


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDiscount(Promotion, ABC):
    """A mechanic of the order layer: basis points or an amount, by the subtotal of its goods."""

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

    @property
    def lowest_threshold_amount(self) -> int:
        """The least subtotal at which it gives anything."""
        return 0

    @abstractmethod
    def off(self, subtotal_amount: int) -> tuple[int, int]:
        """Basis points and amount off at this subtotal; at most one of the two is above zero."""


@dataclass(frozen=True, slots=True)
class OrderOffer:
    """An order discount whose other conditions hold, and the lines it covers, by type index."""

    promotion: OrderDiscount
    covers: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Like units after the item layer: `units` of one type that each cost and have room so much."""

    type_index: int
    units: int
    amount: int
    room_amount: int
    list_amount: int


def discount_order(
    rests: Sequence[Rest], offers: Sequence[OrderOffer]
) -> list[tuple[OrderOffer, list[int]]]:
    """What each offer that gives something takes off each rest (of all its units together)."""
    subtotals = [
        _covered(rests, offer, [rest.amount * rest.units for rest in rests]) for offer in offers
    ]
    decided = [(offer, *offer.promotion.off(s)) for offer, s in zip(offers, subtotals, strict=True)]
    left = [rest.amount * rest.units for rest in rests]
    room = [rest.room_amount * rest.units for rest in rests]
    weights = [(rest.list_amount, rest.units) for rest in rests]
    taken: list[tuple[OrderOffer, list[int]]] = []
    for offer, off_bp, off_amount in sorted(decided, key=_turn):
        amount = percent_of(_covered(rests, offer, left), off_bp) if off_bp else off_amount
        parts = spread(
            amount,
            weights,
            [r if offer.covers[x.type_index] else 0 for r, x in zip(room, rests, strict=True)],
        )
        if any(parts):
            taken.append((offer, parts))
            left = [was - part for was, part in zip(left, parts, strict=True)]
            room = [was - part for was, part in zip(room, parts, strict=True)]
    return taken


def _turn(decided: tuple[OrderOffer, int, int]) -> tuple[bool, int]:
    offer, off_bp, _ = decided
    return off_bp == 0, offer.promotion.id.int


def _covered(rests: Sequence[Rest], offer: OrderOffer, amounts: Sequence[int]) -> int:
    covers = offer.covers
    return sum(
        amount for rest, amount in zip(rests, amounts, strict=True) if covers[rest.type_index]
    )
