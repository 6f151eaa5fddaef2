"""The state that the parts of one component's search share: units left, and the best so far.

A bound gives every unit a price, at least its reserve: what is saved, the prices of all units left,
and what each promotion to come could gain over them. Any prices make a bound; at good ones, each
unit is worth what its best use elsewhere would make of it.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul

from app.promotions.pricing.components import Component
from app.promotions.pricing.free_gains import free_gain
from app.promotions.pricing.set_gains import Wanted, offer_gain
from app.promotions.pricing.taken import Steps, Taken
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class Level:
    """Prices by type, in the order of the component, and the gains of the offers from each on."""

    prices: Mapping[int, int]
    gains: tuple[int, ...]


@dataclass(slots=True)
class Board:
    """Units left by type, what the best found saves with the reserve of the rest, open bounds.

    Offers are numbered sets first, then free units. `looks` is what one node costs.
    """

    component: Component
    types: Sequence[UnitType]
    reserves: Sequence[int]
    steps: Steps
    looks: int = 1
    best: int = -1
    taken: tuple[Taken, ...] = ()
    open_bound: int = 0
    left: dict[int, int] = field(default_factory=dict)
    levels: list[Level] = field(default_factory=list)
    _captives: tuple[frozenset[int], ...] = ()
    _kinds: tuple[Hashable, ...] = ()

    def __post_init__(self) -> None:
        """Begin with every unit there is."""
        indexes = self.component.type_indexes
        self.left = {i: self.types[i].quantity for i in indexes}
        self.best = self.reserve()
        self._captives = self._alone()
        # Buy-N-get-M that do the same gain the same.
        frees = [offer.does for offer in self.component.frees]
        self._kinds = (*range(len(self.component.sets)), *frees)

    def _alone(self) -> tuple[frozenset[int], ...]:
        """For each free-unit offer the types that only it touches, and no discount of units."""
        touched = Counter(i for offer in self.component.sets for i in offer.type_indexes)
        touched.update(i for offer in self.component.frees for i in offer.type_indexes)
        return tuple(
            frozenset(i for i in offer.type_indexes if touched[i] == 1 and not self.reserves[i])
            for offer in self.component.frees
        )

    def reserve(self) -> int:
        """What the units left save by themselves."""
        return sum([self.reserves[i] * n for i, n in self.left.items()])

    def gains(self, prices: Mapping[int, int], start: int = 0) -> list[tuple[int, Wanted]]:
        """What each offer from this one on could gain with the units left, all to itself."""
        known: dict[Hashable, tuple[int, Wanted]] = {}
        rows = []
        for place in range(start, len(self._kinds)):
            kind = self._kinds[place]
            if kind not in known:
                known[kind] = self._gain(place, prices)
            rows.append(known[kind])
        return rows

    def _gain(self, place: int, prices: Mapping[int, int]) -> tuple[int, Wanted]:
        sets = self.component.sets
        if place < len(sets):
            return offer_gain(sets[place], self.types, prices, self.left)
        place -= len(sets)
        free, captive = self.component.frees[place], self._captives[place]
        return free_gain(free, self.types, prices, self.left, captive)

    def add_level(self, prices: Mapping[int, int], gains: Sequence[int]) -> None:
        """Bound by these prices as well."""
        sums = [0]
        for gain in reversed(gains):
            sums.append(sums[-1] + gain)
        row = {i: prices[i] for i in self.component.type_indexes}
        self.levels.append(Level(row, tuple(reversed(sums))))

    def bound(self, saved: int, start: int) -> int:
        """The most that can come of it, with the offers from `start` on still open."""
        return min([self.bound_at(level, saved, start) for level in self.levels])

    def bound_at(self, level: Level, saved: int, start: int) -> int:
        """The same by the prices of one level."""
        worth: int = sum(map(mul, level.prices.values(), self.left.values()))
        return saved + worth + level.gains[start]

    def give_up(self, bound: int) -> None:
        """Remember the most that could have been found where nobody will look."""
        self.open_bound = max(self.open_bound, bound)

    def offer(self, value: int, taken: Callable[[], tuple[Taken, ...]]) -> None:
        """Keep what saves more than the best so far."""
        if value > self.best:
            self.best = value
            self.taken = taken()
