"""The most the item layer can save within limits, over all components together.

A discount below can lose the order a threshold. What may be saved within each threshold's goods is
then limited, and the best is no longer each component's own best: it is the best sum of outcomes
within the limits, found over the distinct sums of two halves of the components, and then over pairs
of them. A sum that could no longer reach what is already found is dropped.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from app.promotions.pricing.outcomes import Options, Outcome
from app.promotions.pricing.taken import Steps, Taken, savings_by_type
from app.promotions.pricing.units import UnitType

# Two halves of so many sums each make many pairs: mostly enough to meet a limit exactly.
SUMS_MAX = 250
# So many sums are formed for one look: they are cheap.
SUMS_A_LOOK = 16
# What an outcome costs that is told apart from the others.
OUTCOME_LOOKS = 8
# Of each half so many of the highest sums are tried with one another.
HIGHEST_TRIED = 30

Place = tuple[int, ...]
Best = tuple[int, tuple[Outcome, ...]] | None


@dataclass(frozen=True, slots=True)
class Limit:
    """No more than `saving_amount` may be saved on the types covered."""

    covers: tuple[bool, ...]
    saving_amount: int


@dataclass(frozen=True, slots=True)
class _Sum:
    """So much is saved by an outcome of the last component after another sum before it."""

    saved: int
    before: "_Sum | None" = None
    outcome: Outcome | None = None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One outcome of each component."""
        found = []
        now: _Sum | None = self
        while now is not None:
            if now.outcome is not None:
                found.append(now.outcome)
            now = now.before
        return tuple(reversed(found))


