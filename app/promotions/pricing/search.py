"""The combination the buyer pays least for.

A plan is a list of uses: so many units of one type, consumed by one promotion, saving so much. Who
reads a plan needs not know how it was found. Every mechanic so far saves a fixed amount per unit,
so types are independent: the best promotion for each type is the best combination, and the sum of
these maxima is at once reached and a bound. An exclusive promotion competes alone against all the
others together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.promotions.pricing.cover import fewest
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class Candidate:
    """A promotion whose conditions hold, with (type index, saving of one unit) where above zero."""

    promotion: Promotion
    savings: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Use:
    """`units` units of one type consumed by a promotion, which takes `amount` off them together."""

    promotion: Promotion
    type_index: int
    units: int
    amount: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The uses chosen, what they save, what no combination can exceed, and the next best.

    `runner_up_saving_amount` is the most that can be saved without one of the promotions used;
    None when none is.
    """

    uses: tuple[Use, ...]
    saving_amount: int
    bound_saving_amount: int
    runner_up_saving_amount: int | None


def best_plan(types: Sequence[UnitType], candidates: Sequence[Candidate]) -> Plan:
    """Choose among candidates given oldest first; ties go to fewer promotions, then the older."""
    groups = [[c] for c in candidates if c.promotion.exclusive]
    groups.append([c for c in candidates if not c.promotion.exclusive])
    plans = sorted((_separable(types, group) for group in groups), key=_preference)
    best = plans[0]
    if not best.uses:
        return best
    others = [plan.saving_amount for plan in plans[1:]]
    runner_up = max(best.runner_up_saving_amount or 0, *others, 0)
    return Plan(best.uses, best.saving_amount, best.bound_saving_amount, runner_up)


def _preference(plan: Plan) -> tuple[int, int, list[int]]:
    ids = sorted({use.promotion.id.int for use in plan.uses})
    return -plan.saving_amount, len(ids), ids


def _separable(types: Sequence[UnitType], candidates: Sequence[Candidate]) -> Plan:
    """The best use of promotions that may all meet and that save a fixed amount per unit."""
    best, second, ties = _tops(len(types), candidates)
    chosen = fewest(need for need in ties if need)
    uses: list[Use] = []
    lost_without: dict[int, int] = {}
    for unit in types:
        index = unit.index
        if not ties[index]:
            continue
        serving = ties[index] & chosen
        bit = (serving & -serving).bit_length() - 1
        amount = best[index] * unit.quantity
        uses.append(Use(candidates[bit].promotion, index, unit.quantity, amount))
        loss = amount - second[index] * unit.quantity
        lost_without[bit] = lost_without.get(bit, 0) + loss
    saving = sum(use.amount for use in uses)
    runner_up = saving - min(lost_without.values()) if lost_without else None
    return Plan(tuple(uses), saving, saving, runner_up)


def _tops(count: int, candidates: Sequence[Candidate]) -> tuple[list[int], list[int], list[int]]:
    """Per type: the best saving of a unit, the best of any other candidate, and who reaches it."""
    best, second, ties = [0] * count, [0] * count, [0] * count
    for position, candidate in enumerate(candidates):
        bit = 1 << position
        for index, saving in candidate.savings:
            if saving > best[index]:
                second[index], best[index], ties[index] = best[index], saving, bit
            elif saving == best[index]:
                second[index] = saving
                ties[index] |= bit
            elif saving > second[index]:
                second[index] = saving
    return best, second, ties
