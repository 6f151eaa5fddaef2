"""Orders that cost nothing, where the shop allows them: the same path, and no money to wait for."""

import asyncio
from typing import Any

import pytest

from app.catalog import service as catalog
from app.community import service as community
from app.core.sql import is_postgresql
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.books import all_of, facts
from tests.orders.market import Market


async def free_campaign(market: Market, size: int = 2) -> str:
    return str(await market.campaign(size=size, group_amount=0, stock_quota=9))


async def buyers_of(market: Market) -> list[int]:
    return [row[-1] for row in await all_of(market.database, "buyers")]


async def test_a_shop_does_not_give_away_by_accident(market: Market) -> None:
    ann = await market.buyer()
    await market.percent_off_all_the_way()
    wish = await market.quote(ann)
    await market.refused(ann.post("/v1/orders", wish), 409, "free_order_not_allowed")


async def test_a_free_order_is_paid_with_nothing_and_goes_its_way(market: Market) -> None:
    await market.allow_free_orders()
    await market.percent_off_all_the_way()
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await market.place(ann, quantity=2)
    assert order["total_amount"] == 0
    paid = await market.pay(ann, order)
    assert (paid["order"]["status"], paid["order"]["fulfilment"]) == ("paid", "fulfilling")
    assert await market.levels() == (100, 0, 2)
    body = {"reason": "damaged", "reference": "R-1"}
    asked = market.shop_does(owner, order, "refunds", body)
    await market.refused(asked, 409, "nothing_to_refund")
    parcel = {"carrier": "SF", "tracking_number": "SF12345"}
    assert (await market.shop_does(owner, order, "ship", parcel)).status_code == 200
    await market.balanced()


async def test_a_free_order_expires_and_is_cancelled_like_any_other(
    market: Market, clock: FrozenClock
) -> None:
    await market.allow_free_orders()
    await market.percent_off_all_the_way()
    ann = await market.buyer()
    first, second = await market.place(ann), await market.place(ann)
    assert (await ann.post(f"/v1/orders/{first['id']}/cancel")).json()["status"] == "cancelled"
    clock.advance(seconds=30 * 60)
    await market.work()
    assert (await market.order(ann, second))["status"] == "expired"
    assert await market.levels() == (100, 0, 0)
    await market.balanced()


@pytest.mark.parametrize("end", ["leaves", "fails", "late"])
async def test_a_free_seat_that_comes_to_nothing_is_even_at_once(
    market: Market, clock: FrozenClock, end: str
) -> None:
    await market.allow_free_orders()
    campaign = await free_campaign(market, size=3)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.place(ann, group={"open": campaign})
    assert first["total_amount"] == 0
    await market.pay(ann, first)
    assert await buyers_of(market) == [1]
    if end == "leaves":
        assert (await ann.post(f"/v1/orders/{first['id']}/cancel")).status_code == 200
    else:
        clock.advance(seconds=3_599)
        second = await market.join(bob, first["group_id"])
        if end == "late":
            await market.pay(bob, second, "sandbox_delay")
            clock.advance(seconds=6)  # taken after the deadline, heard of before the group ends
            await market.work()
        clock.advance(seconds=62)
    await market.work()
    await market.work()
    now = await market.order(ann, first)
    assert (now["status"], now["refund"], now["refunds"]) == ("closed", "full", [])
    assert set(await buyers_of(market)) == {0}
    assert await market.levels() == (100, 0, 0)
    assert {f["is_full"] for f in await facts(market.database, "order.refunded")} == {True}
    await market.balanced()


async def test_a_free_group_succeeds(market: Market) -> None:
    await market.allow_free_orders()
    campaign = await free_campaign(market)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.place(ann, group={"open": campaign})
    await market.pay(ann, first)
    second = await market.join(bob, first["group_id"])
    await market.pay(bob, second)
    await confirmed(market, ann, first)
    await confirmed(market, bob, second)
    assert await market.levels() == (100, 0, 2)
    await market.balanced()


async def confirmed(market: Market, buyer: Caller, order: Any) -> None:
    assert (await market.order(buyer, order))["confirmed_at"] is not None


async def test_who_leaves_a_free_seat_frees_its_stock_before_it_counts_as_no_buyer(
    market: Market,
) -> None:
    """A rival counts another payment of the same member: it takes stock, then the buyer's row."""
    await market.allow_free_orders()
    member_id = await market.member("ann")
    ann = await market.as_member(member_id)
    order = await market.place(ann, group={"open": await free_campaign(market)})
    await market.pay(ann, order)
    async with market.database.writing() as db:
        if not is_postgresql(db):
            pytest.skip("one writer at a time: nothing comes between")
        await catalog.reserve(db, {market.variant_id: 1})
        leaving = asyncio.create_task(ann.post(f"/v1/orders/{order['id']}/cancel"))
        await asyncio.sleep(0.3)
        assert not leaving.done()
        # Sooner than the database would look for a deadlock and end one of the two.
        counted = community.count_paid_order(db, market.shop_id, member_id)
        await asyncio.wait_for(counted, timeout=0.5)
        await db.rollback()
    assert (await leaving).json()["status"] == "closed"
    assert (await buyers_of(market), await market.levels()) == ([0], (100, 0, 0))
    await market.balanced()
