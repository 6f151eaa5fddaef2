"""Which units a buy-N-get-M gives and which it consumes, the others' reserves considered.

A unit with a reserve can be left to the promotion that made it; one without stays and counts among
the n, so when it is cheaper than a given unit it must be given itself. For each number of times and
each price that parts the given from the paid, the best units follow greedily: given ones by what
they save beyond their reserve, paid ones by the smallest reserve.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.components import FreeOffer
from app.promotions.pricing.units import UnitType

# Beyond so many repetitions only the largest are looked at one by one.
TIMES_LOOKED_AT = 48
# Of more units of one price only the ends are looked at.
UNITS_LOOKED_AT = 48
# With more units than these the promotion takes them all or none.
UNITS_SOLVED_MAX = 400


class _Steps(Protocol):
    def take(self, looks: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Given:
    """Units consumed as (type index, units), what they save, and the gain over their reserves."""

    units: tuple[tuple[int, int], ...]
    saving_amount: int
    gain_amount: int
    times: int
    is_cut: bool = False
    dearest_given_amount: int = 0

    @staticmethod
    def ways(
        offer: FreeOffer, types: Sequence[UnitType], left: Mapping[int, int], steps: _Steps
    ) -> Iterator["Given"]:
        """Every choice of consumed units, each saving what its own cheapest would."""
        rule = offer.promotion
        ordered = by_price(types)
        most = rule.times(sum(left[unit.index] for unit in ordered)) * (rule.buy + rule.get)
        for counts in _counts(ordered, left, most):
            if not steps.take(1 + len(ordered)):
                return
            size = sum(counts)
            if size == 0 or size % (rule.buy + rule.get):
                continue
            units = [(unit, n) for unit, n in zip(ordered, counts, strict=True) if n]
            times = size // (rule.buy + rule.get)
            saving, dearest = _cheapest(rule, units, times * rule.get)
            saving = _capped(saving, offer)
            if not saving:
                continue
            consumed = tuple(sorted((unit.index, n) for unit, n in units))
            yield Given(consumed, saving, saving, times, dearest_given_amount=dearest)


def _capped(saving: int, offer: FreeOffer) -> int:
    cap = offer.saving_max_amount
    return saving if cap is None else min(saving, cap)


def _counts(
    ordered: Sequence[UnitType], left: Mapping[int, int], most: int
) -> Iterator[tuple[int, ...]]:
    if not ordered:
        yield ()
        return
    for n in range(min(left[ordered[0].index], most), -1, -1):
        for rest in _counts(ordered[1:], left, most - n):
            yield (n, *rest)


def _cheapest(
    rule: BuyNGetM, units: Sequence[tuple[UnitType, int]], wanted: int
) -> tuple[int, int]:
    """The saving on so many of the cheapest, within the room of all, and the dearest among them."""
    saving = dearest = 0
    room = sum(unit.room_amount * n for unit, n in units)
    for unit, n in units:
        taken = min(n, wanted)
        if not taken:
            break
        saving += rule.off(unit) * taken
        dearest = unit.price_amount
        wanted -= taken
    return min(saving, room), dearest


def is_lawful(
    rule: BuyNGetM, given: Given, types: Sequence[UnitType], idle: Mapping[int, int]
) -> bool:
    """Whether no idle unit is cheaper than a given one, and none would make one time more."""
    idle_units = [(unit, idle[unit.index]) for unit in types if unit.index in idle]
    if any(unit.price_amount < given.dearest_given_amount for unit, _ in idle_units):
        return False
    whole = sum(n for _, n in idle_units) + sum(n for _, n in given.units)
    return rule.times(whole) == given.times


def by_price(types: Sequence[UnitType]) -> list[UnitType]:
    """The cheapest first."""
    return sorted(types, key=lambda unit: (unit.price_amount, unit.index))


def _times(rule: BuyNGetM, stock: "_Stock", price: int) -> list[int]:
    """How often it may be worth applying: the most there can be, and where dearer units run out."""
    times_max = rule.times(sum(n for _, n in stock))
    dearer = rule.times(sum(n for unit, n in stock if unit.price_amount >= price))
    looked_at = {*range(times_max, max(times_max - TIMES_LOOKED_AT, 0), -1), dearer}
    return sorted(looked_at - {0}, reverse=True)


def best_given(
    offer: FreeOffer, types: Sequence[UnitType], left: Mapping[int, int], reserves: Sequence[int]
) -> tuple[Given | None, bool]:
    """The units that gain most, None when nothing is gained, and whether that is sure."""
    rule = offer.promotion
    stock = [(unit, left[unit.index]) for unit in by_price(types) if left[unit.index]]
    units = sum(n for _, n in stock)
    if units > UNITS_SOLVED_MAX:
        return _best_of_many(offer, stock, reserves)
    times_max = rule.times(units)
    best: tuple[int, _Parting, int, int, int] | None = None
    is_whole = times_max <= TIMES_LOOKED_AT
    for price in sorted({unit.price_amount for unit, _ in stock}):
        parting = _Parting(rule, stock, reserves, price)
        is_whole = is_whole and parting.at_count <= UNITS_LOOKED_AT
        for times in _times(rule, stock, price):
            for gain, of_price, paid_there in parting.gains(times):
                if best is None or gain > best[0]:
                    best = gain, parting, times, of_price, paid_there
    if best is None or best[0] <= 0:
        return None, is_whole
    _, parting, times, of_price, paid_there = best
    given = parting.pick(times, of_price, paid_there).given(offer)
    return given, is_whole and not given.is_cut


def _best_of_many(
    offer: FreeOffer, stock: "_Stock", reserves: Sequence[int]
) -> tuple[Given | None, bool]:
    """All the units there are, or the dearer ones alone: what a warehouse's basket gets."""
    rule = offer.promotion
    picks = []
    for price in {0, *(unit.price_amount for unit, _ in stock)}:
        rows = [(unit, n) for unit, n in stock if unit.price_amount >= price]
        times = rule.times(sum(n for _, n in rows))
        given = _first(rows, times * rule.get)
        paid = _first(_without(rows, given), times * rule.buy)
        picks.append(_weigh(rule, given, paid, reserves, times))
    pick = max(picks, key=lambda pick: (pick.gain, pick.times))
    # Alone on its goods it has no choice to make, so this is its best.
    is_best = not any(reserves[unit.index] for unit, _ in stock)
    if pick.gain <= 0:
        return None, is_best
    made = pick.given(offer)
    return made, is_best and not made.is_cut


