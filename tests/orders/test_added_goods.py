"""Add-ons, gifts, shipping and coupons from the operator's hands to a refund, over HTTP."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from app.catalog.models import Variant
from app.core.sql import table
from tests.factories import Caller, statements
from tests.orders.market import ADDRESS, SOLO_AMOUNT, Market
from tests.promotions.giving import promoted

CUP_AMOUNT = 8_900


@pytest.fixture
async def cup(market: Market) -> Variant:
    return await market.goods(market.shop_id, units=20, list_amount=CUP_AMOUNT)


async def running(market: Market, rule: dict[str, Any], **more: Any) -> str:
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/promotions"
    wish = {"name_zh": "优惠", "name_en": "An offer", "rule": rule, **more}
    made = await owner.post(path, wish)
    assert made.status_code == 201, made.text
    promotion_id: str = made.json()["id"]
    told = await owner.post(f"{path}/{promotion_id}/activate", {"confirm_below_cost": True})
    assert told.status_code == 200, told.text
    return promotion_id


def add_on(cup: Variant, **tier: Any) -> dict[str, Any]:
    said = {"threshold_amount": SOLO_AMOUNT, "price_amount": 100, "variant_ids": [str(cup.id)]}
    return {"kind": "add_on", "tiers": [{**said, **tier}]}


async def asked(market: Market, buyer: Caller, **more: Any) -> dict[str, Any]:
    units = more.pop("quantity", 1)
    lines = [{"variant_id": str(market.variant_id), "quantity": units}]
    answer = await buyer.post(
        "/v1/quotes", {"shop_id": str(market.shop_id), "lines": lines, **more}
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_an_add_on_is_offered_chosen_ordered_and_paid_back(
    market: Market, cup: Variant
) -> None:
    promotion_id = await running(market, add_on(cup))
    ann = await market.buyer("ann")
    told = await asked(market, ann)
    [item] = told["add_on_items"]
    assert (item["variant_id"], item["price_amount"]) == (str(cup.id), 100)
    assert (item["list_amount"], item["missing_amount"]) == (CUP_AMOUNT, 0)
    assert item["felt_return"] == [CUP_AMOUNT - 100, 100]
    assert item["true_discount"] == [CUP_AMOUNT - 100, SOLO_AMOUNT + CUP_AMOUNT]
    assert told["lines"][0]["unit_shares"] == [{"amount": SOLO_AMOUNT, "units": 1}]
    assert [row["code"] for row in told["not_applied"]] == ["not_chosen"]

    choice = {"promotion_id": promotion_id, "variant_id": str(cup.id), "quantity": 2}
    told = await asked(market, ann, add_ons=[choice])
    assert told["total_amount"] == SOLO_AMOUNT + 100 + CUP_AMOUNT, "one unit an order"
    order = await market.place(ann, add_ons=[choice])
    assert order["total_amount"] == told["total_amount"]
    added = next(line for line in order["lines"] if line["origin"] == "add_on")
    assert (added["promotion_id"], added["quantity"]) == (promotion_id, 2)
    assert await market.stock(market.shop_id, cup.id) == (20, 2, 0)
    await market.pay(ann, order)
    owner = await market.as_owner(market.shop_id)
    parts = [{"line_id": added["id"], "quantity": 1}]
    backs = [(await market.refund(owner, order, f"R-{n}", lines=parts))["amount"] for n in (1, 2)]
    assert sorted(backs) == [100, CUP_AMOUNT]
    await market.work()
    await market.balanced()


async def test_an_add_on_loses_its_price_with_the_basket_that_earned_it(
    market: Market, cup: Variant
) -> None:
    promotion_id = await running(market, add_on(cup, threshold_amount=2 * SOLO_AMOUNT))
    ann = await market.buyer("ann")
    choice = {"promotion_id": promotion_id, "variant_id": str(cup.id), "quantity": 1}
    met = await asked(market, ann, quantity=2, add_ons=[choice])
    assert met["total_amount"] == 2 * SOLO_AMOUNT + 100
    missed = await asked(market, ann, add_ons=[choice])
    assert missed["total_amount"] == SOLO_AMOUNT + CUP_AMOUNT
    [row] = missed["not_applied"]
    assert (row["code"], row["params"]) == ("needs_amount", {"missing_amount": SOLO_AMOUNT})
    assert row["text"] == "还差 ¥159.00"
    assert missed["nudges"][0]["params"]["missing_amount"] == SOLO_AMOUNT


async def test_many_buyers_share_an_add_on_quota_and_no_more(market: Market, cup: Variant) -> None:
    promotion_id = await running(market, add_on(cup, quota_units=3))
    choice = {"promotion_id": promotion_id, "variant_id": str(cup.id), "quantity": 1}
    buyers = [await market.buyer(f"b{n}") for n in range(9)]
    wishes = [await market.quote(buyer, add_ons=[choice]) for buyer in buyers]
    answers = await asyncio.gather(
        *(buyer.post("/v1/orders", wish) for buyer, wish in zip(buyers, wishes, strict=True))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 3 + [409] * 6, [answer.text for answer in answers]
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert codes <= {"quote_changed", "promotion_used_up"}
    assert await market.stock(market.shop_id, cup.id) == (20, 3, 0)
    won = next(n for n, answer in enumerate(answers) if answer.status_code == 201)
    freed = await buyers[won].post(f"/v1/orders/{answers[won].json()['id']}/cancel")
    assert freed.status_code == 200, freed.text
    late = await market.buyer("late")
    told = await asked(market, late, add_ons=[choice])
    assert told["total_amount"] == SOLO_AMOUNT + 100, "what was given back can be had"
    await market.work()
    await market.balanced()


async def test_a_gift_comes_from_its_own_stock_until_there_is_none(
    market: Market, cup: Variant
) -> None:
    rule = {"kind": "gift", "variant_id": str(cup.id), "quantity": 12, "threshold_amount": 1}
    promotion_id = await running(market, rule)
    ann = await market.buyer("ann")
    told = await asked(market, ann)
    [gift] = told["gifts"]
    assert (gift["promotion_id"], gift["quantity"]) == (promotion_id, 12)
    order = await market.place(ann)
    assert order["total_amount"] == SOLO_AMOUNT
    given = next(line for line in order["lines"] if line["origin"] == "gift")
    assert (given["payable_amount"], given["quantity"]) == (0, 12)
    assert given["promotion_id"] == promotion_id
    assert await market.stock(market.shop_id, cup.id) == (20, 12, 0)
    bob = await market.buyer("bob")
    told = await asked(market, bob)
    assert (told["gifts"], told["total_amount"]) == ([], SOLO_AMOUNT)
    assert [row["code"] for row in told["not_applied"]] == ["gift_out_of_stock"]
    await market.pay(ann, order)
    owner = await market.as_owner(market.shop_id)
    back = await market.refund(owner, order)
    assert back["amount"] == SOLO_AMOUNT
    await market.work()
    await market.balanced()


async def test_shipping_is_taken_off_as_far_as_the_goods_earn_it(market: Market) -> None:
    await market.open_shipping(1_200)
    off = await running(market, {"kind": "shipping_off", "off_amount": 500})
    free = await running(market, {"kind": "free_shipping", "threshold_amount": 2 * SOLO_AMOUNT})
    ann = await market.buyer("ann")
    told = await asked(market, ann)
    assert (told["shipping_list_amount"], told["shipping_amount"]) == (1_200, 700)
    assert [row["promotion_id"] for row in told["shipping_adjustments"]] == [off]
    assert told["nudges"][0]["promotion_id"] == free
    order = await market.place(ann, quantity=2)
    assert (order["shipping_amount"], order["total_amount"]) == (0, 2 * SOLO_AMOUNT)
    await market.pay(ann, order)
    await market.work()
    await market.balanced()


async def test_quotes_cost_as_many_statements_whatever_is_in_them(market: Market) -> None:
    ann = await market.buyer("ann")
    goods = [await market.goods(market.shop_id, units=9) for _ in range(49)]
    every = [market.variant_id, *(one.id for one in goods)]
    made = 0
    counts: dict[tuple[int, int], int] = {}
    for promotions in (1, 50, 200):
        while made < promotions:
            rule = {"kind": "percent_off", "off_bp": 100 + made}
            await promoted(market, market.shop_id, rule=rule)
            made += 1
        for lines in (1, 20, 50):
            basket = [{"variant_id": str(id_), "quantity": 1} for id_ in every[:lines]]
            with statements(market.database) as seen:
                answer = await ann.post(
                    "/v1/quotes", {"shop_id": str(market.shop_id), "lines": basket}
                )
            assert answer.status_code == 200, answer.text
            counts[promotions, lines] = len(seen)
    assert len(set(counts.values())) == 1, counts


async def test_a_gift_that_is_no_longer_sold_is_out_of_stock(market: Market, cup: Variant) -> None:
    rule = {"kind": "gift", "variant_id": str(cup.id), "threshold_amount": 1}
    await running(market, rule)
    ann = await market.buyer("ann")
    wish = await market.quote(ann)
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/products/{cup.product_id}/archive"
    gone = await owner.post(path)
    assert gone.status_code == 200, gone.text
    told = await asked(market, ann)
    assert [row["code"] for row in told["not_applied"]] == ["gift_out_of_stock"]
    await market.refused(ann.post("/v1/orders", wish), 409, "quote_changed")


async def test_a_price_moved_from_one_line_to_another_is_a_changed_price(
    market: Market, cup: Variant
) -> None:
    """Refunds pay back shares, so the same total over other lines is another promise."""
    ann = await market.buyer("ann")
    lines = [{"variant_id": str(id_), "quantity": 1} for id_ in (market.variant_id, cup.id)]
    basket = {"shop_id": str(market.shop_id), "lines": lines}
    quoted = (await ann.post("/v1/quotes", basket)).json()
    variants = table(Variant)
    for id_, column, amount in (
        (market.variant_id, "solo_amount", SOLO_AMOUNT - 900),
        (cup.id, "list_amount", CUP_AMOUNT + 900),
    ):
        moved = sa.update(variants).where(variants.c.id == id_).values({column: amount})
        await market.database.transact(lambda db, moved=moved: db.execute(moved))
    wish = {**basket, "quote_id": quoted["quote_id"], "address": ADDRESS}
    told = await market.refused(ann.post("/v1/orders", wish), 409, "quote_changed")
    assert told["params"]["total_amount"] == quoted["total_amount"]
