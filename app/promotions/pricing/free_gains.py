"""What a buy-N-get-M could gain at most when every unit has a price, and the units behind it.

The given are the cheapest of all it takes, so for each price that parts them from the paid, the
best given ones up to it and the best paid ones from it on make a bound. Units that nobody else
wants cannot be left out: those below the parting price are given before any other.
"""

from collections.abc import Mapping, Sequence

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.components import FreeOffer
from app.promotions.pricing.free_units import by_price
from app.promotions.pricing.set_gains import NOTHING, Amounts, Wanted
from app.promotions.pricing.units import UnitType
from app.promotions.pricing.walk import Walk


def free_gain(
    offer: FreeOffer,
    types: Sequence[UnitType],
    prices: Amounts,
    left: Amounts,
    captive: frozenset[int],
) -> tuple[int, Wanted]:
    """The most it could gain, and the units it would take; `captive` are the types it has alone."""
    rule = offer.promotion
    stock = by_price([types[i] for i in offer.type_indexes if left[i]])
    if not rule.times(sum([left[unit.index] for unit in stock])):
        return NOTHING
    gains = {unit.index: rule.off(unit) - prices[unit.index] for unit in stock}
    paid = [(prices[unit.index], left[unit.index], unit.index) for unit in stock]
    best, wanted = 0, Wanted()
    for price in sorted({unit.price_amount for unit in stock}):
        walk = Walk(
            _given_first(stock, price, captive, (gains, left)),
            sorted(
                row for row, unit in zip(paid, stock, strict=True) if unit.price_amount >= price
            ),
            sum(left[u.index] for u in stock if u.index in captive and u.price_amount < price),
        )
        gain, times = walk.best(rule.get, rule.buy, _times_at(rule, stock, left, price))
        if gain > best:
            best, wanted = gain, walk.wanted(times * rule.get, times * rule.buy)
    cap = offer.saving_max_amount
    return (best if cap is None else min(best, cap)), wanted


def _times_at(rule: BuyNGetM, stock: Sequence[UnitType], left: Amounts, price: int) -> int:
    """How often it applies at most when this is the price of the dearest unit given.

    A unit of that price is given or paid, not both, and at least one is given.
    """
    below = sum([left[unit.index] for unit in stock if unit.price_amount < price])
    there = sum([left[unit.index] for unit in stock if unit.price_amount == price])
    above = sum([left[unit.index] for unit in stock if unit.price_amount > price])
    low, high = 0, rule.times(below + there + above)
    while low < high:
        times = (low + high + 1) >> 1
        given = max(times * rule.get - below, 1)
        if given + max(times * rule.buy - above, 0) <= there:
            low = times
        else:
            high = times - 1
    return low


def _given_first(
    stock: Sequence[UnitType],
    price: int,
    captive: frozenset[int],
    at: tuple[Mapping[int, int], Amounts],
) -> list[tuple[int, int, int]]:
    gains, left = at
    forced: list[tuple[int, int, int]] = []
    free: list[tuple[int, int, int]] = []
    for unit in stock:
        if unit.price_amount > price:
            break
        row = (gains[unit.index], left[unit.index], unit.index)
        is_forced = unit.index in captive and unit.price_amount < price
        (forced if is_forced else free).append(row)
    return forced + sorted(free, key=lambda row: -row[0])
