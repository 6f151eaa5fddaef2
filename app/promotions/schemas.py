"""Shapes of promotions as operators send and see them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.core.http.schema import (
    Amount,
    BasisPoints,
    EachOnce,
    Flag,
    Line,
    Moment,
    PositiveAmount,
    Quantity,
    Shown,
    Tag,
    Wish,
)
from app.promotions.models import PromotionKind, PromotionStatus
from app.promotions.pricing.bundle import PART_UNITS_MAX, PARTS_MAX
from app.promotions.pricing.buy_n_get_m import GROUP_MAX
from app.promotions.pricing.percent_off import STEPS_MAX
from app.promotions.pricing.spend_threshold import TIERS_MAX

IDS_MAX = 200
TAGS_MAX = 50
COMMUNITIES_MAX = 20

Ids = Annotated[frozenset[UUID], Field(max_length=IDS_MAX), EachOnce]
Tags = Annotated[frozenset[Tag], Field(max_length=TAGS_MAX), EachOnce]
Communities = Annotated[frozenset[UUID], Field(max_length=COMMUNITIES_MAX), EachOnce]
GroupCount = Annotated[int, Field(strict=True, ge=1, le=GROUP_MAX)]
UnitsMax = Annotated[
    Quantity | None, Field(description="At most so many units of an order are discounted.")
]
_NO_IDS: frozenset[UUID] = frozenset()
_NO_TAGS: frozenset[str] = frozenset()


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class LadderStepRule(Wish):
    """From so many units on, `off_bp` off each of them."""

    model_config = _example(units=2, off_bp=1_000)

    units: Quantity
    off_bp: BasisPoints


class PercentOffRule(Wish):
    """打X折: basis points off each matching unit, rounded half-up; 打8折 is 2000.

    Either `off_bp`, or a `ladder` (2件9折, 3件8折): the highest step met holds for all the units
    that the promotion is used on.
    """

    model_config = _example(
        kind="percent_off",
        ladder=[{"units": 2, "off_bp": 1_000}, {"units": 3, "off_bp": 2_000}],
        order_off_max_amount=5_000,
    )

    kind: Literal["percent_off"]
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

    model_config = _example(tags_any=["fruit"], tags_none=["gift"])

    product_ids: Ids = _NO_IDS
    variant_ids: Ids = _NO_IDS
    category_ids: Ids = Field(default=_NO_IDS, description="Each with all categories below it.")
    tags_any: Tags = _NO_TAGS
    tags_all: Tags = _NO_TAGS
    product_ids_none: Ids = _NO_IDS
    variant_ids_none: Ids = _NO_IDS
    category_ids_none: Ids = _NO_IDS
    tags_none: Tags = _NO_TAGS


class AmountOffRule(Wish):
    """立减: an amount off each unit, each whole line, or spread over the order's matching goods."""

    model_config = _example(kind="amount_off", per="unit", off_amount=500)

    kind: Literal["amount_off"]
    per: Literal["unit", "line", "order"]
    off_amount: PositiveAmount
    units_max: UnitsMax = Field(
        default=None, description="At most so many units of an order; only off each unit."
    )


class BuyNGetMRule(Wish):
    """买N送M: of each buy + get units the cheapest `get` are free, or `off_bp` off."""

    model_config = _example(kind="buy_n_get_m", buy=2, get=1)

    kind: Literal["buy_n_get_m"]
    buy: GroupCount
    get: GroupCount
    off_bp: BasisPoints = 10_000
    times_max: Quantity | None = Field(default=None, description="At most so often in an order.")


class BundlePartRule(Wish):
    """So many units of the goods that match, mixed or alike."""

    model_config = _example(match={"tags_any": ["cosmetics"]}, quantity=1)

    match: GoodsMatch
    quantity: Annotated[int, Field(strict=True, ge=1, le=PART_UNITS_MAX)]


