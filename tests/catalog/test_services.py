"""What operators keep: every change on record, every refusal without a trace."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.errors import (
    CategoryCycle,
    CategoryHasChildren,
    CategoryNotFound,
    CategoryTooDeep,
    OwnerNotFound,
    PriceBelowFloor,
    ProductWithoutVariants,
    SkuTaken,
    SlugTaken,
    WrongProductStatus,
)
from app.catalog.models import PriceChange, ProductStatus, Shop, Variant
from app.catalog.rules import NewCategory, NewProduct, NewShop, NewVariant, ProductCard
from app.core.audit_log import AuditEntry
from app.core.db import commit
from app.core.errors import NotFound, Problem, VersionMismatch
from app.core.sql import table
from tests.conftest import rows_in
from tests.factories import Stand

ANY = UUID(int=77)


async def _noted(stand: Stand) -> list[tuple[str, Any, Any]]:
    entries = table(AuditEntry)
    async with stand.database.reading() as db:
        rows = await db.execute(sa.select(entries).order_by(entries.c.id))
    return [(row.action, row.before, row.after) for row in rows]


async def _prices(stand: Stand, variant_id: UUID) -> list[tuple[int, int | None]]:
    changes = table(PriceChange)
    async with stand.database.reading() as db:
        rows = await db.execute(
            sa.select(changes).where(changes.c.variant_id == variant_id).order_by(changes.c.id)
        )
    return [(row.list_amount, row.solo_amount) for row in rows]


async def _category(stand: Stand, shop_id: UUID, parent_id: UUID | None = None) -> UUID:
    wanted = NewCategory(name="水果", parent_id=parent_id)
    made = await stand.database.transact(
        lambda db: catalog.create_category(db, shop_id, wanted, now=stand.now)
    )
    return made.id


async def _edit_variant(stand: Stand, variant: Variant, version: int, **changes: Any) -> Variant:
    return await stand.database.transact(
        lambda db: catalog.edit_variant(
            db, variant.shop_id, variant.id, changes, version=version, now=stand.now
        )
    )


async def _edit_product(
    stand: Stand, product: ProductCard, version: int, **changes: Any
) -> ProductCard:
    return await stand.database.transact(
        lambda db: catalog.edit_product(
            db, product.shop_id, product.id, changes, version=version, now=stand.now
        )
    )


async def _lowest(stand: Stand, product: ProductCard) -> int | None:
    async with stand.database.reading() as db:
        return (await catalog.product_of_shop(db, product.shop_id, product.id)).lowest_amount


async def _refused(stand: Stand, kind: type[Problem], work: Any) -> Problem:
    """The refusal of a piece of work that has left no row behind."""
    before = await rows_in(stand.database)
    with pytest.raises(kind) as refusal:
        await stand.database.transact(work)
    assert await rows_in(stand.database) == before
    return refusal.value


async def test_an_edit_notes_only_what_changed(stand: Stand) -> None:
    shop = await stand.shop()
    changes = {"name": "杨梅山二店", "currency": "CNY", "allow_free_orders": True}
    after = await stand.database.transact(
        lambda db: catalog.edit_shop(db, shop.id, changes, version=1, now=stand.now)
    )
    assert (after.name, after.allow_free_orders, after.version) == ("杨梅山二店", True, 2)
    assert (await _noted(stand))[-1] == (
        "shop.edited",
        {"name": "杨梅山", "allow_free_orders": False},
        {"name": "杨梅山二店", "allow_free_orders": True},
    )


async def test_an_edit_that_changes_nothing_leaves_no_trace(stand: Stand) -> None:
    shop = await stand.shop()
    before = await _noted(stand)
    after = await stand.database.transact(
        lambda db: catalog.edit_shop(db, shop.id, {"name": "杨梅山"}, version=1, now=stand.now)
    )
    assert after.version == 1
    assert await _noted(stand) == before


async def test_edits_on_an_old_version_are_refused(stand: Stand) -> None:
    shop = await stand.shop()
    product = await stand.product(shop.id, on_sale=False)
    variant = await stand.variant(shop.id, product.id)
    await _refused(
        stand,
        VersionMismatch,
        lambda db: catalog.edit_shop(db, shop.id, {"name": "x"}, version=2, now=stand.now),
    )
    with pytest.raises(VersionMismatch):
        await _edit_product(stand, product, 9, title="x")
    with pytest.raises(VersionMismatch):
        await _edit_variant(stand, variant, 9, title="x")


async def test_of_two_edits_at_once_one_wins(stand: Stand) -> None:
    shop = await stand.shop()
    product = await stand.product(shop.id, on_sale=False)
    variant = await stand.variant(shop.id, product.id)

    async def edit(amount: int) -> str:
        try:
            await _edit_variant(stand, variant, 1, list_amount=amount)
        except VersionMismatch:
            return "refused"
        return "done"

    results = await asyncio.gather(*(edit(amount) for amount in range(100, 108)))
    assert sorted(results) == ["done"] + ["refused"] * 7
    prices = await _prices(stand, variant.id)
    assert prices[0] == (9_900, None)
    assert len(prices) == 2
    assert await _lowest(stand, product) == prices[1][0]


async def test_a_slug_is_taken_once_even_by_a_crowd(stand: Stand) -> None:
    async def open_shop(db: AsyncSession) -> Shop:
        wanted = NewShop(slug="hill", name="x", currency="CNY")
        return await catalog.create_shop(db, wanted, now=stand.now)

    async def one() -> str:
        try:
            await stand.database.transact(open_shop)
        except SlugTaken:
            return "refused"
        return "done"

    results = await asyncio.gather(*(one() for _ in range(8)))
    assert sorted(results) == ["done"] + ["refused"] * 7
    await _refused(stand, SlugTaken, open_shop)
    assert (await rows_in(stand.database))["shops"] == 1


async def test_a_shop_without_an_owner_to_be_is_not_opened(stand: Stand) -> None:
    wanted = NewShop(slug="hill", name="x", currency="CNY")
    await _refused(
        stand,
        OwnerNotFound,
        lambda db: catalog.create_shop(db, wanted, owner_id=ANY, now=stand.now),
    )


async def test_refusals_around_categories(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    ids = [await _category(stand, shop.id)]
    for _ in range(3):
        ids.append(await _category(stand, shop.id, ids[-1]))
    foreign = await _category(stand, other.id)

    def create(parent_id: UUID) -> Any:
        wanted = NewCategory(name="x", parent_id=parent_id)
        return lambda db: catalog.create_category(db, shop.id, wanted, now=stand.now)

    def move(category_id: UUID, parent_id: UUID | None) -> Any:
        changes = {"parent_id": parent_id}
        return lambda db: catalog.edit_category(db, shop.id, category_id, changes, now=stand.now)

    await _refused(stand, CategoryTooDeep, create(ids[3]))
    await _refused(stand, CategoryNotFound, create(foreign))
    await _refused(stand, CategoryCycle, move(ids[0], ids[3]))
    await _refused(stand, CategoryNotFound, move(ids[0], foreign))
    await _refused(stand, NotFound, move(foreign, None))
    await _refused(
        stand,
        CategoryHasChildren,
        lambda db: catalog.archive_category(db, shop.id, ids[2], now=stand.now),
    )
    await stand.database.transact(
        lambda db: catalog.archive_category(db, shop.id, ids[3], now=stand.now)
    )
    await _refused(stand, CategoryNotFound, create(ids[3]))
    moved = await stand.database.transact(move(ids[2], None))
    assert moved.parent_id is None
    async with stand.database.reading() as db:
        tree = {c.id: c.parent_id for c in await catalog.categories_of(db, shop.id)}
    assert tree == {ids[0]: None, ids[1]: ids[0], ids[2]: None}


async def test_two_moves_at_once_never_close_a_cycle(stand: Stand) -> None:
    """Each move alone is fine; done side by side they would put two branches into each other."""
    shop = await stand.shop()
    first, second = await _category(stand, shop.id), await _category(stand, shop.id)

    async def move(category_id: UUID, parent_id: UUID) -> str:
        async with stand.database.writing() as db:
            changes = {"parent_id": parent_id}
            try:
                await catalog.edit_category(db, shop.id, category_id, changes, now=stand.now)
            except CategoryCycle:
                return "refused"
            await asyncio.sleep(0.05)
            await commit(db)
            return "done"

    results = await asyncio.gather(move(first, second), move(second, first))
    assert sorted(results) == ["done", "refused"]


async def test_refusals_around_products(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    foreign = await _category(stand, other.id)
    wanted = NewProduct(title="x", category_id=foreign)
    await _refused(
        stand,
        CategoryNotFound,
        lambda db: catalog.create_product(db, shop.id, wanted, now=stand.now),
    )
    await _refused(
        stand,
        NotFound,
        lambda db: catalog.create_product(db, ANY, NewProduct(title="x"), now=stand.now),
    )
    product = await stand.product(shop.id, on_sale=False)
    with pytest.raises(CategoryNotFound):
        await _edit_product(stand, product, 1, category_id=foreign, title="never")

    def move(status: ProductStatus, shop_id: UUID = shop.id) -> Any:
        return lambda db: catalog.move_product(db, shop_id, product.id, status, now=stand.now)

    await _refused(stand, ProductWithoutVariants, move(ProductStatus.ON_SALE))
    await _refused(stand, NotFound, move(ProductStatus.ARCHIVED, other.id))
    await stand.database.transact(move(ProductStatus.ARCHIVED))
    refusal = await _refused(stand, WrongProductStatus, move(ProductStatus.ARCHIVED))
    assert refusal.params == {"product_status": "archived", "wanted_status": "archived"}
    async with stand.database.reading() as db:
        kept = await catalog.product_of_shop(db, shop.id, product.id)
    assert (kept.title, kept.category_id, kept.version) == ("东魁杨梅", None, 2)


async def test_tags_are_replaced_as_a_whole(stand: Stand) -> None:
    shop = await stand.shop()
    product = await stand.product(shop.id, on_sale=False, tags=frozenset({"a", "b"}))
    same = await _edit_product(stand, product, 1, tags=frozenset({"b", "a"}))
    assert same.version == 1
    after = await _edit_product(stand, product, 1, tags=frozenset({"b", "c"}))
    assert (after.tags, after.version) == (("b", "c"), 2)
    assert (await _noted(stand))[-1] == (
        "product.edited",
        {"tags": ["a", "b"]},
        {"tags": ["b", "c"]},
    )
    none = await _edit_product(stand, product, 2, tags=frozenset())
    assert none.tags == ()


async def test_the_lowest_price_follows_the_living_variants(stand: Stand) -> None:
    shop = await stand.shop()
    product = await stand.product(shop.id, on_sale=False)
    assert await _lowest(stand, product) is None
    dear = await stand.variant(shop.id, product.id, list_amount=300)
    cheap = await stand.variant(shop.id, product.id, list_amount=200)
    assert await _lowest(stand, product) == 200
    await _edit_variant(stand, dear, 1, list_amount=100)
    assert await _lowest(stand, product) == 100

    async def archive(variant: Variant) -> Variant:
        return await stand.database.transact(
            lambda db: catalog.archive_variant(db, shop.id, variant.id, now=stand.now)
        )

    assert (await archive(dear)).archived_at == stand.now
    assert await _lowest(stand, product) == 200
    noted = await _noted(stand)
    archived = ("variant.archived", {"archived_at": None}, {"archived_at": str(stand.now)})
    assert noted[-1] == archived
    assert (await archive(dear)).version == 3
    assert await _noted(stand) == noted
    await archive(cheap)
    assert await _lowest(stand, product) is None


async def test_many_variants_at_once_leave_the_true_lowest_price(stand: Stand) -> None:
    shop = await stand.shop()
    product = await stand.product(shop.id, on_sale=False)
    made = [stand.variant(shop.id, product.id, list_amount=500 - n) for n in range(10)]
    await asyncio.gather(*made)
    assert await _lowest(stand, product) == 491


async def test_every_price_stays_on_record(stand: Stand) -> None:
    shop = await stand.shop()
    product = await stand.product(shop.id, on_sale=False)
    variant = await stand.variant(shop.id, product.id, list_amount=300, solo_amount=250)
    await _edit_variant(stand, variant, 1, title="5kg", cost_amount=10)
    await _edit_variant(stand, variant, 2, list_amount=280)
    await _edit_variant(stand, variant, 3, solo_amount=None)
    assert await _prices(stand, variant.id) == [(300, 250), (280, 250), (280, None)]


async def test_refusals_around_variants(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    product = await stand.product(shop.id, on_sale=False)
    variant = await stand.variant(shop.id, product.id, sku="YM", floor_amount=5_000)

    def create(shop_id: UUID, **values: Any) -> Any:
        wanted = NewVariant(**{"sku": "NEW", "title": "x", "list_amount": 100, **values})
        return lambda db: catalog.create_variant(db, shop_id, product.id, wanted, now=stand.now)

    assert (await _refused(stand, SkuTaken, create(shop.id, sku="YM"))).params == {"sku": "YM"}
    await _refused(stand, PriceBelowFloor, create(shop.id, floor_amount=101))
    await _refused(stand, NotFound, create(other.id))
    for changes in ({"list_amount": 4_999}, {"solo_amount": 4_999}, {"floor_amount": 9_901}):
        with pytest.raises(PriceBelowFloor):
            await _edit_variant(stand, variant, 1, **changes)
    assert await _prices(stand, variant.id) == [(9_900, None)]
    foreign = await stand.product(other.id, on_sale=False)
    same_sku_elsewhere = await stand.variant(other.id, foreign.id, sku="YM")
    with pytest.raises(NotFound):
        async with stand.database.reading() as db:
            await catalog.variant_of_shop(db, shop.id, same_sku_elsewhere.id)
