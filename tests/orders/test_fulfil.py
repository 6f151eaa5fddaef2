"""From a confirmed order to the buyer's hands, and who may see or do what."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.identity.rules import ShopRole
from tests.factories import Caller
from tests.orders.books import facts
from tests.orders.market import Market, problem

PARCEL = {"carrier": "SF Express", "tracking_number": "SF1234567890"}


async def confirmed(market: Market, buyer: Caller, quantity: int = 1) -> dict[str, Any]:
    order = await market.place(buyer, quantity=quantity)
    await market.pay(buyer, order)
    return order


async def receive(buyer: Caller, order: dict[str, Any]) -> httpx2.Response:
    return await buyer.post(f"/v1/orders/{order['id']}/receive")


async def test_shipped_then_received(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await confirmed(market, ann)
    await market.refused(receive(ann, order), 409, "wrong_fulfilment")
    shipped = (await market.shop_does(owner, order, "ship", PARCEL)).json()
    assert shipped["fulfilment"] == "shipped"
    assert (shipped["carrier"], shipped["tracking_number"]) == tuple(PARCEL.values())
    again = market.shop_does(owner, order, "ship", PARCEL)
    await market.refused(again, 409, "wrong_fulfilment")
    received = (await receive(ann, order)).json()
    assert received["fulfilment"] == "received"
    assert received["received_at"] is not None
    await market.refused(receive(ann, order), 409, "wrong_fulfilment")
    assert len(await facts(market.database, "order.shipped")) == 1
    assert len(await facts(market.database, "order.received")) == 1
    await market.balanced()


async def test_nothing_is_shipped_before_it_is_paid_and_its_group_has_succeeded(
    market: Market,
) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    unpaid = await market.place(ann)
    seat = await market.open_group(ann)
    await market.pay(ann, seat)
    for order in (unpaid, seat):
        asked = market.shop_does(owner, order, "ship", PARCEL)
        await market.refused(asked, 409, "order_not_confirmed")
        await market.refused(receive(ann, order), 409, "order_not_confirmed")


async def test_a_refunded_order_is_not_shipped_even_while_its_money_travels(
    market: Market,
) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await confirmed(market, ann, 2)
    line_id = order["lines"][0]["id"]
    await market.refund(owner, order, "R-1", lines=[{"line_id": line_id, "quantity": 1}])
    await market.refund(owner, order, "R-2", lines=[{"line_id": line_id, "quantity": 1}])
    assert await market.levels() == (100, 0, 0)
    asked = market.shop_does(owner, order, "ship", PARCEL)
    await market.refused(asked, 409, "nothing_to_ship")
    await market.work()
    asked = market.shop_does(owner, order, "ship", PARCEL)
    told = await market.refused(asked, 409, "nothing_to_ship")
    assert told["params"] == {}
    await market.balanced()


async def test_what_is_left_after_a_partial_refund_is_shipped(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await confirmed(market, ann, 2)
    line_id = order["lines"][0]["id"]
    await market.refund(owner, order, lines=[{"line_id": line_id, "quantity": 1}])
    assert (await market.shop_does(owner, order, "ship", PARCEL)).status_code == 200
    await market.work()
    await market.balanced()


async def test_shipping_against_a_refund_of_everything(market: Market) -> None:
    owner, staff = await market.as_owner(market.shop_id), await market.as_owner(market.shop_id)
    for n in range(5):
        order = await confirmed(market, await market.buyer())
        body = {"reason": "damaged", "reference": f"R-{n}"}
        shipped, refunded = await asyncio.gather(
            market.shop_does(owner, order, "ship", PARCEL),
            market.shop_does(staff, order, "refunds", body),
        )
        assert refunded.status_code == 201, refunded.text
        sold_before = (await market.levels())[2]
        if shipped.status_code == 200:
            assert sold_before > 0  # what has left the house is not up for sale again
        else:
            problem(shipped, 409, "nothing_to_ship")
        await market.work()
        await market.balanced()
    shipped_orders = len(await facts(market.database, "order.shipped"))
    assert (await market.levels())[2] == shipped_orders


async def test_foreign_orders_do_not_exist(market: Market) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    owner = await market.as_owner(market.shop_id)
    other = await market.shop("other")
    foreign = await market.as_owner(other.id)
    order = await confirmed(market, ann)
    await market.shop_does(owner, order, "ship", PARCEL)
    mine, theirs = f"/v1/orders/{order['id']}", f"/v1/operator/shops/{other.id}/orders"
    for asked in (
        bob.get(mine),
        bob.post(f"{mine}/receive"),
        bob.post(f"{mine}/cancel"),
        bob.post(f"{mine}/payments", {"token": "sandbox_success"}),
        ann.get(f"/v1/orders/{uuid4()}"),
        foreign.get(f"{theirs}/{order['id']}"),
        foreign.post(f"{theirs}/{order['id']}/ship", PARCEL),
        foreign.get(f"/v1/operator/shops/{market.shop_id}/orders"),
        foreign.get(f"/v1/operator/shops/{market.shop_id}/orders/{order['id']}"),
        market.shop_does(foreign, order, "ship", PARCEL),
    ):
        await market.refused(asked, 404, "not_found")
    assert (await bob.get("/v1/orders")).json()["items"] == []
    assert (await foreign.get(theirs)).json()["items"] == []


@pytest.mark.parametrize("role", [ShopRole.STAFF, ShopRole.AUDITOR])
async def test_a_role_does_what_its_rights_say(market: Market, role: ShopRole) -> None:
    ann = await market.buyer()
    operator = await market.as_operator(await market.operator(market.shop_id, role=role))
    order = await confirmed(market, ann)
    shown = await operator.get(f"/v1/operator/shops/{market.shop_id}/orders/{order['id']}")
    assert shown.json()["id"] == order["id"]
    if role is ShopRole.STAFF:
        assert (await market.shop_does(operator, order, "ship", PARCEL)).status_code == 200
    else:
        asked = market.shop_does(operator, order, "ship", PARCEL)
        await market.refused(asked, 403, "forbidden")


async def test_the_wrong_kind_of_caller(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await confirmed(market, ann)
    wish = await market.quote(ann)
    await market.refused(owner.post("/v1/orders", wish), 403, "forbidden")
    await market.refused(market.shop_does(ann, order, "ship", PARCEL), 403, "forbidden")
    nobody = Caller(market.client, {})
    for asked in (
        nobody.post("/v1/orders", wish),
        nobody.post(f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"}),
        nobody.post(f"/v1/orders/{order['id']}/cancel"),
        nobody.get("/v1/orders"),
        market.shop_does(nobody, order, "ship", PARCEL),
    ):
        await market.refused(asked, 401, "unauthenticated")


async def test_lists_page_through_everything_once(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    placed = [(await market.place(ann))["id"] for _ in range(5)]
    await market.pay(ann, {"id": placed[2]})
    for caller, path in ((ann, "/v1/orders"), (owner, _of_shop(market))):
        found, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = (await caller.get(path, limit=2, **more)).json()
            found += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == placed[::-1]
    paid = (await owner.get(_of_shop(market), status="paid")).json()["items"]
    assert [item["id"] for item in paid] == [placed[2]]


def _of_shop(market: Market) -> str:
    return f"/v1/operator/shops/{market.shop_id}/orders"
