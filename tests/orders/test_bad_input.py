"""Bad input to the line of sale: a clear problem document, nothing written, never a fault."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import rows_in
from tests.factories import Caller
from tests.orders.books import state_of
from tests.orders.market import ADDRESS, Market, problem

LINE = {"variant_id": "$variant", "quantity": 1}
BASKET = {"shop_id": "$shop", "lines": [LINE]}


@contextmanager
def case(name: str) -> Iterator[None]:
    """Say which of many cases failed."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"case: {name}")
        raise


def filled(market: Market, body: Any) -> Any:
    text = json.dumps(body, ensure_ascii=True)
    return json.loads(
        text.replace("$variant", str(market.variant_id))
        .replace("$shop", str(market.shop_id))
        .replace("$campaign", str(market.campaign_id))
    )


async def refuses(market: Market, caller: Caller, path: str, body: Any, status: int = 422) -> Any:
    """Refused with the usual document; not even a key row is kept of what does not fit."""
    before, rows = await state_of(market.database), await rows_in(market.database)
    headers = {**caller.headers, "Idempotency-Key": uuid4().hex, "Content-Type": "application/json"}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await market.client.post(path, content=raw, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await state_of(market.database) == before
    if status == 422:
        assert await rows_in(market.database) == rows
    return answer.json()


BAD_BASKETS: dict[str, Any] = {
    **{
        f"quantity {value!r}": {**BASKET, "lines": [{**LINE, "quantity": value}]}
        for value in (0, -1, 10**18, 10**30, 1.5, 1.0, "1", True, False, None, [], {})
    },
    "quantity missing": {**BASKET, "lines": [{"variant_id": "$variant"}]},
    "above 64 bits over two lines": {**BASKET, "lines": [{**LINE, "quantity": 9_999}] * 2},
    "unknown field": {**BASKET, "price_amount": 1},
    "unknown field of a line": {**BASKET, "lines": [{**LINE, "list_amount": 1}]},
    "NUL": {**BASKET, "shop_id": "\x00"},
    "lone surrogate": {**BASKET, "shop_id": "\ud800"},
    "lone surrogate as a key": {**BASKET, "\ud800": 1},
    "not an id": {**BASKET, "shop_id": 7},
    "no lines": {**BASKET, "lines": []},
    "lines missing": {"shop_id": "$shop"},
    "lines are no list": {**BASKET, "lines": {"0": LINE}},
    "101 lines": {**BASKET, "lines": [LINE] * 101},
    "neither open nor join": {**BASKET, "group": {}},
    "both open and join": {**BASKET, "group": {"open": "$campaign", "join": "$campaign"}},
    "both null": {**BASKET, "group": {"open": None, "join": None}},
    "group is a string": {**BASKET, "group": "$campaign"},
    "community is a number": {**BASKET, "community_id": 1},
    "a list": [BASKET],
    "a string": "basket",
    "null": None,
}


async def test_a_bad_basket_is_neither_quoted_nor_placed(market: Market) -> None:
    buyer = await market.buyer()
    wish = await market.quote(buyer)
    wish = {k: v for k, v in wish.items() if k not in ("shop_id", "lines")}
    for name, bad in BAD_BASKETS.items():
        with case(name):
            body = filled(market, bad)
            await refuses(market, buyer, "/v1/quotes", body)
            if isinstance(body, dict):
                await refuses(market, buyer, "/v1/orders", {**wish, **body})


BAD_ORDERS: dict[str, Any] = {
    "no address": {"address": None},
    "two addresses": {"address_id": str(uuid4())},
    "address with an unknown field": {"address": {**ADDRESS, "country": "CN"}},
    "address without a street": {"address": {k: v for k, v in ADDRESS.items() if k != "street"}},
    "empty recipient": {"address": {**ADDRESS, "recipient": "  "}},
    "NUL in the recipient": {"address": {**ADDRESS, "recipient": "a\x00b"}},
    "lone surrogate in the recipient": {"address": {**ADDRESS, "recipient": "\udc00"}},
    "recipient of 121 letters": {"address": {**ADDRESS, "recipient": "林" * 121}},
    "line break in the street": {"address": {**ADDRESS, "street": "a\nb"}},
    "letters for a phone": {"address": {**ADDRESS, "phone": "call me"}},
    "phone in other digits": {"address": {**ADDRESS, "phone": "١٢٣٤٥٦٧"}},
    "false for an address": {"address": False},
    "quote id with a dot": {"quote_id": "a.b"},
    "quote id too long": {"quote_id": "A" * 1_001},
    "quote id is a number": {"quote_id": 1},
    "no quote id": {"quote_id": None},
    "a total of the client's own": {"total_amount": 1},
    "a status of the client's own": {"status": "paid"},
}


async def test_a_bad_order_is_refused(market: Market) -> None:
    buyer = await market.buyer()
    wish = await market.quote(buyer)
    for name, bad in BAD_ORDERS.items():
        with case(name):
            await refuses(market, buyer, "/v1/orders", {**wish, **bad})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"lines": NaN}',
        b'{"lines": 1e400}',
        b'{"shop_id": "\x00"}',
        b'{"shop_id": "\xff"}',
        b"[" * 10_000 + b"]" * 10_000,
        b'{"shop_id": "a", "shop_id": "b"}',
        b'{"lines": ' + b"9" * 5_000 + b"}",
    ],
    ids=range(9),
)
async def test_unreadable_bytes_are_refused(market: Market, raw: bytes) -> None:
    buyer = await market.buyer()
    for path in ("/v1/quotes", "/v1/orders"):
        headers = {
            **buyer.headers,
            "Idempotency-Key": uuid4().hex,
            "Content-Type": "application/json",
        }
        rows = await rows_in(market.database)
        answer = await market.client.post(path, content=raw, headers=headers)
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert await rows_in(market.database) == rows


