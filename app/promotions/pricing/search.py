"""The combination the buyer pays least for, over the item and the order layer together.

Without a threshold in question each component's best is best, because a discount of the order never
grows by more than what an item discount gives up. Where saving less below would reach a higher
threshold, each such threshold is a scenario of its own: the most that can be saved without losing
it. An exclusive promotion competes alone against all the others together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from app.core.money import percent_of
from app.promotions.pricing.components import components
from app.promotions.pricing.cover import fewest
from app.promotions.pricing.groups import Groups
from app.promotions.pricing.item_search import ItemSearch
from app.promotions.pricing.offers import Offers, UnitOffer
from app.promotions.pricing.order_layer import OrderOffer, Rest, discount_order
from app.promotions.pricing.outcomes import Outcome, OutcomeSearch, options_of
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.sums import Limit, LimitedSums
from app.promotions.pricing.taken import Steps, Taken, savings_by_type
from app.promotions.pricing.units import UnitType

STEPS_MAX = 4_000
SCENARIOS_MAX = 24
# The runner-up most likely does without one of the promotions that matter least.
RUNNERS_UP_LOOKED_AT = 6
SUMS_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Use:
    """`units` units of one type consumed by a promotion, which takes `amount` off them together."""

    promotion: Promotion
    type_index: int
    units: int
    amount: int


@dataclass(frozen=True, slots=True)
class OrderPart:
    """What an order discount takes off like units: `parts` in step with the plan's rests."""

    promotion: Promotion
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The uses chosen, what they save, what no combination can exceed, and the next best.

    `rests` are the units after the item layer, of which `order_parts` take their share.
    `runner_up_saving_amount` is the most that can be saved without one of the promotions used;
    None when none is.
    """

    uses: tuple[Use, ...]
    rests: tuple[Rest, ...]
    order_parts: tuple[OrderPart, ...]
    saving_amount: int
    bound_saving_amount: int
    runner_up_saving_amount: int | None = None

    @property
    def used(self) -> list[Promotion]:
        """The promotions that took something off, oldest first."""
        rows: tuple[Use | OrderPart, ...] = (*self.uses, *self.order_parts)
        return sorted({row.promotion.id: row.promotion for row in rows}.values(), key=_age)

    def weakest(self, count: int) -> list[Promotion]:
        """So many of the promotions used, those that take least off first."""
        amounts: dict[int, int] = {}
        for use in self.uses:
            amounts[use.promotion.id.int] = amounts.get(use.promotion.id.int, 0) + use.amount
        for row in self.order_parts:
            amounts[row.promotion.id.int] = sum(row.parts)
        return sorted(self.used, key=lambda one: (amounts[one.id.int], one.id.int))[:count]


def _age(promotion: Promotion) -> int:
    return promotion.id.int


def best_plan(types: Sequence[UnitType], offers: Offers, *, steps_max: int = STEPS_MAX) -> Plan:
    """Choose among offers given oldest first; ties go to fewer promotions, then the older."""
    best = _best(types, offers, Steps(steps_max))
    if not best.used:
        return best
    if not (offers.sets or offers.frees or offers.orders):
        return replace(best, runner_up_saving_amount=_best_without_one(best, types, offers))
    # Where the best is not proven, the next best would tell little for its cost.
    count = RUNNERS_UP_LOOKED_AT if best.saving_amount == best.bound_saving_amount else 1
    others = [
        _best(
            types,
            offers.only([p for p in offers.promotions if p.id != left_out.id]),
            Steps(steps_max // RUNNERS_UP_LOOKED_AT),
        )
        for left_out in best.weakest(count)
    ]
    return replace(best, runner_up_saving_amount=max(plan.saving_amount for plan in others))


def _best_without_one(best: Plan, types: Sequence[UnitType], offers: Offers) -> int:
    """The most that unit discounts save without one of those used: each type takes its next best.

    A type's units are all with one promotion, so only that one's types change.
    """
    next_best = _next_bests(len(types), offers.units)
    lost: dict[int, int] = {}
    for use in best.uses:
        loss = use.amount - next_best[use.type_index] * use.units
        lost[use.promotion.id.int] = lost.get(use.promotion.id.int, 0) + loss
    without = best.saving_amount - min(lost.values())
    exclusives = [
        sum(saving * types[i].quantity for i, saving in offer.savings)
        for offer in offers.units
        if offer.promotion.exclusive and offer.promotion not in best.used
    ]
    together = [offer for offer in offers.units if not offer.promotion.exclusive]
    if best.used[0].exclusive:
        reserves, _ = _reserves(len(types), together)
        without = sum(reserves[unit.index] * unit.quantity for unit in types)
    return max([without, *exclusives])


def _next_bests(count: int, offers: Sequence[UnitOffer]) -> list[int]:
    """Per type the best saving of a unit by any promotion but the one that serves it best."""
    best, second = [0] * count, [0] * count
    for offer in offers:
        if offer.promotion.exclusive:
            continue
        for index, saving in offer.savings:
            if saving > best[index]:
                best[index], second[index] = saving, best[index]
            elif saving > second[index]:
                second[index] = saving
    return second


def _best(types: Sequence[UnitType], offers: Offers, steps: Steps) -> Plan:
    alone = [promotion for promotion in offers.promotions if promotion.exclusive]
    together = [promotion for promotion in offers.promotions if not promotion.exclusive]
    groups = [*(offers.only([promotion]) for promotion in alone), offers.only(together)]
    plans = [_Table(types, group, steps).best() for group in groups]
    best = min(plans, key=_preference)
    return replace(best, bound_saving_amount=max(plan.bound_saving_amount for plan in plans))


def _preference(plan: Plan) -> tuple[int, int, list[int]]:
    used = plan.used
    return -plan.saving_amount, len(used), [promotion.id.int for promotion in used]


class _Table:
    """Offers that may all meet, laid over the types."""

    def __init__(self, types: Sequence[UnitType], offers: Offers, steps: Steps) -> None:
        self.types, self.offers, self.steps = types, offers, steps
        self.reserves, self.ties = _reserves(len(types), offers.units)
        self.options = options_of(len(types), [offer.savings for offer in offers.units])
        self.in_question: list[list[int]] = []
        self.components = components(types, offers.sets, offers.frees)
        self.found = [ItemSearch(one, types, self.reserves, steps).run() for one in self.components]
        found = list(zip(self.components, self.found, strict=True))
        self.groups = Groups(found, types, self.reserves, self.options)

    def best(self) -> Plan:
        """The best over all scenarios, with the bound of them all."""
        taken = [taken for found in self.found for taken in found.taken]
        plan = self._plan(_uses_of_taken(taken, self.types), None)
        self.in_question = [self._above(offer, plan) for offer in self.offers.orders]
        bound = self._bound(self._item_bound(), {})
        for count, scenario in enumerate(self._scenarios()):
            if count == SCENARIOS_MAX:
                bound = max(bound, self._bound_of_all())
                break
            other, other_bound = self._within(scenario, plan.saving_amount)
            bound = max(bound, other_bound)
            if other is not None:
                plan = min(plan, other, key=_preference)
        if plan.saving_amount < bound and self.offers.orders:
            plan = min([plan, *self._closer()], key=_preference)
        return replace(plan, bound_saving_amount=max(bound, plan.saving_amount))

    def _closer(self) -> Iterator[Plan]:
        """Plans that save less below, wherever that is: an order discount may take it anyway."""
        whole = sum(u.price_amount * u.quantity for u in self.types)
        limits = [Limit(offer.covers, whole) for offer in self.offers.orders]
        sums = LimitedSums(self.types, self.options, limits, self.steps)
        self._add_all(sums)
        for outcomes in sums.most(SUMS_LOOKED_AT):
            if not self._may_lay_out():
                break
            yield self._plan_of(outcomes)

    def _item_bound(self) -> int:
        return self.groups.bound

    # -- one way through both layers

    def _plan(self, taken: list[Use], single: list[Use] | None) -> Plan:
        uses = taken + (self._fewest(taken) if single is None else single)
        rests = _rests(self.types, uses)
        order = discount_order(rests, self.offers.orders)
        parts = tuple(OrderPart(offer.promotion, tuple(part)) for offer, part in order)
        saving = sum(use.amount for use in uses) + sum(sum(row.parts) for row in parts)
        return Plan(tuple(uses), tuple(rests), parts, saving, saving)

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
        """A plan is priced in full: a look at every type by every order discount."""
        return self.steps.take(len(self.types) * (1 + len(self.offers.orders)))

    def _bound_of_all(self) -> int:
        item = self._item_bound()
        return min(self._bound(item, None), self._straight_bound(item))

    def _above(self, offer: OrderOffer, plan: Plan) -> list[int]:
        """The thresholds that the plan misses and a smaller saving below could reach, rising."""
        now = _subtotal(offer, [(r.type_index, r.amount * r.units) for r in plan.rests])
        return [t for t in offer.promotion.thresholds(self._whole(offer)) if t > now]

    def _whole(self, offer: OrderOffer) -> int:
        return _subtotal(offer, [(u.index, u.price_amount * u.quantity) for u in self.types])

    def _scenarios(self) -> Iterator[dict[int, int]]:
        """For each order offer the subtotal to keep, where it has one to reach."""
        rows: list[list[int]] = [[0, *above] for above in self.in_question]
        for row in product(*rows):
            if any(row):
                yield {place: threshold for place, threshold in enumerate(row) if threshold}

    def _within(self, scenario: dict[int, int], so_far: int) -> tuple[Plan | None, int]:
        """The best plan that keeps these subtotals, if any can be better, and their bound."""
        limits = []
        for place, threshold in scenario.items():
            offer = self.offers.orders[place]
            limits.append(Limit(offer.covers, self._whole(offer) - threshold))
        item_bound = min(map(self.groups.bound_within, limits))
        bound = self._bound(item_bound, scenario)
        if bound <= so_far:
            return None, bound
        met = self.groups.meeting(limits) if self._may_lay_out() else None
        plan = None if met is None else self._plan_of(met)
        if plan is not None and plan.saving_amount == bound:
            return plan, bound
        least = self._least(item_bound, scenario, so_far)
        sums = LimitedSums(self.types, self.options, limits, self.steps, least)
        is_whole = self._add_all(sums, least)
        best = sums.best()
        if is_whole:
            bound = 0 if best is None else self._bound(best[0], scenario)
        if best is None or not self._may_lay_out():
            return None, bound
        return self._plan_of(best[1]), bound

    def _least(self, item_bound: int, scenario: dict[int, int], so_far: int) -> int:
        """An amount that the item layer must save for the scenario to save more than so far."""
        step = self._bound(item_bound, scenario) - so_far
        while step < item_bound and self._bound(item_bound - step, scenario) > so_far:
            step *= 2
        return max(item_bound - step + 1, 0)

    def _add_all(self, sums: LimitedSums, saving_min: int = 0) -> bool:
        """Add every component that still saves enough beside the most of all the others."""
        whole = rest = self.groups.bound
        for component, _, most in self.groups.rows:
            rest -= most
            least = max(saving_min - (whole - most), 0)
            search = OutcomeSearch(component, self.types, self.options, self.steps, least)
            sums.add(search.run(), rest)
            if self.steps.left < 0:
                return False
        return sums.is_whole and all(o.is_whole for o in self.offers.sets)

    def _plan_of(self, outcomes: Sequence[Outcome]) -> Plan:
        taken = _uses_of_taken([t for one in outcomes for t in one.taken], self.types)
        savings = [dict(row) for row in self.options]
        single = [
            Use(self.offers.units[candidate].promotion, i, n, savings[i][candidate] * n)
            for one in outcomes
            for i, candidate, n in one.single
        ]
        return self._plan(taken, single)

    # -- bounds

    def _bound(self, item_saving: int, scenario: dict[int, int] | None) -> int:
        """The most both layers can save when the item layer saves at most so much."""
        whole = sum(u.price_amount * u.quantity for u in self.types)
        room = sum(u.room_amount * u.quantity for u in self.types)
        saved, more = min(item_saving, room), 0
        for place, offer in enumerate(self.offers.orders):
            off_bp, off_amount = self._most_off(place, scenario)
            if off_bp and self._covers_all(offer):
                saved += percent_of(whole - saved, off_bp)
            else:
                off = off_amount or percent_of(self._whole(offer), off_bp)
                more += min(off, self._room(offer))
        return min(saved + more, room)

    def _covers_all(self, offer: OrderOffer) -> bool:
        return all(offer.covers[unit.index] or not unit.price_amount for unit in self.types)

    def _room(self, offer: OrderOffer) -> int:
        return _subtotal(offer, [(u.index, u.room_amount * u.quantity) for u in self.types])

    def _straight_bound(self, item_saving: int) -> int:
        """The same for all scenarios at once: thresholds as if every minor unit earned its part."""
        room = sum(u.room_amount * u.quantity for u in self.types)
        ends = (0, min(item_saving, room))
        return min(max(self._straight(saved) for saved in ends), room)

    def _straight(self, saved: int) -> int:
        """What is saved with so much from the item layer, rounded down once at the end."""
        total, parts = saved, 1
        for offer in self.offers.orders:
            goods = self._whole(offer) - (saved if self._covers_all(offer) else 0)
            gives, of = offer.promotion.most_for(max(goods, 0), self._whole(offer))
            gives = min(gives, self._room(offer) * of)
            total, parts = total * of + gives * parts, parts * of
        return total // parts

    def _most_off(self, place: int, scenario: dict[int, int] | None) -> tuple[int, int]:
        """What the offer gives at the highest subtotal of the scenario; of all for None."""
        offer = self.offers.orders[place]
        highest = self._whole(offer)
        if scenario is not None:
            kept = scenario.get(place, 0)
            missed = [t for t in self.in_question[place] if t > kept]
            highest = missed[0] - 1 if missed else highest
        return offer.promotion.off(highest)


def _subtotal(offer: OrderOffer, amounts: Sequence[tuple[int, int]]) -> int:
    return sum(amount for index, amount in amounts if offer.covers[index])


def _reserves(count: int, offers: Sequence[UnitOffer]) -> tuple[list[int], list[int]]:
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


def _rests(types: Sequence[UnitType], uses: Sequence[Use]) -> list[Rest]:
    """The units after the item layer in order of their lines, like ones together."""
    by_type: dict[int, list[Use]] = {}
    for use in uses:
        by_type.setdefault(use.type_index, []).append(use)
    rests: list[Rest] = []
    for unit in sorted(types, key=lambda unit: unit.position):
        left = unit.quantity
        for use in by_type.get(unit.index, ()):
            left -= use.units
            less, more = divmod(use.amount, use.units)
            rests += _rest(unit, more, less + 1) + _rest(unit, use.units - more, less)
        rests += _rest(unit, left, 0)
    return rests


def _rest(unit: UnitType, units: int, off_amount: int) -> list[Rest]:
    if not units:
        return []
    amount, room = unit.price_amount - off_amount, unit.room_amount - off_amount
    return [Rest(unit.index, units, amount, room, unit.line.list_amount)]
