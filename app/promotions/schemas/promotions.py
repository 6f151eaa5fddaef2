"""Shapes of promotions as operators send and see them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.core.http.schema import Currency, Flag, Line, Moment, Shown, Tag, Wish
from app.promotions.models import PromotionKind
from app.promotions.pricing.promotion import PRIORITY_MAX
from app.promotions.rules import PromotionState
from app.promotions.rules.warnings import CautionCode
from app.promotions.rules.wishes import plain
from app.promotions.schemas.conditions import PromotionConditions, PromotionLimits
from app.promotions.schemas.mechanics import GoodsMatch, PercentOffRule, Rule, ShownRule, example

Priority = Annotated[int, Field(strict=True, ge=0, le=PRIORITY_MAX)]

_SHOWN: dict[str, Any] = {
    "id": "0192f0c1-a5e8-7000-a000-000000000001",
    "shop_id": "0192f0c1-a5e8-7000-a000-000000000002",
    "kind": "percent_off",
    "status": "running",
    "name_zh": "杨梅季八折",
    "name_en": "20% off in bayberry season",
    "rule": {"kind": "percent_off", "off_bp": 2_000},
    "match": {"tags_any": ["fruit"]},
    "starts_at": "2026-06-18T00:00:00Z",
    "ends_at": "2026-06-25T00:00:00Z",
    "conditions": {"new_buyers_only": True},
    "limits": {"uses_max": 1_000, "member_uses_max": 1, "budget_amount": None},
    "needs_coupon": False,
    "exclusive": False,
    "stacking_group": "season",
    "priority": 10,
    "version": 2,
    "created_at": "2026-06-17T04:00:00Z",
}


class AddPromotion(Wish):
    """A promotion to be drafted.

    Without `starts_at` it begins with its activation, without `ends_at` it goes on until ended.
    """

    model_config = example(
        name_zh="杨梅季八折",
        name_en="20% off in bayberry season",
        rule={"kind": "percent_off", "off_bp": 2_000},
        match={"tags_any": ["fruit"]},
        starts_at="2026-06-18T00:00:00Z",
        ends_at="2036-06-25T00:00:00Z",
        conditions={"new_buyers_only": True},
        limits={"uses_max": 1_000, "member_uses_max": 1},
        stacking_group="season",
        priority=10,
    )

    name_zh: Line
    name_en: Line
    rule: Rule
    match: GoodsMatch = GoodsMatch()
    starts_at: Moment | None = Field(default=None, description="The first moment it applies.")
    ends_at: Moment | None = Field(default=None, description="The first moment it does not.")
    conditions: PromotionConditions = PromotionConditions()
    limits: PromotionLimits = PromotionLimits()
    needs_coupon: Flag = Field(
        default=False, description="Only for buyers who present a coupon for it."
    )
    exclusive: Flag = Field(default=False, description="Used alone or not at all.")
    stacking_group: Tag | None = Field(
        default=None, description="What the shop's pairs of promotions that never meet may name."
    )
    priority: Priority = Field(
        default=0, description="Counts where the shop's policy is `priority`: the higher first."
    )
    currency: Currency | None = Field(
        default=None, description="Refused if it is not the shop's; the amounts are in it."
    )


class EditPromotion(Wish):
    """Changes to a promotion; only what is sent is changed, `conditions` and `limits` as a whole.

    Once it has started only names, `ends_at`, `priority` and higher `limits` can be changed. The
    default factories are never read: they make a field optional without allowing null.
    """

    model_config = example(name_zh="杨梅季七折", rule={"kind": "percent_off", "off_bp": 3_000})

    name_zh: Line = Field(default_factory=str)
    name_en: Line = Field(default_factory=str)
    rule: Rule = Field(default_factory=lambda: PercentOffRule(kind="percent_off"))
    match: GoodsMatch = Field(default_factory=GoodsMatch)
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    conditions: PromotionConditions = Field(default_factory=PromotionConditions)
    limits: PromotionLimits = Field(default_factory=PromotionLimits)
    needs_coupon: Flag = Field(default_factory=bool)
    exclusive: Flag = Field(default_factory=bool)
    stacking_group: Tag | None = None
    priority: Priority = Field(default_factory=int)
    currency: Currency | None = None
    confirm_below_cost: Flag = Field(
        default_factory=bool, description="Needed where a scheduled one would sell below cost."
    )


_DOCUMENTS = ("rule", "match", "conditions", "limits")


def said(wish: AddPromotion | EditPromotion) -> dict[str, Any]:
    """What was sent; a document that is sent is sent whole, with what is left to its defaults."""
    sent = wish.model_dump(exclude_unset=isinstance(wish, EditPromotion))
    whole = {name: getattr(wish, name).model_dump() for name in _DOCUMENTS if name in sent}
    return {**sent, **plain(whole)}


class ActivatePromotion(Wish):
    """What the operator has made sure of."""

    model_config = example(confirm_below_cost=True)

    confirm_below_cost: Flag = Field(
        default=False,
        description="Needed where goods would be sold below what they cost, unless that was "
        "confirmed since its rule, goods or conditions were last edited.",
    )


class PromotionListed(Shown):
    """A promotion as its operators see it; `status` is what its window makes of it now."""

    model_config = example(**_SHOWN)

    id: UUID
    shop_id: UUID
    kind: PromotionKind
    status: PromotionState
    name_zh: str
    name_en: str
    rule: ShownRule
    match: GoodsMatch
    starts_at: datetime | None
    ends_at: datetime | None
    conditions: PromotionConditions
    limits: PromotionLimits
    needs_coupon: bool
    exclusive: bool
    stacking_group: str | None
    priority: int
    version: int
    created_at: datetime


class PromotionWarning(Shown):
    """Something to know before buyers find out; codes are stable, texts are the client's."""

    model_config = example(
        code="below_cost", params={"variant_ids": ["0192f0c1-a5e8-7000-a000-000000000004"]}
    )

    code: CautionCode
    params: dict[str, Any]


class PromotionShown(PromotionListed):
    """A promotion with what there is to be warned about; none of it was a reason to refuse it."""

    model_config = example(**_SHOWN, warnings=[{"code": "no_goods", "params": {}}])

    warnings: list[PromotionWarning]


class PromotionsStopped(Shown):
    """The promotions that were live and are paused now, the oldest first."""

    model_config = example(promotion_ids=["0192f0c1-a5e8-7000-a000-000000000001"])

    promotion_ids: list[UUID]
