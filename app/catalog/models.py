"""Tables of the catalogue; rows are archived and never deleted, orders keep pointing at them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.money import BASIS_POINTS
from app.core.sql import Json, enum_column


class ShopStatus(StrEnum):
    """Whether a shop takes orders."""

    OPEN = "open"
    PAUSED = "paused"


class PromotionPolicy(StrEnum):
    """What of all promotions that could apply does: the buyer's cheapest, or the first by order."""

    BEST_FOR_BUYER = "best_for_buyer"
    PRIORITY = "priority"


class RefundPolicy(StrEnum):
    """What units that go back cost the rest: nothing, or what their promotions no longer give."""

    KEEP = "keep"
    REPRICE = "reprice"


class ProductKind(StrEnum):
    """Goods are shipped; an entry admits to a paid community and never earns a commission."""

    GOODS = "goods"
    ENTRY = "entry"


class ProductStatus(StrEnum):
    """Members see only what is on sale."""

    DRAFT = "draft"
    ON_SALE = "on_sale"
    ARCHIVED = "archived"


class Shop(SQLModel, table=True):
    """A tenant: one currency, one time zone for its business days.

    Its promotions keep to a policy and together take off at most `discount_cap_bp` of the goods;
    `promotion_denials` are pairs of them that never meet, as `{"one": …, "other": …}`. Orders keep
    the `refund_policy` they were placed under. Refunds above `refund_approval_above_amount`, all of
    an order taken together, need a second operator.
    """

    __tablename__ = "shops"
    __table_args__ = (
        sa.UniqueConstraint("slug"),
        sa.CheckConstraint("shipping_flat_amount >= 0", "shipping_flat_amount"),
        sa.CheckConstraint("discount_cap_bp BETWEEN 0 AND 10000", "discount_cap_bp"),
        sa.CheckConstraint("refund_approval_above_amount >= 0", "refund_approval"),
    )

    id: UUID = Field(primary_key=True)
    slug: str = Field(max_length=63)
    name: str = Field(max_length=120)
    currency: str = Field(max_length=3)
    time_zone: str = Field(default="Asia/Shanghai", max_length=64)
    status: ShopStatus = Field(sa_type=enum_column(ShopStatus))
    shipping_flat_amount: int = Field(default=0, sa_type=sa.BigInteger)
    allow_free_orders: bool = False
    promotion_policy: PromotionPolicy = Field(
        default=PromotionPolicy.BEST_FOR_BUYER, sa_type=enum_column(PromotionPolicy)
    )
    discount_cap_bp: int = BASIS_POINTS
    promotion_denials: list[dict[str, dict[str, str | None]]] = Field(
        default_factory=list, sa_type=Json
    )
    refund_policy: RefundPolicy = Field(
        default=RefundPolicy.KEEP,
        sa_type=enum_column(RefundPolicy),
        sa_column_kwargs={"server_default": RefundPolicy.KEEP.value},
    )
    refund_approval_above_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    version: int = 1
    created_at: datetime


