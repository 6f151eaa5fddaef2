"""Limits on the line of sale: held with the order, free again with its end, once and not twice."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from app.core.jobs import JobContext
from app.orders.jobs import expire_unpaid
from tests.factories import Caller, statements
from tests.fakes import FrozenClock
from tests.orders.market import ADDRESS, SOLO_AMOUNT, Market
from tests.payments.provider import Provider
from tests.promotions.giving import held, limited, taken, turns

SAVED = SOLO_AMOUNT * 20 // 100


@pytest.fixture
async def promotion_id(market: Market) -> UUID:
    return await market.percent_off(2_000)


async def refused(market: Market, buyer: Caller, wish: Any, code: str) -> dict[str, Any]:
    told: dict[str, Any] = await market.refused(buyer.post("/v1/orders", wish), 409, code)
    return told


async def test_a_quote_knows_what_is_left(market: Market, promotion_id: UUID) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    await limited(market, promotion_id, uses_max=2, member_uses_max=1)
    order = await market.place(ann)
    assert order["total_amount"] == SOLO_AMOUNT - SAVED
    again = await market.place(ann)
    assert again["total_amount"] == SOLO_AMOUNT
    await market.place(bob)
    eve = await market.buyer("eve")
    for buyer, code in ((ann, "used_up"), (eve, "used_up")):
        basket = {k: v for k, v in (await market.quote(buyer)).items() if k in {"shop_id", "lines"}}
        told = (await buyer.post("/v1/quotes", basket)).json()
        assert [row["code"] for row in told["not_applied"]] == [code]
    assert await taken(market.database, promotion_id) == {"uses": 2}
    assert sorted((await turns(market.database, promotion_id)).values()) == [1, 1]
    await market.balanced()


async def test_what_rivals_took_since_the_quote_refuses_the_whole_order(
    market: Market, promotion_id: UUID
) -> None:
    """The price is made again first, so it is told as a changed price; nothing is held."""
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    await limited(market, promotion_id, uses_max=1)
    wish = await market.quote(ann, quantity=2)
    await market.place(bob)
    told = await refused(market, ann, wish, "quote_changed")
    assert told["params"]["quote"]["total_amount"] == 2 * SOLO_AMOUNT
    assert await market.levels() == (100, 1, 0)
    assert await taken(market.database, promotion_id) == {"uses": 1}


async def test_many_buyers_at_once_share_what_there_is(market: Market, promotion_id: UUID) -> None:
    await limited(market, promotion_id, uses_max=3, budget_amount=1_000_000)
    buyers = [await market.buyer() for _ in range(10)]
    wishes = [await market.quote(buyer) for buyer in buyers]
    pairs = zip(buyers, wishes, strict=True)
    answers = await asyncio.gather(*(buyer.post("/v1/orders", wish) for buyer, wish in pairs))
    told = Counter(a.json().get("code", a.status_code) for a in answers)
    assert told[201] == 3
    assert set(told) <= {201, "quote_changed", "promotion_used_up"}
    assert await taken(market.database, promotion_id) == {"uses": 3, "budget": 3 * SAVED}
    assert await market.levels() == (100, 3, 0)
    await market.balanced()


async def test_a_cancelled_order_gives_back_what_it_took(
    market: Market, promotion_id: UUID
) -> None:
    ann = await market.buyer("ann")
    await limited(market, promotion_id, uses_max=1, member_uses_max=1, budget_amount=9_999)
    order = await market.place(ann, quantity=2)
    assert await taken(market.database, promotion_id) == {"uses": 1, "budget": 2 * SAVED}
    answers = await asyncio.gather(
        *(ann.post(f"/v1/orders/{order['id']}/cancel") for _ in range(6))
    )
    assert Counter(a.status_code for a in answers) == {200: 1, 409: 5}
    assert await taken(market.database, promotion_id) == {"uses": 0, "budget": 0}
    assert await held(market.database, promotion_id) == []
    assert (await market.place(ann))["total_amount"] == SOLO_AMOUNT - SAVED
    await market.balanced()


async def test_cancelled_and_expired_at_once_it_gives_back_once(
    market: Market, promotion_id: UUID, clock: FrozenClock
) -> None:
    state = market.application.state
    context = JobContext(state.settings, market.database, state.gateways)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    await limited(market, promotion_id, uses_max=9, member_uses_max=9)
    orders = [await market.place(ann) for _ in range(4)]
    kept = await market.place(bob)
    await market.pay(bob, kept)
    clock.advance(seconds=30 * 60)
    await asyncio.gather(
        *(ann.post(f"/v1/orders/{order['id']}/cancel") for order in orders),
        *(expire_unpaid(context) for _ in range(3)),
    )
    for order in orders:
        assert (await market.order(ann, order))["status"] in {"cancelled", "expired"}
    assert await taken(market.database, promotion_id) == {"uses": 1}
    assert sorted((await turns(market.database, promotion_id)).values()) == [0, 1]
    await market.balanced()


async def test_a_refund_after_the_payment_gives_no_use_back(
    market: Market, promotion_id: UUID
) -> None:
    ann, owner = await market.buyer("ann"), await market.as_owner(market.shop_id)
    await limited(market, promotion_id, uses_max=1)
    order = await market.place(ann)
    await market.pay(ann, order)
    await market.refund(owner, order)
    await market.work()
    assert (await market.order(ann, order))["refund"] == "full"
    assert await taken(market.database, promotion_id) == {"uses": 1}


async def _paid_late(market: Market, clock: FrozenClock, ann: Caller) -> dict[str, Any]:
    """An order that has expired while its payment is on the way."""
    order = await market.place(ann)
    clock.advance(seconds=30 * 60 - 2)
    await market.pay(ann, order, "sandbox_delay")
    clock.advance(seconds=3)
    await market.work()
    assert (await market.order(ann, order))["status"] == "expired"
    return order


async def test_a_late_payment_takes_its_limits_again(
    market: Market, promotion_id: UUID, clock: FrozenClock
) -> None:
    Provider.installed(market).stops_nothing = True
    ann = await market.buyer("ann")
    await limited(market, promotion_id, uses_max=1, member_uses_max=1)
    order = await _paid_late(market, clock, ann)
    assert await taken(market.database, promotion_id) == {"uses": 0}
    clock.advance(seconds=5)
    await market.work()
    assert (await market.order(ann, order))["status"] == "paid"
    assert await taken(market.database, promotion_id) == {"uses": 1}
    assert await held(market.database, promotion_id) == [("member", 1), ("uses", 1)]
    await market.balanced()


async def test_a_late_payment_whose_limits_are_gone_goes_back(
    market: Market, promotion_id: UUID, clock: FrozenClock
) -> None:
    Provider.installed(market).stops_nothing = True
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    await limited(market, promotion_id, uses_max=1)
    order = await _paid_late(market, clock, ann)
    rival = await market.place(bob)
    assert rival["total_amount"] == SOLO_AMOUNT - SAVED
    clock.advance(seconds=5)
    await market.work()
    await market.work()
    now = await market.order(ann, order)
    assert (now["status"], now["refund"], now["refund_due_reason"]) == (
        "expired",
        "full",
        "paid_too_late",
    )
    # The stock that was taken again on the way is free again too.
    assert await market.levels() == (100, 1, 0)
    assert await taken(market.database, promotion_id) == {"uses": 1}
    await market.balanced()


async def test_the_cost_in_statements_does_not_grow_with_limits(market: Market) -> None:
    ann = await market.buyer("ann")
    counts = {}
    for many in (1, 12):
        for _ in range(many):
            limits = {"uses_max": 99, "member_uses_max": 99, "budget_amount": 10**9}
            await limited(market, await market.percent_off(100), **limits)
        basket = {
            "shop_id": str(market.shop_id),
            "lines": [{"variant_id": str(market.variant_id), "quantity": 1}],
        }
        with statements(market.database) as quoting:
            quoted = await ann.post("/v1/quotes", basket)
        body = {**basket, "quote_id": quoted.json()["quote_id"], "address": ADDRESS}
        with statements(market.database) as placing:
            placed = await ann.post("/v1/orders", body)
        assert placed.status_code == 201, placed.text
        counts[many] = (len(quoting), len(placing))
    assert counts[1] == counts[12]
    assert counts[12][0] <= 6


async def test_a_budget_pays_for_what_the_shops_cap_leaves(
    market: Market, promotion_id: UUID
) -> None:
    other = await market.percent_off(100)
    await limited(market, promotion_id, budget_amount=10_000)
    await market._change_shop(discount_cap_bp=1_000)
    ann = await market.buyer("ann")
    order = await market.place(ann)
    off = SOLO_AMOUNT // 10
    assert order["total_amount"] == SOLO_AMOUNT - off
    assert await taken(market.database, promotion_id) == {"budget": off}
    assert await taken(market.database, other) == {}
    await market.balanced()
