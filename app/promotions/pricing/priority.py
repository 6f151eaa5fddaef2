"""The policy `priority`: the operator's order decides who takes units and who may join.

The higher priority comes first, then the older promotion. Each in turn takes from what is left the
best it can take by itself. One stays out that may not meet an earlier one that took something, that
would leave an earlier one nothing to take (a threshold lost), or that would save the buyer nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.promotions.pricing.amount_off import AmountOffLine
from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.conflicts import denied
from app.promotions.pricing.later_layers import LaterOffers, work_out
from app.promotions.pricing.offers import Facts, Offer, Offers, UnitOffer, offer_of
from app.promotions.pricing.plan import Plan, Use, rests_of
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.search import STEPS_MAX, Question, best_plan
from app.promotions.pricing.table import Searches, Table
from app.promotions.pricing.units import UnitType


def plan_by_priority(question: Question, offers: Offers, facts: Facts) -> Plan:
    """The plan of the operator's order, beside the bound of what the best could save."""
    chosen: list[Offer] = []
    uses: list[Use] = []
    best = _worked_out(question, uses, chosen)
    for offer in sorted(offers.all, key=lambda one: turn(one.promotion)):
        taking = [one.promotion for one in chosen]
        if any(denied(offer.promotion, one, question.denials) for one in taking):
            continue
        more = _uses(question, offer, uses, facts)
        plan = _worked_out(question, [*uses, *more], [*chosen, offer])
        if offer.promotion in plan.used and _is_welcome(plan, best):
            chosen, uses, best = [*chosen, offer], [*uses, *more], plan
    bound = best_plan(question, offers).bound_saving_amount
    return replace(best, bound_saving_amount=max(bound, best.saving_amount))


def turn(promotion: Promotion) -> tuple[int, int]:
    """The operator's order: the higher priority, then the older."""
    return -promotion.priority, promotion.id.int


def _is_welcome(plan: Plan, before: Plan) -> bool:
    """Whether all that were there still take something, and the buyer pays less."""
    earlier = {promotion.id.int for promotion in before.used}
    return plan.saving_amount > before.saving_amount and earlier <= {
        promotion.id.int for promotion in plan.used
    }


def _uses(question: Question, offer: Offer, uses: Sequence[Use], facts: Facts) -> list[Use]:
    """What an offer of the item layer takes of the units that nobody has taken yet."""
    if not isinstance(offer, UnitOffer | SetOffer | FreeOffer):
        return []
    left = _left(question.types, uses)
    touched = [left[index] for index in _touched(offer) if left[index].quantity]
    if isinstance(offer.promotion, AmountOffLine):
        # It takes lines whole, so one that somebody has been at is not for it.
        whole = question.types
        touched = [unit for unit in touched if unit.quantity == whole[unit.index].quantity]
    again = offer_of(offer.promotion, touched, replace(facts, types=left))
    return list(Table(left, Offers.of([again]), question.frame, Searches(STEPS_MAX)).best().uses)


def _left(types: Sequence[UnitType], uses: Sequence[Use]) -> list[UnitType]:
    taken = [0] * len(types)
    for use in uses:
        taken[use.type_index] += use.units
    return [
        replace(unit, quantity=unit.quantity - gone)
        for unit, gone in zip(types, taken, strict=True)
    ]


def _touched(offer: UnitOffer | SetOffer | FreeOffer) -> Sequence[int]:
    if isinstance(offer, FreeOffer):
        return offer.type_indexes
    if isinstance(offer, UnitOffer):
        return [index for index, _ in offer.savings]
    return sorted({index for one in offer.sets for index, _ in one.units})


def _worked_out(question: Question, uses: Sequence[Use], chosen: Sequence[Offer]) -> Plan:
    offers, frame = Offers.of(chosen), question.frame
    later = LaterOffers(
        offers.orders,
        offers.coupons,
        offers.add_ons,
        offers.shipping,
        frame.shipping_amount,
        frame.cap_amount,
    )
    rests = rests_of(question.types, uses)
    outturn = work_out(rests, sum(use.amount for use in uses), later)
    return Plan(tuple(uses), rests, outturn, outturn.saving_amount)
