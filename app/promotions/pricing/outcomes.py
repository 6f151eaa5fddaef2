"""Every way a component can end, told apart by what it saves where: for when saving less pays.

A discount below can lose the order a threshold. What may be saved within each threshold's goods is
then limited, and the best is no longer each component's own best: it is the best sum of outcomes
within the limits, found over the distinct sums, component by component.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.promotions.pricing.components import Component
from app.promotions.pricing.free_units import Given, is_lawful
from app.promotions.pricing.item_layer import Mode, UnitSet
from app.promotions.pricing.taken import Steps, Taken, saving_of, savings_by_type, taken_of
from app.promotions.pricing.units import UnitType

SUMS_MAX = 1_000
# So many sums are formed for one look: they are cheap.
SUMS_A_LOOK = 16
# More offers and types than these have more outcomes together than anybody could look at.
DEPTH_MAX = 250


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a component does: sets and free units taken, and (type, candidate, units) besides."""

    taken: tuple[Taken, ...]
    single: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """No more than `saving_amount` may be saved on the types covered."""

    covers: tuple[bool, ...]
    saving_amount: int


Options = Sequence[Sequence[tuple[int, int]]]


@dataclass(slots=True)
class OutcomeSearch:
    """All outcomes of one component; `options` has (candidate, saving per unit) for each type."""

    component: Component
    types: Sequence[UnitType]
    options: Options
    steps: Steps

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
                if saving_of(offer, picks):
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
            yield from self._single(list(left), left, {}, (taken, given))
            return
        offer = frees[place]
        yield from self._frees(place + 1, left, taken, (*given, _NOTHING))
        fitting = [self.types[i] for i in offer.type_indexes]
        for one in Given.ways(offer, fitting, left, self.steps):
            fewer = {**left, **{i: left[i] - n for i, n in one.units}}
            yield from self._frees(place + 1, fewer, taken, (*given, one))

    def _single(
        self,
        open_types: list[int],
        left: Mapping[int, int],
        counts: dict[tuple[int, int], int],
        done: tuple[tuple[Taken, ...], tuple[Given, ...]],
    ) -> Iterator[Outcome]:
        if not open_types:
            if self._is_lawful(left, counts, done[1]):
                yield self._outcome(counts, done)
            return
        index = open_types[0]
        for chosen in _shares_of(left[index], self.options[index]):
            if not self.steps.take():
                return
            more = {(index, candidate): n for candidate, n in chosen}
            yield from self._single(open_types[1:], left, {**counts, **more}, done)

    def _is_lawful(
        self,
        left: Mapping[int, int],
        counts: Mapping[tuple[int, int], int],
        given: tuple[Given, ...],
    ) -> bool:
        idle = dict(left)
        for (index, _), n in counts.items():
            idle[index] -= n
        return all(
            one is _NOTHING
            or is_lawful(
                offer.promotion,
                one,
                [self.types[i] for i in offer.type_indexes],
                {i: n for i, n in idle.items() if n},
            )
            for offer, one in zip(self.component.frees, given, strict=True)
        )

    def _outcome(
        self,
        counts: Mapping[tuple[int, int], int],
        done: tuple[tuple[Taken, ...], tuple[Given, ...]],
    ) -> Outcome:
        free = tuple(
            Taken(offer.promotion, one.units, one.saving_amount)
            for offer, one in zip(self.component.frees, done[1], strict=True)
            if one is not _NOTHING
        )
        return Outcome(done[0] + free, tuple((i, c, n) for (i, c), n in counts.items()))


_NOTHING = Given((), 0, 0, 0)


def _shares_of(units: int, options: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Every way to give some of the units to candidates; the rest stay at their price."""
    if not options:
        yield []
        return
    (candidate, _), rest = options[0], options[1:]
    for n in range(units, -1, -1):
        mine = [(candidate, n)] if n else []
        for others in _shares_of(units - n, rest):
            yield [*mine, *others]


@dataclass(slots=True)
class _Sum:
    saved: int
    outcomes: tuple[Outcome, ...]


class LimitedSums:
    """The distinct sums of outcomes within the limits; keeps the most saved for each."""

    def __init__(
        self, types: Sequence[UnitType], options: Options, limits: Sequence[Limit], steps: Steps
    ) -> None:
        """Begin with nothing saved."""
        self._types, self._limits, self._steps = types, limits, steps
        self._saving = {
            (index, candidate): saving
            for index, row in enumerate(options)
            for candidate, saving in row
        }
        self._sums: dict[tuple[int, ...], _Sum] = {(0,) * len(limits): _Sum(0, ())}
        self.is_whole = True

    def add(self, outcomes: Iterator[Outcome]) -> None:
        """Let one more component end in each of these ways."""
        distinct: dict[tuple[int, ...], tuple[int, Outcome]] = {}
        for outcome in outcomes:
            where, saved = self._where(outcome)
            known = distinct.get(where)
            if known is None or saved > known[0]:
                distinct[where] = (saved, outcome)
        if not self._steps.take(len(self._sums) * len(distinct) // SUMS_A_LOOK):
            self.is_whole = False
            return
        sums = self._joined(distinct)
        if len(sums) > SUMS_MAX:
            self.is_whole = False
            kept = sorted(sums.items(), key=lambda row: (-row[1].saved, row[0]))[:SUMS_MAX]
            sums = dict(kept)
        self._sums = sums

    def _joined(
        self, distinct: Mapping[tuple[int, ...], tuple[int, Outcome]]
    ) -> dict[tuple[int, ...], _Sum]:
        """Each sum so far with each new outcome, where the limits allow it."""
        sums: dict[tuple[int, ...], _Sum] = {}
        for place, so_far in self._sums.items():
            for where, (saved, outcome) in distinct.items():
                key = tuple(a + b for a, b in zip(place, where, strict=True))
                if any(k > limit.saving_amount for k, limit in zip(key, self._limits, strict=True)):
                    continue
                known = sums.get(key)
                if known is None or so_far.saved + saved > known.saved:
                    sums[key] = _Sum(so_far.saved + saved, (*so_far.outcomes, outcome))
        return sums

    def _where(self, outcome: Outcome) -> tuple[tuple[int, ...], int]:
        by_type = [(i, n * self._saving[i, c]) for i, c, n in outcome.single]
        for taken in outcome.taken:
            by_type += [(i, part) for i, _, part in savings_by_type(taken, self._types)]
        where = tuple(sum(s for i, s in by_type if limit.covers[i]) for limit in self._limits)
        return where, sum(s for _, s in by_type)

    def best(self) -> tuple[int, tuple[Outcome, ...]] | None:
        """The most that can be saved within the limits, and how."""
        if not self._sums:
            return None
        _, best = min(self._sums.items(), key=lambda row: (-row[1].saved, row[0]))
        return best.saved, best.outcomes

    def most(self, count: int) -> list[tuple[Outcome, ...]]:
        """So many of the sums, those that save most first."""
        ranked = sorted(self._sums.items(), key=lambda row: (-row[1].saved, row[0]))
        return [one.outcomes for _, one in ranked[:count]]
