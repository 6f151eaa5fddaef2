"""The answer to a basket: lines, adjustments, frozen unit shares, and the fate of each promotion.

`quote` is the one function that the cart, the operator's preview and checkout share.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.promotions.pricing.basket import Basket, PriceSetting
from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.conditions import Occasion, admit
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.offers import Offer, Offers, UnitOffer, offer_of
from app.promotions.pricing.order_layer import OrderOffer
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param, Reason, ReasonCode
from app.promotions.pricing.search import Plan, Use, best_plan
from app.promotions.pricing.units import UnitType, unit_types
from app.promotions.pricing.unused import Judge

Optimality = Literal["proven", "best_found"]

ROUNDING = "half_up_per_unit"
ALLOCATION = "largest_remainder_ties_to_earlier"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` taken off a line over `units` of its units; a solo price has no promotion id."""

    promotion_id: UUID | None
    promotion_version: int | None
    kind: str
    amount: int
    units: int


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """A merged line: `list_amount` and `price_amount` are per unit, `payable_amount` is for all.

    `unit_share_amounts` has one entry per unit and sums to `payable_amount`: a refund of a unit
    pays back its share.
    """

    key: str
    variant_id: UUID
    product_id: UUID
    quantity: int
    list_amount: int
    price_amount: int
    adjustments: tuple[Adjustment, ...]
    payable_amount: int
    unit_share_amounts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What one promotion or price-setting took off the whole basket."""

    promotion_id: UUID | None
    promotion_version: int | None
    kind: str
    amount: int
    units: int


@dataclass(frozen=True, slots=True)
class NotApplied:
    """Why a promotion took nothing off, as a stable code with parameters."""

    promotion_id: UUID
    promotion_version: int
    kind: str
    code: ReasonCode
    params: tuple[tuple[str, Param], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a basket, explained.

    `bound_amount` is a total that no combination can go under: equal to `total_amount` when the
    quote is proven. `runner_up_amount` is the least total without one of the promotions applied
    here, None when none was.
    """

    currency: str
    lines: tuple[QuoteLine, ...]
    goods_list_amount: int
    goods_discount_amount: int
    goods_payable_amount: int
    shipping_amount: int
    total_amount: int
    applied: tuple[Applied, ...]
    not_applied: tuple[NotApplied, ...]
    optimality: Optimality
    bound_amount: int
    runner_up_amount: int | None
    rounding: str = ROUNDING
    allocation: str = ALLOCATION


def quote(basket: Basket, promotions: Iterable[Promotion], *, now: datetime) -> Quote:
    """Price a basket at the least the buyer can pay; ValueError only for a caller's mistake."""
    if now.utcoffset() is None:
        raise ValueError("now must be an aware datetime")
    types = unit_types(basket)
    index = LineIndex([unit.line for unit in types])
    occasion = Occasion(now, basket.buyer, basket.price_setting.kind, index)
    offers, refused = _sift(_oldest_first(promotions), types, occasion)
    plan = best_plan(types, _laid_out(offers))
    lines = _lines(types, plan, basket.price_setting)
    used = {promotion.id for promotion in plan.used}
    judge = Judge(plan, types, index)
    refused += [
        _not_applied(offer.promotion, judge.why_not(offer))
        for offer in offers
        if offer.promotion.id not in used
    ]
    return _total(basket, lines, plan, refused)


def _oldest_first(promotions: Iterable[Promotion]) -> list[Promotion]:
    ordered = sorted(promotions, key=lambda promotion: promotion.id.int)
    if len({promotion.id.int for promotion in ordered}) < len(ordered):
        raise ValueError("two promotions share an id")
    return ordered


def _sift(
    promotions: Sequence[Promotion], types: Sequence[UnitType], occasion: Occasion
) -> tuple[list[Offer], list[NotApplied]]:
    """Tell promotions whose conditions hold from those whose do not, with what each could do."""
    offers: list[Offer] = []
    refused: list[NotApplied] = []
    for promotion in promotions:
        admitted = admit(promotion, occasion)
        if isinstance(admitted, Reason):
            refused.append(_not_applied(promotion, admitted))
            continue
        touched = [unit for unit in types if admitted >> unit.index & 1]
        offers.append(offer_of(promotion, touched, types, occasion.index))
    return offers, refused


def _laid_out(offers: Sequence[Offer]) -> Offers:
    return Offers(
        tuple(offer for offer in offers if isinstance(offer, UnitOffer)),
        tuple(offer for offer in offers if isinstance(offer, SetOffer)),
        tuple(offer for offer in offers if isinstance(offer, FreeOffer)),
        tuple(offer for offer in offers if isinstance(offer, OrderOffer)),
    )


def _not_applied(promotion: Promotion, reason: Reason) -> NotApplied:
    return NotApplied(promotion.id, promotion.version, promotion.kind, reason.code, reason.params)


