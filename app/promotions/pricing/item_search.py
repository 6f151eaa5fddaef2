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

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.free_units import (
    TIMES_LOOKED_AT,
    Given,
    best_given,
    gain_bound,
    is_lawful,
)
from app.promotions.pricing.item_layer import SetDiscount, UnitSet
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class SetOffer:
    """A set discount whose conditions hold, and its sets; `is_whole` unless some were left out."""

    promotion: SetDiscount
    sets: tuple[UnitSet, ...]
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class FreeOffer:
    """A buy-N-get-M whose conditions hold, and the types it may touch."""

    promotion: BuyNGetM
    type_indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """Units a promotion consumes together, as (type index, units), and what they save together.

    A set may be taken several `times` over, each saving so much; free units are one set.
    """

    promotion: SetDiscount | BuyNGetM
    units: tuple[tuple[int, int], ...]
    saving_amount: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class Component:
    """Types joined by promotions, and those promotions."""

    type_indexes: tuple[int, ...]
    sets: tuple[SetOffer, ...]
    frees: tuple[FreeOffer, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a component, with the reserve of the units left, and its bound."""

    saving_amount: int
    taken: tuple[Taken, ...]
    bound_saving_amount: int


Many = tuple[tuple[FreeOffer, Given], ...]


class Steps:
    """How much work may still be done, in looks at a choice or a type."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        """Begin with so many."""
        self.left = left

    def take(self, looks: int = 1) -> bool:
        """Use some up; False when there are none."""
        self.left -= looks
        return self.left >= 0


def components(
    types: Sequence[UnitType], sets: Sequence[SetOffer], frees: Sequence[FreeOffer]
) -> list[Component]:
    """The offers in groups that share no type, in order of their first type."""
    wanted = [
        *(sum(1 << i for i in {i for one in offer.sets for i, _ in one.units}) for offer in sets),
        *(sum(1 << i for i in offer.type_indexes) for offer in frees),
    ]
    masks: list[int] = []
    for want in wanted:
        joined = want
        for other in masks:
            joined |= other if other & want else 0
        masks = [*(other for other in masks if not other & want), joined]
    found = []
    for mask in sorted(masks, key=lambda mask: mask & -mask):
        of = [index for index, want in enumerate(wanted) if want & mask]
        found.append(
            Component(
                tuple(unit.index for unit in types if mask >> unit.index & 1),
                tuple(sets[i] for i in of if i < len(sets)),
                tuple(sorted((frees[i - len(sets)] for i in of if i >= len(sets)), key=_reach)),
            )
        )
    return found


def _reach(offer: FreeOffer) -> tuple[int, int]:
    return len(offer.type_indexes), offer.promotion.id.int


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
    best: int = -1
    taken: tuple[Taken, ...] = ()
    open_bound: int = 0
    _looks: int = 1
    _free_bounds: list[tuple[FreeOffer, int]] = field(default_factory=list)
    _choices: list[_Choice] = field(default_factory=list)
    _left: dict[int, int] = field(default_factory=dict)
    _used: dict[int, int] = field(default_factory=dict)
    _chosen: list[tuple[_Choice, int]] = field(default_factory=list)
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict)

    def run(self) -> Found:
        """Search to the end, or as far as the steps go."""
        self._left = {i: self.types[i].quantity for i in self.component.type_indexes}
        self._choices = sorted(
            (
                _Choice(offer, one, self._gain(one), sum(n for _, n in one.units))
                for offer in self.component.sets
                for one in offer.sets
            ),
            key=lambda c: (-c.gain * 1_000 // c.size, c.offer.promotion.id.int, c.one.units),
        )
        self._free_bounds = [
            (offer, gain_bound(offer.promotion, self._types_of(offer), self.reserves))
            for offer in self.component.frees
        ]
        self.best = self._reserve()
        self._looks = (
            1
            + len(self._choices)
            + sum(len(offer.type_indexes) * TIMES_LOOKED_AT // 4 for offer in self.component.frees)
        )
        self._greedy_sets()
        self._sets(0, 0)
        return Found(self.best, self.taken, max(self.best, self.open_bound, self._left_out()))

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
        bound = saved + self._reserve() + self._sets_bound(start) + self._frees_bound()
        if bound <= self.best:
            return
        if not self.steps.take(self._looks):
            self.open_bound = max(self.open_bound, bound)
            return
        if self._met_before(start, saved):
            return
        for place in range(start, len(self._choices)):
            choice = self._choices[place]
            for times in range(self._times(choice) if self._may_pay(choice) else 0, 0, -1):
                if self.steps.left < 0:
                    self.open_bound = max(self.open_bound, bound)
                    return
                self._move(choice, times)
                self._sets(place + 1, saved + choice.one.saving_amount * times)
                self._move(choice, -times)
        self._frees(saved)

    def _greedy_sets(self) -> None:
        """The densest sets as often as they go: a good answer to begin with."""
        saved, taken = 0, []
        for choice in self._choices:
            times = self._times(choice) if choice.gain > 0 else 0
            if times:
                self._move(choice, times)
                taken.append((choice, times))
                saved += choice.one.saving_amount * times
        if self.component.frees:
            self._greedy_frees(saved)
        else:
            self._offer_best(saved + self._reserve(), ())
        for choice, times in reversed(taken):
            self._move(choice, -times)

    def _met_before(self, start: int, saved: int) -> bool:
        state = (start, *self._left.values(), *self._used.values())
        if self._seen.get(state, -1) >= saved:
            return True
        self._seen[state] = saved
        return False

    def _times(self, choice: _Choice) -> int:
        """How often the set can still be taken."""
        times = min(self._left[i] // n for i, n in choice.one.units)
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
            self._left[i] -= n * times
        key = choice.offer.promotion.id.int
        self._used[key] = self._used.get(key, 0) + times
        if times > 0:
            self._chosen.append((choice, times))
        else:
            self._chosen.pop()

    def _reserve(self) -> int:
        return sum(self.reserves[i] * n for i, n in self._left.items())

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
        return min(apart, densest[0] * sum(self._left.values()) // densest[1])

    def _times_at_most(self, choice: _Choice) -> int:
        """How often sets of this promotion can be taken, whichever they are."""
        promotion = choice.offer.promotion
        smallest = min(sum(n for _, n in one.units) for one in choice.offer.sets)
        times = sum(self._left.values()) // smallest
        if promotion.times_max is None:
            return times
        return min(times, promotion.times_max - self._used.get(promotion.id.int, 0))

    def _frees_bound(self, place: int = 0) -> int:
        """What those from this place on could gain with every unit there was; 0 without enough."""
        left = sum(self._left.values())
        return sum(
            bound
            for offer, bound in self._free_bounds[place:]
            if left >= offer.promotion.buy + offer.promotion.get
        )

    def _types_of(self, offer: FreeOffer) -> list[UnitType]:
        return [self.types[i] for i in offer.type_indexes]

    def _frees(self, saved: int) -> None:
        if self.component.frees:
            self._greedy_frees(saved)
            self._next_free(saved, 0, ())
        else:
            self._offer_best(saved + self._reserve(), ())

    def _greedy_frees(self, saved: int) -> None:
        """Let each take its best of what the ones before left: a good answer to begin with."""
        given: Many = ()
        for offer in self.component.frees:
            types = self._types_of(offer)
            best = best_given(offer.promotion, types, self._left, self.reserves)
            if best is not None:
                self._consume(best, 1)
                given = (*given, (offer, best))
        self._offer_lawful(saved + sum(one.saving_amount for _, one in given), given)
        for _, one in given:
            self._consume(one, -1)

    def _next_free(self, saved: int, place: int, given: Many) -> None:
        """Let each take units in turn; the last, which may touch most, takes its best."""
        frees = self.component.frees
        if place == len(frees) - 1:
            self._last_free(saved, given)
            return
        if self._is_hopeless(saved, place):
            return
        offer = frees[place]
        for one in self._ways(offer, saved, place):
            self._consume(one, 1)
            self._next_free(saved + one.saving_amount, place + 1, (*given, (offer, one)))
            self._consume(one, -1)
        self._next_free(saved, place + 1, given)

    def _last_free(self, saved: int, given: Many) -> None:
        if self._is_hopeless(saved, len(self.component.frees) - 1):
            self._offer_lawful(saved, given)
            return
        offer = self.component.frees[-1]
        best = best_given(offer.promotion, self._types_of(offer), self._left, self.reserves)
        if best is None:
            self._offer_lawful(saved, given)
            return
        self._consume(best, 1)
        is_lawful = self._offer_lawful(saved + best.saving_amount, (*given, (offer, best)))
        self._consume(best, -1)
        if not (is_lawful and best.is_best):
            self._any_last_free(saved, given)

    def _any_last_free(self, saved: int, given: Many) -> None:
        """Its best does not do, beside the others or above the floors: try all it could take."""
        if self._is_hopeless(saved, len(self.component.frees) - 1):
            return
        offer = self.component.frees[-1]
        for one in self._ways(offer, saved, len(self.component.frees) - 1):
            self._consume(one, 1)
            self._offer_lawful(saved + one.saving_amount, (*given, (offer, one)))
            self._consume(one, -1)
        self._offer_lawful(saved, given)

    def _is_hopeless(self, saved: int, place: int) -> bool:
        """Whether nothing better can follow, or no step is left to look for it."""
        bound = saved + self._reserve() + self._frees_bound(place)
        if bound <= self.best:
            return True
        if self.steps.take(self._looks):
            return False
        self.open_bound = max(self.open_bound, bound)
        return True

    def _consume(self, one: Given, sign: int) -> None:
        for i, n in one.units:
            self._left[i] -= sign * n

    def _offer_lawful(self, saved: int, given: Many) -> bool:
        # Units are only consumed where that saves something.
        if not all(one.saving_amount and self._is_lawful(offer, one) for offer, one in given):
            return False
        self._offer_best(saved + self._reserve(), given)
        return True

    def _ways(self, offer: FreeOffer, saved: int, place: int) -> list[Given]:
        ways = list(Given.ways(offer.promotion, self._types_of(offer), self._left, self.steps))
        if self.steps.left < 0:
            bound = saved + self._reserve() + self._frees_bound(place)
            self.open_bound = max(self.open_bound, bound)
        return ways

    def _is_lawful(self, offer: FreeOffer, one: Given) -> bool:
        """The units given must be the cheapest of all that nobody else consumes."""
        idle = {i: n for i, n in self._left.items() if n and self.reserves[i] == 0}
        return is_lawful(offer.promotion, one, self._types_of(offer), idle)

    def _offer_best(self, value: int, given: Many) -> None:
        if value <= self.best:
            return
        self.best = value
        sets = [
            Taken(choice.offer.promotion, choice.one.units, choice.one.saving_amount, times)
            for choice, times in self._chosen
        ]
        free = [Taken(o.promotion, g.units, g.saving_amount) for o, g in given]
        self.taken = (*sets, *free)
