"""The gateways of an installation: which there are, who may choose them, what they can do."""

from datetime import timedelta
from typing import Any

import pytest

from app.core.db import Database
from app.payments.gateway import (
    Bookkeeper,
    Gateway,
    Hooked,
    HookNotGenuine,
    KeepsOpen,
    Notifier,
    hang_up,
)
from app.wiring import gateways_of
from tests.conftest import make_settings, rows_in
from tests.orders.market import Market
from tests.payments.provider import Provider

STRIPE: dict[str, Any] = {
    "stripe_secret_key": "sk_test_1",
    "stripe_publishable_key": "pk_test_1",
    "stripe_webhook_secrets": ["whsec_1"],
}


def can(gateway: Gateway) -> set[str]:
    """What a gateway can do besides taking and giving back money."""
    abilities = (Notifier, Hooked, Bookkeeper, KeepsOpen)
    return {ability.__name__ for ability in abilities if isinstance(gateway, ability)}


async def test_stripe_is_there_with_its_key_and_all_it_can_do(database: Database) -> None:
    found = gateways_of(make_settings("sqlite://", **STRIPE), database)
    assert set(found) == {"sandbox", "stripe"}
    assert "Notifier" in can(found["sandbox"])
    assert not can(found["sandbox"]) & {"Hooked", "KeepsOpen"}
    stripe = found["stripe"]
    assert can(stripe) == {"Hooked", "Bookkeeper", "KeepsOpen"}
    assert isinstance(stripe, Hooked)
    with pytest.raises(HookNotGenuine):
        stripe.verify(b"{}", {}, now=database.clock.now())
    await hang_up(found)
    assert set(gateways_of(make_settings("sqlite://"), database)) == {"sandbox"}


async def test_nobody_chooses_the_sandbox_where_money_is_real(market: Market) -> None:
    """Its jobs go on, as payments of before may be there still."""
    Provider.installed(market)
    state = market.application.state
    state.settings = state.settings.model_copy(
        update={"app_env": "production", "gateway": "stripe"}
    )
    ann = await market.buyer()
    order = await market.place(ann)
    path = f"/v1/orders/{order['id']}/payments"
    before = await rows_in(market.database)
    for body in ({"gateway": "sandbox", "token": "sandbox_success"}, {"token": "sandbox_success"}):
        told = await market.refused(ann.post(path, body), 422, "gateway_unknown")
        assert told["params"]["gateways"] == []
    after = await rows_in(market.database)
    # The refusal itself is kept for its key.
    assert {**after, "idempotency_answers": 0} == {**before, "idempotency_answers": 0}


async def test_a_try_that_came_first_does_not_stop_a_later_one(
    market: Market, provider: Provider, clock: Any
) -> None:
    """The first try died after its payment was stopped for another gateway; it runs once more."""
    other = Provider(market.database, delay_seconds=5)
    other.name = "stripe"
    other.before, other.after, other.calls, other.telling = {}, {}, [], {}
    other.away = other.refusing_refunds = other.stops_nothing = False
    state = market.application.state
    state.gateways = {"sandbox": provider, "stripe": other}
    ann = await market.buyer()
    order = await market.place(ann)
    path = f"/v1/orders/{order['id']}/payments"
    headers = {**ann.headers, "Idempotency-Key": "the-first-try"}
    body = {"gateway": "sandbox", "token": "sandbox_delay"}

    provider.away = True
    answer = await market.client.post(path, json=body, headers=headers)
    assert answer.status_code == 503
    provider.away = False
    # Whatever its token: the other one declines what it does not know.
    answer = await ann.post(path, {"gateway": "stripe"})
    assert answer.json()["payment"]["state"] == "declined"
    assert "cancel" in provider.calls
    clock.advance(seconds=1)
    answer = await market.client.post(path, json=body, headers=headers)
    assert answer.status_code == 201
    assert answer.json()["payment"]["state"] == "cancelled"
    clock.advance(seconds=timedelta(minutes=1).total_seconds())
    await market.work()
    assert (await market.order(ann, order))["status"] == "placed"
