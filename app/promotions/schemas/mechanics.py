"""Shapes of the mechanics: what an operator fills in for each kind, and the goods it touches."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.core.http.schema import (
    Amount,
    BasisPoints,
    EachOnce,
    Flag,
    PositiveAmount,
    Quantity,
    Shown,
    Tag,
    Wish,
)
from app.core.money import PRICE_AMOUNT_MAX
from app.promotions.pricing.add_on import TIERS_MAX as ADD_ON_TIERS_MAX
from app.promotions.pricing.add_on import VARIANTS_MAX
from app.promotions.pricing.bundle import PART_UNITS_MAX, PARTS_MAX
from app.promotions.pricing.buy_n_get_m import GROUP_MAX
from app.promotions.pricing.percent_off import STEPS_MAX
from app.promotions.pricing.spend_threshold import TIERS_MAX

IDS_MAX = 200
TAGS_MAX = 50

Ids = Annotated[frozenset[UUID], Field(max_length=IDS_MAX), EachOnce]
Tags = Annotated[frozenset[Tag], Field(max_length=TAGS_MAX), EachOnce]
GroupCount = Annotated[int, Field(strict=True, ge=1, le=GROUP_MAX)]
PositiveCount = Annotated[int, Field(strict=True, ge=1, le=PRICE_AMOUNT_MAX)]
UnitsMax = Annotated[
    Quantity | None, Field(description="At most so many units of an order are discounted.")
]
NO_IDS: frozenset[UUID] = frozenset()
NO_TAGS: frozenset[str] = frozenset()


def example(**values: Any) -> ConfigDict:
    """What the description shows of a shape."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class LadderStepRule(Wish):
    """From so many units on, `off_bp` off each of them."""

    model_config = example(units=2, off_bp=1_000)

    units: Quantity
    off_bp: BasisPoints


class PercentOffRule(Wish):
    """打X折: basis points off each matching unit, rounded half-up; 打8折 is 2000.

    Either `off_bp`, or a `ladder` (2件9折, 3件8折): the highest step met holds for all the units
    that the promotion is used on. Off the `order`, one percentage of what the item layer leaves of
    the matching goods is taken, rounded once.
    """

    model_config = example(
        kind="percent_off",
        ladder=[{"units": 2, "off_bp": 1_000}, {"units": 3, "off_bp": 2_000}],
        order_off_max_amount=5_000,
    )

    kind: Literal["percent_off"]
    per: Literal["unit", "order"] = "unit"
    off_bp: BasisPoints | None = None
    ladder: Annotated[list[LadderStepRule], Field(max_length=STEPS_MAX)] = Field(
        default_factory=list, description="Units and percentages rise from step to step."
    )
    units_max: UnitsMax = None
    line_off_max_amount: PositiveAmount | None = Field(
        default=None, description="The most it takes off one line, lines of one variant merged."
    )
    order_off_max_amount: PositiveAmount | None = Field(
        default=None, description="The most it takes off one order."
    )


class GoodsMatch(Wish):
    """Which goods are touched: every field that is not empty must hold; empty means all goods."""

    model_config = example(tags_any=["fruit"], tags_none=["gift"])

    product_ids: Ids = NO_IDS
    variant_ids: Ids = NO_IDS
    category_ids: Ids = Field(default=NO_IDS, description="Each with all categories below it.")
    tags_any: Tags = NO_TAGS
    tags_all: Tags = NO_TAGS
    product_ids_none: Ids = NO_IDS
    variant_ids_none: Ids = NO_IDS
    category_ids_none: Ids = NO_IDS
    tags_none: Tags = NO_TAGS


class AmountOffRule(Wish):
    """立减: an amount off each unit, each whole line, or spread over the order's matching goods."""

    model_config = example(kind="amount_off", per="unit", off_amount=500)

    kind: Literal["amount_off"]
    per: Literal["unit", "line", "order"]
    off_amount: PositiveAmount
    units_max: UnitsMax = Field(
        default=None, description="At most so many units of an order; only off each unit."
    )


class BuyNGetMRule(Wish):
    """买N送M: of each buy + get units the cheapest `get` are free, or `off_bp` off."""

    model_config = example(kind="buy_n_get_m", buy=2, get=1)

    kind: Literal["buy_n_get_m"]
    buy: GroupCount
    get: GroupCount
    off_bp: BasisPoints = 10_000
    times_max: Quantity | None = Field(default=None, description="At most so often in an order.")


