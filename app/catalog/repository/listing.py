"""Products with tags and availability, singly and in lists: one statement whatever the size."""

from collections.abc import Callable, Sequence
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import Category, Product, ProductTag, Shop, Stock, Variant
from app.catalog.rules import ProductCard, ProductFilter, ProductSort, VariantCard
from app.core.http.paging import Paging, Slice, beyond
from app.core.sql import table

_shops = table(Shop)
_products = table(Product)
_tags = table(ProductTag)
_categories = table(Category)
_variants = table(Variant)
_stock = table(Stock)

available = _stock.c.on_hand - _stock.c.reserved - _stock.c.sold

_tags_text = (
    sa.select(sa.func.aggregate_strings(_tags.c.tag, " "))
    .where(_tags.c.product_id == _products.c.id)
    .scalar_subquery()
)
_in_stock = (
    sa.select(sa.literal(1))
    .select_from(_variants.join(_stock, _stock.c.variant_id == _variants.c.id))
    .where(
        _variants.c.product_id == _products.c.id,
        _variants.c.archived_at.is_(None),
        available > 0,
    )
    .exists()
)
_CARD = (
    _products.c.id,
    _products.c.shop_id,
    _products.c.category_id,
    _products.c.title,
    _products.c.kind,
    _products.c.status,
    _products.c.is_private,
    _products.c.brand_id,
    _shops.c.currency,
    _products.c.lowest_amount,
    _products.c.version,
    _products.c.created_at,
    _tags_text.label("tags"),
    _in_stock.label("in_stock"),
)
_of_shops = _products.join(_shops, _shops.c.id == _products.c.shop_id)
_cards = sa.select(*_CARD).select_from(_of_shops)
_of_product = sa.bindparam("of_product", type_=sa.Uuid())
_card_of = (
    sa.select(*_CARD, _products.c.description)
    .select_from(_of_shops)
    .where(_products.c.id == _of_product)
)

# Columns, direction and how each part of the cursor is read back.
_Order = tuple[tuple[sa.Column[Any], ...], bool, tuple[Callable[[Any], Any], ...]]
_ORDERS: dict[ProductSort, _Order] = {
    ProductSort.NEWEST: ((_products.c.id,), True, (UUID,)),
    ProductSort.PRICE_ASC: ((_products.c.lowest_amount, _products.c.id), False, (int, UUID)),
    ProductSort.PRICE_DESC: ((_products.c.lowest_amount, _products.c.id), True, (int, UUID)),
    ProductSort.TITLE: ((_products.c.title, _products.c.id), False, (str, UUID)),
}


def words(text: str | None) -> tuple[str, ...]:
    """The parts of a text aggregated by the database; tags and ids hold no spaces."""
    return tuple(sorted(text.split())) if text else ()


def _card(row: sa.RowMapping) -> ProductCard:
    values: dict[str, Any] = dict(row)
    values["tags"] = words(values["tags"])
    values["in_stock"] = bool(values["in_stock"])
    return ProductCard(**values)


async def product_card(db: AsyncSession, product_id: UUID) -> ProductCard | None:
    """One product, whatever its status."""
    rows = await db.execute(_card_of, {"of_product": product_id})
    row = rows.mappings().first()
    return None if row is None else _card(row)


async def list_products(
    db: AsyncSession,
    shop_id: UUID,
    wanted: ProductFilter,
    sort: ProductSort,
    paging: Paging,
) -> Slice[ProductCard]:
    """A page of a shop's products; orders by price hold only those that have a price."""
    columns, descending, parsers = _ORDERS[sort]
    order = [c.desc() if descending else c.asc() for c in columns]
    statement = _cards.where(_products.c.shop_id == shop_id, *_conditions(wanted))
    after = paging.after(*parsers)
    if after is not None:
        statement = statement.where(beyond(columns, after, descending=descending))
    rows = (await db.execute(statement.order_by(*order).limit(paging.limit + 1))).mappings().all()
    cut = paging.cut(rows, lambda row: tuple(row[c.name] for c in columns))
    return Slice([_card(row) for row in cut.rows], cut.next_after)


def _conditions(wanted: ProductFilter) -> list[sa.ColumnElement[bool]]:
    made: dict[str, Callable[[Any], sa.ColumnElement[bool]]] = {
        "category_id": _within,
        "tag": _tagged,
        "kind": lambda kind: _products.c.kind == kind,
        "price_from_amount": lambda amount: _products.c.lowest_amount >= amount,
        "price_to_amount": lambda amount: _products.c.lowest_amount <= amount,
        "in_stock": lambda _: _in_stock,
        "title_contains": lambda text: _products.c.title.icontains(text, autoescape=True),
        "status": lambda status: _products.c.status == status,
        "priced": lambda _: _products.c.lowest_amount.is_not(None),
    }
    values = ((name, getattr(wanted, name)) for name in made)
    return [made[name](value) for name, value in values if value is not None and value is not False]


def _within(category_id: UUID) -> sa.ColumnElement[bool]:
    below = sa.select(_categories.c.id).where(_categories.c.id == category_id).cte(recursive=True)
    children = _categories.alias("children")
    below = below.union(
        sa.select(children.c.id).where(
            children.c.parent_id == below.c.id, children.c.archived_at.is_(None)
        )
    )
    return _products.c.category_id.in_(sa.select(below.c.id))


def _tagged(tag: str) -> sa.ColumnElement[bool]:
    return _products.c.id.in_(sa.select(_tags.c.product_id).where(_tags.c.tag == tag))


_variant_cards = (
    sa.select(*(c for c in _variants.c), sa.func.coalesce(available, 0).label("available"))
    .select_from(_variants.outerjoin(_stock, _stock.c.variant_id == _variants.c.id))
    .where(_variants.c.product_id == _of_product)
    .order_by(_variants.c.list_amount, _variants.c.id)
)
_living_variant_cards = _variant_cards.where(_variants.c.archived_at.is_(None))


async def variant_cards(
    db: AsyncSession, product_id: UUID, *, with_archived: bool
) -> Sequence[VariantCard]:
    """The variants of a product, cheapest first."""
    statement = _variant_cards if with_archived else _living_variant_cards
    rows = await db.execute(statement, {"of_product": product_id})
    return [VariantCard(**cast("dict[str, Any]", row)) for row in rows.mappings()]
