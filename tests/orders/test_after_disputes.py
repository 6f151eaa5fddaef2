"""What banks say after the sale: disputes and bounced refunds, and what follows for the order."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.payments import service as payments
from app.payments.gateway import Dispute, DisputeState, GatewayRefund, RefundState, Told
from app.settings import Settings
from tests.conftest import make_settings
from tests.factories import Caller
from tests.orders.after import ask, asked, decide, of_shop, received, second, terms, units
from tests.orders.books import facts
from tests.orders.market import GROUP_AMOUNT, SOLO_AMOUNT, Market
from tests.orders.test_group_terms import LADDER, buyers, group_of
from tests.orders.test_refunds import bought

CLOSE = 7_200


@pytest.fixture
def settings(database_url: str) -> Settings:
    """An order is over before a token is."""
    return make_settings(
        database_url,
        access_token_ttl_seconds=86_400,
        return_period_seconds=CLOSE // 2,
        order_close_seconds=CLOSE,
    )


@pytest.fixture
async def ann(market: Market) -> Caller:
    return await market.buyer("ann")


@pytest.fixture
async def owner(market: Market) -> Caller:
    return await market.as_owner(market.shop_id)


async def hear(market: Market, told: Told) -> None:
    await market.database.transact(lambda db: payments.record_told(db, told, now=market.now))


async def dispute(
    market: Market, order: dict[str, Any], state: DisputeState, amount: int | None = None
) -> None:
    """A bank's word on all of an order's money, or a part."""
    async with market.database.reading() as db:
        [paid] = await payments.payments_of_order(db, UUID(order["id"]))
    name, charge = f"dp_{order['id']}", paid["reference"]
    amount = amount or paid["amount"]
    await hear(market, Dispute(name, paid["id"], charge, amount, "CNY", state, market.now))


async def bounce(market: Market, order: dict[str, Any]) -> None:
    """The last refund of an order did arrive, and came back."""
    async with market.database.reading() as db:
        refund = (await payments.refunds_of_order(db, UUID(order["id"])))[-1]
    name = refund["gateway_reference"]
    await hear(market, GatewayRefund(refund["id"], name, RefundState.FAILED, market.now, "closed"))


async def unheard(market: Market) -> list[str]:
    query = "SELECT kind FROM outbox_events WHERE done_at IS NULL"
    async with market.database.reading() as db:
        return list((await db.execute(sa.text(query))).scalars())


@pytest.mark.parametrize("lost", [GROUP_AMOUNT, GROUP_AMOUNT - 700, 700])
async def test_a_rebate_comes_to_what_a_lost_dispute_has_left(market: Market, lost: int) -> None:
    market.campaign_id = await market.campaign(size=3, tiers=LADDER)
    people = await buyers(market, 5)
    order = (await group_of(market, people))[0]
    await dispute(market, order, DisputeState.OPEN, lost)
    await market.work()
    assert await unheard(market) == ["order.rebate_owed"], "it waits for the bank"
    await dispute(market, order, DisputeState.LOST, lost)
    market.clock.advance(minutes=1)
    await market.work()
    assert await unheard(market) == []
    now = await market.order(people[0], order)
    earned = GROUP_AMOUNT - LADDER[1][1]
    assert now["refunded_amount"] == min(earned, GROUP_AMOUNT - lost)
    await market.balanced()


@pytest.mark.parametrize("all_of_it", [False, True])
async def test_an_order_that_is_over_is_not_opened_by_a_refund_that_came_back(
    market: Market, ann: Caller, owner: Caller, all_of_it: bool
) -> None:
    order = await bought(market, ann, 3)
    await received(market, ann, owner, order)
    market.clock.advance(seconds=CLOSE + 1)
    await market.work()
    assert (await market.order(ann, order))["status"] == "closed"
    await market.refund(owner, order, "goodwill", **({} if all_of_it else units(order, 1)))
    await market.work()
    await bounce(market, order)
    now = await market.order(ann, order)
    assert (now["status"], now["refund"]) == ("closed", "none")
    await market.refused(ask(ann, order, units(order, 1)), 409, "order_closed")
    market.clock.advance(hours=1)
    await market.work()
    assert len(await facts(market.database, "order.closed")) == 1
    await market.balanced(settled=False)


async def test_an_order_that_a_refund_had_ended_is_open_again_when_it_came_back(
    market: Market, ann: Caller, owner: Caller
) -> None:
    order = await bought(market, ann, 2)
    await market.refund(owner, order, "all")
    await market.work()
    assert (await market.order(ann, order))["status"] == "closed"
    await bounce(market, order)
    now = await market.order(ann, order)
    assert (now["status"], now["refund"], now["refunded_amount"]) == ("paid", "none", 0)


async def test_an_order_does_not_close_while_its_money_is_disputed(
    market: Market, ann: Caller, owner: Caller
) -> None:
    order = await bought(market, ann, 1)
    await received(market, ann, owner, order)
    await dispute(market, order, DisputeState.OPEN)
    market.clock.advance(seconds=CLOSE + 1)
    await market.work()
    assert (await market.order(ann, order))["status"] == "paid"
    await dispute(market, order, DisputeState.WON)
    await market.work()
    assert (await market.order(ann, order))["status"] == "closed"


async def test_nothing_is_granted_while_a_bank_decides(
    market: Market, ann: Caller, owner: Caller
) -> None:
    """Both ways to grant say so, and their documentation does."""
    await terms(market, refund_approval_above_amount=SOLO_AMOUNT)
    other = await market.as_owner(market.shop_id)
    order, dear = await bought(market, ann, 1), await bought(market, ann, 2)
    requests = [await asked(ann, one, {}) for one in (order, dear)]
    assert (await decide(market, owner, requests[1], "approve")).status_code == 200
    found = (await owner.get(of_shop(market, "refund-approvals"))).json()["items"]
    for one in (order, dear):
        await dispute(market, one, DisputeState.OPEN)
    await market.refused(decide(market, owner, requests[0], "approve"), 409, "order_disputed")
    await market.refused(second(market, other, found[0]["id"]), 409, "order_disputed")
    paths = market.application.openapi()["paths"]
    for of, name in (("after-sales", "after_sales"), ("refund-approvals", "approval")):
        path = f"/v1/operator/shops/{{shop_id}}/{of}/{{{name}_id}}/approve"
        told = paths[path]["post"]["responses"]["409"]["content"]["application/problem+json"]
        assert "order_disputed" in told["examples"], path


async def test_a_timeline_tells_what_banks_did(market: Market, ann: Caller, owner: Caller) -> None:
    order = await bought(market, ann, 2)
    await market.refund(owner, order, "R-1", **units(order, 1))
    market.clock.advance(seconds=1)
    await market.work()
    market.clock.advance(seconds=1)
    await bounce(market, order)
    for state in (DisputeState.OPEN, DisputeState.LOST):
        market.clock.advance(seconds=1)
        await dispute(market, order, state)
    told = (await ann.get(f"/v1/orders/{order['id']}/timeline")).json()["entries"]
    assert [entry["code"] for entry in told[-5:]] == [
        "refund.decided",
        "payment.refund_succeeded",
        "payment.refund_returned",
        "payment.dispute_opened",
        "payment.dispute_closed",
    ]
    assert told[-1]["params"]["is_lost"] is True
    assert told[-1]["text"] == "支付争议 ¥318.00 已有结果"
