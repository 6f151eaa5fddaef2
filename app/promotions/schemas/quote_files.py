"""The shape of a file to be priced: a moment, a shop, a buyer, a basket and promotions."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.catalog.models import PromotionPolicy
from app.catalog.schemas.shops import Denials, ShareOfAll, TimeZone
from app.community.models import CommunityRole
from app.core.http.schema import Amount, Currency, Flag, Moment, Quantity, Tag, Wish
from app.core.money import BASIS_POINTS, LINES_MAX, PRICE_AMOUNT_MAX
from app.promotions.pricing.add_on import TIERS_MAX
from app.promotions.pricing.basket import ADD_ONS_MAX, COUPONS_MAX
from app.promotions.pricing.group_price import GROUP_SIZE_MAX, LADDER_MAX
from app.promotions.rules import LIVE_MAX
from app.promotions.rules.baskets import ADDED_MAX
from app.promotions.schemas.conditions import Groups
from app.promotions.schemas.mechanics import NO_IDS, NO_TAGS, Ids, Tags
from app.promotions.schemas.promotions import AddPromotion

Count = Annotated[int, Field(strict=True, ge=0, le=PRICE_AMOUNT_MAX)]
Version = Annotated[int, Field(strict=True, ge=1, le=PRICE_AMOUNT_MAX)]
Amounts = Annotated[dict[UUID, Amount], Field(min_length=1, max_length=LINES_MAX + ADDED_MAX)]


class PricedShop(Wish):
    """What a shop lays down for its baskets."""

    currency: Currency
    time_zone: TimeZone = "Asia/Shanghai"
    shipping_flat_amount: Amount = 0
    promotion_policy: PromotionPolicy = PromotionPolicy.BEST_FOR_BUYER
    discount_cap_bp: ShareOfAll = BASIS_POINTS
    promotion_denials: Denials = Field(default_factory=list)


class PricedBuyer(Wish):
    """What is known of the buyer; a file without one is priced for somebody not signed in."""

    is_known: Flag = True
    paid_orders: Count = 0
    tags: Tags = NO_TAGS
    community_ids: Groups = NO_IDS
    roles: Annotated[dict[UUID, CommunityRole], Field(max_length=LINES_MAX)] = Field(
        default_factory=dict, description="By community."
    )
    audience_ids: Groups = NO_IDS


class PricedGoods(Wish):
    """Goods as the catalogue has them; amounts are of one unit."""

    variant_id: UUID
    product_id: UUID
    category_ids: Ids = NO_IDS
    tags: Tags = NO_TAGS
    list_amount: Amount
    solo_amount: Amount | None = None
    member_amount: Amount | None = None
    floor_amount: Amount = 0

    def described(self) -> dict[str, Any]:
        """All that is said of the goods themselves, which two mentions must agree on."""
        return {name: getattr(self, name) for name in PricedGoods.model_fields}


class PricedLine(PricedGoods):
    """Units in the basket; without a key the line goes by its variant."""

    key: Tag | None = None
    quantity: Quantity


class GivenGoods(PricedGoods):
    """Goods that add-ons offer or gifts give; without `available` there are plenty of them."""

    available: Count | None = None


class GroupSizeAmounts(Wish):
    """From so many members on, what a unit of each variant costs."""

    size: Annotated[int, Field(strict=True, ge=2, le=GROUP_SIZE_MAX)]
    amounts: Amounts


class PricedGroup(Wish):
    """The campaign of a group order; `leader_amounts` where the buyer leads the group."""

    campaign_id: UUID
    version: Version = 1
    amounts: Amounts
    ladder: Annotated[list[GroupSizeAmounts], Field(max_length=LADDER_MAX)] = Field(
        default_factory=list
    )
    leader_amounts: Amounts | None = None


class PricedChoice(Wish):
    """Units chosen from an add-on."""

    promotion_id: UUID
    variant_id: UUID
    quantity: Quantity


class PricedCoupon(Wish):
    """A coupon that the buyer presents."""

    id: UUID
    promotion_id: UUID
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    is_used: Flag = False

    @model_validator(mode="after")
    def _holds_some_time(self) -> Self:
        if self.starts_at and self.ends_at and self.starts_at >= self.ends_at:
            raise ValueError("a coupon must start before it ends")
        return self


class PricedPoints(Wish):
    """Points the buyer spends, by their worth, and the share of the goods they may pay."""

    redeem_amount: Amount
    share_max_bp: ShareOfAll = BASIS_POINTS


class PricedLeft(Wish):
    """What earlier orders have left of a promotion's limits; by default all of them."""

    uses: Count | None = None
    member_uses: Count | None = None
    budget_amount: Count | None = None
    tier_units: Annotated[list[Count | None], Field(max_length=TIERS_MAX)] = Field(
        default_factory=list, description="Of an add-on, tier by tier."
    )


class PricedPromotion(AddPromotion):
    """A promotion as operators send it, running; without an id the earlier in the file is older."""

    id: UUID | None = None
    version: Version = 1
    left: PricedLeft = PricedLeft()


class QuoteFile(Wish):
    """Everything that a price depends on."""

    now: Moment
    shop: PricedShop
    buyer: PricedBuyer = PricedBuyer(is_known=False)
    channel: Tag | None = None
    lines: Annotated[list[PricedLine], Field(min_length=1, max_length=LINES_MAX)]
    group_price: PricedGroup | None = None
    goods: Annotated[list[GivenGoods], Field(max_length=ADDED_MAX)] = Field(default_factory=list)
    add_ons: Annotated[list[PricedChoice], Field(max_length=ADD_ONS_MAX)] = Field(
        default_factory=list
    )
    coupons: Annotated[list[PricedCoupon], Field(max_length=COUPONS_MAX)] = Field(
        default_factory=list
    )
    points: PricedPoints | None = None
    promotions: Annotated[list[PricedPromotion], Field(max_length=LIVE_MAX)] = Field(
        default_factory=list
    )

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if len(self.lines) + len(self.add_ons) > LINES_MAX:
            raise ValueError(f"more than {LINES_MAX} lines and add-ons")
        return self