class _Parting:
    """Units below, at and above the price of the dearest given unit, the best of each first."""

    def __init__(
        self, rule: BuyNGetM, stock: "_Stock", reserves: Sequence[int], price: int
    ) -> None:
        self.rule, self.reserves = rule, reserves
        low = [(unit, n) for unit, n in stock if unit.price_amount < price]
        self.forced = [(unit, n) for unit, n in low if not reserves[unit.index]]
        self.choosable = sorted(
            ((unit, n) for unit, n in low if reserves[unit.index]),
            key=lambda row: reserves[row[0].index] - rule.off(row[0]),
        )
        at = [(unit, n) for unit, n in stock if unit.price_amount == price]
        self.at = sorted(at, key=lambda row: reserves[row[0].index])
        high = [(unit, n) for unit, n in stock if unit.price_amount > price]
        self.high = sorted(high, key=lambda row: reserves[row[0].index])
        self.off = rule.off(at[0][0])
        self.forced_count = sum(n for _, n in self.forced)
        self.at_count = sum(n for _, n in at)
        self._forced_gain = sum(rule.off(unit) * n for unit, n in self.forced)
        self._gains = self._sums(self.choosable, lambda unit: rule.off(unit) - self._cost(unit))
        self._at_costs = self._sums(self.at, self._cost)
        self._high_costs = self._sums(self.high, self._cost)
        self._idle_at, self._idle_high = self._free_of(self.at), self._free_of(self.high)

    def _cost(self, unit: UnitType) -> int:
        return self.reserves[unit.index]

    def _free_of(self, rows: "_Stock") -> int:
        return sum(n for unit, n in rows if not self.reserves[unit.index])

    def _sums(self, rows: "_Stock", worth: Callable[[UnitType], int]) -> list[int]:
        sums = [0]
        for unit, n in rows:
            each = worth(unit)
            sums += [sums[-1] + each * k for k in range(1, n + 1)]
        return sums

    def gains(self, times: int) -> Iterator[tuple[int, int, int]]:
        """(gain, how many given are of the price, how many paid are) for so many times."""
        rule = self.rule
        given, paid = times * rule.get, times * rule.buy
        below = self.forced_count + len(self._gains) - 1
        first = max(given - below, 1)
        for of_price in range(first, min(given, self.at_count, first + UNITS_LOOKED_AT) + 1):
            chosen = given - of_price - self.forced_count
            if chosen < 0:
                break
            gain = self._forced_gain + self._gains[chosen] + self.off * of_price
            least = max(paid - len(self._high_costs) + 1, 0)
            most = min(paid, self.at_count - of_price, least + UNITS_LOOKED_AT)
            for there in range(least, most + 1):
                if self._idle(of_price + there, paid - there) < rule.buy + rule.get or (
                    times == rule.times_max
                ):
                    cost = self._at_costs[of_price + there] + self._high_costs[paid - there]
                    yield gain - cost, of_price, there

    def _idle(self, of_price: int, above: int) -> int:
        return max(self._idle_at - of_price, 0) + max(self._idle_high - above, 0)

    def pick(self, times: int, of_price: int, paid_there: int) -> "_Pick":
        """The units themselves."""
        given_count, paid_count = times * self.rule.get, times * self.rule.buy
        chosen = given_count - of_price - self.forced_count
        at_given = _first(self.at, of_price)
        given = [*self.forced, *_first(self.choosable, chosen), *at_given]
        paid = [
            *_first(_without(self.at, at_given), paid_there),
            *_first(self.high, paid_count - paid_there),
        ]
        return _weigh(self.rule, given, paid, self.reserves, times)


