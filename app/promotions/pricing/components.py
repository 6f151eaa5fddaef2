"""Offers that want units of the same types, in groups that can be searched apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.item_layer import SetDiscount, UnitSet
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class SetOffer:
    """A set discount whose conditions hold, and its sets; `is_whole` unless some were left out."""

    promotion: SetDiscount
    sets: tuple[UnitSet, ...]
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class FreeOffer:
    """A buy-N-get-M whose conditions hold, and the types it may touch."""

    promotion: BuyNGetM
    type_indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """Types joined by promotions, and those promotions."""

    type_indexes: tuple[int, ...]
    sets: tuple[SetOffer, ...]
    frees: tuple[FreeOffer, ...]


def components(
    types: Sequence[UnitType], sets: Sequence[SetOffer], frees: Sequence[FreeOffer]
) -> list[Component]:
    """The offers in groups that share no type, in order of their first type."""
    wanted = [
        *(sum(1 << i for i in {i for one in offer.sets for i, _ in one.units}) for offer in sets),
        *(sum(1 << i for i in offer.type_indexes) for offer in frees),
    ]
    masks: list[int] = []
    for want in wanted:
        joined = want
        for other in masks:
            joined |= other if other & want else 0
        masks = [*(other for other in masks if not other & want), joined]
    found = []
    for mask in sorted(masks, key=lambda mask: mask & -mask):
        of = [index for index, want in enumerate(wanted) if want & mask]
        found.append(
            Component(
                tuple(unit.index for unit in types if mask >> unit.index & 1),
                tuple(sets[i] for i in of if i < len(sets)),
                tuple(sorted((frees[i - len(sets)] for i in of if i >= len(sets)), key=_reach)),
            )
        )
    return found


def _reach(offer: FreeOffer) -> tuple[int, int]:
    return len(offer.type_indexes), offer.promotion.id.int
