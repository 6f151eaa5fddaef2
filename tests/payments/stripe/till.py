"""What a buyer and their device do to pay by Stripe, and what Stripe then knows."""

from typing import Any
from uuid import UUID, uuid4

import httpx2

from app.core.db import Database
from app.payments import service as payments
from tests.doubles.stripe.remote import Remote
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import Market


def path_of(order: Any) -> str:
    return f"/v1/orders/{order['id']}/payments"


async def try_to_pay(
    market: Market, buyer: Caller, order: Any, key: str = "", **body: Any
) -> httpx2.Response:
    headers = {**buyer.headers, "Idempotency-Key": key or str(uuid4())}
    return await market.client.post(path_of(order), json=body, headers=headers)


async def begin(market: Market, buyer: Caller, order: Any, **body: Any) -> dict[str, Any]:
    """Begin a payment; the intent and its secret, as the buyer's device hears of them."""
    answer = await try_to_pay(market, buyer, order, **body)
    assert answer.status_code == 201, answer.text
    paid: dict[str, Any] = answer.json()
    assert paid["payment"]["state"] == "pending"
    step: dict[str, Any] = paid["payment"]["next_step"]
    assert step["kind"] == "stripe"
    assert step["publishable_key"] == "pk_test_double"
    return {"id": step["client_secret"].partition("_secret_")[0], **step}


def confirm(double: Remote, step: dict[str, Any], **form: str) -> httpx2.Response:
    """What Stripe.js does on the buyer's device."""
    return httpx2.post(
        f"{double.url}/v1/payment_intents/{step['id']}/confirm",
        data={"client_secret": step["client_secret"], **form},
        headers={"Authorization": f"Bearer {step['publishable_key']}"},
    )


def with_card(double: Remote, step: dict[str, Any], card: str = "visa") -> httpx2.Response:
    return confirm(double, step, payment_method=f"pm_card_{card}")


def held(double: Remote, step: dict[str, Any]) -> dict[str, Any]:
    """What Stripe knows of an intent."""
    found: dict[str, Any] = double.truth()["payment_intents"][step["id"]]
    return found


async def hear(market: Market, clock: FrozenClock) -> None:
    """By now the worker has asked Stripe."""
    clock.advance(seconds=30)
    await market.work()


async def reference_of(database: Database, order: Any) -> list[str | None]:
    async with database.reading() as db:
        rows = await payments.payments_of_order(db, UUID(order["id"]))
    return [row["reference"] for row in rows]
