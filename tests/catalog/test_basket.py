"""The goods of a basket: everything prices depend on, by one statement, refused alike."""

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.errors import ShopPaused, VariantNotFound
from app.catalog.models import ProductKind, ProductStatus, ShopStatus
from app.catalog.rules import BasketGoods, NewCategory, ShopTerms, Wanted
from tests.factories import Stand, statements


async def _tree(stand: Stand, shop_id: UUID, levels: int) -> list[UUID]:
    ids: list[UUID] = []
    for level in range(levels):
        wanted = NewCategory(name=f"L{level}", parent_id=ids[-1] if ids else None)

        async def make(db: AsyncSession, wanted: NewCategory = wanted) -> UUID:
            return (await catalog.create_category(db, shop_id, wanted, now=stand.now)).id

        ids.append(await stand.database.transact(make))
    return ids


async def _basket(stand: Stand, shop_id: UUID, *variant_ids: UUID) -> BasketGoods:
    async with stand.database.reading() as db:
        return await catalog.basket(db, shop_id, [Wanted(v, 1) for v in variant_ids])


async def test_all_that_prices_depend_on(stand: Stand) -> None:
    shop = await stand.shop(shipping_flat_amount=800, allow_free_orders=True)
    tree = await _tree(stand, shop.id, 4)
    product = await stand.product(
        shop.id,
        on_sale=False,
        category_id=tree[-1],
        tags=frozenset({"fruit", "季节"}),
        is_private=True,
        kind=ProductKind.ENTRY,
    )
    variant = await stand.variant(
        shop.id,
        product.id,
        units=7,
        sku="YM-1",
        title="2.5kg",
        list_amount=9_900,
        solo_amount=8_900,
        cost_amount=5_000,
        floor_amount=4_000,
    )

    async def put_on_sale(db: AsyncSession) -> None:
        await catalog.move_product(db, shop.id, product.id, ProductStatus.ON_SALE, now=stand.now)
        await catalog.reserve(db, {variant.id: 2})

    await stand.database.transact(put_on_sale)
    async with stand.database.reading() as db:
        basket = await catalog.basket(db, shop.id, [Wanted(variant.id, 1), Wanted(variant.id, 3)])
    assert basket.shop == ShopTerms(
        id=shop.id,
        currency="CNY",
        status=ShopStatus.OPEN,
        time_zone="Asia/Shanghai",
        shipping_flat_amount=800,
        allow_free_orders=True,
    )
    (goods,) = basket.goods.values()
    assert goods.variant_id == variant.id
    assert goods.product_id == product.id
    assert (goods.product_title, goods.variant_title, goods.sku) == ("东魁杨梅", "2.5kg", "YM-1")
    assert (goods.kind, goods.is_private) == (ProductKind.ENTRY, True)
    assert goods.category_ids == frozenset(tree)
    assert goods.tags == {"fruit", "季节"}
    assert (goods.list_amount, goods.solo_amount) == (9_900, 8_900)
    assert (goods.cost_amount, goods.floor_amount) == (5_000, 4_000)
    assert (goods.available, goods.quantity) == (5, 4)


async def test_goods_without_category_or_tags(stand: Stand) -> None:
    shop = await stand.shop()
    variant = await stand.goods(shop.id, units=0)
    goods = (await _basket(stand, shop.id, variant.id)).goods[variant.id]
    assert (goods.category_ids, goods.tags, goods.available) == (frozenset(), frozenset(), 0)


async def test_what_is_not_for_sale_is_named_and_nothing_else_told(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    good = await stand.goods(shop.id, units=1)
    foreign = await stand.goods(other.id, units=1)
    archived = await stand.goods(shop.id, units=1)
    draft = await stand.product(shop.id, on_sale=False)
    drafted = await stand.variant(shop.id, draft.id, units=1)
    await stand.database.transact(
        lambda db: catalog.archive_variant(db, shop.id, archived.id, now=stand.now)
    )
    unknown = UUID(int=7)
    wanted = [unknown, good.id, foreign.id, archived.id, drafted.id]
    with pytest.raises(VariantNotFound) as refusal:
        await _basket(stand, shop.id, *wanted)
    assert refusal.value.params == {"variant_ids": [str(v) for v in wanted if v != good.id]}


async def test_an_unknown_shop_sells_nothing(stand: Stand) -> None:
    shop = await stand.shop()
    variant = await stand.goods(shop.id, units=1)
    with pytest.raises(VariantNotFound) as refusal:
        await _basket(stand, UUID(int=9), variant.id)
    assert refusal.value.params == {"variant_ids": [str(variant.id)]}


async def test_a_paused_shop_takes_no_orders(stand: Stand) -> None:
    shop = await stand.shop()
    variant = await stand.goods(shop.id, units=1)
    await stand.database.transact(
        lambda db: catalog.edit_shop(
            db, shop.id, {"status": ShopStatus.PAUSED}, version=1, now=stand.now
        )
    )
    with pytest.raises(ShopPaused):
        await _basket(stand, shop.id, variant.id)


async def test_a_basket_without_lines_is_a_programming_error(stand: Stand) -> None:
    with pytest.raises(ValueError, match="at least one line"):
        await _basket(stand, UUID(int=9))


async def test_one_statement_for_1_line_and_for_50(stand: Stand) -> None:
    shop = await stand.shop()
    product = await stand.product(shop.id, tags=frozenset({"a", "b"}))
    ids = [(await stand.variant(shop.id, product.id, units=3)).id for _ in range(50)]
    for count in (1, 50):
        with statements(stand.database) as seen:
            basket = await _basket(stand, shop.id, *ids[:count])
        assert list(basket.goods) == ids[:count]
        assert len(seen) == 1
