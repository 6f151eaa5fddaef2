"""Offers that want units of the same types, in groups that can be searched apart."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.item_layer import Mode, Parts, SetDiscount, UnitDiscount, UnitSet
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class SetOffer:
    """A promotion that takes sets of units, whose conditions hold; it is used in one of its modes.

    All it takes saves at most `saving_max_amount`. `is_whole` unless some of the sets on the types
    touched were left out; `parts` says what sets consist of where that is known.
    """

    promotion: SetDiscount | UnitDiscount
    modes: tuple[Mode, ...]
    type_indexes: tuple[int, ...] = ()
    is_whole: bool = True
    saving_max_amount: int | None = None
    parts: Parts | None = None

    @property
    def sets(self) -> tuple[UnitSet, ...]:
        """The sets at their best."""
        return self.modes[-1].sets if self.modes else ()

    @property
    def is_tied(self) -> bool:
        """Whether its sets depend on one another even where they share no type."""
        return (
            len(self.modes) != 1
            or not self.is_whole
            or self.saving_max_amount is not None
            or self.modes[0].times_max is not None
            or self.modes[0].times_min > 1
        )


@dataclass(frozen=True, slots=True)
class FreeOffer:
    """A buy-N-get-M whose conditions hold, and the types it may touch."""

    promotion: BuyNGetM
    type_indexes: tuple[int, ...]
    saving_max_amount: int | None = None

    @property
    def does(self) -> Hashable:
        """What it does to which types: the same for any other one like it."""
        rule = self.promotion
        numbers = (rule.buy, rule.get, rule.off_bp, rule.times_max, self.saving_max_amount)
        return (numbers, self.type_indexes)


@dataclass(frozen=True, slots=True)
class Component:
    """Types joined by promotions, and those promotions."""

    type_indexes: tuple[int, ...]
    sets: tuple[SetOffer, ...]
    frees: tuple[FreeOffer, ...]


def components(
    types: Sequence[UnitType], sets: Sequence[SetOffer], frees: Sequence[FreeOffer]
) -> list[Component]:
    """The offers in groups that share no type, in order of their first type.

    An offer whose sets do not depend on one another is divided among the groups; free units that
    there are too few units for are in none.
    """
    units = {unit.index: unit.quantity for unit in types}
    frees = [one for one in frees if one.promotion.times(sum([units[i] for i in one.type_indexes]))]
    wanted = [
        *(want for offer in sets for want in _wants(offer)),
        *(_mask(offer.type_indexes) for offer in frees),
    ]
    masks: list[int] = []
    for want in wanted:
        joined = want
        for other in masks:
            joined |= other if other & want else 0
        masks = [*(other for other in masks if not other & want), joined]
    return [
        Component(
            tuple(unit.index for unit in types if mask >> unit.index & 1),
            tuple(part for offer in sets for part in _within(offer, mask)),
            tuple(sorted((one for one in frees if _mask(one.type_indexes) & mask), key=_reach)),
        )
        for mask in sorted(filter(None, masks), key=lambda mask: mask & -mask)
    ]


def _wants(offer: SetOffer) -> list[int]:
    """The types that must be looked at together, as masks."""
    masks = [_set_mask(one) for one in offer.sets]
    if not offer.is_tied:
        return masks
    if not offer.is_whole:
        return [_mask(offer.type_indexes)]
    return [_mask({i for one in offer.sets for i, _ in one.units})]


def _within(offer: SetOffer, mask: int) -> list[SetOffer]:
    """What of the offer belongs to the types of the mask."""
    sets = tuple(one for one in offer.sets if _set_mask(one) & mask)
    if not sets and (offer.is_whole or not _mask(offer.type_indexes) & mask):
        return []
    mine = tuple(i for i in offer.type_indexes if mask >> i & 1)
    if len(sets) < len(offer.sets):
        return [replace(offer, modes=(Mode(sets),), type_indexes=mine, parts=None)]
    parts = None if offer.parts is None else offer.parts.within(mask)
    return [replace(offer, type_indexes=mine, parts=parts)]


def _set_mask(one: UnitSet) -> int:
    return _mask(i for i, _ in one.units)


def _mask(indexes: Iterable[int]) -> int:
    return sum(1 << i for i in indexes)


def _reach(offer: FreeOffer) -> tuple[int, int]:
    return len(offer.type_indexes), offer.promotion.id.int