def _lines(types: Sequence[UnitType], plan: Plan, setting: PriceSetting) -> tuple[QuoteLine, ...]:
    ordered = sorted(types, key=lambda unit: unit.position)
    uses: dict[int, list[Use]] = {}
    for use in plan.uses:
        uses.setdefault(use.type_index, []).append(use)
    places: dict[int, list[int]] = {}
    for place, rest in enumerate(plan.rests):
        places.setdefault(rest.type_index, []).append(place)
    return tuple(
        _line(unit, plan, setting, (uses.get(unit.index, []), places[unit.index]))
        for unit in ordered
    )


def _line(
    unit: UnitType, plan: Plan, setting: PriceSetting, own: tuple[list[Use], list[int]]
) -> QuoteLine:
    line = unit.line
    uses, places = own
    shares: list[int] = []
    for place in places:
        rest = plan.rests[place]
        off = sum(row.parts[place] for row in plan.order_parts)
        shares += _even(rest.amount * rest.units - off, rest.units)
    return QuoteLine(
        key=line.key,
        variant_id=line.variant_id,
        product_id=line.product_id,
        quantity=unit.quantity,
        list_amount=line.list_amount,
        price_amount=unit.price_amount,
        adjustments=(
            *_price_adjustments(unit, setting),
            *_item_adjustments(uses),
            *_order_adjustments(places, plan),
        ),
        payable_amount=sum(shares),
        unit_share_amounts=tuple(shares),
    )


def _even(amount: int, units: int) -> list[int]:
    """Like units share alike: the first ones carry the odd minor units."""
    less, more = divmod(amount, units)
    return [less + 1] * more + [less] * (units - more)


def _item_adjustments(uses: Iterable[Use]) -> Iterable[Adjustment]:
    sums: dict[UUID, Adjustment] = {}
    for use in uses:
        if use.amount:
            known = sums.get(use.promotion.id)
            amount, units = (known.amount, known.units) if known else (0, 0)
            sums[use.promotion.id] = _adjustment(
                use.promotion, amount + use.amount, units + use.units
            )
    return sums.values()


def _order_adjustments(places: Sequence[int], plan: Plan) -> Iterable[Adjustment]:
    for row in plan.order_parts:
        amount = sum(row.parts[place] for place in places)
        if amount:
            units = sum(plan.rests[place].units for place in places if row.parts[place])
            yield _adjustment(row.promotion, amount, units)


def _adjustment(promotion: Promotion, amount: int, units: int) -> Adjustment:
    return Adjustment(promotion.id, promotion.version, promotion.kind, amount, units)


def _price_adjustments(unit: UnitType, setting: PriceSetting) -> tuple[Adjustment, ...]:
    amount = (unit.line.list_amount - unit.price_amount) * unit.quantity
    if amount == 0:
        return ()
    promotion_id, version = setting.source
    return (Adjustment(promotion_id, version, setting.kind, amount, unit.quantity),)


def _total(
    basket: Basket, lines: tuple[QuoteLine, ...], plan: Plan, refused: list[NotApplied]
) -> Quote:
    list_amount = sum(line.list_amount * line.quantity for line in lines)
    payable_amount = sum(line.payable_amount for line in lines)
    undiscounted_amount = payable_amount + basket.shipping_amount + plan.saving_amount
    bound_amount = undiscounted_amount - plan.bound_saving_amount
    total_amount = payable_amount + basket.shipping_amount
    runner_up = plan.runner_up_saving_amount
    return Quote(
        currency=basket.currency,
        lines=lines,
        goods_list_amount=list_amount,
        goods_discount_amount=list_amount - payable_amount,
        goods_payable_amount=payable_amount,
        shipping_amount=basket.shipping_amount,
        total_amount=total_amount,
        applied=_applied(lines, basket.price_setting.kind),
        not_applied=tuple(sorted(refused, key=lambda row: row.promotion_id.int)),
        optimality="proven" if total_amount == bound_amount else "best_found",
        bound_amount=bound_amount,
        runner_up_amount=None if runner_up is None else undiscounted_amount - runner_up,
    )


def _applied(lines: Iterable[QuoteLine], setting_kind: str) -> tuple[Applied, ...]:
    """Add the adjustments up by origin: the price-setting first, then promotions, oldest first."""
    sums: dict[tuple[str, UUID | None], Applied] = {}
    for line in lines:
        for row in line.adjustments:
            origin = (row.kind, row.promotion_id)
            so_far = sums.get(origin)
            amount, units = (so_far.amount, so_far.units) if so_far else (0, 0)
            sums[origin] = Applied(
                row.promotion_id,
                row.promotion_version,
                row.kind,
                amount + row.amount,
                units + row.units,
            )

    def rank(applied: Applied) -> tuple[bool, int]:
        id_ = applied.promotion_id
        return applied.kind != setting_kind, id_.int if id_ else 0

    return tuple(sorted(sums.values(), key=rank))