class BundlePartRule(Wish):
    """So many units of the goods that match, mixed or alike."""

    model_config = example(match={"tags_any": ["cosmetics"]}, quantity=1)

    match: GoodsMatch
    quantity: Annotated[int, Field(strict=True, ge=1, le=PART_UNITS_MAX)]


class BundleRule(Wish):
    """组合套装: one of each part for one price below their sum; each is sold alone too."""

    model_config = example(
        kind="bundle",
        parts=[
            {"match": {"tags_any": ["cosmetics"]}, "quantity": 1},
            {"match": {"tags_any": ["tissues"]}, "quantity": 2},
        ],
        price_amount=4_000,
    )

    kind: Literal["bundle"]
    parts: Annotated[list[BundlePartRule], Field(min_length=1, max_length=PARTS_MAX)]
    price_amount: Amount
    times_max: Quantity | None = Field(default=None, description="At most so many sets an order.")


class TierRule(Wish):
    """From `threshold_amount` on, inclusive: an amount or a percentage off, not both."""

    model_config = example(threshold_amount=20_000, off_amount=2_000)

    threshold_amount: PositiveAmount
    off_amount: Amount = 0
    off_bp: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 0


class SpendThresholdRule(Wish):
    """满减/满折: the highest tier met applies; `repeat` gives its one tier for each time met."""

    model_config = example(
        kind="spend_threshold", tiers=[{"threshold_amount": 20_000, "off_amount": 2_000}]
    )

    kind: Literal["spend_threshold"]
    tiers: Annotated[list[TierRule], Field(min_length=1, max_length=TIERS_MAX)]
    repeat: Flag = False
    off_max_amount: PositiveAmount | None = Field(
        default=None, description="The most it takes off one order."
    )


class AddOnTierRule(Wish):
    """From so much on, the chosen goods cost so much; `quota_units` is for all buyers together."""

    model_config = example(
        threshold_amount=20_000,
        price_amount=100,
        variant_ids=["0192f0c1-a5e8-7000-a000-000000000004"],
        units_max=1,
        quota_units=500,
    )

    threshold_amount: Amount = 0
    price_amount: Amount
    variant_ids: Annotated[frozenset[UUID], Field(min_length=1, max_length=VARIANTS_MAX), EachOnce]
    units_max: Quantity = Field(default=1, description="At most so many units an order.")
    quota_units: PositiveCount | None = None


class AddOnRule(Wish):
    """加1元换购: goods that match and reach a tier unlock chosen goods at a token price."""

    model_config = example(
        kind="add_on",
        tiers=[{"price_amount": 100, "variant_ids": ["0192f0c1-a5e8-7000-a000-000000000004"]}],
        units_max=1,
    )

    kind: Literal["add_on"]
    tiers: Annotated[list[AddOnTierRule], Field(min_length=1, max_length=ADD_ON_TIERS_MAX)]
    units_max: Quantity | None = Field(
        default=None, description="At most so many units an order over all tiers."
    )


class GiftRule(Wish):
    """满赠: units of a variant for nothing; with `repeat` for each time the threshold is met."""

    model_config = example(
        kind="gift", threshold_amount=20_000, variant_id="0192f0c1-a5e8-7000-a000-000000000004"
    )

    kind: Literal["gift"]
    threshold_amount: Amount = 0
    variant_id: UUID
    quantity: Quantity = 1
    repeat: Flag = False
    times_max: Quantity | None = Field(default=None, description="At most so often an order.")


class FreeShippingRule(Wish):
    """包邮: nothing to pay for shipping from so much on."""

    model_config = example(kind="free_shipping", threshold_amount=9_900)

    kind: Literal["free_shipping"]
    threshold_amount: Amount = 0


class ShippingOffRule(Wish):
    """运费立减: so much off the shipping from so much on."""

    model_config = example(kind="shipping_off", threshold_amount=4_900, off_amount=500)

    kind: Literal["shipping_off"]
    threshold_amount: Amount = 0
    off_amount: PositiveAmount


class BrokenRule(Shown):
    """What is stored of a promotion that the engine refuses; no quote has it. End it."""

    model_config = example(kind="broken", stored={"rule": {"kind": "percent_off", "off_bp": 0}})

    kind: Literal["broken"]
    stored: dict[str, Any]


_Rules = (
    PercentOffRule
    | AmountOffRule
    | BuyNGetMRule
    | BundleRule
    | SpendThresholdRule
    | AddOnRule
    | GiftRule
    | FreeShippingRule
    | ShippingOffRule
)
Rule = Annotated[_Rules, Field(discriminator="kind")]
ShownRule = Annotated[_Rules | BrokenRule, Field(discriminator="kind")]
