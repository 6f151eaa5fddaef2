"""Buy-N-get-M that want the same units: each takes in turn, and the last one takes its best."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from app.promotions.pricing.board import Board
from app.promotions.pricing.components import FreeOffer
from app.promotions.pricing.free_units import Given, best_given, is_lawful
from app.promotions.pricing.taken import Taken
from app.promotions.pricing.units import UnitType

Many = tuple[tuple[FreeOffer, Given], ...]
TakenSets = Callable[[], tuple[Taken, ...]]


@dataclass(slots=True)
class FreeSearch:
    """What the free-unit promotions of a component make of the units that sets left."""

    board: Board
    _sets_taken: TakenSets = tuple

    def search(self, saved: int, sets_taken: TakenSets) -> None:
        """Find the best for the units left, beside sets that save so much."""
        if len(self.board.component.frees) != 1:
            self.greedy(saved, sets_taken)
        self._sets_taken = sets_taken
        if self.board.component.frees:
            self._next(saved, 0, ())

    def _types_of(self, offer: FreeOffer) -> list[UnitType]:
        return [self.board.types[i] for i in offer.type_indexes]

    def greedy(self, saved: int, sets_taken: TakenSets) -> None:
        """Let each take its best of what the ones before left: a good answer to begin with."""
        self._sets_taken = sets_taken
        given: Many = ()
        tried = set[Hashable]()
        for offer in self.board.component.frees:
            # One that does the same, as often as it can, has left nothing worth a look.
            if offer.does in tried and offer.promotion.times_max is None:
                continue
            tried.add(offer.does)
            types = self._types_of(offer)
            best, _ = best_given(offer, types, self.board.left, self.board.reserves)
            if best is not None:
                self._consume(best, 1)
                given = (*given, (offer, best))
        self._offer_lawful(saved + sum(one.saving_amount for _, one in given), given)
        for _, one in given:
            self._consume(one, -1)

    def _next(self, saved: int, place: int, given: Many) -> None:
        """Let each take units in turn; the last, which may touch most, takes its best."""
        frees = self.board.component.frees
        if place == len(frees) - 1:
            self._last(saved, given)
            return
        if self._is_hopeless(saved, place):
            return
        offer = frees[place]
        for one in self._ways(offer, saved, place):
            self._consume(one, 1)
            self._next(saved + one.saving_amount, place + 1, (*given, (offer, one)))
            self._consume(one, -1)
        self._next(saved, place + 1, given)

    def _last(self, saved: int, given: Many) -> None:
        if self._is_hopeless(saved, len(self.board.component.frees) - 1):
            self._offer_lawful(saved, given)
            return
        offer = self.board.component.frees[-1]
        types = self._types_of(offer)
        best, is_best = best_given(offer, types, self.board.left, self.board.reserves)
        if best is None:
            is_lawful = self._offer_lawful(saved, given)
        else:
            self._consume(best, 1)
            is_lawful = self._offer_lawful(saved + best.saving_amount, (*given, (offer, best)))
            self._consume(best, -1)
        # Even at a loss it may have to take what would be cheaper than what the others give.
        if not (is_lawful and is_best):
            self._any_last(saved, given)

    def _any_last(self, saved: int, given: Many) -> None:
        """Its best does not do, beside the others or above the floors: try all it could take."""
        if self._is_hopeless(saved, len(self.board.component.frees) - 1):
            return
        offer = self.board.component.frees[-1]
        for one in self._ways(offer, saved, len(self.board.component.frees) - 1):
            self._consume(one, 1)
            self._offer_lawful(saved + one.saving_amount, (*given, (offer, one)))
            self._consume(one, -1)
        self._offer_lawful(saved, given)

    def _bound(self, saved: int, place: int) -> int:
        return self.board.bound(saved, len(self.board.component.sets) + place)

    def _is_hopeless(self, saved: int, place: int) -> bool:
        """Whether nothing better can follow, or no step is left to look for it."""
        bound = self._bound(saved, place)
        if bound <= self.board.best:
            return True
        if self.board.steps.take(self.board.looks):
            return False
        self.board.give_up(bound)
        return True

    def _consume(self, one: Given, sign: int) -> None:
        for i, n in one.units:
            self.board.left[i] -= sign * n

    def _offer_lawful(self, saved: int, given: Many) -> bool:
        # Units are only consumed where that saves something.
        if not all(one.saving_amount and self._is_lawful(offer, one) for offer, one in given):
            return False
        self.board.offer(saved + self.board.reserve(), lambda: self._taken(given))
        return True

    def _ways(self, offer: FreeOffer, saved: int, place: int) -> list[Given]:
        ways = list(Given.ways(offer, self._types_of(offer), self.board.left, self.board.steps))
        if self.board.steps.left < 0:
            bound = self._bound(saved, place)
            self.board.give_up(bound)
        return ways

    def _is_lawful(self, offer: FreeOffer, one: Given) -> bool:
        """The units given must be the cheapest of all that nobody else consumes."""
        idle = {i: n for i, n in self.board.left.items() if n and self.board.reserves[i] == 0}
        return is_lawful(offer.promotion, one, self._types_of(offer), idle)

    def _taken(self, given: Many) -> tuple[Taken, ...]:
        free = [Taken(o.promotion, g.units, g.saving_amount) for o, g in given]
        return (*self._sets_taken(), *free)
