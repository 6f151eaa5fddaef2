"""Money that comes too late: the order is lifted where it can be, else all of it goes back once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.books import facts
from tests.orders.market import GROUP_AMOUNT, SOLO_AMOUNT, Market
from tests.payments.provider import Provider, be_away

DELAY = "sandbox_delay"


@pytest.fixture
def unstoppable(provider: Provider) -> Provider:
    """A provider that cannot stop a charge any more: it only says what stands in its books."""
    provider.stops_nothing = True
    return provider


async def refunded_once(market: Market, buyer: Caller, order: Any, reason: str) -> Any:
    await market.work()
    await market.work()
    now = await market.order(buyer, order)
    assert now["refund"] == "full"
    assert [(r["amount"], r["reason"], r["state"]) for r in now["refunds"]] == [
        (order["total_amount"], reason, "succeeded")
    ]
    assert now["refund_due_reason"] == reason
    await market.balanced()
    return now


async def expire(market: Market, clock: FrozenClock) -> None:
    clock.advance(seconds=30 * 60)
    await market.work()


async def test_an_expired_order_is_lifted_where_stock_is_there(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann, quantity=2)
    clock.advance(seconds=30 * 60 - 2)
    await market.pay(ann, order, DELAY)
    clock.advance(seconds=3)
    await market.work()
    assert (await market.order(ann, order))["status"] == "expired"
    assert await market.levels() == (100, 0, 0)
    clock.advance(seconds=5)
    await market.work()
    now = await market.order(ann, order)
    assert (now["status"], now["fulfilment"]) == ("paid", "fulfilling")
    assert now["refund_due_reason"] is None
    assert await market.levels() == (100, 0, 2)
    await market.balanced()


async def test_an_expired_order_without_stock_is_refunded(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    order = await market.place(ann, quantity=60)
    clock.advance(seconds=30 * 60 - 2)
    await market.pay(ann, order, DELAY)
    clock.advance(seconds=3)
    await market.work()
    rival = await market.place(bob, quantity=60)
    await market.pay(bob, rival)
    clock.advance(seconds=5)
    await market.work()
    now = await refunded_once(market, ann, order, "paid_too_late")
    assert now["status"] == "expired"
    assert now["refunded_amount"] == 60 * SOLO_AMOUNT
    assert await market.levels() == (100, 0, 60)


async def test_a_cancelled_order_is_refunded(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order, DELAY)
    answer = await ann.post(f"/v1/orders/{order['id']}/cancel")
    assert answer.json()["status"] == "cancelled"
    clock.advance(seconds=5)
    await market.work()
    now = await refunded_once(market, ann, order, "paid_too_late")
    assert now["status"] == "cancelled"
    assert now["paid_at"] is None
    assert await market.levels() == (100, 0, 0)


async def test_an_expired_seat_is_refunded_and_the_group_goes_on(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    order = await market.join(bob, first["group_id"])
    clock.advance(seconds=15 * 60 - 2)
    await market.pay(bob, order, DELAY)
    clock.advance(seconds=2)
    await market.work()
    assert (await market.order(bob, order))["status"] == "expired"
    again = await market.join(bob, first["group_id"])
    clock.advance(seconds=5)
    await market.work()
    await refunded_once(market, bob, order, "paid_too_late")
    await market.pay(bob, again)
    assert await market.levels() == (100, 2, 0)
    await market.balanced()


async def test_money_for_a_failed_group_is_refunded(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    limited = await market.campaign(size=3, stock_quota=10)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.place(ann, group={"open": str(limited)}, quantity=2)
    await market.pay(ann, first)
    clock.advance(seconds=3_599)
    order = await market.join(bob, first["group_id"], quantity=3)
    await market.pay(bob, order, DELAY)
    clock.advance(seconds=120)
    await market.work()
    await refunded_once(market, bob, order, "paid_too_late")
    await refunded_once(market, ann, first, "group_failed")
    assert await market.levels() == (100, 0, 0)


async def test_money_after_the_deadline_before_any_sweeper_is_refunded(
    market: Market, clock: FrozenClock
) -> None:
    limited = await market.campaign(size=2, stock_quota=10)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.place(ann, group={"open": str(limited)})
    await market.pay(ann, first)
    clock.advance(seconds=3_598)
    order = await market.join(bob, first["group_id"], quantity=4)
    await market.pay(bob, order, DELAY)
    clock.advance(seconds=7)  # taken after the deadline, and heard of before the group has ended
    await market.work()
    assert (await market.order(bob, order))["status"] == "closed"
    assert await market.levels() == (100, 1, 0)
    await refunded_once(market, bob, order, "paid_too_late")
    assert await facts(market.database, "group.succeeded") == []
    clock.advance(seconds=60)
    await refunded_once(market, ann, first, "group_failed")
    assert await market.levels() == (100, 0, 0)


async def test_no_payment_begins_after_the_deadline(market: Market, clock: FrozenClock) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    clock.advance(seconds=3_590)
    order = await market.join(bob, first["group_id"])
    assert order["expires_at"] == first_deadline(await market.order(ann, first))
    clock.advance(seconds=10)
    refused = await bob.post(f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"})
    assert (refused.status_code, refused.json()["code"]) == (409, "order_not_payable")
    assert (await market.order(bob, order))["payments"] == []
    await market.balanced(settled=False)


def first_deadline(order: dict[str, Any]) -> str:
    opened = datetime.fromisoformat(order["paid_at"])
    return (opened + timedelta(hours=1)).isoformat().replace("+00:00", "Z")


async def test_money_captured_in_time_counts_whenever_it_is_heard_of(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    quick = await market.campaign(size=2)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.place(ann, group={"open": str(quick)})
    await market.pay(ann, first)
    clock.advance(seconds=3_590)
    order = await market.join(bob, first["group_id"])
    provider.after["charge"] = be_away
    answer = await bob.post(f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"})
    assert answer.status_code == 503
    clock.advance(seconds=60)  # past the deadline, within the grace
    await market.work()
    for buyer, placed in ((ann, first), (bob, order)):
        now = await market.order(buyer, placed)
        assert (now["status"], now["fulfilment"]) == ("paid", "fulfilling")
        assert now["total_amount"] == GROUP_AMOUNT
    assert await market.levels() == (100, 0, 2)
    await market.balanced()


async def test_a_pending_payment_is_stopped_when_its_order_expires(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    clock.advance(seconds=30 * 60 - 2)
    await market.pay(ann, order, DELAY)
    clock.advance(seconds=2)
    await market.work()
    now = await market.order(ann, order)
    assert (now["status"], now["payments"][0]["state"]) == ("expired", "cancelled")
    clock.advance(seconds=60)
    await market.work()
    assert (await market.order(ann, order))["payments"][0]["state"] == "cancelled"
    assert await facts(market.database, "payment.captured") == []
    await market.balanced()


async def test_a_stopped_charge_stays_stopped_and_a_settled_one_settled(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    """The caller's time may be old: a charge that was said to be settled is not stopped later."""
    ann = await market.buyer()
    order = await market.place(ann)
    old = market.now
    await market.pay(ann, order, DELAY)
    clock.advance(seconds=5)
    await market.work()
    assert (await market.order(ann, order))["status"] == "paid"
    wish = await provider.wish_of(order)
    told = await provider.cancel(wish, now=old)
    assert told.state == "captured"
    await market.balanced()


