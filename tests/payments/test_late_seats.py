"""Money for seats that were given up: seated again where all is there, else owed back once."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.catalog import service as catalog
from app.core.sql import is_postgresql, table
from app.groupbuy.models import CampaignPrice, Group, LatePayment, Seat
from app.groupbuy.repository import campaigns
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.books import facts, state_of
from tests.orders.market import GROUP_AMOUNT, Market
from tests.payments.provider import Provider

DELAY = "sandbox_delay"


@pytest.fixture
def unstoppable(provider: Provider) -> Provider:
    """A provider that cannot stop a charge any more: it only says what stands in its books."""
    provider.stops_nothing = True
    return provider


class Late:
    """Ann leads a group; Bob's order expires while his money is on the way."""

    market: Market
    provider: Provider
    ann: Caller
    bob: Caller
    first: dict[str, Any]
    order: dict[str, Any]

    @staticmethod
    async def of(
        market: Market,
        provider: Provider,
        *,
        quantity: int = 1,
        other_goods: bool = False,
        **campaign: Any,
    ) -> "Late":
        made = Late()
        made.market, made.provider = market, provider
        values = {"size": 2, "late_payment": LatePayment.RESEAT, **campaign}
        market.campaign_id = await market.campaign(**values)
        made.ann, made.bob = await market.buyer("ann"), await market.buyer("bob")
        made.first = await market.open_group(made.ann)
        await market.pay(made.ann, made.first)
        variant_id = await made.other_goods() if other_goods else market.variant_id
        lines = [{"variant_id": str(variant_id), "quantity": quantity}]
        made.order = await market.join(made.bob, made.first["group_id"], lines=lines)
        market.clock.advance(seconds=898)
        await market.pay(made.bob, made.order, DELAY)
        market.clock.advance(seconds=2)
        await market.work()
        assert (await market.order(made.bob, made.order))["status"] == "expired"
        assert await made.standing() == ("open", 1, 1)
        return made

    async def other_goods(self) -> UUID:
        """Another variant at a group price."""
        market = self.market
        made = await market.variant(market.shop_id, market.product_id, units=9)
        price = {"campaign_id": market.campaign_id, "variant_id": made.id, "group_amount": 9_000}
        await market.database.transact(
            lambda db: db.execute(sa.insert(table(CampaignPrice)).values(price))
        )
        return made.id

    async def news(self) -> dict[str, Any]:
        """The money is captured and heard of, and the worker does what follows."""
        self.market.clock.advance(seconds=5)
        for _ in range(3):
            await self.market.work()
        await self.market.balanced()
        return await self.market.order(self.bob, self.order)

    async def goes_back(self, reason: str = "paid_too_late") -> None:
        now = await self.news()
        assert [(r["amount"], r["reason"], r["state"]) for r in now["refunds"]] == [
            (self.order["total_amount"], reason, "succeeded")
        ]
        assert (now["refund"], now["confirmed_at"]) == ("full", None)
        assert await self.seat() == "refunded"
        [told] = await facts(self.market.database, "seat.payment_refused")
        assert (told["order_id"], told["cause"]) == (self.order["id"], reason)

    async def standing(self) -> tuple[str, int, int]:
        groups = table(Group)
        wanted = sa.select(groups.c.status, groups.c.taken, groups.c.paid)
        one = wanted.where(groups.c.id == UUID(self.first["group_id"]))
        async with self.market.database.reading() as db:
            row = (await db.execute(one)).one()
        return row.status.value, row.taken, row.paid

    async def seat(self) -> str:
        seats = table(Seat)
        wanted = sa.select(seats.c.status).where(seats.c.order_id == UUID(self.order["id"]))
        async with self.market.database.reading() as db:
            return str((await db.execute(wanted)).scalar_one().value)


async def test_a_free_place_is_taken_again_and_completes_the_group(
    market: Market, unstoppable: Provider
) -> None:
    late = await Late.of(market, unstoppable, quantity=2, stock_quota=10, member_units_max=3)
    assert await market.levels() == (100, 1, 0)
    now = await late.news()
    assert (now["status"], now["refunds"], now["refund_due_reason"]) == ("paid", [], None)
    assert now["confirmed_at"] is not None
    assert (await market.order(late.ann, late.first))["confirmed_at"] is not None
    assert await late.standing() == ("succeeded", 2, 2)
    assert await late.seat() == "confirmed"
    assert await market.levels() == (100, 0, 3)
    assert await facts(market.database, "seat.payment_refused") == []
    [succeeded] = await facts(market.database, "group.succeeded")
    assert sorted(succeeded["order_ids"]) == sorted([late.first["id"], late.order["id"]])


