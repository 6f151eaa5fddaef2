"""Shapes of previews: what to try, and what it would do to baskets."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.catalog.rules import Wanted
from app.community.models import CommunityRole
from app.core.http.schema import EachOnce, Flag, Moment, Quantity, Shown, Tag, Wish
from app.core.money import LINES_MAX, QUANTITY_MAX
from app.promotions.pricing.basket import ADD_ONS_MAX, Buyer
from app.promotions.pricing.conditions import NTH_ORDER_MAX
from app.promotions.rules import PromotionWish
from app.promotions.rules.baskets import AddOnWish
from app.promotions.rules.drafts import DRAFT_ID, SOME_COMMUNITY
from app.promotions.rules.previews import BASKETS_MAX, TrialBasket
from app.promotions.schemas.conditions import Groups
from app.promotions.schemas.mechanics import NO_IDS, NO_TAGS, Tags, example
from app.promotions.schemas.prices import (
    AppliedShown,
    GivenShown,
    OfferedShown,
    PriceAdjustmentShown,
    PricedLineShown,
    ReasonShown,
)
from app.promotions.schemas.promotions import AddPromotion, said

ROLES_MAX = 20

_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_DRAFT = {
    "name_zh": "满200减20",
    "name_en": "20 off 200",
    "rule": {
        "kind": "spend_threshold",
        "tiers": [{"threshold_amount": 20_000, "off_amount": 2_000}],
    },
}
_LINE = {"variant_id": f"{_ID}4", "quantity": 2}


class TrialLine(Wish):
    """Units of one variant; with `add_on_id` as chosen from that add-on."""

    model_config = example(**_LINE)

    variant_id: UUID
    quantity: Quantity
    add_on_id: UUID | None = Field(
        default=None, description=f"The add-on promotion; {DRAFT_ID} is one that is not saved."
    )


TrialLines = Annotated[list[TrialLine], Field(min_length=1, max_length=LINES_MAX)]


class RoleHeld(Wish):
    """A role in a community of the shop; null: in one that is not named."""

    model_config = example(community_id=None, role="kol")

    community_id: UUID | None = None
    role: CommunityRole


class TrialBuyer(Wish):
    """Who is to buy; what is left out is nothing."""

    model_config = example(paid_orders=2, tags=["fruit"])

    paid_orders: Annotated[int, Field(strict=True, ge=0, le=NTH_ORDER_MAX)] = 0
    tags: Tags = NO_TAGS
    community_ids: Groups = NO_IDS
    roles: Annotated[list[RoleHeld], Field(max_length=ROLES_MAX), EachOnce] = Field(
        default_factory=list, description="Each makes its buyer a member of the community, too."
    )
    audience_ids: Groups = NO_IDS
    is_known: Flag = Field(default=True, description="False: has not signed in.")

    def buyer(self) -> Buyer:
        """As the engine takes it."""
        roles = {one.community_id or SOME_COMMUNITY: one.role.value for one in self.roles}
        return Buyer(
            paid_orders=self.paid_orders,
            tags=self.tags,
            community_ids=self.community_ids | roles.keys(),
            roles=roles,
            audience_ids=self.audience_ids,
            is_known=self.is_known,
        )

    @staticmethod
    def of(buyer: Buyer) -> "TrialBuyer":
        """Somebody whom nobody has described."""
        return TrialBuyer(
            paid_orders=buyer.paid_orders,
            tags=buyer.tags,
            community_ids=buyer.community_ids - {SOME_COMMUNITY},
            roles=[
                RoleHeld(community_id=None if id_ == SOME_COMMUNITY else id_, role=role)
                for id_, role in sorted(buyer.roles.items())
            ],
            audience_ids=buyer.audience_ids,
            is_known=buyer.is_known,
        )


class PromotionTried(Wish):
    """Either a promotion as it would be created, or one that the shop has, in any status."""

    promotion: AddPromotion | None = None
    promotion_id: UUID | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.promotion is None) == (self.promotion_id is None):
            raise ValueError("either promotion or promotion_id")
        return self

    def wanted(self) -> PromotionWish | UUID:
        """As the service takes it."""
        if self.promotion is not None:
            return PromotionWish(**said(self.promotion))
        assert self.promotion_id is not None
        return self.promotion_id


class PromotionPreviewWish(PromotionTried):
    """What to try: on which baskets, for whom, when and where; what is left out is chosen."""

    model_config = example(promotion=_DRAFT, baskets=[[_LINE]], buyer={"paid_orders": 2})

    baskets: Annotated[list[TrialLines], Field(max_length=BASKETS_MAX)] = Field(
        default_factory=list,
        description="None: baskets of the shop's goods are made around its thresholds.",
    )
    buyer: TrialBuyer | None = Field(
        default=None,
        description="None: a known newcomer with what its conditions ask for; the answer says who.",
    )
    at: Moment | None = Field(
        default=None, description="None: now, or its start to come, or when its hours next open."
    )
    channel: Tag | None = Field(default=None, description="None: the first that it asks for.")

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        for lines in self.baskets:
            units = Counter[UUID]()
            for line in lines:
                units[line.variant_id] += line.quantity
            if max(units.values()) > QUANTITY_MAX:
                raise ValueError(f"more than {QUANTITY_MAX} units of one variant")
            chosen = [(one.add_on_id, one.variant_id) for one in lines if one.add_on_id]
            if len(set(chosen)) < len(chosen) or len(chosen) > ADD_ONS_MAX:
                raise ValueError(f"an add-on is chosen twice, or more than {ADD_ONS_MAX} are")
            if len(chosen) == len(lines):
                raise ValueError("a basket needs more than add-ons")
        return self

    def trial_baskets(self) -> list[TrialBasket]:
        """As the service knows them."""
        return [
            TrialBasket(
                reason="given",
                lines=tuple(
                    Wanted(one.variant_id, one.quantity) for one in lines if not one.add_on_id
                ),
                add_ons=tuple(
                    AddOnWish(one.add_on_id, one.variant_id, one.quantity)
                    for one in lines
                    if one.add_on_id
                ),
            )
            for lines in self.baskets
        ]


_NAMES = {"zh": "满200减20", "en": "20 off 200"}
_OFF = {
    "kind": "spend_threshold",
    "promotion_id": str(DRAFT_ID),
    "promotion_version": 1,
    "amount": 2_000,
    "units": 2,
}
_WITH: dict[str, Any] = {
    "list_amount": 20_400,
    "pay_amount": 18_400,
    "off_amount": 2_000,
    "margin_amount": 6_400,
    "below_cost_variant_ids": [],
    "shipping_list_amount": 600,
    "shipping_amount": 600,
    "lines": [
        {
            "origin": "goods",
            "add_on_id": None,
            "variant_id": f"{_ID}4",
            "title": "东魁杨梅",
            "quantity": 2,
            "list_amount": 9_900,
            "price_amount": 9_900,
            "cost_amount": 5_700,
            "payable_amount": 17_800,
            "adjustments": [_OFF],
        }
    ],
    "shipping_adjustments": [],
    "gifts": [],
    "applied": [{**_OFF, "names": _NAMES}],
    "not_applied": [],
    "add_on_items": [],
    "optimality": "proven",
    "bound_amount": 18_400,
}
_WITHOUT = {
    **_WITH,
    "pay_amount": 20_400,
    "off_amount": 0,
    "margin_amount": 8_400,
    "lines": [{**_WITH["lines"][0], "payable_amount": 19_800, "adjustments": []}],
    "applied": [],
    "bound_amount": 20_400,
}
_CONFLICT = {
    "promotion_id": f"{_ID}6",
    "names": {"zh": "九折", "en": "10% off"},
    "kind": "keeps_away",
    "code": "lost_to_better",
    "baskets": [0],
}
_PREVIEW = {
    "promotion_id": str(DRAFT_ID),
    "currency": "CNY",
    "policy": "best_for_buyer",
    "at": "2026-06-18T04:00:00Z",
    "channel": None,
    "buyer": {"paid_orders": 0},
    "conflicts": [_CONFLICT],
    "baskets": [
        {
            "reason": "at",
            "threshold": {"amount": 19_800, "units": 0, "is_gross": False},
            "subtotal_amount": 19_800,
            "units": 2,
            "is_in_stock": True,
            "basket": [_LINE],
            "with_promotion": _WITH,
            "without_promotion": _WITHOUT,
        }
    ],
}


class TrialLineShown(PricedLineShown):
    """A line as a quote has it, with what a unit costs the shop."""

    cost_amount: int | None


class TrialGift(GivenShown):
    """Units given for nothing, with what one costs the shop."""

    cost_amount: int | None


class TrialPrice(Shown):
    """A basket's price as the very same function quotes it to a buyer, and what the shop keeps."""

    list_amount: int = Field(description="Goods and shipping before any discount.")
    pay_amount: int = Field(description="The total of the quote.")
    off_amount: int
    margin_amount: int | None = Field(
        description="Paid, less what goods and gifts cost and the shipping's list price; null "
        "where a cost is unknown."
    )
    below_cost_variant_ids: list[UUID]
    shipping_list_amount: int
    shipping_amount: int
    lines: list[TrialLineShown]
    shipping_adjustments: list[PriceAdjustmentShown]
    gifts: list[TrialGift]
    applied: list[AppliedShown]
    not_applied: list[ReasonShown]
    add_on_items: list[OfferedShown]
    optimality: Literal["proven", "best_found"]
    bound_amount: int


