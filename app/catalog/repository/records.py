"""Single rows: written whole, read by key, changed under their version."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from app.catalog.models import (
    Brand,
    Category,
    PriceChange,
    Product,
    ProductTag,
    Shop,
    StockAdjustment,
    Variant,
)
from app.core.http.paging import Paging, Slice, beyond
from app.core.sql import ids_in, table, upsert

M = TypeVar("M", bound=SQLModel)

shops = table(Shop)
brands = table(Brand)
categories = table(Category)
products = table(Product)
product_tags = table(ProductTag)
variants = table(Variant)
_price_changes = table(PriceChange)
_adjustments = table(StockAdjustment)


async def add(db: AsyncSession, row: SQLModel) -> None:
    """Insert one row."""
    await db.execute(sa.insert(table(type(row))).values(row.model_dump()))


async def add_unless_taken(db: AsyncSession, row: SQLModel, unique: Sequence[str]) -> bool:
    """Insert a row; False where another one has the same values in the unique columns."""
    target = table(type(row))
    statement = upsert(db, target).values(row.model_dump())
    statement = statement.on_conflict_do_nothing(index_elements=list(unique))
    added = await db.execute(statement.returning(target.c.id))
    return added.first() is not None


async def find(db: AsyncSession, kind: type[M], *where: sa.ColumnElement[bool]) -> M | None:
    """The one row that meets the conditions, as a record apart from the session."""
    row = (await db.execute(sa.select(table(kind)).where(*where))).mappings().first()
    return None if row is None else kind(**row)


async def change(
    db: AsyncSession, kind: type[M], key: UUID, *, version: int, values: Mapping[str, Any]
) -> M | None:
    """Change a row that still has this version, which goes up by one; None where it has not."""
    target = table(kind)
    changed = await db.execute(
        sa.update(target)
        .where(target.c.id == key, target.c.version == version)
        .values({**values, "version": version + 1})
        .returning(target)
    )
    row = changed.mappings().first()
    return None if row is None else kind(**row)


async def shop(db: AsyncSession, shop_id: UUID) -> Shop | None:
    """A shop by its id."""
    return await find(db, Shop, shops.c.id == shop_id)


async def list_shops(db: AsyncSession, among: Sequence[UUID] | None, paging: Paging) -> Slice[Shop]:
    """Shops in the order of their opening: those named, or all of them."""
    wanted = [] if among is None else [ids_in(db, shops.c.id, among)]
    return await _listed(db, Shop, wanted, paging)


async def lock_shop(db: AsyncSession, shop_id: UUID) -> None:
    """Let one transaction at a time rearrange this shop's tree of categories."""
    await db.execute(
        sa.select(shops.c.id).where(shops.c.id == shop_id).with_for_update(key_share=True)
    )


async def category(db: AsyncSession, shop_id: UUID, category_id: UUID) -> Category | None:
    """A living category of a shop."""
    return await find(
        db,
        Category,
        categories.c.id == category_id,
        categories.c.shop_id == shop_id,
        categories.c.archived_at.is_(None),
    )


async def categories_of(db: AsyncSession, shop_id: UUID) -> list[Category]:
    """The living categories of a shop, siblings in their order."""
    rows = await db.execute(
        sa.select(categories)
        .where(categories.c.shop_id == shop_id, categories.c.archived_at.is_(None))
        .order_by(categories.c.position, categories.c.id)
    )
    return [Category(**row) for row in rows.mappings()]


async def change_category(db: AsyncSession, category_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a category, which has no version: its last editor is right."""
    await db.execute(sa.update(categories).where(categories.c.id == category_id).values(**values))


async def brand(
    db: AsyncSession, shop_id: UUID, brand_id: UUID, *, archived: bool = True
) -> Brand | None:
    """A partner brand of a shop, living or, if asked for, archived."""
    living = [] if archived else [brands.c.archived_at.is_(None)]
    return await find(db, Brand, brands.c.id == brand_id, brands.c.shop_id == shop_id, *living)


async def list_brands(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[Brand]:
    """A shop's partner brands, archived ones too, the youngest first."""
    return await _listed(db, Brand, [brands.c.shop_id == shop_id], paging)


async def change_brand(db: AsyncSession, brand_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a brand, which has no version: its last editor is right."""
    await db.execute(sa.update(brands).where(brands.c.id == brand_id).values(**values))


async def lock_product(db: AsyncSession, shop_id: UUID, product_id: UUID) -> Product | None:
    """A product of the shop, held: what is counted over its variants then stays true."""
    row = await db.execute(
        sa.select(products)
        .where(products.c.id == product_id, products.c.shop_id == shop_id)
        .with_for_update(key_share=True)
    )
    found = row.mappings().first()
    return None if found is None else Product(**found)


async def keep_lowest_amount(db: AsyncSession, product_id: UUID) -> None:
    """Write down the least list price over the product's living variants."""
    least = (
        sa.select(sa.func.min(variants.c.list_amount))
        .where(variants.c.product_id == product_id, variants.c.archived_at.is_(None))
        .scalar_subquery()
    )
    await db.execute(
        sa.update(products).where(products.c.id == product_id).values(lowest_amount=least)
    )


async def replace_tags(db: AsyncSession, product_id: UUID, tags: Sequence[str]) -> None:
    """Give a product exactly these tags."""
    await db.execute(sa.delete(product_tags).where(product_tags.c.product_id == product_id))
    if tags:
        rows = [{"product_id": product_id, "tag": tag} for tag in tags]
        await db.execute(sa.insert(product_tags), rows)


async def variant(db: AsyncSession, shop_id: UUID, variant_id: UUID) -> Variant | None:
    """A variant of the shop, archived or not."""
    return await find(db, Variant, variants.c.id == variant_id, variants.c.shop_id == shop_id)


async def archive_variant(db: AsyncSession, variant_id: UUID, now: datetime) -> None:
    """Take a variant off sale; its orders and history stay."""
    await db.execute(
        sa.update(variants)
        .where(variants.c.id == variant_id)
        .values(archived_at=now, version=variants.c.version + 1)
    )


async def list_price_changes(
    db: AsyncSession, variant_id: UUID, paging: Paging
) -> Slice[PriceChange]:
    """What a variant has cost, the newest price first."""
    return await _listed(db, PriceChange, [_price_changes.c.variant_id == variant_id], paging)


async def list_adjustments(
    db: AsyncSession, variant_id: UUID, paging: Paging
) -> Slice[StockAdjustment]:
    """Why a variant's stock changed, the newest reason first."""
    return await _listed(db, StockAdjustment, [_adjustments.c.variant_id == variant_id], paging)


async def _listed(
    db: AsyncSession, kind: type[M], where: Sequence[sa.ColumnElement[bool]], paging: Paging
) -> Slice[M]:
    target = table(kind)
    statement = sa.select(target).where(*where).order_by(target.c.id.desc())
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(beyond([target.c.id], after, descending=True))
    rows = (await db.execute(statement.limit(paging.limit + 1))).mappings().all()
    cut = paging.cut(rows, lambda row: (row["id"],))
    return Slice([kind(**row) for row in cut.rows], cut.next_after)
