"""Expiry: the provider is asked first, rivals do not end an order twice, nothing starves."""

import asyncio

import pytest

from app.core.jobs import JobContext
from app.orders.jobs import expire_unpaid
from app.payments.gateway import GatewayUnavailable, Patience
from app.payments.jobs import ask_about_silent
from app.settings import Settings
from tests.fakes import FrozenClock
from tests.orders.books import facts
from tests.orders.market import Market
from tests.payments.provider import Provider, be_away, crash


def context(market: Market, **more: int) -> JobContext:
    state = market.application.state
    settings: Settings = state.settings.model_copy(update=more)
    return JobContext(settings, market.database, state.gateways)


async def test_the_provider_is_asked_before_an_order_ends(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    provider.after["charge"] = be_away
    path = f"/v1/orders/{order['id']}/payments"
    assert (await ann.post(path, {"token": "sandbox_success"})).status_code == 503
    clock.advance(seconds=30 * 60)
    assert await expire_unpaid(context(market)) == 0
    assert provider.calls == ["charge", "cancel"]
    now = await market.order(ann, order)
    assert (now["status"], now["fulfilment"]) == ("paid", "fulfilling")
    await market.balanced()


async def test_while_the_provider_is_away_its_orders_wait_and_others_do_not(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    waiting = [await market.place(ann) for _ in range(3)]
    for order in waiting:
        await market.pay(ann, order, "sandbox_delay")
    clock.advance(seconds=1)
    other = await market.place(ann)
    clock.advance(seconds=30 * 60)
    provider.away = True
    # Two batches full of orders that cannot end stand before the one that can.
    assert await expire_unpaid(context(market, sweep_batch_rows=1)) == 1
    assert (await market.order(ann, other))["status"] == "expired"
    for order in waiting:
        assert (await market.order(ann, order))["status"] == "placed"
    assert await market.levels() == (100, 3, 0)
    await market.balanced(settled=False)

    provider.away = False
    assert await expire_unpaid(context(market)) == 0
    for order in waiting:
        assert (await market.order(ann, order))["status"] == "paid"
    await market.balanced()


async def test_a_silent_provider_is_asked_a_few_times_and_then_left_for_the_next_run(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    for _ in range(6):
        await market.pay(ann, await market.place(ann), "sandbox_delay")
    clock.advance(seconds=1)
    other = await market.place(ann)
    clock.advance(seconds=30 * 60)
    provider.away = True
    provider.calls.clear()
    assert await expire_unpaid(context(market)) == 1
    assert (await market.order(ann, other))["status"] == "expired"
    assert provider.calls == ["cancel"] * 3
    # So is whoever asks about those that are silent.
    provider.calls.clear()
    await ask_about_silent(context(market))
    assert provider.calls == ["find"] * 3


async def test_those_that_cannot_be_understood_do_not_stop_the_others(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    """They are the longest overdue, in every run anew."""

    async def speak_nonsense() -> None:
        left.append(provider)
        if len(left) <= 4:
            provider.before["cancel"] = speak_nonsense
            raise GatewayUnavailable(is_answer=True)

    left: list[Provider] = []
    ann = await market.buyer()
    orders = [await market.place(ann) for _ in range(5)]
    for order in orders:
        await market.pay(ann, order, "sandbox_delay")
    clock.advance(seconds=30 * 60)
    provider.before["cancel"] = speak_nonsense
    await expire_unpaid(context(market))
    states = sorted([(await market.order(ann, order))["status"] for order in orders])
    assert states == ["paid", *["placed"] * 4]


async def test_patience_is_over_after_so_many_seconds() -> None:
    patience = Patience(seconds=0.01)

    async def slowly() -> str:
        await asyncio.sleep(0.02)
        return "answer"

    assert await patience.ask("slow", slowly) == "answer"
    with pytest.raises(GatewayUnavailable):
        await patience.ask("slow", slowly)
    assert await patience.ask("another", slowly) == "answer"


async def test_a_fault_of_one_order_does_not_stop_the_others(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    stuck = await market.place(ann)
    await market.pay(ann, stuck, "sandbox_delay")
    others = [await market.place(ann) for _ in range(2)]
    clock.advance(seconds=30 * 60)
    provider.before["cancel"] = crash
    assert await expire_unpaid(context(market)) == 2
    for order in others:
        assert (await market.order(ann, order))["status"] == "expired"
    assert (await market.order(ann, stuck))["status"] == "placed"
    await expire_unpaid(context(market))
    assert (await market.order(ann, stuck))["status"] == "paid"
    await market.balanced()


@pytest.mark.parametrize("batch", [1, 2, 100])
async def test_workers_side_by_side_end_each_order_once(
    market: Market, clock: FrozenClock, batch: int
) -> None:
    limited = await market.campaign(size=2, stock_quota=9)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.place(ann, group={"open": str(limited)}, quantity=3)
    alone = [await market.place(bob, quantity=2) for _ in range(4)]
    clock.advance(seconds=30 * 60)

    async def worker() -> int:
        total = 0
        while moved := await expire_unpaid(context(market, sweep_batch_rows=batch)):
            total += moved
        return total

    assert sum(await asyncio.gather(*(worker() for _ in range(3)))) == 5
    for buyer, order in ((ann, first), *((bob, order) for order in alone)):
        assert (await market.order(buyer, order))["status"] == "expired"
    assert len(await facts(market.database, "order.expired")) == 5
    assert await market.levels() == (100, 0, 0)
    await market.balanced()


async def test_an_order_lives_to_its_last_second(market: Market, clock: FrozenClock) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    clock.advance(seconds=30 * 60 - 1)
    assert await expire_unpaid(context(market)) == 0
    assert (await market.order(ann, order))["status"] == "placed"
    clock.advance(seconds=1)
    assert await expire_unpaid(context(market)) == 1
    await market.balanced()


async def test_a_payment_in_the_middle_of_the_expiry_counts_once(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    """The rival pays after the sweeper has looked and before it ends the order."""
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_decline")
    clock.advance(seconds=30 * 60 - 1)

    async def sweeper() -> None:
        clock.advance(seconds=2)
        assert await expire_unpaid(context(market)) == 1

    provider.before["charge"] = sweeper
    answer = await market.pay(ann, order)
    assert answer["payment"]["state"] == "cancelled"
    assert answer["order"]["status"] == "expired"
    await market.work()
    await market.balanced()
