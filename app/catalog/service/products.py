"""Products: drafted, published, archived; members see only what is on sale."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.errors import BrandNotFound, CategoryNotFound, ProductWithoutVariants
from app.catalog.models import Product, ProductStatus
from app.catalog.repository import listing, records
from app.catalog.rules import (
    NewProduct,
    ProductCard,
    ProductFilter,
    ProductSort,
    VariantCard,
    check_move,
)
from app.catalog.service.editing import changed_of, check_version, note_edit, store
from app.catalog.service.shops import shop
from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id


async def list_products(
    db: AsyncSession, shop_id: UUID, wanted: ProductFilter, sort: ProductSort, paging: Paging
) -> Slice[ProductCard]:
    """A page of a shop's products, without their descriptions; `NotFound` for no such shop."""
    found = await listing.list_products(db, shop_id, wanted, sort, paging)
    if not found.rows:
        await shop(db, shop_id)
    return found


async def public_product(db: AsyncSession, product_id: UUID) -> ProductCard:
    """A product on sale; `NotFound` for drafts, archived and unknown ones alike."""
    found = await listing.product_card(db, product_id)
    if found is None or found.status is not ProductStatus.ON_SALE:
        raise NotFound
    return found


async def product_of_shop(db: AsyncSession, shop_id: UUID, product_id: UUID) -> ProductCard:
    """A product of this shop in whatever status; `NotFound` for another shop's."""
    found = await listing.product_card(db, product_id)
    if found is None or found.shop_id != shop_id:
        raise NotFound
    return found


async def variants_of_product(
    db: AsyncSession, product_id: UUID, *, with_archived: bool = False
) -> Sequence[VariantCard]:
    """The variants of a product with the units available, cheapest first."""
    return await listing.variant_cards(db, product_id, with_archived=with_archived)


async def create_product(
    db: AsyncSession, shop_id: UUID, wanted: NewProduct, *, now: datetime
) -> ProductCard:
    """Draft a product."""
    await shop(db, shop_id)
    await _check_place(db, shop_id, asdict(wanted))
    values = asdict(wanted)
    tags = sorted(values.pop("tags"))
    made = Product(
        id=new_id(), shop_id=shop_id, status=ProductStatus.DRAFT, created_at=now, **values
    )
    await records.add(db, made)
    await records.replace_tags(db, made.id, tags)
    await note(
        db,
        "product.created",
        ("product", made.id),
        at=now,
        shop_id=shop_id,
        change=(None, {**values, "tags": tags}),
    )
    return await product_of_shop(db, shop_id, made.id)


async def edit_product(
    db: AsyncSession,
    shop_id: UUID,
    product_id: UUID,
    changes: Mapping[str, Any],
    *,
    version: int,
    now: datetime,
) -> ProductCard:
    """Change what a product says; `tags` replaces all of them."""
    row = await _held(db, shop_id, product_id)
    check_version(row, version)
    product = await product_of_shop(db, shop_id, product_id)
    wanted = {**changes}
    if "tags" in wanted:
        wanted["tags"] = tuple(sorted(wanted["tags"]))
    changed = changed_of(product, wanted)
    if not changed:
        return product
    await _check_place(db, shop_id, changed)
    await store(db, row, {k: v for k, v in changed.items() if k != "tags"})
    if "tags" in changed:
        await records.replace_tags(db, product_id, changed["tags"])
    await note_edit(db, "product", product, changed, now=now)
    return await product_of_shop(db, shop_id, product_id)


async def move_product(
    db: AsyncSession, shop_id: UUID, product_id: UUID, status: ProductStatus, *, now: datetime
) -> ProductCard:
    """Publish or archive a product; only one with a living variant goes on sale."""
    row = await _held(db, shop_id, product_id)
    check_move(row.status, status)
    if status is ProductStatus.ON_SALE and row.lowest_amount is None:
        raise ProductWithoutVariants
    await store(db, row, {"status": status})
    await note_edit(db, "product", row, {"status": status}, now=now)
    return await product_of_shop(db, shop_id, product_id)


async def _held(db: AsyncSession, shop_id: UUID, product_id: UUID) -> Product:
    row = await records.lock_product(db, shop_id, product_id)
    if row is None:
        raise NotFound
    return row


async def _check_place(db: AsyncSession, shop_id: UUID, said: Mapping[str, Any]) -> None:
    category_id, brand_id = said.get("category_id"), said.get("brand_id")
    if category_id is not None and await records.category(db, shop_id, category_id) is None:
        raise CategoryNotFound
    if brand_id is not None:
        brand = await records.brand(db, shop_id, brand_id, archived=False)
        if brand is None:
            raise BrandNotFound
