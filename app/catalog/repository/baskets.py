"""Goods in one statement: those of a basket with their shop, and those that promotions name."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import (
    Brand,
    Category,
    Product,
    ProductStatus,
    ProductTag,
    Shop,
    Stock,
    Variant,
)
from app.catalog.repository.listing import available, words
from app.catalog.rules import Goods, GoodsAsked, ShopTerms, Stocked
from app.core.sql import given, given_later, ids_in, is_postgresql, table, told

_shops = table(Shop)
_brands = table(Brand)
_categories = table(Category)
_products = table(Product)
_tags = table(ProductTag)
_variants = table(Variant)
_stock = table(Stock)
# The tree is at most four levels deep: three joins reach every ancestor.
_own = table(Category).alias("own")
_above = table(Category).alias("above")
_top = table(Category).alias("top")

_every = sa.select(
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
    _brands.c.id.label("brand_id"),
    _brands.c.share_bp.label("brand_share_bp"),
    _products.c.status.label("product_status"),
    _shops.c.currency,
    _shops.c.status,
    _shops.c.time_zone,
    _shops.c.shipping_flat_amount,
    _shops.c.allow_free_orders,
    _shops.c.promotion_policy,
    _shops.c.discount_cap_bp,
    _shops.c.refund_policy,
    # As text: it is read once for a basket, not once for each line.
    sa.cast(_shops.c.promotion_denials, sa.Text).label("promotion_denials"),
).select_from(
    _variants.join(_products, _products.c.id == _variants.c.product_id)
    .join(_shops, _shops.c.id == _variants.c.shop_id)
    .join(_stock, _stock.c.variant_id == _variants.c.id)
    .outerjoin(_brands, _brands.c.id == _products.c.brand_id)
    .outerjoin(_own, _own.c.id == _products.c.category_id)
    .outerjoin(_above, _above.c.id == _own.c.parent_id)
    .outerjoin(_top, _top.c.id == _above.c.parent_id)
)
_living = _every.where(_variants.c.archived_at.is_(None))
_for_sale = _living.where(_products.c.status == ProductStatus.ON_SALE)
_of_this_shop = _variants.c.shop_id == sa.bindparam("of_shop", type_=sa.Uuid())
_WANTED: Mapping[str, sa.types.TypeEngine[Any]] = {"id": sa.Uuid()}


@cache
def _of_shop(*, on_postgresql: bool) -> sa.Select[Any]:
    """Built once: every quote and every order runs it."""
    wanted = given_later("wanted", _WANTED, on_postgresql=on_postgresql)
    return _for_sale.where(_of_this_shop, _variants.c.id.in_(sa.select(wanted.c.id)))


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
        brand_id=row.brand_id,
        brand_share_bp=row.brand_share_bp,
    )


def _terms(shop_id: UUID, row: sa.Row[*tuple[Any, ...]]) -> ShopTerms:
    return ShopTerms(
        id=shop_id,
        currency=row.currency,
        status=row.status,
        time_zone=row.time_zone,
        shipping_flat_amount=row.shipping_flat_amount,
        allow_free_orders=row.allow_free_orders,
        promotion_policy=row.promotion_policy,
        discount_cap_bp=row.discount_cap_bp,
        promotion_denials=tuple(json.loads(row.promotion_denials)),
        refund_policy=row.refund_policy,
    )


_DEAREST_FIRST = (_variants.c.list_amount.desc(), _variants.c.id)
_ids = (
    sa.select(_variants.c.id)
    .select_from(
        _variants.join(_products, _products.c.id == _variants.c.product_id)
        .outerjoin(_own, _own.c.id == _products.c.category_id)
        .outerjoin(_above, _above.c.id == _own.c.parent_id)
        .outerjoin(_top, _top.c.id == _above.c.parent_id)
    )
    .where(
        _variants.c.archived_at.is_(None),
        _products.c.status.in_((ProductStatus.DRAFT, ProductStatus.ON_SALE)),
    )
)


async def stocked(
    db: AsyncSession, shop_id: UUID, asked: Sequence[GoodsAsked], *, most: int
) -> list[Stocked]:
    """The dearest of a shop's goods that meet one of these, on sale and drafted ones."""
    conditions = [_meets(db, one) for one in asked]
    # Tags and stock are looked up for those alone that are in the answer.
    dearest = (
        _ids.where(_of_this_shop, sa.or_(sa.false(), *conditions))
        .order_by(*_DEAREST_FIRST)
        .limit(most)
        .correlate(None)
    )
    statement = _living.where(_variants.c.id.in_(dearest)).order_by(*_DEAREST_FIRST)
    rows = (await db.execute(statement, {"of_shop": shop_id})).all()
    return [Stocked(_goods(row, 1), row.product_status is ProductStatus.ON_SALE) for row in rows]


def _meets(db: AsyncSession, asked: GoodsAsked) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if asked.product_ids:
        conditions.append(ids_in(db, _products.c.id, sorted(asked.product_ids)))
    if asked.variant_ids:
        conditions.append(ids_in(db, _variants.c.id, sorted(asked.variant_ids)))
    if asked.category_ids:
        levels = (_own.c.id, _own.c.parent_id, _above.c.parent_id, _top.c.parent_id)
        ids = sorted(asked.category_ids)
        conditions.append(sa.or_(*(ids_in(db, level, ids) for level in levels)))
    if asked.tags_any:
        conditions.append(_products.c.id.in_(_tagged(db, asked.tags_any)))
    # One look at the key for each: counting the tags of all products took seconds.
    conditions += [
        sa.exists().where(_tags.c.product_id == _products.c.id, _tags.c.tag == tag)
        for tag in sorted(asked.tags_all)
    ]
    return sa.and_(*conditions)


def _tagged(db: AsyncSession, tags: frozenset[str]) -> sa.Select[tuple[UUID]]:
    rows = given(db, "given_tags", {"tag": sa.String()}, [{"tag": tag} for tag in sorted(tags)])
    return sa.select(_tags.c.product_id).where(_tags.c.tag.in_(sa.select(rows.c.tag)))


async def goods_of(
    db: AsyncSession, shop_id: UUID, variant_ids: Collection[UUID]
) -> dict[UUID, Stocked]:
    """Those of the variants that are the shop's, archived ones too."""
    wanted = ids_in(db, _variants.c.id, sorted(variant_ids))
    statement = _every.add_columns(_variants.c.archived_at).where(_of_this_shop, wanted)
    rows = (await db.execute(statement, {"of_shop": shop_id})).all()
    return {row.variant_id: Stocked(_goods(row, 1), _sells(row)) for row in rows}


def _sells(row: sa.Row[*tuple[Any, ...]]) -> bool:
    return row.product_status is ProductStatus.ON_SALE and row.archived_at is None


async def unknown(
    db: AsyncSession,
    shop_id: UUID,
    *,
    product_ids: Sequence[UUID],
    variant_ids: Sequence[UUID],
    category_ids: Sequence[UUID],
) -> list[UUID]:
    """Those of the ids that the shop has no such thing for, archived or not, by one statement."""
    asked = ((_products, product_ids), (_variants, variant_ids), (_categories, category_ids))
    known = sa.union_all(
        *(
            sa.select(kind.c.id).where(kind.c.shop_id == shop_id, ids_in(db, kind.c.id, ids))
            for kind, ids in asked
        )
    )
    found = frozenset((await db.execute(known)).scalars())
    return [each for _, ids in asked for each in ids if each not in found]