class Category(SQLModel, table=True):
    """A node of a shop's tree of departments; it names the domain of trust its goods belong to."""

    __tablename__ = "categories"
    __table_args__ = (
        sa.Index("ix_categories_shop_id_parent_id", "shop_id", "parent_id"),
        sa.Index("ix_categories_shop_id_id", "shop_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    parent_id: UUID | None = Field(default=None, foreign_key="categories.id")
    name: str = Field(max_length=120)
    trust_domain: str | None = Field(default=None, max_length=64)
    position: int = 0
    archived_at: datetime | None = None


class Brand(SQLModel, table=True):
    """A partner whose goods the shop sells; `share_bp` of what they bring is the partner's.

    Products keep an archived brand until they are edited: its share goes on being owed.
    """

    __tablename__ = "brands"
    __table_args__ = (
        sa.Index("ix_brands_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("share_bp BETWEEN 0 AND 10000", "share_bp"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    name: str = Field(max_length=120)
    account: str = Field(max_length=120)
    share_bp: int
    created_at: datetime
    archived_at: datetime | None = None


class Product(SQLModel, table=True):
    """What members see as one article; `lowest_amount` is the least list price of its variants."""

    __tablename__ = "products"
    __table_args__ = (
        # One index for each order members may list in, so that a page never sorts the shop.
        sa.Index("ix_products_shop_id_status_id", "shop_id", "status", "id"),
        sa.Index("ix_products_shop_id_id", "shop_id", "id"),
        sa.Index(
            "ix_products_shop_id_status_lowest_amount_id",
            "shop_id",
            "status",
            "lowest_amount",
            "id",
        ),
        sa.Index("ix_products_shop_id_status_title_id", "shop_id", "status", "title", "id"),
        sa.Index("ix_products_category_id_status_id", "category_id", "status", "id"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    category_id: UUID | None = Field(default=None, foreign_key="categories.id")
    title: str = Field(max_length=120)
    description: str = Field(default="", sa_type=sa.Text)
    kind: ProductKind = Field(sa_type=enum_column(ProductKind))
    status: ProductStatus = Field(sa_type=enum_column(ProductStatus))
    is_private: bool = False
    brand_id: UUID | None = Field(default=None, foreign_key="brands.id")
    lowest_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    version: int = 1
    created_at: datetime


class ProductTag(SQLModel, table=True):
    """One tag of one product; promotions match by it."""

    __tablename__ = "product_tags"
    __table_args__ = (sa.Index("ix_product_tags_tag_product_id", "tag", "product_id"),)

    product_id: UUID = Field(primary_key=True, foreign_key="products.id")
    tag: str = Field(primary_key=True, max_length=64)


class Variant(SQLModel, table=True):
    """What is put into a basket; `floor_amount` is a unit price no discount may cross."""

    __tablename__ = "variants"
    __table_args__ = (
        sa.UniqueConstraint("shop_id", "sku"),
        sa.Index("ix_variants_product_id", "product_id"),
        sa.Index("ix_variants_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint(
            "list_amount >= 0 AND floor_amount >= 0 AND coalesce(solo_amount, 0) >= 0 "
            "AND coalesce(cost_amount, 0) >= 0",
            "amounts",
        ),
        sa.CheckConstraint("list_amount >= floor_amount", "floor"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    product_id: UUID = Field(foreign_key="products.id")
    sku: str = Field(max_length=64)
    title: str = Field(max_length=120)
    list_amount: int = Field(sa_type=sa.BigInteger)
    solo_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    cost_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    floor_amount: int = Field(default=0, sa_type=sa.BigInteger)
    version: int = 1
    archived_at: datetime | None = None
    created_at: datetime


class PriceChange(SQLModel, table=True):
    """What a variant cost from a moment on: the evidence behind every crossed-out price."""

    __tablename__ = "price_changes"
    __table_args__ = (sa.Index("ix_price_changes_variant_id_id", "variant_id", "id"),)

    id: UUID = Field(primary_key=True)
    variant_id: UUID = Field(foreign_key="variants.id")
    at: datetime
    list_amount: int = Field(sa_type=sa.BigInteger)
    solo_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    actor_kind: str = Field(max_length=16)
    actor_id: UUID | None = None


class Stock(SQLModel, table=True):
    """Units of one variant: all ever stocked, promised to open orders, and sold."""

    __tablename__ = "stock"
    __table_args__ = (
        sa.Index("ix_stock_shop_id_variant_id", "shop_id", "variant_id"),
        sa.CheckConstraint("on_hand >= 0 AND reserved >= 0 AND sold >= 0", "not_negative"),
        sa.CheckConstraint("reserved + sold <= on_hand", "never_oversold"),
    )

    variant_id: UUID = Field(primary_key=True, foreign_key="variants.id")
    shop_id: UUID = Field(foreign_key="shops.id")
    on_hand: int = Field(default=0, sa_type=sa.BigInteger)
    reserved: int = Field(default=0, sa_type=sa.BigInteger)
    sold: int = Field(default=0, sa_type=sa.BigInteger)


class StockAdjustment(SQLModel, table=True):
    """Why the units on hand changed by this many, and who said so; their sum is `on_hand`."""

    __tablename__ = "stock_adjustments"
    __table_args__ = (
        sa.Index("ix_stock_adjustments_variant_id_id", "variant_id", "id"),
        sa.CheckConstraint("quantity <> 0", "quantity"),
    )

    id: UUID = Field(primary_key=True)
    variant_id: UUID = Field(foreign_key="variants.id")
    quantity: int = Field(sa_type=sa.BigInteger)
    reason: str = Field(max_length=120)
    at: datetime
    actor_kind: str = Field(max_length=16)
    actor_id: UUID | None = None
