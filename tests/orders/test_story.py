"""The line of sale as its people live it, with the amounts of the worked example."""

from tests.fakes import FrozenClock
from tests.orders.market import GROUP_AMOUNT, LIST_AMOUNT, SOLO_AMOUNT, Market


async def test_three_buy_together_for_the_group_price_and_the_group_succeeds(
    market: Market,
) -> None:
    ann, bob, eve = [await market.buyer(name) for name in ("ann", "bob", "eve")]

    first = await market.open_group(ann)
    assert first["total_amount"] == GROUP_AMOUNT
    assert first["lines"][0]["list_amount"] == LIST_AMOUNT
    paid = await market.pay(ann, first)
    assert paid["payment"]["state"] == "captured"
    assert paid["order"]["status"] == "paid"
    assert paid["order"]["confirmed_at"] is None

    orders = [first]
    for buyer in (bob, eve):
        order = await market.join(buyer, first["group_id"])
        orders.append(order)
        await market.pay(buyer, order)
    assert await market.levels() == (100, 0, 3)

    for buyer, order in zip((ann, bob, eve), orders, strict=True):
        now = await market.order(buyer, order)
        assert (now["status"], now["fulfilment"]) == ("paid", "fulfilling")
        assert now["confirmed_at"] is not None


async def test_buying_alone_costs_the_solo_price_and_is_confirmed_at_once(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann, quantity=2)
    assert order["total_amount"] == 2 * SOLO_AMOUNT
    assert await market.levels() == (100, 2, 0)
    paid = await market.pay(ann, order)
    assert paid["order"]["fulfilment"] == "fulfilling"
    assert await market.levels() == (100, 0, 2)


async def test_a_group_that_stays_short_is_refunded_once(
    market: Market, clock: FrozenClock
) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    second = await market.join(bob, first["group_id"])
    await market.pay(bob, second)

    clock.advance(seconds=3_600 + 61)
    await market.work()
    await market.work()

    for buyer, order in ((ann, first), (bob, second)):
        now = await market.order(buyer, order)
        assert (now["status"], now["refund"]) == ("closed", "full")
        assert now["refunded_amount"] == GROUP_AMOUNT
        assert [r["amount"] for r in now["refunds"]] == [GROUP_AMOUNT]
        assert now["refunds"][0]["state"] == "succeeded"
    assert await market.levels() == (100, 0, 0)

    again = await market.open_group(ann)
    assert again["group_id"] != first["group_id"]
