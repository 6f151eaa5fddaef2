"""Quotes: exact amounts, reasons, and the seal that holds a shop to them."""

import base64
from typing import Any

import pytest

from tests.conftest import rows_in
from tests.factories import Caller, statements
from tests.fakes import FrozenClock
from tests.orders.market import ADDRESS, GROUP_AMOUNT, LIST_AMOUNT, SOLO_AMOUNT, Market, problem


async def ask(market: Market, buyer: Caller, quantity: int = 1, **more: Any) -> dict[str, Any]:
    basket = {
        "shop_id": str(market.shop_id),
        "lines": [{"variant_id": str(market.variant_id), "quantity": quantity}],
        **more,
    }
    answer = await buyer.post("/v1/quotes", basket)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_quote_writes_nothing(market: Market) -> None:
    buyer = await market.buyer()
    before = await rows_in(market.database)
    with statements(market.database) as seen:
        await ask(market, buyer, 2)
        await ask(market, buyer, group={"open": str(market.campaign_id)})
    assert await rows_in(market.database) == before
    assert {s.split(None, 1)[0] for s in seen} <= {"SELECT", "WITH"}
    assert not any("FOR UPDATE" in s for s in seen)


async def test_the_discount_is_rounded_per_unit_on_the_solo_price(market: Market) -> None:
    await market.open_shipping(700)
    promotion_id = await market.percent_off(1_234)
    told = await ask(market, await market.buyer(), 3)
    # 12.34 % of 15900 is 1962.06
    assert told["goods_list_amount"] == 3 * LIST_AMOUNT
    assert told["goods_payable_amount"] == 3 * (SOLO_AMOUNT - 1_962)
    assert told["shipping_amount"] == 700
    assert told["total_amount"] == 3 * (SOLO_AMOUNT - 1_962) + 700
    assert told["goods_discount_amount"] == 3 * (LIST_AMOUNT - SOLO_AMOUNT + 1_962)
    assert [(a["kind"], a["amount"], a["units"]) for a in told["applied"]] == [
        ("solo_price", 3 * (LIST_AMOUNT - SOLO_AMOUNT), 3),
        ("percent_off", 3 * 1_962, 3),
    ]
    assert told["applied"][1]["promotion_id"] == str(promotion_id)
    assert told["applied"][1]["names"] == {"zh": "打折", "en": "off"}
    assert told["not_applied"] == []
    assert told["optimality"] == "proven"
    assert told["bound_amount"] == told["total_amount"]
    assert told["runner_up_amount"] == 3 * SOLO_AMOUNT + 700
    [line] = told["lines"]
    assert (line["list_amount"], line["price_amount"]) == (LIST_AMOUNT, SOLO_AMOUNT)
    assert line["payable_amount"] == told["goods_payable_amount"]


async def test_a_group_price_meets_no_other_promotion(market: Market) -> None:
    promotion_id = await market.percent_off(9_000)
    told = await ask(market, await market.buyer(), 2, group={"open": str(market.campaign_id)})
    assert told["total_amount"] == 2 * GROUP_AMOUNT
    assert [(a["kind"], a["amount"]) for a in told["applied"]] == [
        ("group_price", 2 * (LIST_AMOUNT - GROUP_AMOUNT))
    ]
    [denied] = told["not_applied"]
    assert (denied["promotion_id"], denied["code"]) == (
        str(promotion_id),
        "denied_by_price_setting",
    )


async def test_a_quote_holds_for_its_buyer_only(market: Market) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    wish = await market.quote(ann)
    await market.refused(bob.post("/v1/orders", wish), 409, "quote_invalid")
    assert (await ann.post("/v1/orders", wish)).status_code == 201
    await market.balanced()


@pytest.mark.parametrize("changed", ["quantity", "group", "lines", "shop_id"])
async def test_a_quote_holds_for_its_basket_only(market: Market, changed: str) -> None:
    ann = await market.buyer()
    wish = await market.quote(ann)
    other = await market.goods(market.shop_id, units=5)
    line = wish["lines"][0]
    forged: dict[str, Any] = {
        "quantity": {"lines": [{**line, "quantity": 2}]},
        "group": {"group": {"open": str(market.campaign_id)}},
        "lines": {"lines": [line, {"variant_id": str(other.id), "quantity": 1}]},
        "shop_id": {"shop_id": str((await market.shop("other")).id)},
    }
    await market.refused(ann.post("/v1/orders", {**wish, **forged[changed]}), 409, "quote_invalid")


