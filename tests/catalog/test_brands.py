"""Partner brands, and what a shop lays down for its promotions: as operators keep both."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.catalog import service as catalog
from app.catalog.models import Shop
from app.catalog.rules import GoodsAsked, NewCategory, Wanted
from app.core.sql import table
from tests.conftest import rows_in
from tests.factories import Caller, Stand, statements

BRAND = {"name": "晨露纸品", "account": "brand-0001", "share_bp": 7_000}


def path(shop_id: UUID, *rest: object) -> str:
    return "/".join((f"/v1/operator/shops/{shop_id}", *map(str, rest)))


async def added(owner: Caller, shop_id: UUID, **more: Any) -> dict[str, Any]:
    answer = await owner.post(path(shop_id, "brands"), {**BRAND, **more})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def basket_of(stand: Stand, shop_id: UUID, variant_id: UUID) -> Any:
    async with stand.database.reading() as db:
        return await catalog.basket(db, shop_id, [Wanted(variant_id, 1)])


async def test_goods_of_a_brand_name_it_and_its_share(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    brand = await added(owner, shop.id)
    variant = await stand.goods(shop.id, units=1)
    product = path(shop.id, "products", variant.product_id)
    plain = (await basket_of(stand, shop.id, variant.id)).goods[variant.id]
    assert (plain.brand_id, plain.brand_share_bp) == (None, None)

    version = int((await owner.get(product)).json()["version"])
    edited = await owner.patch(product, {"brand_id": brand["id"]}, version=version)
    assert edited.json()["brand_id"] == brand["id"]
    raised = await owner.patch(path(shop.id, "brands", brand["id"]), {"share_bp": 7_500})
    assert raised.json() == {**brand, "share_bp": 7_500}
    archived = await owner.post(path(shop.id, "brands", brand["id"], "archive"))
    assert archived.json()["archived_at"] is not None
    with statements(stand.database) as seen:
        goods = (await basket_of(stand, shop.id, variant.id)).goods[variant.id]
    assert (str(goods.brand_id), goods.brand_share_bp) == (brand["id"], 7_500)
    assert len(seen) == 1
    [listed] = (await owner.get(path(shop.id, "brands"))).json()["items"]
    assert listed == archived.json()


async def test_only_a_living_brand_of_the_shop_is_given_to_a_product(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    owner = await stand.as_owner(shop.id)
    foreign = await added(await stand.as_owner(other.id), other.id)
    archived = await added(owner, shop.id)
    await owner.post(path(shop.id, "brands", archived["id"], "archive"))
    made = await stand.product(shop.id)
    before = await rows_in(stand.database)
    for brand_id in (foreign["id"], archived["id"], str(uuid4())):
        body = {"title": "纸巾", "brand_id": brand_id}
        new = await owner.post(path(shop.id, "products"), body)
        edit = await owner.patch(
            path(shop.id, "products", made.id), {"brand_id": brand_id}, version=made.version
        )
        for refusal in (new, edit):
            assert (refusal.status_code, refusal.json()["code"]) == (404, "brand_not_found")
    changes = await owner.patch(path(shop.id, "brands", foreign["id"]), {"share_bp": 1})
    assert (changes.status_code, changes.json()["code"]) == (404, "not_found")
    found = await rows_in(stand.database)
    assert found.pop("idempotency_answers") == before.pop("idempotency_answers") + 3
    assert found == before
    assert (await owner.get(path(shop.id, "products", made.id))).json()["brand_id"] is None


async def test_terms_for_promotions_are_edited_and_reach_the_basket(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    variant = await stand.goods(shop.id, units=1)
    terms = (await basket_of(stand, shop.id, variant.id)).shop
    assert (terms.promotion_policy, terms.discount_cap_bp) == ("best_for_buyer", 10_000)
    assert list(terms.promotion_denials) == []
    denials = [{"one": {"kind": "coupon"}, "other": {"stacking_group": "season"}}]
    body = {
        "promotion_policy": "priority",
        "discount_cap_bp": 5_000,
        "promotion_denials": denials,
    }
    edited = await owner.patch(path(shop.id), body, version=1)
    shown = [
        {
            "one": {"kind": "coupon", "stacking_group": None},
            "other": {"kind": None, "stacking_group": "season"},
        }
    ]
    assert edited.json()["promotion_denials"] == shown, edited.text
    terms = (await basket_of(stand, shop.id, variant.id)).shop
    assert (terms.promotion_policy, terms.discount_cap_bp) == ("priority", 5_000)
    assert list(terms.promotion_denials) == denials


@pytest.mark.parametrize(
    "wrong",
    [
        {"promotion_policy": "cheapest"},
        {"discount_cap_bp": 10_001},
        {"discount_cap_bp": -1},
        {"promotion_denials": [{"one": {}, "other": {"kind": "coupon"}}]},
        {"promotion_denials": [{"one": {"kind": "magic"}, "other": {"kind": "coupon"}}]},
        {"promotion_denials": [{"one": {"kind": "coupon"}}]},
    ],
)
async def test_terms_that_mean_nothing_are_refused(stand: Stand, wrong: dict[str, Any]) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    refusal = await owner.patch(path(shop.id), wrong, version=1)
    assert (refusal.status_code, refusal.json()["code"]) == (422, "validation_failed")
    async with stand.database.reading() as db:
        stored = (await db.execute(sa.select(table(Shop)))).mappings().one()
    assert (stored["version"], stored["discount_cap_bp"]) == (1, 10_000)


async def test_goods_are_found_by_what_a_promotion_names(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")

    async def categories(db: Any) -> tuple[UUID, UUID]:
        top = await catalog.create_category(db, shop.id, NewCategory("水果"), now=stand.now)
        below = NewCategory("杨梅", parent_id=top.id)
        return top.id, (await catalog.create_category(db, shop.id, below, now=stand.now)).id

    top, below = await stand.database.transact(categories)
    fruit = await stand.product(shop.id, category_id=below, tags=frozenset({"fruit", "season"}))
    paper = await stand.product(shop.id, "纸巾", tags=frozenset({"fruit"}), on_sale=False)
    sheet = await stand.variant(shop.id, paper.id, list_amount=20_000)
    await stand.product(other.id, tags=frozenset({"fruit", "season"}))

    async def products(*asked: GoodsAsked) -> list[UUID]:
        async with stand.database.reading() as db:
            found = await catalog.stocked(db, shop.id, asked)
        return [one.goods.product_id for one in found]

    assert await products(GoodsAsked()) == [paper.id, fruit.id]
    assert await products(GoodsAsked(category_ids=frozenset({top}))) == [fruit.id]
    assert await products(GoodsAsked(tags_any=frozenset({"fruit"}))) == [paper.id, fruit.id]
    assert await products(GoodsAsked(tags_all=frozenset({"fruit", "season"}))) == [fruit.id]
    assert await products(GoodsAsked(variant_ids=frozenset({sheet.id}))) == [paper.id]
    narrow = GoodsAsked(product_ids=frozenset({fruit.id, paper.id}), tags_all=frozenset({"season"}))
    assert await products(narrow) == [fruit.id]
    assert await products(narrow, GoodsAsked(variant_ids=frozenset({sheet.id}))) == [
        paper.id,
        fruit.id,
    ]
    assert await products() == []


async def test_ids_that_name_nothing_in_the_shop_are_told(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    mine, foreign = await stand.goods(shop.id, units=0), await stand.goods(other.id, units=0)
    nowhere = uuid4()
    with statements(stand.database) as seen:
        async with stand.database.reading() as db:
            unknown = await catalog.unknown_goods(
                db,
                shop.id,
                product_ids=[mine.product_id, foreign.product_id],
                variant_ids=[mine.id, foreign.id],
                category_ids=[nowhere],
            )
    assert unknown == [foreign.product_id, foreign.id, nowhere]
    assert len(seen) == 1, seen
