"""The answer to a basket: lines, adjustments, frozen unit shares, and the fate of each promotion.

`quote` is the one function that the cart, the operator's preview and checkout share.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.core.money import split
from app.promotions.pricing.basket import Basket, PriceSetting
from app.promotions.pricing.conditions import Occasion, admit
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param, Reason, ReasonCode
from app.promotions.pricing.search import Candidate, Plan, Use, best_plan
from app.promotions.pricing.units import UnitType, unit_types

Optimality = Literal["proven", "best_found"]

ROUNDING = "half_up_per_unit"
ALLOCATION = "largest_remainder_ties_to_earlier"

# A use of an exclusive promotion closes every type to all others: a mask of endless ones.
_ALL_TYPES = -1
_NO_SAVING = Reason("no_saving")


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
    candidates, refused = _sift(_oldest_first(promotions), basket, types, now)
    plan = best_plan(types, candidates)
    lines = _lines(types, plan.uses, basket.price_setting)
    refused += _unused(candidates, plan.uses)
    return _total(basket, lines, plan, refused)


def _oldest_first(promotions: Iterable[Promotion]) -> list[Promotion]:
    ordered = sorted(promotions, key=lambda promotion: promotion.id.int)
    if len({promotion.id.int for promotion in ordered}) < len(ordered):
        raise ValueError("two promotions share an id")
    return ordered


def _sift(
    promotions: Sequence[Promotion], basket: Basket, types: Sequence[UnitType], now: datetime
) -> tuple[list[Candidate], list[NotApplied]]:
    """Tell promotions whose conditions hold from those whose do not, with what each would save."""
    index = LineIndex([unit.line for unit in types])
    occasion = Occasion(now, basket.buyer, basket.price_setting.kind, index)
    candidates: list[Candidate] = []
    refused: list[NotApplied] = []
    for promotion in promotions:
        admitted = admit(promotion, occasion)
        if isinstance(admitted, Reason):
            refused.append(_not_applied(promotion, admitted))
            continue
        touched = [unit for unit in types if admitted >> unit.index & 1]
        savings = zip(touched, promotion.unit_savings(touched), strict=True)
        positive = [(unit.index, saving) for unit, saving in savings if saving > 0]
        candidates.append(Candidate(promotion, tuple(positive)))
    return candidates, refused


def _not_applied(promotion: Promotion, reason: Reason) -> NotApplied:
    return NotApplied(promotion.id, promotion.version, promotion.kind, reason.code, reason.params)


def _unused(candidates: Iterable[Candidate], uses: Iterable[Use]) -> list[NotApplied]:
    """Say of each candidate that was not used which promotions have the units it would discount."""
    won: dict[UUID, int] = {}
    for use in uses:
        reach = _ALL_TYPES if use.promotion.exclusive else 1 << use.type_index
        won[use.promotion.id] = won.get(use.promotion.id, 0) | reach
    winners = sorted((str(id_), types) for id_, types in won.items())
    return [
        _not_applied(candidate.promotion, _defeat(candidate, winners))
        for candidate in candidates
        if candidate.promotion.id not in won
    ]


def _defeat(candidate: Candidate, winners: Iterable[tuple[str, int]]) -> Reason:
    if not candidate.savings:
        return _NO_SAVING
    if candidate.promotion.exclusive:
        wanted = _ALL_TYPES
    else:
        wanted = sum([1 << index for index, _ in candidate.savings])
    better = [id_ for id_, types in winners if types & wanted]
    return Reason("lost_to_better", (("promotion_ids", tuple(better)),))


def _lines(
    types: Sequence[UnitType], uses: Iterable[Use], setting: PriceSetting
) -> tuple[QuoteLine, ...]:
    uses_by_type: dict[int, list[Use]] = {}
    for use in uses:
        uses_by_type.setdefault(use.type_index, []).append(use)
    ordered = sorted(types, key=lambda unit: unit.position)
    return tuple(_line(unit, uses_by_type.get(unit.index, ()), setting) for unit in ordered)


def _line(unit: UnitType, uses: Sequence[Use], setting: PriceSetting) -> QuoteLine:
    line = unit.line
    shares: tuple[int, ...] = ()
    adjustments = _price_adjustments(unit, setting)
    for use in uses:
        promotion = use.promotion
        adjustments += (
            Adjustment(promotion.id, promotion.version, promotion.kind, use.amount, use.units),
        )
        shares += _shares(unit.price_amount * use.units - use.amount, use.units)
    shares += (unit.price_amount,) * (unit.quantity - len(shares))
    return QuoteLine(
        key=line.key,
        variant_id=line.variant_id,
        product_id=line.product_id,
        quantity=unit.quantity,
        list_amount=line.list_amount,
        price_amount=unit.price_amount,
        adjustments=adjustments,
        payable_amount=sum(shares),
        unit_share_amounts=shares,
    )


def _price_adjustments(unit: UnitType, setting: PriceSetting) -> tuple[Adjustment, ...]:
    amount = (unit.line.list_amount - unit.price_amount) * unit.quantity
    if amount == 0:
        return ()
    promotion_id, version = setting.source
    return (Adjustment(promotion_id, version, setting.kind, amount, unit.quantity),)


def _shares(amount: int, units: int) -> tuple[int, ...]:
    each, rest = divmod(amount, units)
    return (each,) * units if rest == 0 else tuple(split(amount, (1,) * units))


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