async def test_a_tampered_or_invented_quote_is_refused(market: Market) -> None:
    ann = await market.buyer()
    wish = await market.quote(ann)
    sealed = wish["quote_id"]
    other = "A" if sealed[10] != "A" else "B"
    forgeries = [
        sealed[:10] + other + sealed[11:],
        sealed[:-4],
        sealed + "AAAA",
        "x",
        "A" * 1_000,
        base64.urlsafe_b64encode(b'["a","b","c",99999999999]').decode().rstrip("="),
        ann.headers["Authorization"].removeprefix("Bearer ").replace(".", "_")[:1_000],
    ]
    for forged in forgeries:
        body = {**wish, "quote_id": forged}
        await market.refused(ann.post("/v1/orders", body), 409, "quote_invalid")


async def test_a_quote_expires_to_the_second(market: Market, clock: FrozenClock) -> None:
    ann = await market.buyer()
    wish = await market.quote(ann)
    clock.advance(seconds=15 * 60 - 1)
    assert (await ann.post("/v1/orders", wish)).status_code == 201
    clock.advance(seconds=1)
    await market.refused(ann.post("/v1/orders", wish), 409, "quote_expired")


async def test_nothing_is_sold_at_a_silent_new_price(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    wish = await market.quote(ann)
    path = f"/v1/operator/shops/{market.shop_id}/variants/{market.variant_id}"
    answer = await owner.patch(path, {"solo_amount": SOLO_AMOUNT - 100}, 1)
    assert answer.status_code == 200, answer.text
    told = await market.refused(ann.post("/v1/orders", wish), 409, "quote_changed")
    assert told["params"]["total_amount"] == SOLO_AMOUNT - 100
    fresh = await market.quote(ann)
    assert (await ann.post("/v1/orders", fresh)).json()["total_amount"] == SOLO_AMOUNT - 100


async def test_a_promotion_that_comes_or_goes_voids_the_quote(market: Market) -> None:
    ann = await market.buyer()
    wish = await market.quote(ann)
    await market.percent_off(1_000)
    await market.refused(ann.post("/v1/orders", wish), 409, "quote_changed")
    wish = await market.quote(ann)
    await market.percent_off(2_000)
    await market.refused(ann.post("/v1/orders", wish), 409, "quote_changed")
    order = await market.place(ann)
    assert order["total_amount"] == SOLO_AMOUNT - SOLO_AMOUNT * 20 // 100


async def test_lines_may_come_in_any_order_and_in_pieces(market: Market) -> None:
    ann = await market.buyer()
    await market.percent_off(3_333)
    other = await market.goods(market.shop_id, units=10, list_amount=777)
    one = {"variant_id": str(market.variant_id), "quantity": 2}
    two = {"variant_id": str(other.id), "quantity": 3}
    totals = set()
    for lines in ([one, two], [two, one], [one, {**two, "quantity": 1}, {**two, "quantity": 2}]):
        totals.add((await ask(market, ann, lines=lines))["total_amount"])
    # 33.33 % of 15900 is 5299.47, of 777 is 258.97
    assert totals == {2 * (15_900 - 5_299) + 3 * (777 - 259)}

    basket = {"shop_id": str(market.shop_id), "lines": [one, two]}
    quote_id = (await ann.post("/v1/quotes", basket)).json()["quote_id"]
    turned = {**basket, "lines": [two, one], "quote_id": quote_id, "address": ADDRESS}
    answer = await ann.post("/v1/orders", turned)
    assert answer.status_code == 201, answer.text
    assert {answer.json()["total_amount"]} == totals
    await market.balanced()


async def test_the_shop_must_be_open_and_sell_it(market: Market) -> None:
    ann = await market.buyer()
    wish = await market.quote(ann)
    owner = await market.as_owner(market.shop_id)
    paused = await owner.patch(f"/v1/operator/shops/{market.shop_id}", {"status": "paused"}, 1)
    assert paused.status_code == 200, paused.text
    basket = {k: wish[k] for k in ("shop_id", "lines")}
    problem(await ann.post("/v1/quotes", basket), 409, "shop_paused")
    await market.refused(ann.post("/v1/orders", wish), 409, "shop_paused")
