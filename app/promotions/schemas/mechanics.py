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
    Tag,
    Wish,
)
from app.promotions.pricing.bundle import PART_UNITS_MAX, PARTS_MAX
from app.promotions.pricing.buy_n_get_m import GROUP_MAX
from app.promotions.pricing.spend_threshold import TIERS_MAX

IDS_MAX = 200
TAGS_MAX = 50

Ids = Annotated[frozenset[UUID], Field(max_length=IDS_MAX), EachOnce]
Tags = Annotated[frozenset[Tag], Field(max_length=TAGS_MAX), EachOnce]
GroupCount = Annotated[int, Field(strict=True, ge=1, le=GROUP_MAX)]
NO_IDS: frozenset[UUID] = frozenset()
NO_TAGS: frozenset[str] = frozenset()


def example(**values: Any) -> ConfigDict:
    """What the description shows of a shape."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class PercentOffRule(Wish):
    """打X折: basis points off each matching unit, rounded half-up; 打8折 is 2000."""

    model_config = example(kind="percent_off", off_bp=2_000)

    kind: Literal["percent_off"]
    off_bp: BasisPoints


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


Rule = Annotated[
    PercentOffRule | AmountOffRule | BuyNGetMRule | BundleRule | SpendThresholdRule,
    Field(discriminator="kind"),
]
