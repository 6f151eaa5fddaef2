"""Shapes of promotions as operators send and see them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.core.http.schema import (
    EachOnce,
    Flag,
    Line,
    Moment,
    Shown,
    Wish,
)
from app.promotions.models import PromotionKind, PromotionStatus
from app.promotions.schemas.mechanics import (
    NO_IDS,
    NO_TAGS,
    GoodsMatch,
    PercentOffRule,
    Rule,
    Tags,
    example,
)

COMMUNITIES_MAX = 20

Communities = Annotated[frozenset[UUID], Field(max_length=COMMUNITIES_MAX), EachOnce]


class AddPromotion(Wish):
    """A promotion to be drafted.

    Without `starts_at` it begins with its activation, without `ends_at` it goes on until stopped.
    """

    model_config = example(
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
        default=NO_IDS, description="Only for members of one of these communities of the shop."
    )
    member_tags_any: Tags = Field(
        default=NO_TAGS, description="Only for members who declared one of these tags."
    )
    exclusive: Flag = Field(default=False, description="Used alone or not at all.")


class EditPromotion(Wish):
    """Changes to a promotion; only what is sent is changed.

    The default factories are never read: they make a field optional without allowing null.
    """

    model_config = example(name_zh="杨梅季七折", rule={"kind": "percent_off", "off_bp": 3_000})

    name_zh: Line = Field(default_factory=str)
    name_en: Line = Field(default_factory=str)
    rule: Rule = Field(default_factory=lambda: PercentOffRule(kind="percent_off", off_bp=1))
    match: GoodsMatch = Field(default_factory=GoodsMatch)
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    new_buyers_only: Flag = Field(default_factory=bool)
    community_ids: Communities = Field(default_factory=frozenset)
    member_tags_any: Tags = Field(default_factory=frozenset)
    exclusive: Flag = Field(default_factory=bool)


class PromotionShown(Shown):
    """A promotion as its operators see it."""

    model_config = example(
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
