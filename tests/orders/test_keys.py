"""Requests that do not fit: no key, a method the path does not have, one entry twice."""

from tests.factories import statements
from tests.orders.market import Market


async def test_paying_without_a_key_is_refused_and_writes_nothing(market: Market) -> None:
    buyer = await market.buyer()
    order = await market.place(buyer)
    path = f"/v1/orders/{order['id']}/payments"
    with statements(market.database) as seen:
        answer = await buyer.client.post(
            path, json={"token": "sandbox_success"}, headers=buyer.headers
        )
    assert answer.status_code == 422
    assert answer.json()["code"] == "validation_failed"
    assert answer.json()["errors"][0]["pointer"] == "header/Idempotency-Key"
    assert not [s for s in seen if s.startswith(("INSERT", "UPDATE", "DELETE"))]


async def test_a_wrong_method_is_told_every_right_one(market: Market) -> None:
    answer = await market.client.request("PATCH", "/v1/me/addresses")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_the_same_entry_twice_is_refused(market: Market) -> None:
    buyer = await market.buyer()
    assert (await buyer.put("/v1/me/tags", {"tags": ["tea", "tea"]})).status_code == 422
    assert (await buyer.get("/v1/me/tags")).json() == {"tags": []}