async def test_who_completes_a_group_late_takes_all_stock_before_any_quota(
    market: Market, unstoppable: Provider
) -> None:
    """A rival places the leader's goods in the same campaign: it takes stock, then quota."""
    late = await Late.of(market, unstoppable, other_goods=True, stock_quota=10)
    market.clock.advance(seconds=5)
    async with market.database.writing() as db:
        if not is_postgresql(db):
            pytest.skip("one writer at a time: nothing comes between")
        await catalog.reserve(db, {market.variant_id: 1})
        hearing = asyncio.create_task(market.work())
        await asyncio.sleep(0.5)
        assert not hearing.done()
        # Sooner than the database would look for a deadlock and end one of the two.
        taken = campaigns.take_quota(db, market.campaign_id, 1)
        assert await asyncio.wait_for(taken, timeout=0.4)
        await db.rollback()
    await hearing
    assert await late.standing() == ("succeeded", 2, 2)
    await market.balanced()


async def test_a_seat_that_is_taken_again_waits_with_the_others(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    late = await Late.of(market, unstoppable, size=3)
    now = await late.news()
    assert (now["status"], now["confirmed_at"]) == ("paid", None)
    assert await late.standing() == ("open", 2, 2)
    assert await market.levels() == (100, 2, 0)
    clock.advance(seconds=3_600)
    for _ in range(3):
        await market.work()
    assert await late.standing() == ("failed", 0, 0)
    now = await market.order(late.bob, late.order)
    assert [r["reason"] for r in now["refunds"]] == ["group_failed"]
    assert await market.levels() == (100, 0, 0)
    await market.balanced()


async def test_where_the_campaign_says_so_the_money_goes_back_though_a_place_is_free(
    market: Market, unstoppable: Provider
) -> None:
    late = await Late.of(market, unstoppable, late_payment=LatePayment.REFUND)
    await late.goes_back()
    assert await late.standing() == ("open", 1, 1)
    assert await market.levels() == (100, 1, 0)


async def test_a_place_that_somebody_has_taken_is_not_given_twice(
    market: Market, unstoppable: Provider
) -> None:
    late = await Late.of(market, unstoppable)
    eve = await market.buyer("eve")
    order = await market.join(eve, late.first["group_id"])
    await late.goes_back()
    assert await late.standing() == ("open", 2, 1)
    await market.pay(eve, order)
    assert await late.standing() == ("succeeded", 2, 2)
    await market.balanced()


async def test_a_group_that_is_over_seats_nobody(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    """Captured in time, heard of when the group has been judged."""
    late = await Late.of(market, unstoppable, group_seconds=1_000)
    unstoppable.away = True
    clock.advance(seconds=200)
    await market.work()
    assert await late.standing() == ("failed", 0, 0)
    unstoppable.away = False
    clock.advance(seconds=600)
    await late.goes_back()
    assert await market.levels() == (100, 0, 0)


async def test_stock_that_is_gone_is_not_promised_again(
    market: Market, unstoppable: Provider
) -> None:
    """What was taken again on the way is given back: the place, and the units that are counted."""
    late = await Late.of(market, unstoppable, quantity=60, stock_quota=99, member_units_max=70)
    eve = await market.buyer("eve")
    await market.place(eve, quantity=50)
    await late.goes_back()
    assert await late.standing() == ("open", 1, 1)
    assert await market.levels() == (100, 51, 0)


async def test_a_quota_that_is_gone_is_not_passed(market: Market, unstoppable: Provider) -> None:
    late = await Late.of(market, unstoppable, quantity=3, stock_quota=5)
    await market.open_group(await market.buyer("eve"), quantity=2)
    await late.goes_back()
    assert await late.standing() == ("open", 1, 1)
    assert await market.levels() == (100, 3, 0)


async def test_who_sits_elsewhere_by_now_is_not_seated_twice(
    market: Market, unstoppable: Provider
) -> None:
    late = await Late.of(market, unstoppable, member_units_max=2)
    again = await market.join(late.bob, late.first["group_id"])
    await late.goes_back()
    await market.pay(late.bob, again)
    assert await late.standing() == ("succeeded", 2, 2)
    await market.balanced()


async def test_money_after_the_deadline_seats_nobody_again(
    market: Market, unstoppable: Provider
) -> None:
    """The group still stands in its grace."""
    late = await Late.of(market, unstoppable, group_seconds=901)
    assert await late.standing() == ("open", 1, 1)
    await late.goes_back()


async def test_a_stopped_campaign_gives_back_what_it_seated_again(
    market: Market, unstoppable: Provider
) -> None:
    late = await Late.of(market, unstoppable, size=3)
    await late.news()
    owner = await market.as_owner(market.shop_id)
    campaigns = f"/v1/operator/shops/{market.shop_id}/campaigns/{market.campaign_id}"
    headers = {**owner.headers, "If-Match": '"1"', "Idempotency-Key": "stop"}
    stopped = await owner.client.post(
        f"{campaigns}/stop", json={"end_groups": True}, headers=headers
    )
    assert stopped.status_code == 200, stopped.text
    for _ in range(3):
        await market.work()
    for buyer, order in ((late.ann, late.first), (late.bob, late.order)):
        refunds = (await market.order(buyer, order))["refunds"]
        assert [(r["amount"], r["reason"]) for r in refunds] == [(GROUP_AMOUNT, "group_failed")]
    assert await market.levels() == (100, 0, 0)
    await market.balanced()


async def test_a_refund_that_was_refused_is_seen_at_the_seat_until_it_is_through(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    late = await Late.of(market, unstoppable, late_payment=LatePayment.REFUND)
    unstoppable.refusing_refunds = True
    clock.advance(seconds=5)
    for _ in range(3):
        await market.work()
    assert await late.seat() == "refund_failed"
    [refund] = (await market.order(late.bob, late.order))["refunds"]
    assert refund["state"] == "failed"
    unstoppable.refusing_refunds = False
    clock.advance(seconds=3_600)
    await late.goes_back()


async def test_who_has_bought_meanwhile_does_not_pay_for_a_newcomers_seat(market: Market) -> None:
    market.campaign_id = await market.campaign(size=3, newcomers_only=True)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    order = await market.join(bob, first["group_id"])
    alone = await market.place(bob)
    await market.pay(bob, alone)
    before = await state_of(market.database)
    answer = await bob.post(f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"})
    assert (answer.status_code, answer.json()["code"]) == (409, "newcomers_only")
    assert await state_of(market.database) == before


async def test_money_on_the_way_of_who_has_bought_meanwhile_goes_back_once(
    market: Market, clock: FrozenClock
) -> None:
    market.campaign_id = await market.campaign(size=3, newcomers_only=True)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    order = await market.join(bob, first["group_id"], quantity=2)
    await market.pay(bob, order, DELAY)
    await market.pay(bob, await market.place(bob))
    clock.advance(seconds=5)
    for _ in range(3):
        await market.work()
    now = await market.order(bob, order)
    assert (now["status"], now["refund"]) == ("closed", "full")
    assert [r["reason"] for r in now["refunds"]] == ["not_a_newcomer"]
    assert await market.levels() == (100, 1, 1)
    await market.balanced()


async def test_a_ladder_pays_back_the_difference_to_each_order_once(
    market: Market, clock: FrozenClock
) -> None:
    """At the deadline, with two of four: nobody gets more; with three, each unit gets 1900."""
    ladder = [
        {"size": 3, "amounts": {str(market.variant_id): 8_000}},
        {"size": 4, "amounts": {str(market.variant_id): 7_000}},
    ]
    market.campaign_id = await market.campaign(size=2, ladder=ladder, leader_reward_amount=300)
    buyers = [await market.buyer(name) for name in ("ann", "bob", "eve")]
    orders = [await market.open_group(buyers[0])]
    await market.pay(buyers[0], orders[0])
    for buyer, quantity in zip(buyers[1:], (1, 2), strict=True):
        orders.append(await market.join(buyer, orders[0]["group_id"], quantity=quantity))
        await market.pay(buyer, orders[-1])
    clock.advance(seconds=3_660)
    for _ in range(3):
        await market.work()
    expected = [1_900 + 300, 1_900, 2 * 1_900]
    for buyer, order, amount in zip(buyers, orders, expected, strict=True):
        now = await market.order(buyer, order)
        assert [(r["amount"], r["reason"]) for r in now["refunds"]] == [(amount, "group_rebate")]
        assert (now["status"], now["refund"]) == ("paid", "partly")
    assert await market.levels() == (100, 0, 4)
    await market.balanced()
