"""Giving up: unpaid orders at once, paid seats while their group gathers, nothing afterwards."""

import asyncio
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.catalog import service as catalog
from app.core.sql import is_postgresql, table
from app.groupbuy.models import CampaignPrice
from app.groupbuy.repository import campaigns as groupbuy
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.books import facts
from tests.orders.market import Market, problem


async def cancel(buyer: Caller, order: Any) -> httpx2.Response:
    return await buyer.post(f"/v1/orders/{order['id']}/cancel")


async def cancelled(buyer: Caller, order: Any) -> dict[str, Any]:
    answer = await cancel(buyer, order)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_an_unpaid_order_gives_back_what_it_held(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann, quantity=3)
    assert (await cancelled(ann, order))["status"] == "cancelled"
    assert await market.levels() == (100, 0, 0)
    assert [f["was_paid"] for f in await facts(market.database, "order.cancelled")] == [False]
    await market.refused(cancel(ann, order), 409, "order_not_cancellable")
    path = f"/v1/orders/{order['id']}/payments"
    pays = ann.post(path, {"token": "sandbox_success"})
    await market.refused(pays, 409, "order_not_payable")
    await market.balanced()


async def test_an_unpaid_leader_takes_the_group_along(market: Market) -> None:
    limited = await market.campaign(size=2, stock_quota=5)
    ann = await market.buyer()
    order = await market.place(ann, group={"open": str(limited)}, quantity=5)
    await cancelled(ann, order)
    await market.balanced()
    again = await market.place(ann, group={"open": str(limited)}, quantity=5)
    assert again["group_id"] != order["group_id"]


async def test_only_the_buyer_gives_up(market: Market) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    order = await market.place(ann)
    await market.refused(cancel(bob, order), 404, "not_found")


async def test_a_confirmed_order_is_not_cancelled(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order)
    await market.refused(cancel(ann, order), 409, "order_not_cancellable")


async def test_a_seat_of_a_succeeded_group_is_not_left(market: Market) -> None:
    pair = await market.campaign(size=2)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.place(ann, group={"open": str(pair)})
    await market.pay(ann, first)
    second = await market.join(bob, first["group_id"])
    await market.pay(bob, second)
    for buyer, order in ((ann, first), (bob, second)):
        await market.refused(cancel(buyer, order), 409, "order_not_cancellable")
    await market.balanced()


async def test_leaving_a_gathering_group_pays_back_once_and_passes_the_lead(
    market: Market, clock: FrozenClock
) -> None:
    limited = await market.campaign(size=3, stock_quota=9)
    ann, bob, eve = [await market.buyer(name) for name in ("ann", "bob", "eve")]
    first = await market.place(ann, group={"open": str(limited)}, quantity=2)
    await market.pay(ann, first)
    second = await market.join(bob, first["group_id"], quantity=3)
    await market.pay(bob, second)
    told = await cancelled(ann, first)
    assert (told["status"], told["refund_due_reason"]) == ("closed", "left_group")
    assert [r["state"] for r in told["refunds"]] == ["pending"]
    assert await market.levels() == (100, 3, 0)
    await market.balanced(settled=False)
    await market.refused(cancel(ann, first), 409, "order_not_cancellable")

    await market.work()
    now = await market.order(ann, first)
    assert (now["refund"], now["refunded_amount"]) == ("full", first["total_amount"])
    group = (await bob.get(f"/v1/groups/{first['group_id']}")).json()
    assert group["status"] == "open"
    await market.balanced()

    # The place is free again, and the group succeeds without the one who left.
    third = await market.join(eve, first["group_id"])
    await market.pay(eve, third)
    again = await market.join(ann, first["group_id"])
    await market.pay(ann, again)
    [succeeded] = await facts(market.database, "group.succeeded")
    assert set(succeeded["order_ids"]) == {second["id"], third["id"], again["id"]}
    await market.balanced()


async def test_when_nobody_paid_is_left_the_group_ends_and_unpaid_orders_expire(
    market: Market,
) -> None:
    limited = await market.campaign(size=3, stock_quota=9)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.place(ann, group={"open": str(limited)}, quantity=2)
    await market.pay(ann, first)
    second = await market.join(bob, first["group_id"], quantity=4)
    assert (await cancelled(ann, first))["status"] == "closed"
    assert (await market.order(bob, second))["status"] == "expired"
    assert await market.levels() == (100, 0, 0)
    await market.work()
    await market.balanced()
    [failed] = await facts(market.database, "group.failed")
    assert (failed["cause"], failed["unpaid_order_ids"]) == ("nobody_left", [second["id"]])