async def test_foreign_and_unknown_goods_are_not_found(market: Market) -> None:
    buyer = await market.buyer()
    wish = await market.quote(buyer)
    other = await market.shop("other")
    foreign = await market.goods(other.id, units=5)
    for variant_id in (foreign.id, uuid4()):
        lines = [*wish["lines"], {"variant_id": str(variant_id), "quantity": 1}]
        basket = {"shop_id": wish["shop_id"], "lines": lines}
        told = problem(await buyer.post("/v1/quotes", basket), 404, "variant_not_found")
        assert told["params"]["variant_ids"] == [str(variant_id)]
    unknown = {"shop_id": str(uuid4()), "lines": wish["lines"]}
    problem(await buyer.post("/v1/quotes", unknown), 404, "variant_not_found")
    for group in ({"open": str(uuid4())}, {"join": str(uuid4())}):
        basket = {**{k: wish[k] for k in ("shop_id", "lines")}, "group": group}
        problem(await buyer.post("/v1/quotes", basket), 404, "not_found")


async def test_the_address_must_be_ones_own(market: Market) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    kept = await ann.post("/v1/me/addresses", ADDRESS)
    assert kept.status_code == 201, kept.text
    address_id = kept.json()["address_id"]
    wish = await market.quote(bob)
    del wish["address"]
    for foreign in (address_id, str(uuid4())):
        body = {**wish, "address_id": foreign}
        await market.refused(bob.post("/v1/orders", body), 404, "not_found")
    mine = await market.quote(ann)
    del mine["address"]
    answer = await ann.post("/v1/orders", {**mine, "address_id": address_id})
    assert answer.status_code == 201, answer.text
    assert answer.json()["address"] == {**ADDRESS, "postal_code": None}


BAD_REFUNDS: dict[str, Any] = {
    **{f"amount {v!r}": {"amount": v} for v in (0, -1, 10**18, 1.5, "1", True, False)},
    "both lines and amount": {"amount": 1, "lines": [{"line_id": "$line", "quantity": 1}]},
    "no lines": {"lines": []},
    "a line twice": {"lines": [{"line_id": "$line", "quantity": 1}] * 2},
    "zero units": {"lines": [{"line_id": "$line", "quantity": 0}]},
    "no reason": {"reason": ""},
    "a reason of prose": {"reason": "Broken, sorry"},
    "no reference": {"reference": None},
    "a reference with a colon": {"reference": "shop:1"},
    "a reference of 81 letters": {"reference": "R" * 81},
    "restock as a word": {"restock": "no"},
    "unknown field": {"payment_id": str(uuid4())},
}


async def test_a_bad_refund_is_refused(market: Market) -> None:
    buyer, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await market.place(buyer)
    await market.pay(buyer, order)
    path = f"/v1/operator/shops/{market.shop_id}/orders/{order['id']}/refunds"
    for name, bad in BAD_REFUNDS.items():
        text = json.dumps({"reason": "damaged", "reference": "R-1", **bad})
        with case(name):
            body = json.loads(text.replace("$line", order["lines"][0]["id"]))
            await refuses(market, owner, path, body)
    await market.balanced()


@pytest.mark.parametrize(
    "body",
    [{}, {"token": ""}, {"token": 1}, {"token": "a b"}, {"token": "t" * 201}, {"token": "\x00"}],
    ids=range(6),
)
async def test_a_bad_payment_is_refused(market: Market, body: Any) -> None:
    buyer = await market.buyer()
    order = await market.place(buyer)
    await refuses(market, buyer, f"/v1/orders/{order['id']}/payments", body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"carrier": "SF", "tracking_number": "1"},
        {"carrier": "", "tracking_number": "SF12345"},
        {"carrier": "S" * 61, "tracking_number": "SF12345"},
        {"carrier": "SF", "tracking_number": "SF 12345"},
        {"carrier": "S\x00F", "tracking_number": "SF12345"},
        {"carrier": "SF", "tracking_number": "SF12345", "status": "received"},
    ],
    ids=range(7),
)
async def test_a_bad_parcel_is_refused(market: Market, body: Any) -> None:
    buyer, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await market.place(buyer)
    await market.pay(buyer, order)
    path = f"/v1/operator/shops/{market.shop_id}/orders/{order['id']}/ship"
    await refuses(market, owner, path, body)


async def test_every_change_needs_a_key(market: Market) -> None:
    buyer = await market.buyer()
    order = await market.place(buyer)
    wish = await market.quote(buyer)
    before = await state_of(market.database)
    for path, body in (
        ("/v1/orders", wish),
        (f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"}),
        (f"/v1/orders/{order['id']}/cancel", None),
        (f"/v1/orders/{order['id']}/receive", None),
    ):
        answer = await market.client.post(path, json=body, headers=buyer.headers)
        problem(answer, 422, "validation_failed")
    assert await state_of(market.database) == before
