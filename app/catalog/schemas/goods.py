"""Shapes of goods: what members see never holds what a thing cost or its floor price."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.catalog.models import ProductKind, ProductStatus
from app.catalog.rules import SHOWN_QUANTITY_MAX, ProductSort
from app.core.http.schema import (
    Amount,
    EachOnce,
    Flag,
    Line,
    Shown,
    Tag,
    Text,
    Wish,
)
from app.core.money import PRICE_AMOUNT_MAX

STOCK_CHANGE_MAX = 10**9
TAGS_MAX = 50


def _not_zero(quantity: int) -> int:
    if quantity == 0:
        raise ValueError("a change of 0 units changes nothing")
    return quantity


Sku = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]{1,64}$")]
Tags = Annotated[frozenset[Tag], Field(max_length=TAGS_MAX), EachOnce]
StockChange = Annotated[
    int,
    Field(strict=True, ge=-STOCK_CHANGE_MAX, le=STOCK_CHANGE_MAX, description="Never 0."),
    AfterValidator(_not_zero),
]
Position = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
AmountAsked = Annotated[int, Field(ge=0, le=PRICE_AMOUNT_MAX, description="Minor units.")]


def example(**values: Any) -> ConfigDict:
    """What the description shows of a shape."""
    return ConfigDict(json_schema_extra={"examples": [values]})


# An edit names only the fields it changes. The default factories are never read (edits are dumped
# without what was not sent); they make a field optional without allowing null.


class CategoryShown(Shown):
    """A category; `parent_id` makes the tree."""

    id: UUID
    parent_id: UUID | None
    name: str
    trust_domain: str | None
    position: int
    archived_at: datetime | None


class CategoryList(Shown):
    """All living categories of a shop, siblings in their order."""

    items: list[CategoryShown]


class AddCategory(Wish):
    """A category to be added, at most four levels deep."""

    model_config = example(name="水果", trust_domain="fruit", position=1)

    name: Line
    parent_id: UUID | None = None
    trust_domain: Tag | None = None
    position: Position = 0


class EditCategory(Wish):
    """Changes to a category; only what is sent is changed."""

    model_config = example(name="时令水果", parent_id=None)

    name: Line = Field(default_factory=str)
    parent_id: UUID | None = None
    trust_domain: Tag | None = None
    position: Position = Field(default_factory=int)


class ProductQuery(BaseModel):
    """Which products to list, in which order."""

    model_config = ConfigDict(frozen=True)

    category_id: UUID | None = Field(default=None, description="With all categories below it.")
    tag: Tag | None = None
    kind: ProductKind | None = None
    price_from_amount: AmountAsked | None = None
    price_to_amount: AmountAsked | None = None
    in_stock: bool = False
    q: Line | None = Field(default=None, description="Part of the title.")
    sort: ProductSort = ProductSort.NEWEST


class OperatorProductQuery(BaseModel):
    """Which of the shop's products to list."""

    model_config = ConfigDict(frozen=True)

    status: ProductStatus | None = None
    category_id: UUID | None = Field(default=None, description="With all categories below it.")
    q: Line | None = Field(default=None, description="Part of the title.")


class _ProductShape(Shown):
    id: UUID
    shop_id: UUID
    category_id: UUID | None
    title: str
    kind: ProductKind
    is_private: bool = Field(description="Nobody is told who bought it.")
    tags: list[str]
    currency: str
    in_stock: bool
    created_at: datetime


class ProductListed(_ProductShape):
    """A product in a list; `lowest_amount` is the least list price of its variants."""

    lowest_amount: int


class VariantShown(Shown):
    """A variant as members see it."""

    id: UUID
    sku: str
    title: str
    list_amount: int
    solo_amount: int | None = Field(description="What it costs alone where it is sold in groups.")
    is_available: bool
    available_quantity: int = Field(
        description=f"Units that can be had now; {SHOWN_QUANTITY_MAX} stands for as many or more."
    )


class ProductShown(_ProductShape):
    """A product with its variants, the cheapest first; no lowest price where there is none."""

    lowest_amount: int | None
    description: str
    variants: list[VariantShown]


class OperatorProductListed(Shown):
    """A product in its operators' list."""

    id: UUID
    shop_id: UUID
    category_id: UUID | None
    title: str
    kind: ProductKind
    status: ProductStatus
    is_private: bool
    brand_id: UUID | None = Field(description="The partner brand it is sold for.")
    tags: list[str]
    lowest_amount: int | None
    in_stock: bool
    version: int
    created_at: datetime


class OperatorVariantShown(Shown):
    """A variant as the shop's operators see it, with its cost and floor."""

    id: UUID
    shop_id: UUID
    product_id: UUID
    sku: str
    title: str
    list_amount: int
    solo_amount: int | None
    cost_amount: int | None
    floor_amount: int
    version: int
    archived_at: datetime | None
    created_at: datetime


class OperatorProductShown(OperatorProductListed):
    """A product with all its variants, archived ones too."""

    description: str
    variants: list[OperatorVariantShown]


class AddProduct(Wish):
    """A product to be drafted."""

    model_config = example(title="东魁杨梅", description="现摘现发", tags=["fruit", "season"])

    title: Line
    description: Text = ""
    kind: ProductKind = ProductKind.GOODS
    category_id: UUID | None = None
    is_private: Flag = False
    brand_id: UUID | None = Field(default=None, description="A partner brand of the shop.")
    tags: Tags = frozenset()


class EditProduct(Wish):
    """Changes to a product; only what is sent is changed, and `tags` replaces all tags."""

    model_config = example(title="东魁杨梅 2.5kg", tags=["fruit"])

    title: Line = Field(default_factory=str)
    description: Text = Field(default_factory=str)
    category_id: UUID | None = None
    is_private: Flag = Field(default_factory=bool)
    brand_id: UUID | None = None
    tags: Tags = Field(default_factory=frozenset)


class AddVariant(Wish):
    """A variant to be added; stock is added to it by an adjustment."""

    model_config = example(
        sku="YM-25", title="2.5kg", list_amount=9_900, solo_amount=8_900, cost_amount=5_000
    )

    sku: Sku
    title: Line
    list_amount: Amount
    solo_amount: Amount | None = None
    cost_amount: Amount | None = None
    floor_amount: Amount = 0


class EditVariant(Wish):
    """Changes to a variant; only what is sent is changed."""

    model_config = example(list_amount=10_900)

    title: Line = Field(default_factory=str)
    list_amount: Amount = Field(default_factory=int)
    solo_amount: Amount | None = None
    cost_amount: Amount | None = None
    floor_amount: Amount = Field(default_factory=int)


class PriceShown(Shown):
    """What a variant cost from `at` on."""

    id: UUID
    at: datetime
    list_amount: int
    solo_amount: int | None
    actor_kind: str
    actor_id: UUID | None


class StockShown(Shown):
    """Units of a variant; available = on hand - reserved - sold."""

    variant_id: UUID
    on_hand: int
    reserved: int
    sold: int
    available: int


class AdjustStock(Wish):
    """Units that came or went, and why."""

    model_config = example(quantity=100, reason="第一批到货")

    quantity: StockChange
    reason: Line


class AdjustmentShown(Shown):
    """One change of the units on hand."""

    id: UUID
    quantity: int
    reason: str
    at: datetime
    actor_kind: str
    actor_id: UUID | None