async def test_the_last_who_leaves_frees_all_stock_before_any_quota(market: Market) -> None:
    """A rival places the leader's goods in the same campaign: it takes stock, then quota."""
    other = await market.variant(market.shop_id, market.product_id, units=9, list_amount=19_900)
    market.campaign_id = await market.campaign(size=3, stock_quota=9)
    price = {"campaign_id": market.campaign_id, "variant_id": other.id, "group_amount": 9_000}
    await market.database.transact(
        lambda db: db.execute(sa.insert(table(CampaignPrice)).values(price))
    )
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    second = [{"variant_id": str(other.id), "quantity": 2}]
    await market.join(bob, first["group_id"], lines=second)
    async with market.database.writing() as db:
        if not is_postgresql(db):
            pytest.skip("one writer at a time: nothing comes between")
        await catalog.reserve(db, {market.variant_id: 1})
        leaving = asyncio.create_task(cancelled(ann, first))
        await asyncio.sleep(0.3)
        assert not leaving.done()
        # Sooner than the database would look for a deadlock and end one of the two.
        taken = groupbuy.take_quota(db, market.campaign_id, 1)
        assert await asyncio.wait_for(taken, timeout=0.5)
        await db.rollback()
    assert (await leaving)["status"] == "closed"
    assert await market.levels() == (100, 0, 0)
    assert await market.stock(market.shop_id, other.id) == (9, 0, 0)
    await market.work()
    await market.balanced()


async def test_a_pending_payment_is_stopped_before_the_order_ends(
    market: Market, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_delay")
    told = await cancelled(ann, order)
    assert told["status"] == "cancelled"
    assert [p["state"] for p in told["payments"]] == ["cancelled"]
    clock.advance(seconds=60)
    await market.work()
    assert await facts(market.database, "payment.captured") == []
    await market.balanced()


async def test_a_payment_that_settled_before_the_cancellation_stays(
    market: Market, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_delay")
    clock.advance(seconds=5)
    problem(await cancel(ann, order), 409, "order_not_cancellable")
    # Told by the refusal itself: what the provider said is on record at once.
    now = await market.order(ann, order)
    assert (now["status"], now["fulfilment"]) == ("paid", "fulfilling")
    await market.balanced()


async def test_a_seat_paid_meanwhile_is_left_with_a_refund(
    market: Market, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.open_group(ann)
    await market.pay(ann, order, "sandbox_delay")
    clock.advance(seconds=5)
    told = await cancelled(ann, order)
    assert (told["status"], told["refund_due_reason"]) == ("closed", "left_group")
    await market.work()
    assert (await market.order(ann, order))["refund"] == "full"
    await market.balanced()


async def test_cancelling_and_paying_at_once_end_as_one_or_the_other(market: Market) -> None:
    for _ in range(4):
        ann = await market.buyer()
        order = await market.place(ann)
        path = f"/v1/orders/{order['id']}"
        paying = ann.post(f"{path}/payments", {"token": "sandbox_success"})
        answers = await asyncio.gather(paying, cancel(ann, order))
        assert all(a.status_code < 500 for a in answers), [a.text for a in answers]
        await market.work()
        now = await market.order(ann, order)
        assert (now["status"], now["refund"]) in {
            ("paid", "none"),
            ("cancelled", "none"),
            ("cancelled", "full"),
        }
    await market.balanced()


async def test_leaving_against_the_last_payment(market: Market) -> None:
    pair = await market.campaign(size=2)
    for _ in range(4):
        ann, bob = await market.buyer(), await market.buyer()
        first = await market.place(ann, group={"open": str(pair)})
        await market.pay(ann, first)
        second = await market.join(bob, first["group_id"])
        path = f"/v1/orders/{second['id']}/payments"
        paid, left = await asyncio.gather(
            bob.post(path, {"token": "sandbox_success"}), cancel(ann, first)
        )
        assert paid.status_code in (201, 409), paid.text
        assert left.status_code in (200, 409), left.text
        await market.work()
        hers, his = await market.order(ann, first), await market.order(bob, second)
        if left.status_code == 200:
            assert (hers["status"], hers["refund"]) == ("closed", "full")
            assert his["confirmed_at"] is None
        else:
            assert left.json()["code"] in {"seat_not_leavable", "order_not_cancellable"}
            assert hers["confirmed_at"] is not None
            assert his["confirmed_at"] is not None
        await market.balanced()