@dataclass(slots=True)
class _Pick:
    times: int
    gain: int
    units: dict[int, int]
    saving: int
    room: int

    def given(self, offer: FreeOffer) -> Given:
        """The units with what they save, which floors and the budget may have cut."""
        cut = self.saving - _capped(min(self.saving, self.room), offer)
        return Given(
            tuple(sorted((i, n) for i, n in self.units.items() if n)),
            self.saving - cut,
            self.gain - cut,
            self.times,
            is_cut=cut > 0,
        )


_Stock = Sequence[tuple[UnitType, int]]


def _first(rows: _Stock, wanted: int) -> list[tuple[UnitType, int]]:
    found = []
    for unit, n in rows:
        taken = min(n, wanted)
        if taken <= 0:
            break
        found.append((unit, taken))
        wanted -= taken
    return found


def _without(rows: _Stock, taken: _Stock) -> list[tuple[UnitType, int]]:
    gone = {unit.index: n for unit, n in taken}
    left = [(unit, n - gone.get(unit.index, 0)) for unit, n in rows]
    return [(unit, n) for unit, n in left if n]


def _weigh(
    rule: BuyNGetM, given: _Stock, paid: _Stock, reserves: Sequence[int], times: int
) -> _Pick:
    units: dict[int, int] = {}
    saving = cost = room = 0
    for unit, n in (*given, *paid):
        units[unit.index] = units.get(unit.index, 0) + n
        cost += reserves[unit.index] * n
        room += unit.room_amount * n
    for unit, n in given:
        saving += rule.off(unit) * n
    return _Pick(times, saving - cost, units, saving, room)
