"""The item layer's best use of units that several promotions want.

Promotions that save so much per unit never couple types: each type's best of them is its reserve,
what a unit is worth to nobody else. Sets and free units couple types; types they join fall into
components, and each is searched by branch and bound over applications, never over single units.
A node's bound is what is saved so far, the reserve of all units left, and for each promotion left
the gain over the reserve that it could reach with every unit to itself. A state met before with as
much saved is not entered again. Nodes are counted: when they run out, the bounds of what was not
looked at stay in the answer, so it is never called proven without being so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.promotions.pricing.board import Board
from app.promotions.pricing.components import Component, SetOffer
from app.promotions.pricing.free_search import FreeSearch
from app.promotions.pricing.free_units import TIMES_LOOKED_AT
from app.promotions.pricing.item_layer import UnitSet
from app.promotions.pricing.taken import Found, Steps, Taken
from app.promotions.pricing.units import UnitType


@dataclass(slots=True)
class _Choice:
    offer: SetOffer
    one: UnitSet
    gain: int
    size: int


@dataclass(slots=True)
class ItemSearch:
    """One component's search; `reserves` has each type's saving per unit by itself."""

    component: Component
    types: Sequence[UnitType]
    reserves: Sequence[int]
    steps: Steps
    _board: Board = field(init=False)
    _frees: FreeSearch = field(init=False)
    _choices: list[_Choice] = field(default_factory=list)
    _used: dict[int, int] = field(default_factory=dict)
    _chosen: list[tuple[_Choice, int]] = field(default_factory=list)
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict)

    def run(self) -> Found:
        """Search to the end, or as far as the steps go."""
        self._choices = sorted(
            (
                _Choice(offer, one, self._gain(one), sum(n for _, n in one.units))
                for offer in self.component.sets
                for one in offer.sets
            ),
            key=lambda c: (-c.gain * 1_000 // c.size, c.offer.promotion.id.int, c.one.units),
        )
        looks = (
            1
            + len(self._choices)
            + sum(len(offer.type_indexes) * TIMES_LOOKED_AT // 4 for offer in self.component.frees)
        )
        board = Board(self.component, self.types, self.reserves, self.steps, looks)
        board.best = board.reserve()
        self._board = board
        self._frees = FreeSearch(board)
        self._greedy_sets()
        self._sets(0, 0)
        return Found(board.best, board.taken, max(board.best, board.open_bound, self._left_out()))

    def _left_out(self) -> int:
        """The sets that were not listed could take every unit down to its floor."""
        if all(offer.is_whole for offer in self.component.sets):
            return 0
        return sum(
            self.types[i].room_amount * self.types[i].quantity for i in self.component.type_indexes
        )

    def _gain(self, one: UnitSet) -> int:
        return one.saving_amount - sum(self.reserves[i] * n for i, n in one.units)

    def _sets(self, start: int, saved: int) -> None:
        bound = saved + self._board.reserve() + self._sets_bound(start) + self._frees.bound()
        if bound <= self._board.best:
            return
        if not self.steps.take(self._board.looks):
            self._board.give_up(bound)
            return
        if self._met_before(start, saved):
            return
        for place in range(start, len(self._choices)):
            choice = self._choices[place]
            for times in range(self._times(choice) if self._may_pay(choice) else 0, 0, -1):
                if self.steps.left < 0:
                    self._board.give_up(bound)
                    return
                self._move(choice, times)
                self._sets(place + 1, saved + choice.one.saving_amount * times)
                self._move(choice, -times)
        self._frees.search(saved, self._taken)

    def _greedy_sets(self) -> None:
        """The densest sets as often as they go: a good answer to begin with."""
        saved, taken = 0, []
        for choice in self._choices:
            times = self._times(choice) if choice.gain > 0 else 0
            if times:
                self._move(choice, times)
                taken.append((choice, times))
                saved += choice.one.saving_amount * times
        self._frees.greedy(saved, self._taken)
        for choice, times in reversed(taken):
            self._move(choice, -times)

    def _met_before(self, start: int, saved: int) -> bool:
        state = (start, *self._board.left.values(), *self._used.values())
        if self._seen.get(state, -1) >= saved:
            return True
        self._seen[state] = saved
        return False

    def _times(self, choice: _Choice) -> int:
        """How often the set can still be taken."""
        times = min(self._board.left[i] // n for i, n in choice.one.units)
        promotion = choice.offer.promotion
        if promotion.times_max is None:
            return times
        return min(times, promotion.times_max - self._used.get(promotion.id.int, 0))

    def _may_pay(self, choice: _Choice) -> bool:
        # Units taken from a buy-N-get-M can raise what it gives, even where they lose alone.
        return choice.gain > 0 or bool(self.component.frees)

    def _move(self, choice: _Choice, times: int) -> None:
        """Take the set so many times, or give it back."""
        for i, n in choice.one.units:
            self._board.left[i] -= n * times
        key = choice.offer.promotion.id.int
        self._used[key] = self._used.get(key, 0) + times
        if times > 0:
            self._chosen.append((choice, times))
        else:
            self._chosen.pop()

    def _sets_bound(self, start: int) -> int:
        """The most the sets from here on could gain: each by itself, and all by the densest one."""
        by_set: dict[int, int] = {}
        by_best: dict[int, int] = {}
        densest = (0, 1)
        for choice in self._choices[start:]:
            times = self._times(choice) if choice.gain > 0 else 0
            if not times:
                continue
            key = choice.offer.promotion.id.int
            by_set[key] = by_set.get(key, 0) + choice.gain * times
            by_best[key] = max(by_best.get(key, 0), choice.gain * self._times_at_most(choice))
            if choice.gain * densest[1] > densest[0] * choice.size:
                densest = (choice.gain, choice.size)
        apart = sum(min(by_set[key], by_best[key]) for key in by_set)
        return min(apart, densest[0] * sum(self._board.left.values()) // densest[1])

    def _times_at_most(self, choice: _Choice) -> int:
        """How often sets of this promotion can be taken, whichever they are."""
        promotion = choice.offer.promotion
        smallest = min(sum(n for _, n in one.units) for one in choice.offer.sets)
        times = sum(self._board.left.values()) // smallest
        if promotion.times_max is None:
            return times
        return min(times, promotion.times_max - self._used.get(promotion.id.int, 0))

    def _taken(self) -> tuple[Taken, ...]:
        return tuple(
            Taken(choice.offer.promotion, choice.one.units, choice.one.saving_amount, times)
            for choice, times in self._chosen
        )
