"""A partner brand's share of an order, through refunds heard in whatever order and how often."""

import asyncio
import itertools
from typing import Any
from uuid import UUID

import pytest

from app.core.events import Event
from app.orders import service as orders
from app.orders.events import OrderConfirmed, OrderRefunded
from tests.factories import Caller
from tests.ledger.posted import balances, kinds
from tests.orders.books import all_of, facts
from tests.orders.market import ADDRESS, GROUP_AMOUNT, SOLO_AMOUNT, Market

SHARE_BP = 3_333
CHEAP = 101


@pytest.fixture
async def owner(market: Market) -> Caller:
    """Of a market whose product belongs to a brand."""
    owner = await market.as_owner(market.shop_id)
    await _give_to_brand(market, owner, market.product_id, SHARE_BP)
    return owner


async def _give_to_brand(market: Market, owner: Caller, product_id: UUID, share_bp: int) -> str:
    shop = f"/v1/operator/shops/{market.shop_id}"
    body = {"name": f"晨露 {share_bp}", "account": f"brand-{share_bp}", "share_bp": share_bp}
    brand = await owner.post(f"{shop}/brands", body)
    assert brand.status_code == 201, brand.text
    product = f"{shop}/products/{product_id}"
    version = (await owner.get(product)).json()["version"]
    edited = await owner.patch(product, {"brand_id": brand.json()["id"]}, version=version)
    assert edited.status_code == 200, edited.text
    brand_id: str = brand.json()["id"]
    return brand_id


def floor(amount: int, bp: int = SHARE_BP) -> int:
    return amount * bp // 10_000


async def owed(market: Market) -> int:
    return -(await balances(market.database, market.shop_id)).get("partner_payable", 0)


async def bought(market: Market, buyer: Caller, *others: UUID) -> dict[str, Any]:
    lines = [{"variant_id": str(v), "quantity": 3} for v in (market.variant_id, *others)]
    basket = {"shop_id": str(market.shop_id), "lines": lines}
    quoted = (await buyer.post("/v1/quotes", basket)).json()
    wish = {**basket, "quote_id": quoted["quote_id"], "address": ADDRESS}
    placed = await buyer.post("/v1/orders", wish)
    assert placed.status_code == 201, placed.text
    order: dict[str, Any] = placed.json()
    await market.pay(buyer, order)
    return order


async def test_the_share_follows_the_order_through_its_refunds(
    market: Market, owner: Caller
) -> None:
    ann = await market.buyer("ann")
    order = await bought(market, ann)
    assert await owed(market) == 0, "it is posted after the commit"
    await market.work()
    assert await owed(market) == floor(3 * SOLO_AMOUNT)
    line = [{"line_id": order["lines"][0]["id"], "quantity": 1}]
    await market.refund(owner, order, "R-1", lines=line)
    await market.work()
    assert await owed(market) == floor(2 * SOLO_AMOUNT)
    await market.refund(owner, order, "R-2", amount=7)
    await market.work()
    assert await owed(market) == floor(2 * SOLO_AMOUNT - 7)
    await market.refund(owner, order, "R-3")
    await market.work()
    assert await owed(market) == 0
    assert await balances(market.database, market.shop_id) == {}
    assert (await kinds(market.database)).count("order.partner_share") == 4
    await market.balanced()


async def test_two_brands_and_goods_of_the_shop_in_one_order(market: Market, owner: Caller) -> None:
    own, theirs = [
        await market.goods(market.shop_id, units=9, list_amount=CHEAP, solo_amount=None)
        for _ in range(2)
    ]
    await _give_to_brand(market, owner, theirs.product_id, 5_000)
    await market.open_shipping(500)
    ann = await market.buyer("ann")
    await bought(market, ann, own.id, theirs.id)
    await market.work()
    path = f"/v1/operator/shops/{market.shop_id}/ledger/accounts"
    rows = (await owner.get(path)).json()["items"]
    shares = sorted(-r["amount"] for r in rows if r["account"] == "partner_payable")
    assert shares == sorted([floor(3 * SOLO_AMOUNT), floor(3 * CHEAP, 5_000)])
    await market.balanced()


async def test_an_order_without_a_brand_posts_no_share(market: Market) -> None:
    await bought(market, await market.buyer("ann"))
    await market.work()
    assert await kinds(market.database) == ["payment.captured"]


