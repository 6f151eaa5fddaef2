"""`quote`: the one function that the cart, the operator's preview and checkout share."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.core.money import BASIS_POINTS
from app.promotions.pricing.admission import Occasion, admit
from app.promotions.pricing.answer import Adjustment, Applied, NotApplied, Quote, QuoteLine
from app.promotions.pricing.basket import Basket
from app.promotions.pricing.conflicts import DENIALS
from app.promotions.pricing.gifts import gifts_of
from app.promotions.pricing.lines import POINTS, chosen_of, lines_of, sums_by_origin
from app.promotions.pricing.nudges import add_on_items, nudges_of
from app.promotions.pricing.offers import Facts, Offer, Offers, in_its_layer, offer_of
from app.promotions.pricing.plan import Plan
from app.promotions.pricing.priority import plan_by_priority
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Reason
from app.promotions.pricing.search import Question, best_plan
from app.promotions.pricing.table import Frame
from app.promotions.pricing.terms import DEFAULT_TERMS, Left, Terms
from app.promotions.pricing.units import UnitType, unit_types
from app.promotions.pricing.unused import Judge

NOTHING_LIMITED: Mapping[UUID, Left] = {}


def quote(
    basket: Basket,
    promotions: Iterable[Promotion],
    *,
    now: datetime,
    terms: Terms = DEFAULT_TERMS,
    left: Mapping[UUID, Left] = NOTHING_LIMITED,
) -> Quote:
    """Price a basket, by default at the least the buyer can pay.

    `terms` are the shop's, `left` what limits leave of limited promotions. Raises ValueError only
    for a caller's mistake: a naive clock, or two promotions of one id.
    """
    if now.utcoffset() is None:
        raise ValueError("now must be an aware datetime")
    types = unit_types(basket)
    occasion = Occasion.of(basket, types, now=now, terms=terms, left=left)
    facts = Facts(types, occasion.index, chosen_of(basket), left)
    offers, refused = _sift(_oldest_first(promotions), occasion, facts)
    question = Question(types, _frame(basket, types, terms), (*DENIALS, *terms.denials))
    plan = _plan(question, offers, facts, terms)
    judge = Judge(plan, question, occasion.index, terms.policy)
    gifts, ungiven = gifts_of(offers, judge, basket)
    refused += [_not_applied(promotion, reason) for promotion, reason in ungiven]
    used = {promotion.id.int for promotion in judge.used}
    refused += [
        _not_applied(offer.promotion, judge.why_not(offer))
        for offer in Offers.of(offers).all
        if offer.promotion.id.int not in used
    ]
    return Quote(
        **_amounts(basket, plan, lines_of(basket, types, plan)),
        currency=basket.currency,
        gifts=gifts,
        not_applied=tuple(sorted(refused, key=lambda row: row.promotion_id.int)),
        nudges=nudges_of(offers, judge, basket),
        add_on_items=add_on_items(offers, judge, basket),
        policy=terms.policy,
    )


def _oldest_first(promotions: Iterable[Promotion]) -> list[Promotion]:
    ordered = sorted(promotions, key=lambda promotion: promotion.id.int)
    if len({promotion.id.int for promotion in ordered}) < len(ordered):
        raise ValueError("two promotions share an id")
    return [in_its_layer(promotion) for promotion in ordered]


def _sift(
    promotions: Sequence[Promotion], occasion: Occasion, facts: Facts
) -> tuple[list[Offer], list[NotApplied]]:
    """Tell promotions whose conditions hold from those whose do not, with what each could do."""
    offers: list[Offer] = []
    refused: list[NotApplied] = []
    for promotion in promotions:
        admitted = admit(promotion, occasion)
        if isinstance(admitted, Reason):
            refused.append(_not_applied(promotion, admitted))
            continue
        touched = [unit for unit in facts.types if admitted >> unit.index & 1]
        offers.append(offer_of(promotion, touched, facts))
    return offers, refused


def _not_applied(promotion: Promotion, reason: Reason) -> NotApplied:
    return NotApplied(promotion.id, promotion.version, promotion.kind, reason.code, reason.params)


def _frame(basket: Basket, types: Sequence[UnitType], terms: Terms) -> Frame:
    if terms.discount_cap_bp == DEFAULT_TERMS.discount_cap_bp:
        return Frame(basket.shipping_amount)
    goods = sum(unit.price_amount * unit.quantity for unit in types)
    return Frame(basket.shipping_amount, goods * terms.discount_cap_bp // BASIS_POINTS)


def _plan(question: Question, offers: Sequence[Offer], facts: Facts, terms: Terms) -> Plan:
    weighed = Offers.of(offers)
    if terms.policy == "priority":
        return plan_by_priority(question, weighed, facts)
    return best_plan(question, weighed)


def _amounts(basket: Basket, plan: Plan, lines: tuple[QuoteLine, ...]) -> dict[str, Any]:
    list_amount = sum(line.list_amount * line.quantity for line in lines)
    payable_amount = sum(line.payable_amount for line in lines)
    on_lines = [row for line in lines for row in line.adjustments]
    on_shipping = tuple(
        Adjustment(one.id, one.version, one.kind, off, 0) for one, off in plan.shipping_parts
    )
    shipping_amount = basket.shipping_amount - sum(row.amount for row in on_shipping)
    total_amount = payable_amount + shipping_amount
    short = plan.bound_saving_amount - plan.saving_amount
    runner_up = plan.runner_up_saving_amount
    return {
        "lines": lines,
        "goods_list_amount": list_amount,
        "goods_discount_amount": list_amount - payable_amount,
        "goods_payable_amount": payable_amount,
        "shipping_list_amount": basket.shipping_amount,
        "shipping_adjustments": on_shipping,
        "shipping_amount": shipping_amount,
        "points_amount": sum(row.amount for row in on_lines if row.kind == POINTS),
        "total_amount": total_amount,
        "applied": _applied((*on_lines, *on_shipping), basket.price_setting.kind),
        "optimality": "best_found" if short else "proven",
        # Points pay at most a share of the goods, so they never make up for what is not found.
        "bound_amount": total_amount - short,
        "runner_up_amount": (
            None if runner_up is None else total_amount + plan.saving_amount - runner_up
        ),
    }


def _applied(adjustments: Iterable[Adjustment], setting_kind: str) -> tuple[Applied, ...]:
    """What each origin took off the whole: the price-setting, promotions oldest first, the rest."""
    sums = sums_by_origin(adjustments).values()

    def rank(row: Adjustment) -> tuple[bool, bool, int]:
        id_ = row.promotion_id
        return row.kind != setting_kind, id_ is None, id_.int if id_ else 0

    return tuple(
        Applied(row.promotion_id, row.promotion_version, row.kind, row.amount, row.units)
        for row in sorted(sums, key=rank)
    )
