"""What a buy-N-get-M could gain at most when every unit has a price, and the units behind it.

The given are the cheapest of all it takes, so for each price that parts them from the paid, the
best given ones up to it and the best paid ones from it on make a bound. Units that nobody else
wants cannot be left out: those below the parting price are given before any other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.promotions.pricing.components import FreeOffer
from app.promotions.pricing.free_units import by_price
from app.promotions.pricing.set_gains import NOTHING, Amounts, Wanted
from app.promotions.pricing.units import UnitType

Rows = Sequence[tuple[int, int, int]]


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
    times_max = rule.times(sum(left[unit.index] for unit in stock))
    if not times_max:
        return NOTHING
    gains = {unit.index: rule.off(unit) - prices[unit.index] for unit in stock}
    paid = [(prices[unit.index], left[unit.index], unit.index) for unit in stock]
    best, wanted = 0, Wanted()
    for price in sorted({unit.price_amount for unit in stock}):
        walk = _Walk(
            _given_first(stock, price, captive, (gains, left)),
            sorted(
                row for row, unit in zip(paid, stock, strict=True) if unit.price_amount >= price
            ),
            sum(left[u.index] for u in stock if u.index in captive and u.price_amount < price),
        )
        gain, times = walk.best(rule.get, rule.buy, times_max)
        if gain > best:
            best, wanted = gain, walk.wanted(times * rule.get, times * rule.buy)
    cap = offer.saving_max_amount
    return (best if cap is None else min(best, cap)), wanted


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


@dataclass(frozen=True, slots=True)
class _Walk:
    """Given units in the order they are given in, paid ones the cheapest to take first."""

    given: Rows
    paid: Rows
    forced: int

    def best(self, get: int, buy: int, times_max: int) -> tuple[int, int]:
        """The highest gain and how many times make it; a stretch of like times is one look."""
        gain = times = best = best_times = 0
        for each, count in self._stretches(get, buy, times_max):
            gain += each * count
            times += count
            if gain > best and times * get >= self.forced:
                best, best_times = gain, times
        return best, best_times

    def _stretches(self, get: int, buy: int, times_max: int) -> Iterator[tuple[int, int]]:
        """(gain of one time, how many times in a row are worth as much)."""
        given, paid = _Reader(self.given), _Reader(self.paid)
        while times_max:
            count = min(given.alike() // get, paid.alike() // buy, times_max)
            if count:
                yield given.take(get * count) // count - paid.take(buy * count) // count, count
            elif given.left >= get and paid.left >= buy:
                count = 1
                yield given.take(get) - paid.take(buy), 1
            else:
                return
            times_max -= count

    def wanted(self, given: int, paid: int) -> Wanted:
        """So many of the first given and of the first paid, by type."""
        wanted = Wanted()
        for rows, units in ((self.given, given), (self.paid, paid)):
            before = 0
            for _, n, i in rows:
                wanted[i] = wanted.get(i, 0) + max(min(n, units - before), 0)
                before += n
        return wanted


class _Reader:
    """Takes units off rows of (amount, units, type), the first ones first."""

    __slots__ = ("_at", "_open", "_rows", "left")

    def __init__(self, rows: Rows) -> None:
        self._rows, self._at = rows, 0
        self._open = rows[0][1] if rows else 0
        self.left = sum([n for _, n, _ in rows])

    def alike(self) -> int:
        """How many units of one amount come next."""
        return self._open

    def take(self, units: int) -> int:
        """The amounts of so many units together."""
        total = 0
        self.left -= units
        while units:
            count = min(units, self._open)
            total += self._rows[self._at][0] * count
            units -= count
            self._open -= count
            if not self._open and self._at + 1 < len(self._rows):
                self._at += 1
                self._open = self._rows[self._at][1]
        return total
