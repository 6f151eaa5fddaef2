"""The gateways of an installation: which there are, who may choose them, what they can do."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from app.core.db import Database
from app.payments.gateway import (
    Bookkeeper,
    Charge,
    ChargeWish,
    Gateway,
    Hooked,
    HookNotGenuine,
    KeepsOpen,
    Notifier,
    hang_up,
)
from app.wiring import gateways_of
from tests.conftest import make_settings, rows_in
from tests.fakes import FrozenClock
from tests.orders.market import Market
from tests.payments.provider import Provider, be_away

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


class Elsewhere(Provider):
    """Another provider, which takes its time and no tokens."""

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        return await super().charge(replace(wish, token="sandbox_delay"), now=now)


async def test_a_try_that_came_first_does_not_stop_a_later_one(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    """The first try was cut off, and its payment stopped for another gateway; it runs once more."""
    other = Elsewhere(market.database, delay_seconds=5)
    vars(other).update({**vars(provider), "name": "stripe", "calls": []})
    market.application.state.gateways = {"sandbox": provider, "stripe": other}
    ann = await market.buyer()
    order = await market.place(ann)
    path = f"/v1/orders/{order['id']}/payments"
    headers = {**ann.headers, "Idempotency-Key": "the-first-try"}
    body = {"gateway": "sandbox", "token": "sandbox_delay"}

    provider.before["charge"] = be_away
    answer = await market.client.post(path, json=body, headers=headers)
    assert answer.status_code == 503
    answer = await ann.post(path, {"gateway": "stripe"})
    assert answer.json()["payment"]["state"] == "pending"
    assert provider.calls == ["charge", "cancel"]
    answer = await market.client.post(path, json=body, headers=headers)
    assert answer.status_code == 201
    assert answer.json()["payment"]["state"] == "cancelled"
    assert other.calls == ["charge"]
    clock.advance(seconds=60)
    await market.work()
    now = await market.order(ann, order)
    assert (now["status"], [p["state"] for p in now["payments"]]) == (
        "paid",
        ["cancelled", "captured"],
    )
