"""One world laid over the types: offers that may all meet, and the best that they give.

Without a threshold in question each component's best is best, because a discount of a later layer
never grows by more than what an item discount gives up. Where saving less below would reach a
higher threshold of the order, each such threshold is a scenario of its own: the most that can be
saved without losing it. Thresholds further on are tried for with and without each order discount.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from app.promotions.pricing.bounds import Bounds, LaterOffer
from app.promotions.pricing.components import Component, components
from app.promotions.pricing.cover import fewest
from app.promotions.pricing.groups import Groups
from app.promotions.pricing.item_search import ItemSearch
from app.promotions.pricing.later_layers import LaterOffers, work_out
from app.promotions.pricing.offers import Offers, UnitOffer
from app.promotions.pricing.outcomes import Outcome, OutcomeSearch, options_of
from app.promotions.pricing.plan import Plan, Use, rests_of
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.sums import Limit, LimitedSums
from app.promotions.pricing.taken import Found, Steps, Taken, savings_by_type
from app.promotions.pricing.units import UnitType
from app.promotions.pricing.within import Within

SCENARIOS_MAX = 24
# Of the steps that components have, the thresholds in question may take as many again over this.
LATER_PART = 2
# A scenario is cheap to bound, so more of them may be found not worth a closer look.
SCENARIOS_BOUNDED_MAX = 200
# Types under a later offer that are laid out in about the time of one look.
ROWS_A_LOOK = 4
SUMS_LOOKED_AT = 100
# Of each threshold after the order layer so many sums below it are tried.
SUMS_TRIED = 8
MISSED_TRIED = 8
# Up to so many order discounts are left out in every combination, more of them one by one.
ALL_SKIPS_MAX = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """What else a basket has to pay, and the most that promotions may take off its goods."""

    shipping_amount: int = 0
    cap_amount: int | None = None


class Searches:
    """What searches of components have found, for worlds that share them, and their steps."""

    def __init__(self, steps_max: int) -> None:
        """Begin with so many steps."""
        self.steps, self.later_steps = Steps(steps_max), Steps(steps_max // LATER_PART)
        self._steps_max = steps_max
        self._known: dict[Hashable, Found] = {}
        self._hints: dict[int, int] = {}

    def again(self, parts: int) -> "Searches":
        """What is known so far, with one of so many parts of the steps there were at first."""
        fresh = Searches(self._steps_max // parts)
        fresh._known, fresh._hints = self._known, self._hints
        return fresh

    def found(
        self, component: Component, types: Sequence[UnitType], reserves: Sequence[int]
    ) -> Found:
        """The best of a component; the same goods under the same offers are searched once."""
        indexes = component.type_indexes
        key = (
            indexes,
            tuple([offer.promotion.id.int for offer in component.sets]),
            tuple([offer.promotion.id.int for offer in component.frees]),
            tuple([reserves[index] for index in indexes]),
        )
        if key not in self._known:
            search = ItemSearch(component, types, reserves, self.steps, self._hints)
            self._known[key] = found = search.run()
            self._hints.update(found.prices)
        return self._known[key]


class Table:
    """Offers that may all meet, laid over the types."""

    def __init__(
        self, types: Sequence[UnitType], offers: Offers, frame: Frame, searches: Searches
    ) -> None:
        """Search each component of the item layer by itself."""
        self.types, self.offers, self.steps = types, offers, searches.later_steps
        self.later = LaterOffers(
            offers.orders,
            offers.coupons,
            offers.add_ons,
            offers.shipping,
            frame.shipping_amount,
            frame.cap_amount,
        )
        self.reserves, self.ties = reserves_of(len(types), offers.units)
        self.components = components(types, offers.sets, offers.frees)
        self.found = [searches.found(one, types, self.reserves) for one in self.components]
        self.options = options_of(len(types), [offer.savings for offer in offers.units])
        found = list(zip(self.components, self.found, strict=True))
        self.groups = Groups(found, types, self.reserves, self.options)

    def best(self) -> Plan:
        """The best over all scenarios, with the bound of them all."""
        taken = [taken for found in self.found for taken in found.taken]
        plan = self._plan(_uses_of_taken(taken, self.types), None)
        if self.offers.are_of_units_alone:
            return plan
        self.bounds = Bounds(self.types, self.later)
        self.bounds.note_missed(plan)
        plan, below = self._over_scenarios(plan)
        bound = self.bounds.of_all(below)
        if plan.saving_amount < bound and (self.later.orders or self.bounds.after_orders):
            plan, bound = self._closest(plan, bound)
        return replace(plan, bound_saving_amount=max(bound, plan.saving_amount))

    @cached_property
    def within(self) -> Within:
        """The groups as limits see them; most baskets never ask."""
        return Within(self.groups, self.steps)

    def bound(self) -> int:
        """What nothing can exceed, denials or not."""
        bounds = Bounds(self.types, self.later)
        return bounds.of_all(bounds.below_at_all(self.groups.bound))

    def _over_scenarios(self, plan: Plan) -> tuple[Plan, int]:
        """The best plan over all scenarios, and the most the first two layers could save."""
        below = max(self.bounds.below(self.groups.bound, {}), plan.below_coupon_amount)
        open_: list[tuple[dict[int, int], int]] = []
        for count, scenario in enumerate(self.bounds.scenarios()):
            if len(open_) == SCENARIOS_MAX or count == SCENARIOS_BOUNDED_MAX:
                return plan, max(below, self.bounds.below_at_all(self.groups.bound))
            # What cannot save more than was found so far is not followed any further.
            so_far = plan.below_coupon_amount
            other, bound = self._within(scenario, so_far, all_ways=False)
            plan = plan if other is None else min(plan, other, key=Plan.preference)
            if bound > plan.below_coupon_amount:
                open_.append((scenario, bound))
            below = max(below, so_far, plan.below_coupon_amount)
        for scenario, _ in sorted(open_, key=lambda row: -row[1]):
            so_far = plan.below_coupon_amount
            other, bound = self._within(scenario, so_far, all_ways=True)
            below = max(below, so_far, bound)
            plan = plan if other is None else min(plan, other, key=Plan.preference)
        return plan, below

    # -- one way through all layers

    def _plan(
        self, taken: list[Use], single: list[Use] | None, skipped: Sequence[Promotion] = ()
    ) -> Plan:
        uses = taken + (self._fewest(taken) if single is None else single)
        rests = rests_of(self.types, uses)
        later = self.later
        if skipped:
            orders = tuple(offer for offer in later.orders if offer.promotion not in skipped)
            coupons = tuple(offer for offer in later.coupons if offer.promotion not in skipped)
            later = replace(later, orders=orders, coupons=coupons)
        outturn = work_out(rests, sum(use.amount for use in uses), later)
        return Plan(tuple(uses), rests, outturn, outturn.saving_amount)

    def _fewest(self, taken: Sequence[Use]) -> list[Use]:
        """Give every unit left to the best of the unit discounts: as few, and as old, as can be."""
        left = [unit.quantity for unit in self.types]
        for use in taken:
            left[use.type_index] -= use.units
        wanting = [unit.index for unit in self.types if left[unit.index] and self.ties[unit.index]]
        chosen = fewest(self.ties[index] for index in wanting)
        uses = []
        for index in wanting:
            serving = self.ties[index] & chosen
            offer = self.offers.units[(serving & -serving).bit_length() - 1]
            amount = self.reserves[index] * left[index]
            uses.append(Use(offer.promotion, index, left[index], amount))
        return uses

    # -- thresholds in question

    def _may_lay_out(self) -> bool:
        """A plan is priced in full: a look at every type by every later offer."""
        later = len(self.later.orders) + len(self.bounds.after_orders)
        return self.steps.take(1 + len(self.types) * (1 + later) // ROWS_A_LOOK)

    def _within(
        self, scenario: dict[int, int], so_far: int, *, all_ways: bool
    ) -> tuple[Plan | None, int]:
        """The best plan that keeps these subtotals, if any can be better, and their bound.

        Unless `all_ways` are looked at, components keep what is best for them.
        """
        limits = []
        for place, threshold in scenario.items():
            offer = self.later.orders[place]
            limits.append(Limit(offer.covers, self.bounds.goods_of(offer) - threshold))
        item_bound = min(map(self.groups.bound_within, limits))
        bound = self.bounds.below(item_bound, scenario)
        if bound <= so_far or not self._may_lay_out():
            return None, bound
        least = self._least(item_bound, scenario, so_far)
        near = self.within.nearest(limits, least, all_ways=all_ways)
        if near is not None and near.is_most:
            bound = self.bounds.below(near.saving_amount, scenario)
        plan = None if near is None else self._plan_of(near.outcomes)
        if not all_ways or (near is not None and near.is_most):
            return plan, bound
        sums, is_whole = self._sums(limits, least)
        best = sums.best()
        if is_whole:
            bound = 0 if best is None else self.bounds.below(best[0], scenario)
        if best is None or not self._may_lay_out():
            return plan, bound
        plans = [self._plan_of(best[1]), *([] if plan is None else [plan])]
        return min(plans, key=Plan.preference), bound

    def _least(self, item_bound: int, scenario: dict[int, int], so_far: int) -> int:
        """An amount that the item layer must save for the scenario to save more than so far."""
        step = self.bounds.below(item_bound, scenario) - so_far
        while step <= item_bound and self.bounds.below(item_bound - step, scenario) > so_far:
            step *= 2
        return max(item_bound - step + 1, 0)

    def _closest(self, plan: Plan, bound: int) -> tuple[Plan, int]:
        """Try outcomes that save less below, wherever that is, until the bound is reached.

        Where that was every outcome there is, the best of them is the bound.
        """
        missed = self.bounds.missed_later(plan)
        for limits, count in self._aims(missed):
            sums, is_whole = self._sums(limits)
            skips = list(self._skips()) if missed or len(self._skippable) > 1 else [()]
            for outcomes in sums.most(count):
                for skipped in skips:
                    if not self._may_lay_out():
                        return plan, bound
                    other = self._plan_of(outcomes, skipped)
                    plan = min(plan, other, key=Plan.preference)
                    if plan.saving_amount >= bound:
                        return plan, bound
        is_every = is_whole and sums.all_within(count) and self._is_told_by_subtotal(skips)
        return plan, plan.saving_amount if is_every else bound

    def _aims(self, missed: Sequence[tuple[LaterOffer, int]]) -> Iterator[tuple[list[Limit], int]]:
        """Limits to keep and how many sums to try: each threshold missed, then none at all."""
        followed = [*self.later.orders, *self.bounds.after_orders]
        unbound = [Limit(offer.covers, self.bounds.whole) for offer in followed]
        for offer, threshold in missed[:MISSED_TRIED]:
            limit = Limit(offer.covers, self.bounds.goods_of(offer) - threshold)
            yield [limit, *unbound], SUMS_TRIED
        yield unbound, SUMS_LOOKED_AT

    def _is_told_by_subtotal(self, skips: Sequence[tuple[Promotion, ...]]) -> bool:
        """Whether one subtotal says all that later layers see, and no set of them was left out."""
        followed = [*self.later.orders, *self.bounds.after_orders]
        # What the shop's cap gives back falls on all goods, by what was taken off them.
        is_one = len({offer.covers for offer in followed}) == 1 and self.later.cap_amount is None
        is_one = is_one and all(offer.is_whole for offer in self.later.add_ons)
        return is_one and len(skips) == 2 ** len(self._skippable)

    @property
    def _skippable(self) -> list[Promotion]:
        """What can cost the buyer a threshold further on: order discounts and the coupon."""
        return [offer.promotion for offer in (*self.later.orders, *self.later.coupons)]

    def _skips(self) -> Iterator[tuple[Promotion, ...]]:
        """What to do without: nothing, then each, then more of a few."""
        promotions = self._skippable
        most = len(promotions) if len(promotions) <= ALL_SKIPS_MAX else 1
        for count in range(most + 1):
            yield from combinations(promotions, count)

    def _sums(self, limits: Sequence[Limit], saving_min: int = 0) -> tuple[LimitedSums, bool]:
        """The sums of outcomes within the limits that save enough, and whether none is missing.

        A component that could no longer save enough beside the most of all the others is left.
        """
        sums = LimitedSums(self.types, self.options, limits, self.steps, saving_min)
        whole = rest = self.groups.bound
        for component, found, most in self.groups.rows:
            rest -= most
            if self.groups.is_settled(component, found, limits):
                sums.add(iter([self.groups.best_outcome(component, found)]), rest)
                continue
            least = max(saving_min - (whole - most), 0)
            search = OutcomeSearch(component, self.types, self.options, self.steps, least)
            sums.add(search.run(), rest)
            if self.steps.left < 0:
                return sums, False
        return sums, sums.is_whole and all(o.is_whole for o in self.offers.sets)

    def _plan_of(self, outcomes: Sequence[Outcome], skipped: Sequence[Promotion] = ()) -> Plan:
        taken = _uses_of_taken([t for one in outcomes for t in one.taken], self.types)
        savings = [dict(row) for row in self.options]
        single = [
            Use(self.offers.units[candidate].promotion, i, n, savings[i][candidate] * n)
            for one in outcomes
            for i, candidate, n in one.single
        ]
        return self._plan(taken, single, skipped)


def reserves_of(count: int, offers: Sequence[UnitOffer]) -> tuple[list[int], list[int]]:
    """Per type: the best saving of a unit, and a mask of the offers that reach it."""
    best, ties = [0] * count, [0] * count
    for place, offer in enumerate(offers):
        for index, saving in offer.savings:
            if saving > best[index]:
                best[index], ties[index] = saving, 1 << place
            elif saving == best[index]:
                ties[index] |= 1 << place
    return best, ties


def _uses_of_taken(taken: Sequence[Taken], types: Sequence[UnitType]) -> list[Use]:
    return [
        Use(one.promotion, index, units, amount)
        for one in taken
        for index, units, amount in savings_by_type(one, types)
    ]
