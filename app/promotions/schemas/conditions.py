"""Shapes of what a promotion may ask of the moment, the buyer and the basket, and of its limits."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.community.models import CommunityRole
from app.core.http.schema import EachOnce, Flag, PositiveAmount, Wish
from app.core.money import LINES_MAX, QUANTITY_MAX
from app.promotions.pricing.conditions import DAY_MINUTES, HOURS_MAX, NTH_ORDER_MAX
from app.promotions.schemas.mechanics import NO_IDS, NO_TAGS, PositiveCount, Tags, example

GROUPS_MAX = 20

Weekday = Annotated[int, Field(strict=True, ge=1, le=7, description="1 is Monday.")]
Minute = Annotated[int, Field(strict=True, ge=0, le=DAY_MINUTES, description="Of the day.")]
Groups = Annotated[frozenset[UUID], Field(max_length=GROUPS_MAX), EachOnce]
Channel = Literal["mini_program", "web", "app", "store"]


class OpenHours(Wish):
    """Minutes of some weekdays by the shop's clock: from the first on, before the last."""

    model_config = example(weekdays=[6, 7], from_minute=600, to_minute=1_320)

    weekdays: Annotated[frozenset[Weekday], Field(min_length=1, max_length=7), EachOnce]
    from_minute: Minute = 0
    to_minute: Minute = DAY_MINUTES


class MinimumSubtotal(Wish):
    """The least subtotal of the matching goods: at list prices, or after the discounts before."""

    model_config = example(amount=10_000, basis="running")

    amount: PositiveAmount
    basis: Literal["gross", "running"] = "running"


class PromotionConditions(Wish):
    """Each one that is set must hold; all of it is declared, published, and checked by anybody."""

    model_config = example(
        hours=[{"weekdays": [6, 7]}], new_buyers_only=True, channels=["mini_program"]
    )

    hours: Annotated[tuple[OpenHours, ...], Field(max_length=HOURS_MAX)] = ()
    new_buyers_only: Flag = False
    nth_order: Annotated[int, Field(strict=True, ge=1, le=NTH_ORDER_MAX)] | None = Field(
        default=None, description="Only the buyer's nth paid order in the shop."
    )
    community_ids: Groups = Field(
        default=NO_IDS, description="Only for members of one of these communities of the shop."
    )
    roles: Annotated[frozenset[CommunityRole], EachOnce] = Field(
        default=frozenset(),
        description="Only for one of these roles, in one of the communities named or in any.",
    )
    member_tags_any: Tags = Field(
        default=NO_TAGS, description="Only for members who declared one of these tags."
    )
    member_tags_all: Tags = NO_TAGS
    member_tags_none: Tags = NO_TAGS
    audience_ids: Groups = Field(
        default=NO_IDS, description="Only for members of one of these audiences of the shop."
    )
    channels: Annotated[frozenset[Channel], EachOnce] = frozenset()
    minimum: MinimumSubtotal | None = None
    units_min: Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX * LINES_MAX)] | None = Field(
        default=None, description="The least number of matching units."
    )


class PromotionLimits(Wish):
    """What all orders together may use of a promotion, and each member of it; null: no limit."""

    model_config = example(uses_max=1_000, member_uses_max=1, budget_amount=500_000)

    uses_max: PositiveCount | None = None
    member_uses_max: PositiveCount | None = None
    budget_amount: PositiveAmount | None = Field(
        default=None, description="All that it may take off, in minor units."
    )
