"""The answer to a basket: what each unit costs and why, and the fate of each promotion.

Codes and parameters only; texts are made of them at the edge.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from app.promotions.pricing.reasons import Param, ReasonCode
from app.promotions.pricing.terms import Policy

Optimality = Literal["proven", "best_found"]
Origin = Literal["goods", "add_on"]
NudgeCode = Literal["needs_amount", "needs_units", "next_tier"]

ROUNDING = "half_up_per_unit"
ALLOCATION = "largest_remainder_ties_to_dearer"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` taken off a line over `units` of its units; a solo price has no promotion id.

    The shop's cap gives back, so its `discount_cap` is below zero.
    """

    promotion_id: UUID | None
    promotion_version: int | None
    kind: str
    amount: int
    units: int


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """A merged line: `list_amount` and `price_amount` are per unit, `payable_amount` is for all.

    Units chosen from an add-on are lines of their own, which name it. `unit_share_amounts` has one
    entry per unit and sums to `payable_amount`: a refund of a unit pays back its share.
    """

    key: str
    origin: Origin
    add_on_id: UUID | None
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
class GiftLine:
    """Units given for nothing."""

    promotion_id: UUID
    promotion_version: int
    variant_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Nudge:
    """What more would earn what: 还差多少. `params` name what is missing and what it gives."""

    promotion_id: UUID
    promotion_version: int
    kind: str
    code: NudgeCode
    params: tuple[tuple[str, Param], ...]


@dataclass(frozen=True, slots=True)
class AddOnItem:
    """Goods an add-on offers to this basket; open when `missing_amount` is 0.

    `felt_return` is what a unit saves for what it costs, `true_discount` what it saves of the whole
    with the goods that qualify: both as (part, whole), to be shown to operators.
    """

    promotion_id: UUID
    promotion_version: int
    tier: int
    variant_id: UUID
    list_amount: int
    price_amount: int
    units_max: int
    missing_amount: int
    felt_return: tuple[int, int]
    true_discount: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a basket, explained.

    `bound_amount` is a total that no combination can go under: equal to `total_amount` when the
    quote is proven. `runner_up_amount` is the least total found when one of the promotions applied
    here is left out, None when none was or when the operator's order decides.
    """

    currency: str
    lines: tuple[QuoteLine, ...]
    gifts: tuple[GiftLine, ...]
    goods_list_amount: int
    goods_discount_amount: int
    goods_payable_amount: int
    shipping_list_amount: int
    shipping_adjustments: tuple[Adjustment, ...]
    shipping_amount: int
    points_amount: int
    total_amount: int
    applied: tuple[Applied, ...]
    not_applied: tuple[NotApplied, ...]
    nudges: tuple[Nudge, ...]
    add_on_items: tuple[AddOnItem, ...]
    policy: Policy
    optimality: Optimality
    bound_amount: int
    runner_up_amount: int | None
    rounding: str = ROUNDING
    allocation: str = ALLOCATION
