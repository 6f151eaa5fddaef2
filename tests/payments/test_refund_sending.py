"""Refunds on their way: sent at least once, counted exactly once, never given up."""

import asyncio

from app.core.jobs import JobContext
from app.payments.jobs import send_refunds
from tests.fakes import FrozenClock
from tests.orders.books import all_of, facts
from tests.orders.market import SOLO_AMOUNT, Market
from tests.payments.provider import Provider, be_away, crash


def context(market: Market, **settings: object) -> JobContext:
    state = market.application.state
    own = state.settings.model_copy(update=settings)
    return JobContext(own, market.database, state.gateways)


async def owed(market: Market, times: int = 1) -> tuple[object, dict[str, object]]:
    """A confirmed order of which so many small refunds are owed."""
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await market.place(ann)
    await market.pay(ann, order)
    for n in range(times):
        await market.refund(owner, order, f"R-{n}", amount=100 + n)
    return ann, order


async def refunds_in_books(market: Market) -> int:
    rows = await all_of(market.database, "sandbox_entries")
    return sum("refund" in row for row in rows)


async def test_a_worker_killed_behind_the_provider_counts_once(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann, order = await owed(market)
    provider.after["refund"] = crash
    await send_refunds(context(market))
    assert await refunds_in_books(market) == 1
    assert (await market.order(ann, order))["refunds"][0]["state"] == "pending"

    # Leased to the dead worker, then sent again under the same id.
    assert await send_refunds(context(market)) == 0
    clock.advance(seconds=61)
    assert await send_refunds(context(market)) == 1
    assert await send_refunds(context(market)) == 0
    now = await market.order(ann, order)
    assert (now["refunds"][0]["state"], now["refunded_amount"]) == ("succeeded", 100)
    assert await refunds_in_books(market) == 1
    assert len(await facts(market.database, "payment.refund_succeeded")) == 1
    assert len(await facts(market.database, "order.refunded")) == 1
    await market.balanced()


async def test_a_refund_is_leased_for_as_long_as_the_settings_say(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    await owed(market)
    provider.after["refund"] = crash
    short = context(market, refund_lease_seconds=7)
    assert await send_refunds(short) == 1
    provider.after.clear()
    clock.advance(seconds=7)
    assert await send_refunds(short) == 0
    clock.advance(seconds=1)
    assert await send_refunds(short) == 1
    assert await refunds_in_books(market) == 1
    await market.balanced()


async def test_while_the_provider_is_away_the_pauses_grow(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann, order = await owed(market)
    sent_at = []
    start = market.now
    for _ in range(45):
        provider.before["refund"] = be_away
        if await send_refunds(context(market)):
            sent_at.append(int((market.now - start).total_seconds()))
        provider.before.clear()
        clock.advance(seconds=1)
    assert sent_at == [0, 1, 6, 36]
    clock.advance(seconds=200)
    await market.work()
    now = await market.order(ann, order)
    assert now["refunds"][0]["state"] == "succeeded"
    await market.balanced()


async def test_a_refused_refund_is_shown_and_tried_again(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann, order = await owed(market)
    owner = await market.as_owner(market.shop_id)
    provider.refusing_refunds = True
    await market.work()
    await market.work()
    path = f"/v1/operator/shops/{market.shop_id}/orders/{order['id']}"
    shown = (await owner.get(path)).json()
    assert (shown["refunds"][0]["state"], shown["refund"]) == ("failed", "none")
    [failed] = await facts(market.database, "payment.refund_failed")
    assert (failed["reason"], failed["amount"]) == ("account_closed", 100)
    await market.balanced(settled=False)

    # Failed money stays owed: the rest is less by it, and so the sum is never passed.
    body = {"reason": "r", "reference": "R-9", "amount": SOLO_AMOUNT - 99}
    asked = market.shop_does(owner, order, "refunds", body)
    await market.refused(asked, 409, "refund_exceeds_payment")

    provider.refusing_refunds = False
    clock.advance(seconds=3_599)
    await market.work()
    assert (await market.order(ann, order))["refunds"][0]["state"] == "failed"
    clock.advance(seconds=1)
    await market.work()
    now = await market.order(ann, order)
    assert (now["refunds"][0]["state"], now["refund"]) == ("succeeded", "partly")
    await market.balanced()


async def test_workers_side_by_side_send_each_refund_once(
    market: Market, provider: Provider
) -> None:
    ann, order = await owed(market, times=6)
    claimed = await asyncio.gather(*(send_refunds(context(market)) for _ in range(3)))
    assert sum(claimed) == 6
    assert provider.calls.count("refund") == 6
    now = await market.order(ann, order)
    assert now["refunded_amount"] == sum(100 + n for n in range(6))
    await market.balanced()


async def test_one_poisoned_refund_does_not_keep_back_the_others(
    market: Market, provider: Provider
) -> None:
    ann, order = await owed(market, times=3)
    provider.before["refund"] = crash
    await send_refunds(context(market))
    states = [r["state"] for r in (await market.order(ann, order))["refunds"]]
    assert sorted(states) == ["pending", "succeeded", "succeeded"]
    await market.balanced(settled=False)


async def test_a_batch_is_bounded(market: Market, provider: Provider) -> None:
    await owed(market, times=5)
    base = context(market)
    settings = base.settings.model_copy(update={"sweep_batch_rows": 2})
    small = JobContext(settings, base.database, base.gateways)
    assert [await send_refunds(small) for _ in range(4)] == [2, 2, 1, 0]
    await market.balanced()
