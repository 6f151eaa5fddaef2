"""Every way a component can end, for when saving less below pays: see `sums.py`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.promotions.pricing.components import Component
from app.promotions.pricing.free_units import Given, is_lawful
from app.promotions.pricing.item_layer import Mode, UnitSet
from app.promotions.pricing.taken import Steps, Taken, saving_of, taken_of
from app.promotions.pricing.units import UnitType

# More offers and types than these have more outcomes together than anybody could look at.
DEPTH_MAX = 250


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a component does: sets and free units taken, and (type, candidate, units) besides."""

    taken: tuple[Taken, ...]
    single: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Now:
    """An outcome in the making: `counts` by (type, candidate)."""

    taken: tuple[Taken, ...]
    given: tuple[Given, ...]
    counts: Mapping[tuple[int, int], int]
    saved: int


Options = Sequence[Sequence[tuple[int, int]]]


@dataclass(slots=True)
class OutcomeSearch:
    """All outcomes of one component that save at least so much.

    `options` has (candidate, saving per unit) for each type, the highest saving first.
    """

    component: Component
    types: Sequence[UnitType]
    options: Options
    steps: Steps
    saving_min_amount: int = 0

    def run(self) -> Iterator[Outcome]:
        """Each outcome that is lawful, until the steps run out."""
        component = self.component
        depth = len(component.sets) + len(component.frees) + len(component.type_indexes)
        if depth > DEPTH_MAX:
            self.steps.take(self.steps.left + 1)
            return
        left = {i: self.types[i].quantity for i in component.type_indexes}
        yield from self._sets(0, left, ())

    def _sets(
        self, place: int, left: dict[int, int], taken: tuple[Taken, ...]
    ) -> Iterator[Outcome]:
        if place == len(self.component.sets):
            yield from self._frees(0, left, taken, ())
            return
        yield from self._sets(place + 1, left, taken)
        offer = self.component.sets[place]
        for mode in offer.modes:
            for picks, fewer in self._picks(mode, 0, left, ()):
                # What is taken is written out each time, a look for each set.
                if saving_of(offer, picks) and self.steps.take(len(picks)):
                    more = taken_of(offer, picks, self.types)
                    yield from self._sets(place + 1, fewer, taken + more)

    def _picks(
        self, mode: Mode, start: int, left: dict[int, int], picks: tuple[tuple[UnitSet, int], ...]
    ) -> Iterator[tuple[tuple[tuple[UnitSet, int], ...], dict[int, int]]]:
        """Every choice of at least one set, each so many times, and the units it leaves."""
        picked = sum(times for _, times in picks)
        if picks and picked >= mode.times_min:
            yield picks, left
        for place in range(start, len(mode.sets)):
            one = mode.sets[place]
            most = min(left[i] // n for i, n in one.units)
            if mode.times_max is not None:
                most = min(most, mode.times_max - picked)
            for times in range(1, most + 1):
                if not self.steps.take():
                    return
                fewer = {**left, **{i: left[i] - n * times for i, n in one.units}}
                yield from self._picks(mode, place + 1, fewer, (*picks, (one, times)))

    def _frees(
        self, place: int, left: dict[int, int], taken: tuple[Taken, ...], given: tuple[Given, ...]
    ) -> Iterator[Outcome]:
        frees = self.component.frees
        if place == len(frees):
            saved = sum([one.saving_amount * one.times for one in taken])
            saved += sum([one.saving_amount for one in given])
            yield from self._single(tuple(left), left, _Now(taken, given, {}, saved))
            return
        offer = frees[place]
        yield from self._frees(place + 1, left, taken, (*given, _NOTHING))
        fitting = [self.types[i] for i in offer.type_indexes]
        for one in Given.ways(offer, fitting, left, self.steps):
            fewer = {**left, **{i: left[i] - n for i, n in one.units}}
            yield from self._frees(place + 1, fewer, taken, (*given, one))

    def _single(
        self, places: Sequence[int], left: Mapping[int, int], now: _Now
    ) -> Iterator[Outcome]:
        """Each way to share out the units left of these types and the ones before."""
        missing = self.saving_min_amount - now.saved
        if not places:
            if missing <= 0 and self._is_lawful(left, now):
                yield self._outcome(now)
            return
        index, rest = places[0], places[1:]
        missing -= sum([left[i] * _highest(self.options[i]) for i in rest])
        for chosen, saving in _shares_of(left[index], self.options[index], missing):
            if not self.steps.take():
                return
            more = {(index, candidate): n for candidate, n in chosen}
            then = replace(now, counts={**now.counts, **more}, saved=now.saved + saving)
            yield from self._single(rest, left, then)

    def _is_lawful(self, left: Mapping[int, int], now: _Now) -> bool:
        if not now.given:
            return True
        idle = dict(left)
        for (index, _), n in now.counts.items():
            idle[index] -= n
        return all(
            one is _NOTHING
            or is_lawful(
                offer.promotion,
                one,
                [self.types[i] for i in offer.type_indexes],
                {i: n for i, n in idle.items() if n},
            )
            for offer, one in zip(self.component.frees, now.given, strict=True)
        )

    def _outcome(self, now: _Now) -> Outcome:
        free = tuple(
            Taken(offer.promotion, one.units, one.saving_amount)
            for offer, one in zip(self.component.frees, now.given, strict=True)
            if one is not _NOTHING
        )
        return Outcome(now.taken + free, tuple((i, c, n) for (i, c), n in now.counts.items()))


_NOTHING = Given((), 0, 0, 0)


def _highest(options: Sequence[tuple[int, int]]) -> int:
    return options[0][1] if options else 0


def _shares_of(
    units: int, options: Sequence[tuple[int, int]], saving_min: int
) -> Iterator[tuple[list[tuple[int, int]], int]]:
    """Every way to give some of the units to candidates that saves so much, and its saving.

    The rest of the units stay at their price.
    """
    if units * _highest(options) < saving_min:
        return
    if not options:
        yield [], 0
        return
    (candidate, each), rest = options[0], options[1:]
    for n in range(units, -1, -1):
        mine = [(candidate, n)] if n else []
        for others, saving in _shares_of(units - n, rest, saving_min - each * n):
            yield [*mine, *others], saving + each * n


def options_of(
    count: int, savings: Sequence[Sequence[tuple[int, int]]]
) -> list[list[tuple[int, int]]]:
    """Of each type's candidates one for each saving, the first; the highest saving first.

    `savings` has for each candidate (type, saving of one unit).
    """
    found: list[dict[int, int]] = [{} for _ in range(count)]
    for candidate, row in enumerate(savings):
        for index, saving in row:
            found[index].setdefault(saving, candidate)
    return [[(first[saving], saving) for saving in sorted(first, reverse=True)] for first in found]
