"""Shapes of shops: their terms, what their promotions keep to, and their partner brands."""

from datetime import datetime
from functools import cache
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from app.catalog.models import PromotionPolicy, RefundPolicy, ShopStatus
from app.catalog.schemas.goods import example
from app.core.http.schema import Amount, Currency, Flag, Line, Shown, Slug, Tag, Wish

DENIALS_MAX = 50

_known_zones = cache(available_timezones)


def _known_zone(name: str) -> str:
    if name not in _known_zones():
        raise ValueError("unknown time zone")
    return name


TimeZone = Annotated[
    str, Field(max_length=64, examples=["Asia/Shanghai"]), AfterValidator(_known_zone)
]
ShareOfAll = Annotated[int, Field(strict=True, ge=0, le=10_000, description="1 % = 100.")]
# The kinds of promotions, those of price-setting, and whatever stands behind a coupon.
PartyKind = Literal[
    "percent_off",
    "amount_off",
    "buy_n_get_m",
    "bundle",
    "spend_threshold",
    "add_on",
    "gift",
    "free_shipping",
    "shipping_off",
    "group_price",
    "solo_price",
    "member_price",
    "coupon",
]


class Party(Wish):
    """Promotions of a kind, of a stacking group, or of both; `coupon` is whatever needs one."""

    model_config = example(kind="percent_off")

    kind: PartyKind | None = None
    stacking_group: Tag | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Party":
        if self.kind is None and self.stacking_group is None:
            raise ValueError("a party names a kind or a stacking group")
        return self


class Denial(Wish):
    """Two promotions, one of each party, never meet on one basket."""

    model_config = example(one={"kind": "coupon"}, other={"kind": "percent_off"})

    one: Party
    other: Party


Denials = Annotated[list[Denial], Field(max_length=DENIALS_MAX)]


class ShopShown(Shown):
    """A shop as anybody sees it."""

    id: UUID
    slug: str
    name: str
    currency: str
    time_zone: str
    status: ShopStatus
    shipping_flat_amount: int = Field(description="Shipping of an order, in minor units.")
    refund_policy: RefundPolicy = Field(
        description="Of orders placed from now on: what a refund of a part of them costs the rest."
    )


class OperatorShopShown(ShopShown):
    """A shop as its operators see it."""

    allow_free_orders: bool
    promotion_policy: PromotionPolicy
    discount_cap_bp: int = Field(
        description="The share of the goods at their set prices that promotions may take off."
    )
    promotion_denials: list[Denial]
    refund_approval_above_amount: int | None = Field(
        description="Refunds of an order that come to more need a second operator; null for none."
    )
    version: int
    created_at: datetime


class OpenShop(Wish):
    """A shop to be opened; its slug and currency can never be changed."""

    model_config = example(slug="bayberry-hill", name="杨梅山", currency="CNY")

    slug: Slug
    name: Line
    currency: Currency
    time_zone: TimeZone = "Asia/Shanghai"
    shipping_flat_amount: Amount = 0
    allow_free_orders: Flag = False
    owner_operator_id: UUID | None = Field(
        default=None, description="The operator who becomes the shop's owner."
    )


class EditShop(Wish):
    """Changes to a shop; only what is sent is changed."""

    model_config = example(status="paused")

    name: Line = Field(default_factory=str)
    time_zone: TimeZone = Field(default_factory=str)
    status: ShopStatus = Field(default_factory=lambda: ShopStatus.OPEN)
    shipping_flat_amount: Amount = Field(default_factory=int)
    allow_free_orders: Flag = Field(default_factory=bool)
    promotion_policy: PromotionPolicy = Field(
        default_factory=lambda: PromotionPolicy.BEST_FOR_BUYER,
        description="`best_for_buyer`: the cheapest combination; `priority`: the operators' order.",
    )
    discount_cap_bp: ShareOfAll = Field(
        default_factory=int,
        description="The share of the goods at their set prices that promotions may take off.",
    )
    promotion_denials: Denials = Field(
        default_factory=list, description="All pairs that never meet; they replace those there are."
    )
    refund_policy: RefundPolicy = Field(
        default_factory=lambda: RefundPolicy.KEEP,
        description="`keep`: units pay back their share; `reprice`: less what their going costs.",
    )
    refund_approval_above_amount: Amount | None = Field(
        default=None,
        description="Above it a second operator confirms; null takes it off. For owners alone.",
    )


class BrandShown(Shown):
    """A partner brand whose goods the shop sells, and the share of their sales that is its own."""

    model_config = example(
        id="0192f0c1-a5e8-7000-a000-000000000001",
        shop_id="0192f0c1-a5e8-7000-a000-000000000002",
        name="晨露纸品",
        account="brand-0001",
        share_bp=7_000,
        created_at="2026-06-18T04:00:00Z",
        archived_at=None,
    )

    id: UUID
    shop_id: UUID
    name: str
    account: str
    share_bp: int
    created_at: datetime
    archived_at: datetime | None


class AddBrand(Wish):
    """A partner brand; `account` is where its share goes, in the shop's own words."""

    model_config = example(name="晨露纸品", account="brand-0001", share_bp=7_000)

    name: Line
    account: Line
    share_bp: ShareOfAll


class EditBrand(Wish):
    """Changes to a brand; only what is sent is changed, and placed orders keep their share."""

    model_config = example(share_bp=6_500)

    name: Line = Field(default_factory=str)
    account: Line = Field(default_factory=str)
    share_bp: ShareOfAll = Field(default_factory=int)