async def test_the_worker_hears_of_brands_and_left_payments_alone(market: Market) -> None:
    """An order that is paid, refunded or given up like most costs it no handler at all."""
    ann, owner = await market.buyer("ann"), await market.as_owner(market.shop_id)
    await market.refund(owner, await bought(market, ann), amount=100)
    given_up, forgotten = [await market.place(ann) for _ in range(2)]
    assert (await ann.post(f"/v1/orders/{given_up['id']}/cancel")).status_code == 200
    market.clock.advance(minutes=31)
    await market.work()
    assert len(await facts(market.database, "order.expired")) == 1, forgotten
    assert await all_of(market.database, "outbox_handled") == []
    ann, owner = await market.buyer("bob"), await market.as_owner(market.shop_id)
    await _give_to_brand(market, owner, market.product_id, SHARE_BP)
    await market.refund(owner, await bought(market, ann), "R-2", amount=100)
    await market.work()
    assert len(await all_of(market.database, "outbox_handled")) == 2
    await market.balanced()


async def _hears(market: Market, fact: Event) -> None:
    assert isinstance(fact, OrderConfirmed | OrderRefunded)
    await market.database.transact(lambda db: orders.share_with_partners(db, fact))


def _facts(market: Market, order: dict[str, Any], member_id: UUID) -> list[Event]:
    order_id = UUID(order["id"])
    about: dict[str, Any] = {
        "at": market.now,
        "shop_id": market.shop_id,
        "aggregate_id": order_id,
        "order_id": order_id,
        "member_id": member_id,
        "currency": "CNY",
    }
    confirmed = OrderConfirmed(group_id=None, community_id=None, total_amount=0, **about)
    refunds = (
        OrderRefunded(amount=n, refunded_amount=n, is_full=False, was_counted=True, **about)
        for n in (10, 20)
    )
    return [confirmed, *refunds]


@pytest.mark.parametrize("order_of_facts", list(itertools.permutations(range(3))))
async def test_facts_may_be_heard_in_any_order_and_often(
    market: Market, owner: Caller, order_of_facts: tuple[int, ...]
) -> None:
    ann = await market.buyer("ann")
    order = await bought(market, ann)
    line = [{"line_id": order["lines"][0]["id"], "quantity": 1}]
    await market.refund(owner, order, "R-1", lines=line)
    await market.refund(owner, order, "R-2", amount=11)
    facts = _facts(market, order, await market.member("bob"))
    for place in order_of_facts:
        await _hears(market, facts[place])
        assert await owed(market) == floor(2 * SOLO_AMOUNT - 11)
    await asyncio.gather(*(_hears(market, fact) for fact in facts * 2))
    await market.work()
    assert await owed(market) == floor(2 * SOLO_AMOUNT - 11)
    assert (await kinds(market.database)).count("order.partner_share") == 1
    await market.balanced()


async def test_clients_that_hear_at_once_post_one_share(market: Market, owner: Caller) -> None:
    order = await bought(market, await market.buyer("ann"))
    [confirmed, *_] = _facts(market, order, await market.member("bob"))
    await asyncio.gather(*(_hears(market, confirmed) for _ in range(8)))
    assert await owed(market) == floor(3 * SOLO_AMOUNT)
    assert (await kinds(market.database)).count("order.partner_share") == 1


async def test_a_group_shares_once_it_has_succeeded_and_what_it_earned_back_is_left_out(
    market: Market, owner: Caller
) -> None:
    market.campaign_id = await market.campaign(size=2, tiers=((3, 8_000),))
    buyers = [await market.buyer(name) for name in ("ann", "bob", "cyd")]
    first = await market.open_group(buyers[0])
    await market.pay(buyers[0], first)
    for buyer in buyers[1:2]:
        await market.pay(buyer, await market.join(buyer, first["group_id"]))
    await market.work()
    assert await owed(market) == 0, "the group still gathers"
    await market.pay(buyers[2], await market.join(buyers[2], first["group_id"]))
    for _ in range(3):
        await market.work()
    assert await owed(market) == 3 * floor(8_000)
    await market.balanced()


async def test_a_group_that_failed_shares_nothing(market: Market, owner: Caller) -> None:
    ann = await market.buyer("ann")
    await market.pay(ann, await market.open_group(ann))
    assert (await balances(market.database, market.shop_id))["psp_clearing"] == GROUP_AMOUNT
    market.clock.advance(hours=2)
    for _ in range(3):
        await market.work()
    assert await balances(market.database, market.shop_id) == {}
    assert "order.partner_share" not in await kinds(market.database)
    await market.balanced()
