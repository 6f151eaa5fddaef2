"""What a promotion may not promise of the goods there are."""

from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.catalog import service as catalog
from app.catalog.models import Variant
from app.core.sql import table
from app.promotions.errors import BadPromotion, BelowCostUnconfirmed
from app.promotions.models import Promotion
from tests.factories import Stand, statements
from tests.promotions.ground import Desk, desk


async def tagged(stand: Stand, shop_id: UUID, *tags: str, **more: Any) -> Variant:
    """A variant of a product with these tags, with ten units."""
    product = await stand.product(shop_id, tags=frozenset(tags), on_sale=False)
    return await stand.variant(shop_id, product.id, units=10, **more)


def add_on(*variant_ids: UUID, price: int = 100, **more: Any) -> dict[str, Any]:
    tier = {"price_amount": price, "variant_ids": [str(v) for v in variant_ids], **more}
    return {"kind": "add_on", "tiers": [tier]}


def gift(variant_id: UUID, quantity: int = 1) -> dict[str, Any]:
    return {"kind": "gift", "variant_id": str(variant_id), "quantity": quantity}


def bundle(price: int, *matches: dict[str, Any], quantity: int = 1) -> dict[str, Any]:
    parts = [{"match": match, "quantity": quantity} for match in matches]
    return {"kind": "bundle", "parts": parts, "price_amount": price}


def only(variant: Variant) -> dict[str, Any]:
    return {"variant_ids": [str(variant.id)]}


@pytest.mark.parametrize("where", ["match", "match_none", "part", "tier", "gift", "category"])
async def test_goods_of_nobody_or_of_another_shop_are_refused(stand: Stand, where: str) -> None:
    office, lake = await desk(stand), await stand.shop("lake")
    foreign = await tagged(stand, lake.id, "fruit")
    own = await tagged(stand, office.shop_id, "fruit")
    for wrong in (foreign.id, uuid4()):
        said: dict[str, Any] = {
            "match": {"match": {"variant_ids": [str(own.id), str(wrong)]}},
            "match_none": {"match": {"product_ids_none": [str(wrong)]}},
            "part": {"rule": bundle(1, only(own), {"variant_ids": [str(wrong)]})},
            "tier": {"rule": add_on(own.id, wrong)},
            "gift": {"rule": gift(wrong)},
            "category": {"match": {"category_ids": [str(wrong)]}},
        }[where]
        told = await office.refused(BadPromotion, office.create(**said))
        assert told == {"reason": "unknown_goods", "ids": [str(wrong)]}


async def test_a_bundle_must_cost_less_than_its_parts(stand: Stand) -> None:
    office = await desk(stand)
    cream = await tagged(stand, office.shop_id, "cosmetics", list_amount=3_000)
    await tagged(stand, office.shop_id, "tissues", list_amount=1_500)
    await tagged(stand, office.shop_id, "tissues", list_amount=2_000)
    parts = (only(cream), {"tags_any": ["tissues"]})
    for price in (5_000, 5_001):
        told = await office.refused(BadPromotion, office.create(rule=bundle(price, *parts)))
        assert told == {"reason": "bundle_not_below_parts", "parts_amount": 5_000}
    await office.create(rule=bundle(4_999, *parts))
    twice = bundle(10_000, *parts, quantity=2)
    told = await office.refused(BadPromotion, office.create(rule=twice))
    assert told["parts_amount"] == 10_000


async def test_a_bundle_with_a_part_that_nothing_fits_is_refused(stand: Stand) -> None:
    office = await desk(stand)
    cream = await tagged(stand, office.shop_id, "cosmetics")
    rule = bundle(1, only(cream), {"tags_any": ["tissues"]})
    told = await office.refused(BadPromotion, office.create(rule=rule))
    assert told == {"reason": "unknown_goods", "parts": [1]}
    # The promotion's own match narrows its parts.
    await tagged(stand, office.shop_id, "tissues")
    narrow = {"rule": rule, "match": {"tags_any": ["cosmetics"]}}
    told = await office.refused(BadPromotion, office.create(**narrow))
    assert told == {"reason": "unknown_goods", "parts": [1]}
    await office.create(rule=rule)


