"""Pure decisions of the catalogue, and the goods of a basket as the features above read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.catalog.errors import CategoryCycle, CategoryTooDeep, PriceBelowFloor, WrongProductStatus
from app.catalog.models import ProductKind, ProductStatus, PromotionPolicy, RefundPolicy, ShopStatus
from app.core.money import BASIS_POINTS

CATEGORY_LEVELS_MAX = 4
SHOWN_QUANTITY_MAX = 99

PRODUCT_MOVES: Mapping[ProductStatus, frozenset[ProductStatus]] = {
    ProductStatus.DRAFT: frozenset({ProductStatus.ON_SALE, ProductStatus.ARCHIVED}),
    ProductStatus.ON_SALE: frozenset({ProductStatus.ARCHIVED}),
    ProductStatus.ARCHIVED: frozenset({ProductStatus.ON_SALE}),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many units of a variant, as a client asks for them."""

    variant_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class ShopTerms:
    """What of a shop bears on a price or an order."""

    id: UUID
    currency: str
    status: ShopStatus
    time_zone: str
    shipping_flat_amount: int
    allow_free_orders: bool
    promotion_policy: PromotionPolicy = PromotionPolicy.BEST_FOR_BUYER
    discount_cap_bp: int = BASIS_POINTS
    promotion_denials: Sequence[Mapping[str, Mapping[str, str | None]]] = ()
    refund_policy: RefundPolicy = RefundPolicy.KEEP


@dataclass(frozen=True, slots=True)
class Goods:
    """One variant for sale; `quantity` sums what is wanted of it over all lines.

    Goods of a partner brand name it and its share of what they bring.
    """

    variant_id: UUID
    product_id: UUID
    product_title: str
    variant_title: str
    sku: str
    kind: ProductKind
    is_private: bool
    category_ids: frozenset[UUID]
    tags: frozenset[str]
    list_amount: int
    solo_amount: int | None
    cost_amount: int | None
    floor_amount: int
    available: int
    quantity: int
    brand_id: UUID | None = None
    brand_share_bp: int | None = None


@dataclass(frozen=True, slots=True)
class BasketGoods:
    """The goods of a basket by variant, in the order they were first named, and their shop.

    `also` has what promotions may add to it, as far as it is for sale.
    """

    shop: ShopTerms
    goods: Mapping[UUID, Goods]
    also: Mapping[UUID, Goods] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewShop:
    """A shop to be opened."""

    slug: str
    name: str
    currency: str
    time_zone: str = "Asia/Shanghai"
    shipping_flat_amount: int = 0
    allow_free_orders: bool = False


@dataclass(frozen=True, slots=True)
class NewCategory:
    """A category to be added to a shop's tree."""

    name: str
    parent_id: UUID | None = None
    trust_domain: str | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class NewBrand:
    """A partner brand to be added to a shop."""

    name: str
    account: str
    share_bp: int


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product to be drafted; it goes on sale by being published."""

    title: str
    description: str = ""
    kind: ProductKind = ProductKind.GOODS
    category_id: UUID | None = None
    is_private: bool = False
    tags: frozenset[str] = frozenset()
    brand_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewVariant:
    """A variant to be added to a product; it starts without stock."""

    sku: str
    title: str
    list_amount: int
    solo_amount: int | None = None
    cost_amount: int | None = None
    floor_amount: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductCard:
    """A product as lists show it; `description` is filled where a single one is read."""

    id: UUID
    shop_id: UUID
    category_id: UUID | None
    title: str
    description: str = ""
    kind: ProductKind
    status: ProductStatus
    is_private: bool
    brand_id: UUID | None
    currency: str
    lowest_amount: int | None
    version: int
    created_at: datetime
    tags: tuple[str, ...]
    in_stock: bool


@dataclass(frozen=True, slots=True)
class VariantCard:
    """A variant with its prices and the units that can be had of it now."""

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
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodsAsked:
    """Some of a shop's goods: every field that is not empty must hold; categories hold all below.

    What a match forbids is not asked here: whoever asks leaves it out of the answer.
    """

    product_ids: frozenset[UUID] = frozenset()
    variant_ids: frozenset[UUID] = frozenset()
    category_ids: frozenset[UUID] = frozenset()
    tags_any: frozenset[str] = frozenset()
    tags_all: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Stocked:
    """A living variant of a product that is drafted or on sale, as its shop's operators see it."""

    goods: Goods
    is_on_sale: bool


class ProductSort(StrEnum):
    """The orders members may list products in."""

    NEWEST = "newest"
    PRICE_ASC = "price_asc"
    PRICE_DESC = "price_desc"
    TITLE = "title"


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """Which products of a shop to list; a category stands for all below it too."""

    category_id: UUID | None = None
    tag: str | None = None
    kind: ProductKind | None = None
    price_from_amount: int | None = None
    price_to_amount: int | None = None
    in_stock: bool = False
    title_contains: str | None = None
    status: ProductStatus | None = None
    priced: bool = False


def summed(wanted: Iterable[Wanted]) -> dict[UUID, int]:
    """Units by variant over all lines; ValueError for a quantity below one."""
    units: dict[UUID, int] = {}
    for each in wanted:
        if each.quantity < 1:
            raise ValueError("quantities are at least 1")
        units[each.variant_id] = units.get(each.variant_id, 0) + each.quantity
    return units


def check_prices(*, list_amount: int, solo_amount: int | None, floor_amount: int) -> None:
    """Refuse a list or solo price under the floor."""
    prices = {"list_amount": list_amount, "solo_amount": solo_amount}
    for name, amount in prices.items():
        if amount is not None and amount < floor_amount:
            raise PriceBelowFloor(field=name, amount=amount, floor_amount=floor_amount)


def check_move(status: ProductStatus, wanted: ProductStatus) -> None:
    """Refuse a change of status that the table of moves does not have."""
    if wanted not in PRODUCT_MOVES[status]:
        raise WrongProductStatus(product_status=status.value, wanted_status=wanted.value)


def check_placement(
    parents: Mapping[UUID, UUID | None], category_id: UUID, parent_id: UUID | None
) -> None:
    """Refuse a place in the tree that closes a cycle or goes beyond the greatest depth.

    `parents` holds the shop's tree as it is; the category itself may be new to it.
    """
    levels_above = _levels_above(parents, category_id, parent_id)
    if levels_above + _height(parents, category_id) > CATEGORY_LEVELS_MAX:
        raise CategoryTooDeep(levels_max=CATEGORY_LEVELS_MAX)


def _levels_above(
    parents: Mapping[UUID, UUID | None], category_id: UUID, parent_id: UUID | None
) -> int:
    levels = 0
    above = parent_id
    while above is not None:
        if above == category_id:
            raise CategoryCycle
        levels += 1
        above = parents.get(above)
    return levels


def _height(parents: Mapping[UUID, UUID | None], category_id: UUID) -> int:
    """Levels of the subtree, the category's own included."""
    level, height = {category_id}, 0
    while level:
        height += 1
        level = {child for child, parent in parents.items() if parent in level}
    return height
