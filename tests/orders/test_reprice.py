"""Shops that price kept goods again: what that costs, what it never costs, and who is told."""

from itertools import permutations
from typing import Any

import pytest

from app.catalog.models import RefundPolicy
from tests.factories import Caller
from tests.orders.after import asked, decide, previewed, terms, units
from tests.orders.market import SOLO_AMOUNT, Market
from tests.orders.test_added_goods import add_on, running
from tests.orders.test_group_terms import buyers, group_of
from tests.orders.test_refunds import bought

FULL = {
    "kind": "spend_threshold",
    "tiers": [{"threshold_amount": 2 * SOLO_AMOUNT, "off_amount": 3_000}],
}


@pytest.fixture
async def ann(market: Market) -> Caller:
    await terms(market, refund_policy=RefundPolicy.REPRICE)
    return await market.buyer("ann")


@pytest.fixture
async def owner(market: Market) -> Caller:
    return await market.as_owner(market.shop_id)


async def test_a_lost_threshold_is_withheld_and_comes_back_with_the_rest(
    market: Market, ann: Caller, owner: Caller
) -> None:
    promotion_id = await running(market, FULL)
    order = await bought(market, ann, 2)
    assert order["total_amount"] == 2 * SOLO_AMOUNT - 3_000
    told = await previewed(ann, order, units(order, 1))
    assert (told["policy"], told["why"]) == ("reprice", "repriced")
    assert (told["share_amount"], told["withheld_amount"]) == (SOLO_AMOUNT - 1_500, 1_500)
    assert told["amount"] == SOLO_AMOUNT - 3_000, "what is kept costs its price alone"
    [lost] = told["lost_promotions"]
    assert (lost["promotion_id"], lost["amount"]) == (promotion_id, 3_000)
    request = await asked(ann, order, units(order, 1), expected_amount=told["amount"])
    assert (await decide(market, owner, request, "approve")).json()["amount"] == told["amount"]
    rest = await previewed(owner, order, units(order, 1), market)
    assert (rest["withheld_amount"], rest["amount"]) == (-1_500, SOLO_AMOUNT)
    made = await market.refund(owner, order, "R-2", **units(order, 1), expected_amount=SOLO_AMOUNT)
    assert made["amount"] == SOLO_AMOUNT
    await market.work()
    now = await market.order(ann, order)
    assert (now["refund"], now["refunded_amount"]) == ("full", order["total_amount"])
    await market.balanced()


async def test_every_order_of_units_ends_with_what_was_paid(
    market: Market, ann: Caller, owner: Caller
) -> None:
    """Never above the share and what was withheld, never below nothing, and even in the end."""
    await running(market, FULL)
    cheap = await market.goods(market.shop_id, units=99, list_amount=1_301)
    for n, way in enumerate(sorted(set(permutations((0, 0, 1, 1))))[::2]):
        order = await bought(market, ann, 2, (str(cheap.id), 2))
        back = []
        for step, position in enumerate(way):
            wanted = units(order, 1, position)
            told = await previewed(owner, order, wanted, market)
            assert 0 <= told["amount"] == told["share_amount"] - told["withheld_amount"]
            if told["amount"]:
                await market.refund(owner, order, f"{n}-{step}", **wanted)
            back.append(told["amount"])
        assert sum(back) == order["total_amount"], way
    await market.work()
    await market.balanced()


async def test_an_add_on_loses_its_price_with_what_earned_it(
    market: Market, ann: Caller, owner: Caller
) -> None:
    cup = await market.goods(market.shop_id, units=20, list_amount=8_900)
    promotion_id = await running(market, add_on(cup))
    choice = {"promotion_id": promotion_id, "variant_id": str(cup.id), "quantity": 1}
    order = await market.place(ann, add_ons=[choice])
    await market.pay(ann, order)
    at = next(n for n, line in enumerate(order["lines"]) if line["origin"] == "goods")
    told = await previewed(ann, order, units(order, 1, at))
    assert (told["withheld_amount"], told["amount"]) == (8_800, SOLO_AMOUNT - 8_800)
    cup_alone = await previewed(ann, order, units(order, 1, 1 - at))
    assert (cup_alone["withheld_amount"], cup_alone["amount"]) == (0, 100)


async def test_orders_keep_the_policy_they_were_placed_under(
    market: Market, ann: Caller, owner: Caller
) -> None:
    await running(market, FULL)
    strict = await bought(market, ann, 2)
    await terms(market, refund_policy=RefundPolicy.KEEP)
    mild = await bought(market, ann, 2)
    await terms(market, refund_policy=RefundPolicy.REPRICE)
    amounts = [(await previewed(ann, o, units(o, 1)))["amount"] for o in (strict, mild)]
    assert amounts == [SOLO_AMOUNT - 3_000, SOLO_AMOUNT - 1_500]


async def test_a_promotion_that_is_over_still_counts_for_its_orders(
    market: Market, ann: Caller, owner: Caller
) -> None:
    promotion_id = await running(market, {"kind": "percent_off", "off_bp": 1_000})
    order = await bought(market, ann, 2)
    path = f"/v1/operator/shops/{market.shop_id}/promotions/{promotion_id}/end"
    assert (await owner.post(path)).status_code == 200
    told = await previewed(ann, order, units(order, 1))
    assert (told["why"], told["withheld_amount"]) == ("repriced", 0)
    assert told["amount"] == SOLO_AMOUNT * 9 // 10


async def test_a_group_order_keeps_its_shares(market: Market, ann: Caller, owner: Caller) -> None:
    people = await buyers(market, 3)
    [order, *_] = await group_of(market, people, quantity=2)
    told = await previewed(people[0], order, units(order, 1))
    assert (told["policy"], told["why"]) == ("reprice", "group_order")
    assert told["amount"] == told["share_amount"]


async def test_goodwill_before_is_not_taken_back(
    market: Market, ann: Caller, owner: Caller
) -> None:
    await running(market, FULL)
    order: dict[str, Any] = await bought(market, ann, 3)
    await market.refund(owner, order, "G-1", amount=700)
    told = await previewed(owner, order, units(order, 1), market)
    share = told["share_amount"]
    assert (told["withheld_amount"], told["amount"]) == (0, share), "two still meet the threshold"
    await market.refund(owner, order, "R-1", **units(order, 1))
    last = await market.refund(owner, order, "R-2")
    assert last["amount"] == order["total_amount"] - 700 - share
    await market.work()
    await market.balanced()


async def test_goods_that_have_left_a_promotion_since_cost_the_buyer_nothing(
    market: Market, ann: Caller, owner: Caller
) -> None:
    """What the shop makes of its goods after the sale changes nothing about the sale."""
    made = await market.product(market.shop_id, tags=["a"])
    tagged = await market.variant(market.shop_id, made.id, units=99, list_amount=10_000)
    await running(market, {"kind": "percent_off", "off_bp": 2_000}, match={"tags_any": ["a"]})
    order = await bought(market, ann, 1, (str(tagged.id), 2))
    at = next(n for n, ln in enumerate(order["lines"]) if ln["variant_id"] == str(tagged.id))
    before = await previewed(ann, order, units(order, 1, at))
    assert (before["why"], before["amount"]) == ("repriced", 8_000)
    path = f"/v1/operator/shops/{market.shop_id}/products/{made.id}"
    version = (await owner.get(path)).json()["version"]
    assert (await owner.patch(path, {"tags": []}, version)).status_code == 200
    after = await previewed(ann, order, units(order, 1, at))
    assert (after["why"], after["amount"]) == ("not_priceable", 8_000)