class TrialThreshold(Shown):
    """What the promotion asks for: so much of the matching goods, or so many units of them."""

    amount: int
    units: int
    is_gross: bool = Field(description="Counted at list prices.")


class TrialBasketShown(Shown):
    """A basket, why it was looked at, and its price with the promotion and without it."""

    reason: Literal[
        "given", "below", "at", "above", "twice", "cheapest", "dearest", "two_units", "mix"
    ]
    threshold: TrialThreshold | None = Field(description="The one that `reason` is about.")
    subtotal_amount: int | None = Field(
        description="Of the matching goods, before any promotion: as near as these goods come."
    )
    units: int | None
    is_in_stock: bool
    basket: list[TrialLine]
    with_promotion: TrialPrice
    without_promotion: TrialPrice


class TrialConflict(Shown):
    """How it stands to a live promotion; `baskets` are places in the list of baskets."""

    promotion_id: UUID
    names: dict[str, str]
    kind: Literal["keeps_away", "loses_to", "may_not_meet"]
    code: str
    baskets: list[int]


class PromotionPreviewShown(Shown):
    """What a promotion would do: nothing of it was written or held."""

    model_config = example(**_PREVIEW)

    promotion_id: UUID = Field(description=f"{DRAFT_ID} for one that is not saved.")
    currency: str
    policy: Literal["best_for_buyer", "priority"]
    at: datetime
    channel: str | None
    buyer: TrialBuyer = Field(description="For whom: the one that was given, or assumed.")
    conflicts: list[TrialConflict]
    baskets: list[TrialBasketShown]
