"""The combination the buyer pays least for, over all layers and all sets that may be combined."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.promotions.pricing.conflicts import DENIALS, Denial
from app.promotions.pricing.offers import Offers, UnitOffer
from app.promotions.pricing.plan import Plan
from app.promotions.pricing.table import Frame, Searches, Table, reserves_of
from app.promotions.pricing.units import UnitType
from app.promotions.pricing.worlds import worlds

STEPS_MAX = 4_000
# The runner-up most likely does without one of the promotions that matter least.
RUNNERS_UP_LOOKED_AT = 3
# So often a runner-up that turns out no worse takes the best one's place.
ROUNDS_MAX = 3


@dataclass(frozen=True, slots=True)
class Question:
    """The goods, what else there is to pay, and which promotions may meet."""

    types: Sequence[UnitType]
    frame: Frame
    denials: tuple[Denial, ...] = DENIALS


def best_plan(question: Question, offers: Offers, *, steps_max: int = STEPS_MAX) -> Plan:
    """Choose among offers given oldest first; ties go to fewer promotions, then the older."""
    searches = Searches(steps_max)
    best, is_simple = _best(question, offers, searches)
    if not best.used:
        return best
    if is_simple:
        without = _best_without_one(best, question.types, offers)
        return replace(best, runner_up_saving_amount=without)
    for _ in range(ROUNDS_MAX):
        others = _without_one(best, question, offers, searches)
        # A search that was cut off may do better without a promotion than with it, and one that
        # was not may do as well with fewer or older ones.
        better = min([best, *others], key=Plan.preference)
        if better is best:
            break
        bound = max(best.bound_saving_amount, better.saving_amount)
        best = replace(better, bound_saving_amount=bound)
        if not best.used:
            return best
    return replace(best, runner_up_saving_amount=max(plan.saving_amount for plan in others))


def _without_one(best: Plan, question: Question, offers: Offers, searches: Searches) -> list[Plan]:
    """The best found without one of the promotions used, for those that matter least."""
    # Where the best is not proven, the next best would tell little for its cost.
    count = RUNNERS_UP_LOOKED_AT if best.saving_amount == best.bound_saving_amount else 1
    return [
        _best(
            question,
            offers.only([p for p in offers.promotions if p.id != left_out.id]),
            searches.again(RUNNERS_UP_LOOKED_AT),
        )[0]
        for left_out in best.weakest(count)
    ]


def _best(question: Question, offers: Offers, searches: Searches) -> tuple[Plan, bool]:
    """The best of all worlds, and whether they are unit discounts, split by exclusives alone."""
    promotions = offers.promotions
    found, is_whole = worlds(promotions, question.denials)
    if len(found) == 1:
        plans = [Table(question.types, offers, question.frame, searches).best()]
    else:
        plans = [
            Table(question.types, offers.only(world), question.frame, searches).best()
            for world in found
        ]
    best = min(plans, key=Plan.preference)
    bound = max(plan.bound_saving_amount for plan in plans)
    if not is_whole:
        bound = max(bound, Table(question.types, offers, question.frame, searches).bound())
    alone = sum(1 for promotion in promotions if promotion.exclusive)
    together = 1 if alone < len(promotions) else 0
    is_simple = (
        is_whole
        and len(found) == alone + together
        and offers.are_of_units_alone
        and question.frame.cap_amount is None
    )
    return replace(best, bound_saving_amount=bound), is_simple


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
        reserves, _ = reserves_of(len(types), together)
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
