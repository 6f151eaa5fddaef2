"""Paying against giving up, with the rival placed exactly between looking and writing."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import commit
from app.orders.errors import OrderNotPayable
from app.orders.models import OrderStatus
from app.orders.repository import orders as repository
from app.orders.service.end import end_unpaid
from app.orders.service.pay import PayWish, _opened
from app.payments.errors import PaymentInProgress
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import Market, problem
from tests.payments.provider import Provider

WISH = PayWish(gateway="sandbox", token="sandbox_success", attempt="one")


async def row_of(db: AsyncSession, order: dict[str, Any]) -> Any:
    return await repository.order(db, UUID(order["id"]))


async def test_an_order_with_a_payment_that_just_began_is_not_ended(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    async with market.database.reading() as db:
        seen = await row_of(db, order)

    async def begin(db: AsyncSession) -> None:
        await _opened(db, seen, WISH, market.now)

    await market.database.transact(begin)
    async with market.database.writing() as db:
        with pytest.raises(PaymentInProgress):
            await end_unpaid(db, seen, OrderStatus.EXPIRED, stopped=None, now=market.now)
    assert (await market.order(ann, order))["status"] == "placed"
    assert await market.levels() == (100, 1, 0)


async def test_no_payment_begins_for_an_order_that_was_just_ended(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    async with market.database.reading() as db:
        seen = await row_of(db, order)

    async def end(db: AsyncSession) -> bool:
        return await end_unpaid(db, seen, OrderStatus.CANCELLED, stopped=None, now=market.now)

    assert await market.database.transact(end)
    async with market.database.writing() as db:
        with pytest.raises(OrderNotPayable):
            await _opened(db, seen, WISH, market.now)
    assert (await market.order(ann, order))["payments"] == []


async def test_a_payment_waits_for_the_rival_that_is_ending_its_order(
    market: Market, backend: str
) -> None:
    if backend == "sqlite":
        return  # one writer at a time: the case above is the only one there is
    ann = await market.buyer()
    order = await market.place(ann)
    async with market.database.writing() as rival, market.database.writing() as db:
        seen = await row_of(rival, order)
        assert await end_unpaid(rival, seen, OrderStatus.CANCELLED, stopped=None, now=market.now)
        paying = asyncio.create_task(_opened(db, seen, WISH, market.now))
        await asyncio.sleep(0.2)
        assert not paying.done()
        await commit(rival)
        with pytest.raises(OrderNotPayable):
            await paying
    assert (await market.order(ann, order))["payments"] == []


async def give_up(buyer: Caller, order: dict[str, Any]) -> tuple[int, str]:
    answer = await buyer.post(f"/v1/orders/{order['id']}/cancel")
    return answer.status_code, answer.json().get("code", "")


async def test_a_seat_that_is_left_twice_at_once_is_refunded_once(
    market: Market, provider: Provider
) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    order = await market.join(bob, first["group_id"])
    await market.pay(bob, order)
    told = sorted(await asyncio.gather(*(give_up(bob, order) for _ in range(8))))
    assert told[0] == (200, "")
    assert set(told[1:]) == {(409, "order_not_cancellable")}
    await market.work()
    await market.balanced()
    assert provider.calls.count("refund") == 1


async def test_paying_and_giving_up_at_once_never_takes_money_for_nothing(market: Market) -> None:
    for _ in range(10):
        ann = await market.buyer(uuid4().hex)
        order = await market.place(ann)
        pays = ann.post(f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"})
        paid, (status, _) = await asyncio.gather(pays, give_up(ann, order))
        now = await market.order(ann, order)
        captured = [p for p in now["payments"] if p["state"] == "captured"]
        assert paid.status_code in {201, 409}
        assert status in {200, 409}
        assert now["status"] == ("paid" if captured else "cancelled" if status == 200 else "placed")
    await market.work()
    await market.balanced(settled=False)


async def test_a_deadline_that_passes_while_the_provider_is_asked_keeps_everybody(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    """What is decided after a call is decided by the time after it, not by that of the request."""
    market.campaign_id = await market.campaign(size=3, min_paid=2)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    clock.advance(seconds=3_590)
    order = await market.join(bob, first["group_id"])
    await market.pay(bob, order, "sandbox_delay")

    async def linger() -> None:
        clock.advance(seconds=11)

    provider.before["cancel"] = linger
    answer = await bob.post(f"/v1/orders/{order['id']}/cancel")
    problem(answer, 409, "seat_not_leavable")
    assert (await market.order(bob, order))["status"] == "paid"
    clock.advance(seconds=60)
    await market.work()
    for buyer, kept in ((ann, first), (bob, order)):
        assert (await market.order(buyer, kept))["confirmed_at"] is not None
    await market.balanced()
