"""Refunds: exact to the fen, never more than was taken, each reference once."""

import asyncio
import random
from typing import Any

import pytest

from app.identity.rules import ShopRole
from tests.factories import Caller
from tests.orders.books import all_of, facts
from tests.orders.market import ADDRESS, GROUP_AMOUNT, SOLO_AMOUNT, Market, problem


async def bought(
    market: Market, buyer: Caller, quantity: int = 1, *others: tuple[str, int]
) -> dict[str, Any]:
    """A confirmed order of the market's variant and others."""
    lines = [{"variant_id": str(market.variant_id), "quantity": quantity}]
    lines += [{"variant_id": v, "quantity": q} for v, q in others]
    basket = {"shop_id": str(market.shop_id), "lines": lines}
    quoted = (await buyer.post("/v1/quotes", basket)).json()
    wish = {**basket, "quote_id": quoted["quote_id"], "address": ADDRESS}
    order: dict[str, Any] = (await buyer.post("/v1/orders", wish)).json()
    await market.pay(buyer, order)
    return order


def line_of(order: dict[str, Any], quantity: int, position: int = 0) -> list[dict[str, Any]]:
    return [{"line_id": order["lines"][position]["id"], "quantity": quantity}]


async def test_units_go_back_at_their_frozen_share_and_up_for_sale(market: Market) -> None:
    await market.percent_off(1_234)
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await bought(market, ann, 3)
    share = SOLO_AMOUNT - 1_962
    made = await market.refund(owner, order, lines=line_of(order, 2))
    assert (made["amount"], made["state"], made["reference"]) == (2 * share, "pending", "R-1")
    assert await market.levels() == (100, 0, 1)
    await market.balanced(settled=False)
    await market.work()
    now = await market.order(ann, order)
    assert (now["refund"], now["refunded_amount"], now["status"]) == ("partly", 2 * share, "paid")
    assert (now["lines"][0]["refunded_quantity"], now["lines"][0]["refunded_amount"]) == (
        2,
        2 * share,
    )
    await market.refund(owner, order, "R-2")
    await market.work()
    now = await market.order(ann, order)
    assert (now["refund"], now["refunded_amount"], now["status"]) == ("full", 3 * share, "closed")
    assert await market.levels() == (100, 0, 0)
    await market.balanced()


async def test_uneven_amounts_add_up_to_the_total_exactly(market: Market) -> None:
    await market.open_shipping(701)
    await market.percent_off(3_333)
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    odd = await market.goods(market.shop_id, units=20, list_amount=777)
    order = await bought(market, ann, 2, (str(odd.id), 3))
    total = order["total_amount"]
    assert total == 2 * (15_900 - 5_299) + 3 * (777 - 259) + 701
    first = await market.refund(owner, order, "R-1", amount=1_001)
    second = await market.refund(owner, order, "R-2", lines=line_of(order, 1, 1))
    third = await market.refund(owner, order, "R-3", amount=7)
    rest = await market.refund(owner, order, "R-4")
    assert (first["amount"], second["amount"], third["amount"]) == (1_001, 518, 7)
    assert rest["amount"] == total - 1_001 - 518 - 7
    await market.work()
    now = await market.order(ann, order)
    assert (now["refunded_amount"], now["refund"]) == (total, "full")
    assert [ln["refunded_quantity"] for ln in now["lines"]] == [2, 3]
    assert [ln["refunded_amount"] for ln in now["lines"]] == [
        ln["payable_amount"] for ln in now["lines"]
    ]
    assert await market.stock(market.shop_id, odd.id) == (20, 0, 0)
    await market.balanced()


async def test_units_stay_sold_where_the_shop_says_so_or_the_parcel_has_left(
    market: Market,
) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await bought(market, ann, 3)
    await market.refund(owner, order, "R-1", lines=line_of(order, 1), restock=False)
    assert await market.levels() == (100, 0, 3)
    parcel = {"carrier": "SF", "tracking_number": "SF12345"}
    assert (await market.shop_does(owner, order, "ship", parcel)).status_code == 200
    await market.refund(owner, order, "R-2", lines=line_of(order, 1), restock=True)
    assert await market.levels() == (100, 0, 3)
    await market.work()
    await market.balanced()