async def test_a_gift_needs_stock_at_save_and_at_activation(stand: Stand) -> None:
    office = await desk(stand)
    cup = await tagged(stand, office.shop_id)
    told = await office.refused(BadPromotion, office.create(rule=gift(cup.id, 11)))
    assert told == {
        "reason": "gift_without_stock",
        "variant_id": str(cup.id),
        "available": 10,
    }
    made = await office.create(rule=gift(cup.id, 10))
    other = await office.live(rule=gift(cup.id, 10))
    await stand.database.transact(
        lambda db: catalog.adjust_stock(db, office.shop_id, cup.id, -1, "broken", stand.now)
    )
    told = await office.refused(BadPromotion, office.move("activate", made))
    assert told["available"] == 9
    # What runs is still renamed, though it would not be activated today.
    assert (await office.edit(other, name_zh="新"))["name_zh"] == "新"


async def test_a_gift_that_is_off_sale_for_good_is_none(stand: Stand) -> None:
    office = await desk(stand)
    cup = await tagged(stand, office.shop_id)
    await stand.database.transact(
        lambda db: catalog.archive_variant(db, office.shop_id, cup.id, now=stand.now)
    )
    told = await office.refused(BadPromotion, office.create(rule=gift(cup.id)))
    assert (told["reason"], told["available"]) == ("gift_without_stock", 0)
    told = await office.refused(BadPromotion, office.create(rule=add_on(cup.id)))
    assert told == {"reason": "unknown_goods", "ids": [str(cup.id)]}


async def test_an_add_on_must_be_a_bargain(stand: Stand) -> None:
    office = await desk(stand)
    await tagged(stand, office.shop_id, "juicer")
    cup = await tagged(stand, office.shop_id, list_amount=8_900)
    for price in (8_900, 8_901):
        told = await office.refused(BadPromotion, office.create(rule=add_on(cup.id, price=price)))
        assert told == {"reason": "add_on_not_below_price", "variant_ids": [str(cup.id)]}
    await office.create(rule=add_on(cup.id, price=8_899))


async def test_an_add_on_may_not_qualify_itself(stand: Stand) -> None:
    office = await desk(stand)
    juicer, cup = [await tagged(stand, office.shop_id, "juicer") for _ in range(2)]
    rule = add_on(cup.id)
    told = await office.refused(BadPromotion, office.create(rule=rule, match=only(cup)))
    assert told == {"reason": "add_on_qualifies_itself"}
    both = {"variant_ids": [str(juicer.id), str(cup.id)]}
    await office.create(rule=rule, match=both)
    product = {"product_ids": [str(cup.product_id)]}
    told = await office.refused(BadPromotion, office.create(rule=rule, match=product))
    assert told == {"reason": "add_on_qualifies_itself"}


async def chain(office: Desk, *variants: Variant) -> list[str]:
    """Add-ons each of which asks for a variant and gives the next one."""
    made = [
        await office.create(rule=add_on(gives.id), match=only(asks))
        for asks, gives in pairwise(variants)
    ]
    return [str(row["id"]) for row in made]


@pytest.mark.parametrize("length", [2, 3, 4])
async def test_promotions_may_not_unlock_one_another(stand: Stand, length: int) -> None:
    office = await desk(stand)
    variants = [await tagged(stand, office.shop_id) for _ in range(length)]
    ids = await chain(office, *variants)
    closing = {"rule": gift(variants[0].id), "match": only(variants[-1])}
    told = await office.refused(BadPromotion, office.create(**closing))
    assert told == {"reason": "cycle", "promotion_ids": ids}
    # An edit closes it no more than a new one does.
    draft = await office.create(rule=gift(variants[0].id))
    told = await office.refused(BadPromotion, office.edit(draft, match=only(variants[-1])))
    assert told == {"reason": "cycle", "promotion_ids": ids}


