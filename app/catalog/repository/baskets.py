"""The goods of a basket in one statement: what is for sale, at which price, under which shop."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import Category, Product, ProductStatus, ProductTag, Shop, Stock, Variant
from app.catalog.repository.listing import available, words
from app.catalog.rules import Goods, ShopTerms
from app.core.sql import given_later, is_postgresql, table, told

_shops = table(Shop)
_products = table(Product)
_tags = table(ProductTag)
_variants = table(Variant)
_stock = table(Stock)
# The tree is at most four levels deep: three joins reach every ancestor.
_own = table(Category).alias("own")
_above = table(Category).alias("above")
_top = table(Category).alias("top")

_statement = (
    sa.select(
        _variants.c.id.label("variant_id"),
        _variants.c.title.label("variant_title"),
        _variants.c.sku,
        _variants.c.list_amount,
        _variants.c.solo_amount,
        _variants.c.cost_amount,
        _variants.c.floor_amount,
        _products.c.id.label("product_id"),
        _products.c.title.label("product_title"),
        _products.c.kind,
        _products.c.is_private,
        _products.c.category_id.label("level_1"),
        _own.c.parent_id.label("level_2"),
        _above.c.parent_id.label("level_3"),
        _top.c.parent_id.label("level_4"),
        sa.select(sa.func.aggregate_strings(_tags.c.tag, " "))
        .where(_tags.c.product_id == _products.c.id)
        .scalar_subquery()
        .label("tags"),
        available.label("available"),
        _shops.c.currency,
        _shops.c.status,
        _shops.c.time_zone,
        _shops.c.shipping_flat_amount,
        _shops.c.allow_free_orders,
    )
    .select_from(
        _variants.join(_products, _products.c.id == _variants.c.product_id)
        .join(_shops, _shops.c.id == _variants.c.shop_id)
        .join(_stock, _stock.c.variant_id == _variants.c.id)
        .outerjoin(_own, _own.c.id == _products.c.category_id)
        .outerjoin(_above, _above.c.id == _own.c.parent_id)
        .outerjoin(_top, _top.c.id == _above.c.parent_id)
    )
    .where(
        _variants.c.archived_at.is_(None),
        _products.c.status == ProductStatus.ON_SALE,
    )
)
_WANTED: Mapping[str, sa.types.TypeEngine[Any]] = {"id": sa.Uuid()}


@cache
def _of_shop(*, on_postgresql: bool) -> sa.Select[Any]:
    """Built once: every quote and every order runs it."""
    wanted = given_later("wanted", _WANTED, on_postgresql=on_postgresql)
    return _statement.where(
        _variants.c.shop_id == sa.bindparam("of_shop", type_=sa.Uuid()),
        _variants.c.id.in_(sa.select(wanted.c.id)),
    )


_LEVELS = ("level_1", "level_2", "level_3", "level_4")


async def goods(
    db: AsyncSession, shop_id: UUID, units: Mapping[UUID, int]
) -> tuple[ShopTerms | None, dict[UUID, Goods]]:
    """Those of the variants that the shop sells now; no shop where it sells none of them."""
    wanted = told(db, _WANTED, [{"id": variant_id} for variant_id in units])
    statement = _of_shop(on_postgresql=is_postgresql(db))
    rows = (await db.execute(statement, {"of_shop": shop_id, "wanted": wanted})).all()
    found = {row.variant_id: _goods(row, units[row.variant_id]) for row in rows}
    return (_terms(shop_id, rows[0]) if rows else None), found


def _goods(row: sa.Row[*tuple[Any, ...]], quantity: int) -> Goods:
    return Goods(
        variant_id=row.variant_id,
        product_id=row.product_id,
        product_title=row.product_title,
        variant_title=row.variant_title,
        sku=row.sku,
        kind=row.kind,
        is_private=row.is_private,
        category_ids=frozenset(c for c in (getattr(row, n) for n in _LEVELS) if c),
        tags=frozenset(words(row.tags)),
        list_amount=row.list_amount,
        solo_amount=row.solo_amount,
        cost_amount=row.cost_amount,
        floor_amount=row.floor_amount,
        available=row.available,
        quantity=quantity,
    )


def _terms(shop_id: UUID, row: sa.Row[*tuple[Any, ...]]) -> ShopTerms:
    return ShopTerms(
        id=shop_id,
        currency=row.currency,
        status=row.status,
        time_zone=row.time_zone,
        shipping_flat_amount=row.shipping_flat_amount,
        allow_free_orders=row.allow_free_orders,
    )