async def test_a_payment_under_way_for_a_group_that_is_stopped_is_stopped_too(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    """Nobody asked the provider when the group failed; who pays nothing leaves nothing to stop."""
    ann, bob, cid = [await market.buyer(name) for name in ("ann", "bob", "cid")]
    first = await market.open_group(ann)
    await market.pay(ann, first)
    order, unpaid = [await market.join(one, first["group_id"]) for one in (bob, cid)]
    await market.pay(bob, order, DELAY)
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/campaigns/{market.campaign_id}/stop"
    etag = (await owner.get(path.removesuffix("/stop"))).headers["etag"]
    match = {"If-Match": etag, "Idempotency-Key": "stop"}
    ends = {"end_groups": True}
    stopped = await market.client.post(path, json=ends, headers={**owner.headers, **match})
    assert stopped.status_code == 200, stopped.text
    await market.work()
    [left] = await facts(market.database, "order.payment_left")
    assert left["order_id"] == order["id"]
    await market.work()
    unwanted = "SELECT count(*) FROM payments WHERE is_unwanted AND state = 'pending'"
    async with market.database.reading() as db:
        assert (await db.execute(sa.text(unwanted))).scalar_one() == 1
    clock.advance(seconds=60)
    await market.work()
    await refunded_once(market, bob, order, "paid_too_late")
    await refunded_once(market, ann, first, "group_failed")
    now = await market.order(cid, unpaid)
    assert (now["status"], now["payments"]) == ("expired", [])