async def test_what_only_looks_like_a_cycle_is_saved(stand: Stand) -> None:
    office, lake = await desk(stand), await stand.shop("lake")
    one, two = [await tagged(stand, office.shop_id, "cup") for _ in range(2)]
    other = Desk(stand, lake.id)
    far = await tagged(stand, lake.id)
    await other.create(rule=add_on(far.id))
    ended = await office.live(rule=add_on(one.id), match=only(two))
    await office.move("end", ended)
    # One that asks for any goods of a kind is met without what the other gives.
    await office.create(rule=add_on(one.id), match={"tags_any": ["cup"]})
    await office.create(rule=add_on(two.id), match=only(one))


async def test_selling_below_cost_has_to_be_confirmed(stand: Stand) -> None:
    office = await desk(stand)
    cream = await tagged(stand, office.shop_id, "care", list_amount=1_000, cost_amount=800)
    fair = await office.create(rule={"kind": "percent_off", "off_bp": 2_000})
    await office.move("activate", fair)
    cheap = await office.create(rule={"kind": "percent_off", "off_bp": 2_100})
    told = await office.refused(BelowCostUnconfirmed, office.move("activate", cheap))
    assert told == {"variant_ids": [str(cream.id)]}
    owner = await stand.as_owner(office.shop_id)
    path = f"/v1/operator/shops/{office.shop_id}/promotions/{cheap['id']}/activate"
    for body in (None, {}, {"confirm_below_cost": False}):
        answer = await owner.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "below_cost_unconfirmed")
    answer = await owner.post(path, {"confirm_below_cost": True})
    assert answer.status_code == 200, answer.text
    assert answer.json()["warnings"][0] == {
        "code": "below_cost",
        "params": {"variant_ids": [str(cream.id)]},
    }


async def test_a_scheduled_one_is_not_edited_below_cost_in_silence(stand: Stand) -> None:
    office = await desk(stand)
    await tagged(stand, office.shop_id, list_amount=1_000, cost_amount=800)
    made = await office.live(starts_at=stand.now.replace(year=stand.now.year + 1))
    cheap = {"kind": "percent_off", "off_bp": 3_000}
    await office.refused(BelowCostUnconfirmed, office.edit(made, rule=cheap))
    after = await office.edit(made, rule=cheap, confirm_below_cost=True)
    assert after["rule"] == cheap


async def test_saving_takes_so_many_statements_whatever_it_names(stand: Stand) -> None:
    office = await desk(stand)
    counts = []
    for size in (1, 6):
        variants = [await tagged(stand, office.shop_id) for _ in range(size + 1)]
        await chain(office, *variants)
        ids = [str(variant.id) for variant in variants[1:]]
        rule = {"kind": "add_on", "tiers": [{"price_amount": 1, "variant_ids": ids}]}
        with statements(stand.database) as seen:
            made = await office.create(rule=rule, match={"tags_any": ["none"]})
            await office.warnings(made)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 14, counts


async def test_drafts_that_slipped_past_each_other_are_caught_when_activated(stand: Stand) -> None:
    """Two operators draft at once, and neither sees the other's."""
    office = await desk(stand)
    one, two = [await tagged(stand, office.shop_id) for _ in range(2)]
    first = await office.create(rule=add_on(two.id), match=only(one))
    second = await office.create(rule=add_on(one.id))
    rows = table(Promotion)
    slip = sa.update(rows).where(rows.c.id == second["id"]).values(match=only(two))
    await stand.database.transact(lambda db: db.execute(slip))
    told = await office.refused(BadPromotion, office.move("activate", second))
    assert told == {"reason": "cycle", "promotion_ids": [str(first["id"])]}
