"""Pure decisions of the catalogue, and the goods of a basket as the features above read them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from app.catalog.errors import CategoryCycle, CategoryTooDeep, PriceBelowFloor, WrongProductStatus
from app.catalog.models import ProductKind, ProductStatus, ShopStatus

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


@dataclass(frozen=True, slots=True)
class Goods:
    """One variant for sale; `quantity` sums what is wanted of it over all lines."""

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


@dataclass(frozen=True, slots=True)
class BasketGoods:
    """The goods of a basket by variant, in the order they were first named, and their shop."""

    shop: ShopTerms
    goods: Mapping[UUID, Goods]


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