class BundleRule(Wish):
    """组合套装: one of each part for one price below their sum; each is sold alone too."""

    model_config = _example(
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

    model_config = _example(threshold_amount=20_000, off_amount=2_000)

    threshold_amount: PositiveAmount
    off_amount: Amount = 0
    off_bp: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 0


class SpendThresholdRule(Wish):
    """满减/满折: the highest tier met applies; `repeat` gives its one tier for each time met."""

    model_config = _example(
        kind="spend_threshold", tiers=[{"threshold_amount": 20_000, "off_amount": 2_000}]
    )

    kind: Literal["spend_threshold"]
    tiers: Annotated[list[TierRule], Field(min_length=1, max_length=TIERS_MAX)]
    repeat: Flag = False


Rule = Annotated[
    PercentOffRule | AmountOffRule | BuyNGetMRule | BundleRule | SpendThresholdRule,
    Field(discriminator="kind"),
]


class AddPromotion(Wish):
    """A promotion to be drafted.

    Without `starts_at` it begins with its activation, without `ends_at` it goes on until stopped.
    """

    model_config = _example(
        name_zh="杨梅季八折",
        name_en="20% off in bayberry season",
        rule={"kind": "percent_off", "off_bp": 2_000},
        match={"tags_any": ["fruit"]},
        starts_at="2026-06-18T00:00:00Z",
        ends_at="2026-06-25T00:00:00Z",
    )

    name_zh: Line
    name_en: Line
    rule: Rule
    match: GoodsMatch = GoodsMatch()
    starts_at: Moment | None = Field(default=None, description="The first moment it applies.")
    ends_at: Moment | None = Field(default=None, description="The first moment it does not.")
    new_buyers_only: Flag = False
    community_ids: Communities = Field(
        default=_NO_IDS, description="Only for members of one of these communities of the shop."
    )
    member_tags_any: Tags = Field(
        default=_NO_TAGS, description="Only for members who declared one of these tags."
    )
    exclusive: Flag = Field(default=False, description="Used alone or not at all.")


class EditPromotion(Wish):
    """Changes to a promotion; only what is sent is changed.

    The default factories are never read: they make a field optional without allowing null.
    """

    model_config = _example(name_zh="杨梅季七折", rule={"kind": "percent_off", "off_bp": 3_000})

    name_zh: Line = Field(default_factory=str)
    name_en: Line = Field(default_factory=str)
    rule: Rule = Field(default_factory=lambda: PercentOffRule(kind="percent_off"))
    match: GoodsMatch = Field(default_factory=GoodsMatch)
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    new_buyers_only: Flag = Field(default_factory=bool)
    community_ids: Communities = Field(default_factory=frozenset)
    member_tags_any: Tags = Field(default_factory=frozenset)
    exclusive: Flag = Field(default_factory=bool)


class PromotionShown(Shown):
    """A promotion as its operators see it."""

    model_config = _example(
        id="0192f0c1-a5e8-7000-a000-000000000001",
        shop_id="0192f0c1-a5e8-7000-a000-000000000002",
        kind="percent_off",
        status="active",
        name_zh="杨梅季八折",
        name_en="20% off in bayberry season",
        rule={"kind": "percent_off", "off_bp": 2_000},
        match={"tags_any": ["fruit"]},
        starts_at="2026-06-18T00:00:00Z",
        ends_at="2026-06-25T00:00:00Z",
        new_buyers_only=False,
        community_ids=[],
        member_tags_any=[],
        exclusive=False,
        version=2,
        created_at="2026-06-17T04:00:00Z",
    )

    id: UUID
    shop_id: UUID
    kind: PromotionKind
    status: PromotionStatus
    name_zh: str
    name_en: str
    rule: Rule
    match: GoodsMatch
    starts_at: datetime | None
    ends_at: datetime | None
    new_buyers_only: bool
    community_ids: list[UUID]
    member_tags_any: list[str]
    exclusive: bool
    version: int
    created_at: datetime
