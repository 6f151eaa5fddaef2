"""The item layer's best use of units that several promotions want.

Promotions that save so much per unit never couple types: each type's best of them is its reserve,
what a unit is worth to nobody else. Sets and free units couple types; types they join fall into
components, and each is searched apart, over applications and never over single units. A greedy
answer and a bound come first; where they meet there is nothing to search. Where they do not, prices
of contested units tighten the bound, and then the offers are decided one by one, each in one of its
modes, pruned by what the offers to come could gain. A state met before with as much saved is not
entered again. Looks are counted: when they run out, the bounds of what was not looked at stay in
the answer, so it is never called proven without being so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.promotions.pricing.board import Board
from app.promotions.pricing.components import Component, SetOffer
from app.promotions.pricing.dominance import without_dominated
from app.promotions.pricing.free_search import FreeSearch
from app.promotions.pricing.greedy import greedy_picks
from app.promotions.pricing.item_layer import Mode, UnitSet
from app.promotions.pricing.prices import tighten
from app.promotions.pricing.set_gains import Room, pieces, pieces_gain
from app.promotions.pricing.taken import Found, Steps, Taken, saving_of, taken_of
from app.promotions.pricing.units import UnitType

# Each type of free units is looked at once for each price, up to so many.
FREE_TYPE_LOOKS_MAX = 12

Pick = tuple[UnitSet, int]
Chosen = tuple[SetOffer, Mode, Sequence[Pick]]


@dataclass(slots=True)
class _Open:
    """The offer being decided, in one mode: sets in the order they are tried, and those picked."""

    place: int
    offer: SetOffer
    mode: Mode
    sets: Sequence[UnitSet]
    picks: list[Pick] = field(default_factory=list)

    @property
    def times(self) -> int:
        """How many sets are picked."""
        return sum([times for _, times in self.picks])

    @property
    def saving(self) -> int:
        """What they save together."""
        return saving_of(self.offer, self.picks)


@dataclass(slots=True)
class ItemSearch:
    """One component's search; `reserves` has each type's saving per unit by itself.

    `hints` are prices that did well for another component of the types.
    """

    component: Component
    types: Sequence[UnitType]
    reserves: Sequence[int]
    steps: Steps
    hints: Mapping[int, int] = field(default_factory=dict)
    _board: Board = field(init=False)
    _frees: FreeSearch = field(init=False)
    _chosen: list[Chosen] = field(default_factory=list)
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict)

    def run(self) -> Found:
        """Search to the end, or as far as the steps go."""
        component = replace(self.component, sets=without_dominated(self.component.sets))
        board = Board(component, self.types, self.reserves, self.steps, _looks(component))
        self._board, self._frees = board, FreeSearch(board)
        reserves = {i: self.reserves[i] for i in component.type_indexes}
        self._greedy(reserves)
        root = tighten(board, reserves, self._greedy, self.hints)
        if root > board.best:
            self._next(0, 0)
        is_whole = all(offer.is_whole for offer in component.sets)
        bound = min(root, max(board.best, board.open_bound)) if is_whole else root
        prices = board.levels[-1].prices if len(board.levels) > 1 else {}
        return Found(board.best, board.taken, max(board.best, bound), prices)

    def _greedy(self, prices: Mapping[int, int]) -> None:
        """The sets that gain most at these prices, then free units: a good answer to begin with."""
        board = self._board
        picked = greedy_picks(board.component.sets, prices, board.left)
        saved = 0
        for offer, mode, picks in picked:
            self._take(picks, 1)
            self._chosen.append((offer, mode, picks))
            saved += saving_of(offer, picks)
        self._frees.greedy(saved, self._taken)
        self._chosen.clear()
        for _, _, picks in picked:
            self._take(picks, -1)

    def _next(self, place: int, saved: int) -> None:
        """Decide the offer at this place and all after it."""
        board = self._board
        if not self._is_open(board.bound(saved, place)) or self._met_before(place, saved):
            return
        if place == len(board.component.sets):
            self._frees.search(saved, self._taken)
            return
        offer = board.component.sets[place]
        for mode in offer.modes:
            self._pick(_Open(place, offer, mode, self._in_order(mode)), 0, saved)
        self._next(place + 1, saved)

    def _is_open(self, bound: int) -> bool:
        """Whether something better may follow, and there are steps left to look for it."""
        board = self._board
        if bound <= board.best:
            return False
        if board.steps.take(board.looks):
            return True
        board.give_up(bound)
        return False

    def _in_order(self, mode: Mode) -> list[UnitSet]:
        """The sets worth a look, those that gain most for their units first."""
        ranked = []
        for one in mode.sets:
            gain = one.saving_amount - sum([self.reserves[i] * n for i, n in one.units])
            # A set that loses alone can fill a ladder, or raise what a buy-N-get-M gives.
            if gain > 0 or mode.times_min > 1 or self._board.component.frees:
                size = sum([n for _, n in one.units])
                ranked.append((-gain * 1_000 // size, one.units, one))
        return [one for _, _, one in sorted(ranked, key=lambda row: row[:2])]

    def _pick(self, now: _Open, start: int, saved: int) -> None:
        """Pick among the sets from `start` on; what is picked at last goes on to the next offer."""
        bound = self._mode_bound(now, start, saved)
        if not self._is_open(bound):
            return
        for place in range(start, len(now.sets)):
            one = now.sets[place]
            for times in range(self._times(now, one), 0, -1):
                if self.steps.left < 0:
                    self._board.give_up(bound)
                    return
                self._take([(one, times)], 1)
                now.picks.append((one, times))
                self._pick(now, place + 1, saved)
                now.picks.pop()
                self._take([(one, times)], -1)
        if now.picks and now.times >= now.mode.times_min and now.saving:
            self._chosen.append((now.offer, now.mode, tuple(now.picks)))
            self._next(now.place + 1, saved + now.saving)
            self._chosen.pop()

    def _mode_bound(self, now: _Open, start: int, saved: int) -> int:
        """What is picked, the most the sets from `start` on could add, and the offers to come."""
        board, mode = self._board, now.mode
        best = -1
        for level in reversed(board.levels):
            cap = now.offer.saving_max_amount
            room = Room(
                max(mode.times_min - now.times, 0),
                sum(board.left.values()) if mode.times_max is None else mode.times_max - now.times,
                None if cap is None else cap - now.saving,
            )
            more, _ = pieces_gain(pieces(now.sets[start:], level.prices, board.left), room)
            bound = board.bound_at(level, saved + now.saving + more, now.place + 1)
            best = bound if best < 0 else min(best, bound)
            if best <= board.best:
                break
        return best

    def _times(self, now: _Open, one: UnitSet) -> int:
        """How often the set can still be taken."""
        times = min([self._board.left[i] // n for i, n in one.units])
        limit = now.mode.times_max
        return times if limit is None else min(times, limit - now.times)

    def _met_before(self, place: int, saved: int) -> bool:
        state = (place, *self._board.left.values())
        if self._seen.get(state, -1) >= saved:
            return True
        self._seen[state] = saved
        return False

    def _take(self, picks: Sequence[Pick], sign: int) -> None:
        left = self._board.left
        for one, times in picks:
            for i, n in one.units:
                left[i] -= sign * n * times

    def _taken(self) -> tuple[Taken, ...]:
        left = {i: n for i, n in self._board.left.items() if not self.reserves[i]}
        return tuple(
            taken
            for offer, mode, picks in self._chosen
            for taken in taken_of(offer, _shared(offer, mode, picks, left), self.types)
        )


def _shared(
    offer: SetOffer, mode: Mode, picks: Sequence[Pick], left: dict[int, int]
) -> Sequence[Pick]:
    """The picks with units that nobody else discounts, to share a saving that a cap has cut."""
    counts, saving = dict(picks), saving_of(offer, picks)
    for one in mode.sets:
        (index, size), *others = one.units
        times = left.get(index, 0)
        if mode.times_max is not None:
            times = min(times, mode.times_max - sum(counts.values()))
        if others or size > 1 or times <= 0 or not one.saving_amount:
            continue
        more = {**counts, one: counts.get(one, 0) + times}
        if saving_of(offer, tuple(more.items())) == saving:
            counts = more
            left[index] -= times
    return tuple(counts.items())


def _looks(component: Component) -> int:
    """What one node costs."""
    sets = sum(len(mode.sets) for offer in component.sets for mode in offer.modes)
    sizes = [len(offer.type_indexes) for offer in component.frees]
    return 1 + sets + sum(n * min(n, FREE_TYPE_LOOKS_MAX) for n in sizes)