class LimitedSums:
    """The distinct sums of outcomes within the limits; keeps the most saved for each.

    Sums that stay under `saving_min_amount` are of no interest.
    """

    def __init__(
        self,
        types: Sequence[UnitType],
        options: Options,
        limits: Sequence[Limit],
        steps: Steps,
        saving_min_amount: int = 0,
    ) -> None:
        """Begin with nothing saved; of limits on the same goods the lowest is all that counts."""
        self._types, self._steps, self._saving_min = types, steps, saving_min_amount
        lowest: dict[tuple[bool, ...], int] = {}
        for limit in limits:
            known = lowest.get(limit.covers, limit.saving_amount)
            lowest[limit.covers] = min(known, limit.saving_amount)
        self._covers, self._caps = tuple(lowest), tuple(lowest.values())
        self._saving = {
            (index, candidate): saving
            for index, row in enumerate(options)
            for candidate, saving in row
        }
        self._halves: list[_Half] = [{(0,) * len(lowest): _Sum(0)} for _ in range(2)]
        self._most = [0, 0]
        self.is_whole = True

    def add(self, outcomes: Iterator[Outcome], rest_amount: int) -> None:
        """Let one more component end in each of these ways; the ones to come save so much."""
        rows: dict[Place, tuple[int, Outcome]] = {}
        for outcome in outcomes:
            if not self._steps.take(OUTCOME_LOOKS):
                self.is_whole = False
                return
            where, saved = self._where(outcome)
            known = rows.get(where)
            if known is None or saved > known[0]:
                rows[where] = (saved, outcome)
        half = len(self._halves[0]) > len(self._halves[1])
        if not self._steps.take(len(self._halves[half]) * len(rows) // SUMS_A_LOOK):
            self.is_whole = False
            return
        sums = self._joined(half, rows, self._saving_min - rest_amount - self._most[not half])
        self.is_whole = self.is_whole and len(sums) <= SUMS_MAX
        self._halves[half] = _thinned(sums)
        self._most[half] = max([one.saved for one in sums.values()], default=0)

    def _joined(
        self, half: int, rows: Mapping[Place, tuple[int, Outcome]], saving_min: int
    ) -> "_Half":
        """Each sum so far with each new outcome, where the limits allow it and it can matter."""
        best: dict[Place, tuple[int, _Sum, Outcome]] = {}
        ranked = sorted(rows.items(), key=lambda row: -row[1][0])
        for place, so_far in self._halves[half].items():
            room = tuple(cap - at for cap, at in zip(self._caps, place, strict=True))
            for where, (more, outcome) in ranked:
                saved = so_far.saved + more
                if saved < saving_min:
                    break
                if not _fits(where, room):
                    continue
                key = tuple(map(int.__add__, place, where))
                known = best.get(key)
                if known is None or saved > known[0]:
                    best[key] = (saved, so_far, outcome)
        return {key: _Sum(*row) for key, row in best.items()}

    def _where(self, outcome: Outcome) -> tuple[Place, int]:
        """What it saves within each limit, and in all."""
        single = [(i, n * self._saving[i, c]) for i, c, n in outcome.single]
        saved = sum([saving for _, saving in single])
        saved += sum([one.saving_amount * one.times for one in outcome.taken])
        where = []
        for covers in self._covers:
            inside = sum([saving for i, saving in single if covers[i]])
            where.append(inside + sum([self._covered(one, covers) for one in outcome.taken]))
        return tuple(where), saved

    def _covered(self, taken: Taken, covers: tuple[bool, ...]) -> int:
        """What of a saving falls on the types covered; it is only spread where some are not."""
        flags = {covers[i] for i, _ in taken.units}
        if len(flags) == 1:
            return taken.saving_amount * taken.times if flags.pop() else 0
        rows = savings_by_type(taken, self._types)
        return sum([amount for i, _, amount in rows if covers[i]])

    def best(self) -> tuple[int, tuple[Outcome, ...]] | None:
        """The most that can be saved within the limits, and how."""
        one, other = self._halves
        ranked = sorted(other.items(), key=lambda row: (-row[1].saved, row[0]))
        if not ranked:
            return None
        search = _best_single if len(self._caps) == 1 else _best_pair
        return search(sorted(one.items(), key=lambda row: (-row[1].saved, row[0])), ranked, self)

    def room(self, place: Place) -> Place:
        """What the limits leave beside what is saved there."""
        return tuple(map(int.__sub__, self._caps, place))

    def most(self, count: int) -> list[tuple[Outcome, ...]]:
        """So many of the sums, those that save most first."""
        halves = [
            sorted(half.items(), key=lambda row: (-row[1].saved, row[0]))[:HIGHEST_TRIED]
            for half in self._halves
        ]
        pairs = [
            (-a.saved - b.saved, here, there, a.outcomes + b.outcomes)
            for here, a in halves[0]
            for there, b in halves[1]
            if _fits(there, self.room(here))
        ]
        return [row[3] for row in sorted(pairs, key=lambda row: row[:3])[:count]]


_Half = dict[Place, _Sum]
_Ranked = Sequence[tuple[Place, _Sum]]


def _thinned(sums: _Half) -> _Half:
    """Of too many sums those that save most, and of the others some from everywhere."""
    if len(sums) <= SUMS_MAX:
        return sums
    ranked = sorted(sums.items(), key=lambda row: (-row[1].saved, row[0]))
    kept = SUMS_MAX // 2
    rest = ranked[kept:]
    return dict(ranked[:kept] + [rest[n * len(rest) // kept] for n in range(kept)])


def _best_single(one: _Ranked, other: _Ranked, sums: LimitedSums) -> Best:
    """Under one limit: for each sum of one half the best of the other that the limit leaves."""
    by_place = sorted((there[0], b.saved, n) for n, (there, b) in enumerate(other))
    places = [row[0] for row in by_place]
    highest = list(accumulate(by_place, _higher))
    best: tuple[int, _Sum, _Sum] | None = None
    for here, a in one:
        at = bisect_right(places, sums.room(here)[0])
        if at and (best is None or a.saved + highest[at - 1][1] > best[0]):
            best = (a.saved + highest[at - 1][1], a, other[highest[at - 1][2]][1])
    return None if best is None else (best[0], best[1].outcomes + best[2].outcomes)


def _higher(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return other if other[1] > one[1] else one


def _best_pair(one: _Ranked, other: _Ranked, sums: LimitedSums) -> Best:
    """Under several limits: pairs of sums, no further than they could still be better."""
    best: tuple[int, _Sum, _Sum] | None = None
    for here, a in one:
        room = sums.room(here)
        for there, b in other:
            if best is not None and a.saved + b.saved <= best[0]:
                break
            if _fits(there, room):
                best = (a.saved + b.saved, a, b)
                break
    return None if best is None else (best[0], best[1].outcomes + best[2].outcomes)


def _fits(where: Place, room: Place) -> bool:
    return all(map(int.__le__, where, room))
