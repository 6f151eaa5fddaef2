"""Prices to begin with: each unit has its share of the best that any promotion makes of it.

What a promotion saves is divided over the units it takes. Hardly any choice of units then saves
more than their shares, and added up they respect that a unit is consumed once, however many
promotions want it.
"""

from collections.abc import Iterator, Mapping, Sequence

from app.promotions.pricing.components import Component, FreeOffer, SetOffer
from app.promotions.pricing.units import UnitType

Shares = Iterator[tuple[int, int]]


def shares(
    component: Component, types: Sequence[UnitType], reserves: Mapping[int, int]
) -> dict[int, int]:
    """A price of each type, at least its reserve."""
    prices = {i: reserves[i] for i in component.type_indexes}
    rows = [row for free in component.frees for row in _of_free(free, types)]
    rows += [row for offer in component.sets for row in _of_sets(offer, types)]
    for index, share in rows:
        prices[index] = max(prices[index], share)
    return prices


def _of_free(offer: FreeOffer, types: Sequence[UnitType]) -> Shares:
    """The given are the cheapest: they are worth no more than their part of all the units."""
    rule = offer.promotion
    for i in offer.type_indexes:
        yield i, -(-rule.off(types[i]) * rule.get // (rule.buy + rule.get))


def _of_sets(offer: SetOffer, types: Sequence[UnitType]) -> Shares:
    if offer.parts is not None:
        # What a unit costs beyond its part of the price of the set.
        units = sum(quantity for _, quantity in offer.parts.slots)
        each = offer.parts.price_amount // units
        yield from (
            (i, types[i].price_amount - each) for fits, _ in offer.parts.slots for i in fits
        )
        return
    for mode in offer.modes:
        for one in mode.sets:
            whole = sum([types[i].price_amount * n for i, n in one.units])
            for i, _ in one.units:
                yield i, -(-one.saving_amount * types[i].price_amount // max(whole, 1))