async def test_a_reference_is_used_once_in_a_shop(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order, other = await bought(market, ann, 3), await bought(market, ann)
    await market.refund(owner, order, "R-1", amount=100)
    body = {"reason": "damaged", "reference": "R-1", "amount": 100}
    for again in (order, other):
        asked = market.shop_does(owner, again, "refunds", body)
        await market.refused(asked, 409, "refund_reference_used")
    await market.work()
    await market.balanced()


async def test_no_more_than_was_bought_or_is_left(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order, other = await bought(market, ann, 2), await bought(market, ann)
    body = {"reason": "damaged", "reference": "R-9"}

    async def refuses(code: str, **more: Any) -> None:
        asked = market.shop_does(owner, order, "refunds", {**body, **more})
        await market.refused(asked, 409, code)

    await refuses("refund_exceeds_line", lines=line_of(order, 3))
    await refuses("refund_exceeds_line", lines=line_of(other, 1))
    await refuses("refund_exceeds_payment", amount=2 * SOLO_AMOUNT + 1)
    await market.refund(owner, order, "R-1", lines=line_of(order, 1))
    await refuses("refund_exceeds_line", lines=line_of(order, 2))
    await refuses("refund_exceeds_payment", amount=SOLO_AMOUNT + 1)
    await market.refund(owner, order, "R-2", amount=SOLO_AMOUNT)
    await refuses("nothing_to_refund")
    await refuses("nothing_to_refund", amount=1)
    await refuses("refund_exceeds_line", lines=line_of(order, 1))
    await market.work()
    assert (await market.order(ann, order))["refund"] == "full"
    await market.balanced()


async def test_only_a_confirmed_order_is_refunded_by_the_shop(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    unpaid = await market.place(ann)
    seat = await market.open_group(ann)
    await market.pay(ann, seat)
    for order in (unpaid, seat):
        body = {"reason": "damaged", "reference": "R-1"}
        asked = market.shop_does(owner, order, "refunds", body)
        await market.refused(asked, 409, "order_not_confirmed")


async def test_after_success_a_refund_is_the_orders_affair(market: Market) -> None:
    pair = await market.campaign(size=2, stock_quota=9)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    owner = await market.as_owner(market.shop_id)
    first = await market.place(ann, group={"open": str(pair)}, quantity=2)
    await market.pay(ann, first)
    second = await market.join(bob, first["group_id"])
    await market.pay(bob, second)
    await market.refund(owner, first)
    await market.work()
    now = await market.order(ann, first)
    assert (now["status"], now["refunded_amount"]) == ("closed", 2 * GROUP_AMOUNT)
    group = (await ann.get(f"/v1/groups/{first['group_id']}")).json()
    assert group["status"] == "succeeded"
    await market.balanced()


async def test_the_counter_of_paid_orders_goes_up_and_down(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)

    async def paid_orders() -> list[int]:
        return [row[-1] for row in await all_of(market.database, "buyers")]

    first, second = await bought(market, ann), await bought(market, ann)
    assert await paid_orders() == [2]
    await market.refund(owner, first, "R-1", amount=100)
    await market.work()
    assert await paid_orders() == [2]
    await market.refund(owner, first, "R-2")
    await market.work()
    assert await paid_orders() == [1]
    await market.refund(owner, second, "R-3")
    await market.work()
    assert await paid_orders() == [0]
    told = await facts(market.database, "order.refunded")
    assert [(f["amount"], f["is_full"]) for f in told] == [
        (100, False),
        (SOLO_AMOUNT - 100, True),
        (SOLO_AMOUNT, True),
    ]
    await market.balanced()


async def test_two_operators_give_back_sixty_of_a_hundred_each(market: Market) -> None:
    ann = await market.buyer()
    one, two = await market.as_owner(market.shop_id), await market.as_owner(market.shop_id)
    cheap = await market.goods(market.shop_id, units=9, list_amount=100)
    basket = {
        "shop_id": str(market.shop_id),
        "lines": [{"variant_id": str(cheap.id), "quantity": 1}],
    }
    quoted = (await ann.post("/v1/quotes", basket)).json()
    wish = {**basket, "quote_id": quoted["quote_id"], "address": ADDRESS}
    order = (await ann.post("/v1/orders", wish)).json()
    await market.pay(ann, order)
    answers = await asyncio.gather(
        *(
            market.shop_does(
                operator, order, "refunds", {"reason": "r", "reference": f"R-{n}", "amount": 60}
            )
            for n, operator in enumerate((one, two))
        )
    )
    assert sorted(a.status_code for a in answers) == [201, 409]
    refused = next(a for a in answers if a.status_code == 409)
    problem(refused, 409, "refund_exceeds_payment")
    await market.work()
    assert (await market.order(ann, order))["refunded_amount"] == 60
    await market.balanced()


@pytest.mark.parametrize("seed", range(2))
async def test_a_storm_of_refunds_never_gives_back_more_than_was_taken(
    market: Market, seed: int
) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    await market.open_shipping(701)
    other = await market.goods(market.shop_id, units=9, list_amount=17_777)
    order = await bought(market, ann, 5, (str(other.id), 5))
    chance = random.Random(seed)

    def wish() -> dict[str, Any]:
        if chance.random() < 0.5:
            return {"lines": line_of(order, chance.randint(1, 3), chance.randint(0, 1))}
        return {"amount": chance.randint(1, 2 * SOLO_AMOUNT)}

    asked = [
        market.shop_does(owner, order, "refunds", {"reason": "r", "reference": f"R-{n}", **wish()})
        for n in range(20)
    ]
    answers = await asyncio.gather(*asked)
    assert {a.status_code for a in answers} <= {201, 409}, [a.text for a in answers]
    codes = {a.json()["code"] for a in answers if a.status_code == 409}
    assert codes <= {"refund_exceeds_payment", "refund_exceeds_line", "nothing_to_refund"}
    given = sum(a.json()["amount"] for a in answers if a.status_code == 201)
    await market.work()
    now = await market.order(ann, order)
    assert now["refunded_amount"] == given <= order["total_amount"]
    await market.balanced()


async def test_who_may_not_refund(market: Market) -> None:
    ann = await market.buyer()
    order = await bought(market, ann)
    other = await market.shop("other")
    auditor = await market.as_operator(await market.operator(market.shop_id, role=ShopRole.AUDITOR))
    foreign = await market.as_owner(other.id)
    body = {"reason": "damaged", "reference": "R-1"}
    await market.refused(market.shop_does(auditor, order, "refunds", body), 403, "forbidden")
    await market.refused(market.shop_does(foreign, order, "refunds", body), 404, "not_found")
    await market.refused(market.shop_does(ann, order, "refunds", body), 403, "forbidden")
    path = f"/v1/operator/shops/{other.id}/orders/{order['id']}/refunds"
    await market.refused(foreign.post(path, body), 404, "not_found")
