"""The most the item layer can save within limits that hold one another or share no goods.

Each group begins at its best, and what is saved too much is given up where that costs least. First
components keep their best and only single units give something up; that mostly meets the limits
exactly. Then all that components can do is tried.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, compress

from app.promotions.pricing.components import Component
from app.promotions.pricing.groups import Groups
from app.promotions.pricing.meet import Choice, Giving
from app.promotions.pricing.outcomes import Outcome, OutcomeSearch
from app.promotions.pricing.sums import Limit
from app.promotions.pricing.taken import Found, Steps, savings_by_type

# Of more units of a type than these the others keep their best.
UNITS_APART_MAX = 20
# More than this, in minor units, is not given up: every amount up to it is a bit.
AMOUNT_MAX = 1 << 22


@dataclass(frozen=True, slots=True)
class Nearest:
    """The most found within limits, and how; `is_most` where nothing within them saves more."""

    saving_amount: int
    outcomes: tuple[Outcome, ...]
    is_most: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """A group at its best: what stays as it is, and the rest with what it can give up.

    `is_best` where the group cannot save more, `is_whole` where this is every way it can end.
    """

    types_mask: int
    fixed: Outcome
    choices: tuple[Choice, ...]
    is_best: bool
    is_whole: bool


class Within:
    """Looks for the most within limits among the groups of one world."""

    def __init__(self, groups: Groups, steps: Steps) -> None:
        """Lay out each group at its best."""
        self._groups, self._steps = groups, steps
        self._rows = [self._at_best(component, found) for component, found, _ in groups.rows]
        self._single = {
            (index, candidate): saving
            for index, row in enumerate(groups.options)
            for candidate, saving in row
        }

    def nearest(
        self, limits: Sequence[Limit], saving_min: int, *, all_ways: bool
    ) -> Nearest | None:
        """The most within limits that saves at least so much, components being at their best.

        With `all_ways` they may do anything else as well. None where nothing was found, be it that
        the limits overlap or that a component lies partly within one.
        """
        lowest = _lowest(limits)
        if _overlap(lowest) or self._groups.bound - saving_min > AMOUNT_MAX:
            return None
        rows = self._rows
        if all_ways:
            touched = [_is_touched(row, lowest) for row in rows]
            # A part of what a component saves cannot be given up like one amount.
            if not all(_is_apart(row, lowest) for row in compress(rows, touched)):
                return None
            rows = [
                self._in_all_ways(row, *group, saving_min) if is_touched else row
                for row, group, is_touched in zip(rows, self._groups.rows, touched, strict=True)
            ]
        found = _Given(rows, lowest, self._steps, self._saved)
        return found.nearest(saving_min)

    def _at_best(self, component: Component, found: Found | None) -> _Row:
        """What single units save can be given up, unless a buy-N-get-M depends on them."""
        groups = self._groups
        best = groups.best_outcome(component, found)
        mask = _mask(component.type_indexes)
        is_best = found is None or found.saving_amount == found.bound_saving_amount
        if component.frees:
            return _Row(mask, best, (), is_best, is_whole=False)
        apart = [(i, min(n, UNITS_APART_MAX)) for i, _, n in best.single]
        choices = tuple(choice for i, n in apart for choice in [self._choice(i)] * n)
        single = tuple(
            (i, c, n - UNITS_APART_MAX) for i, c, n in best.single if n > UNITS_APART_MAX
        )
        is_whole = found is None and not single
        return _Row(mask, Outcome(best.taken, single), choices, is_best, is_whole=is_whole)

    def _choice(self, index: int) -> Choice:
        """What a unit of a type can give up: the best of its discounts for another, or for none."""
        most = self._groups.reserves[index]
        ways = {most: Outcome((), ())}
        for candidate, saving in self._groups.options[index]:
            ways[most - saving] = Outcome((), ((index, candidate, 1),))
        return Choice(1 << index, most, ways)

    def _in_all_ways(
        self, row: _Row, component: Component, found: Found | None, most: int, saving_min: int
    ) -> _Row:
        groups, steps = self._groups, self._steps
        if found is None:
            return row
        least = max(saving_min - (groups.bound - most), 0)
        ways: dict[int, Outcome] = {}
        for outcome in OutcomeSearch(component, groups.types, groups.options, steps, least).run():
            ways.setdefault(self._saved(outcome, row.types_mask), outcome)
        if steps.left < 0 or not ways:
            return row
        saved = max(ways)
        choice = Choice(row.types_mask, saved, {saved - n: way for n, way in ways.items()})
        is_whole = all(offer.is_whole for offer in component.sets)
        return _Row(row.types_mask, Outcome((), ()), (choice,), is_whole, is_whole=is_whole)

    def _saved(self, outcome: Outcome, mask: int) -> int:
        """What an outcome saves on the types of the mask."""
        saved = 0
        for i, candidate, n in outcome.single:
            if mask >> i & 1:
                saved += self._single[i, candidate] * n
        for one in outcome.taken:
            if all(mask >> i & 1 for i, _ in one.units):
                saved += one.saving_amount * one.times
            elif any(mask >> i & 1 for i, _ in one.units):
                rows = savings_by_type(one, self._groups.types)
                saved += sum([amount for i, _, amount in rows if mask >> i & 1])
        return saved


class _Given:
    """What rows give up together for limits that hold one another or share nothing."""

    def __init__(
        self,
        rows: Sequence[_Row],
        lowest: Mapping[int, int],
        steps: Steps,
        saved: Callable[[Outcome, int], int],
    ) -> None:
        self._rows, self._lowest, self._steps, self._saved = rows, lowest, steps, saved
        self._choices = [choice for row in rows for choice in row.choices]

    def nearest(self, saving_min: int) -> Nearest | None:
        """Give up what is missing within each limit, the inner ones first."""
        saved = self._covered(-1)
        open_: dict[int, Giving] = {}
        for mask in sorted(self._lowest, key=lambda mask: (mask.bit_count(), mask)):
            inner = [open_.pop(other) for other in list(open_) if not other & ~mask]
            is_last = not any(mask != other and not mask & ~other for other in self._lowest)
            open_[mask] = Giving(
                [*inner, *self._parts_of(mask)],
                self._covered(mask) - self._lowest[mask],
                saved - saving_min,
                self._steps,
                is_last=is_last,
            )
        givings = list(open_.values())
        least = [giving.least for giving in givings]
        given_up = [amount for amount in least if amount is not None]
        if len(given_up) < len(least) or saved - sum(given_up) < saving_min:
            return None
        return Nearest(
            saved - sum(given_up),
            self._outcomes(
                [pick for one, n in zip(givings, given_up, strict=True) for pick in one.picks(n)]
            ),
            self._is_most(givings),
        )

    def _parts_of(self, mask: int) -> list[Choice]:
        """The choices that no smaller limit has, those with most ways first."""
        inner = [other for other in self._lowest if other != mask and not other & ~mask]
        mine = [
            choice
            for choice in self._choices
            if not choice.types_mask & ~mask and all(choice.types_mask & ~other for other in inner)
        ]
        return sorted(mine, key=lambda choice: -len(choice.ways))

    def _covered(self, mask: int) -> int:
        """What is saved at best on the types of a mask."""
        fixed = sum([self._saved(row.fixed, mask) for row in self._rows])
        return fixed + sum([c.saving_amount for c in self._choices if not c.types_mask & ~mask])

    def _outcomes(self, picks: Iterable[tuple[Choice, int]]) -> tuple[Outcome, ...]:
        """What is fixed, and of each choice what gives up so much; like single units together."""
        amounts: dict[int, list[int]] = {}
        for choice, amount in picks:
            amounts.setdefault(id(choice), []).append(amount)
        outcomes = [Outcome(row.fixed.taken, ()) for row in self._rows]
        single = Counter({(i, c): n for row in self._rows for i, c, n in row.fixed.single})
        for choice in self._choices:
            given_up = amounts.get(id(choice))
            outcome = choice.ways[given_up.pop() if given_up else 0]
            outcomes.append(Outcome(outcome.taken, ()))
            for index, candidate, n in outcome.single:
                single[index, candidate] += n
        return (*outcomes, Outcome((), tuple((*key, single[key]) for key in sorted(single))))

    def _is_most(self, givings: Iterable[Giving]) -> bool:
        return all(giving.is_whole for giving in givings) and all(
            row.is_whole and _is_apart(row, self._lowest)
            if _is_touched(row, self._lowest)
            else row.is_best
            for row in self._rows
        )


def _lowest(limits: Iterable[Limit]) -> dict[int, int]:
    """Of limits on the same goods the lowest, by the mask of their types."""
    lowest: dict[int, int] = {}
    for limit in limits:
        mask = _mask(i for i, covered in enumerate(limit.covers) if covered)
        lowest[mask] = min(lowest.get(mask, limit.saving_amount), limit.saving_amount)
    return lowest


def _overlap(masks: Iterable[int]) -> bool:
    """Whether two of them share some of their types, neither having all of the other's."""
    return any(
        one & other and one & ~other and other & ~one for one, other in combinations(masks, 2)
    )


def _is_touched(row: _Row, masks: Iterable[int]) -> bool:
    return any(row.types_mask & mask for mask in masks)


def _is_apart(row: _Row, masks: Iterable[int]) -> bool:
    """Whether each mask has all of the row's types or none of them."""
    return all(not row.types_mask & mask or not row.types_mask & ~mask for mask in masks)


def _mask(indexes: Iterable[int]) -> int:
    return sum([1 << i for i in indexes])
