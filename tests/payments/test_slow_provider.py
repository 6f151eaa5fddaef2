"""A provider that never answers, or not now: nobody waits for it longer than was set."""

import asyncio
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.core.jobs import JobContext
from app.orders.jobs import expire_unpaid
from app.payments.adapters.guarded import Guarded
from app.payments.adapters.sandbox import SandboxGateway
from app.payments.adapters.timed import TimeLimit, timed
from app.payments.gateway import Notifier
from app.payments.jobs import ask_about_silent, hear_notices, send_refunds
from app.settings import Settings
from tests.conftest import make_settings
from tests.fakes import FrozenClock
from tests.orders.books import facts
from tests.orders.market import Market, problem
from tests.payments.provider import Provider, be_away

LIMIT_SECONDS = 0.5
PATIENCE_SECONDS = 8
CALLS = ("charge", "find", "cancel", "refund", "notices", "heard")


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(
        database_url, gateway_timeout_seconds=LIMIT_SECONDS, access_token_ttl_seconds=86_400
    )


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes calls of the installed provider hang for ever, until undone."""

    async def hang(*_told: Any, **_more: Any) -> None:
        await asyncio.Event().wait()

    def silenced(*calls: str) -> pytest.MonkeyPatch:
        for call in calls:
            monkeypatch.setattr(SandboxGateway, call, hang)
        return monkeypatch

    return silenced


def context(market: Market) -> JobContext:
    state = market.application.state
    return JobContext(state.settings, market.database, state.gateways)


async def test_a_payment_is_refused_in_time_and_found_out_later(
    market: Market, silence: Any, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    path, body = f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"}
    patch = silence("charge")
    began = time.monotonic()
    problem(await ann.post(path, body), 503, "gateway_unavailable")
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert (await market.order(ann, order))["payments"][0]["state"] == "created"
    patch.undo()
    clock.advance(seconds=20)
    await market.work()
    assert (await market.order(ann, order))["payments"][0]["state"] == "cancelled"
    assert (await market.pay(ann, order))["order"]["status"] == "paid"
    await market.balanced()


async def test_every_job_ends_and_those_without_a_payment_are_swept(
    market: Market, silence: Any, clock: FrozenClock
) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    paid, waiting = await market.place(ann), await market.place(ann)
    await market.pay(ann, paid)
    await market.refund(owner, paid, amount=100)
    await market.pay(ann, waiting, "sandbox_delay")
    clock.advance(seconds=1)
    other = await market.place(ann)
    clock.advance(seconds=30 * 60)
    patch = silence(*CALLS)

    async def sweep() -> list[int]:
        jobs = (hear_notices, send_refunds, ask_about_silent, expire_unpaid)
        return [await job(context(market)) for job in jobs]

    assert await asyncio.wait_for(sweep(), PATIENCE_SECONDS) == [0, 1, 1, 1]
    states = [(await market.order(ann, o))["status"] for o in (paid, waiting, other)]
    assert states == ["paid", "placed", "expired"]
    await market.balanced(settled=False)

    patch.undo()
    clock.advance(seconds=300)
    await market.work()
    now = await market.order(ann, waiting)
    assert now["status"] == "paid"
    assert (await market.order(ann, paid))["refunded_amount"] == 100
    await market.balanced()


async def test_the_limit_hides_no_notices(market: Market, clock: FrozenClock) -> None:
    [gateway] = market.application.state.gateways.values()
    assert isinstance(gateway, Notifier)
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_delay")
    clock.advance(seconds=5)
    assert (await hear_notices(context(market)), await hear_notices(context(market))) == (1, 0)
    assert (await market.order(ann, order))["status"] == "paid"


@pytest.mark.parametrize("call", ["find", "heard"])
async def test_a_provider_that_goes_away_amid_its_notices_sends_them_again(
    market: Market, provider: Provider, call: str
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_duplicate")
    provider.before[call] = be_away
    with capture_logs() as lines:
        # The first of the two is left for later, the other one is heard.
        assert await hear_notices(context(market)) == 1
    assert lines == []
    assert (await hear_notices(context(market)), await hear_notices(context(market))) == (1, 0)
    assert len(await facts(market.database, "payment.captured")) == 1
    await market.balanced()


async def test_a_provider_that_sends_its_notices_is_not_asked_for_them(market: Market) -> None:
    [gateway] = market.application.state.gateways.values()
    sender = Guarded(gateway, TimeLimit(1))
    assert not isinstance(timed(sender, seconds=1), Notifier)
    state = market.application.state
    only = JobContext(state.settings, market.database, {sender.name: sender})
    ann = await market.buyer()
    await market.pay(ann, await market.place(ann), "sandbox_duplicate")
    assert (await hear_notices(only), await hear_notices(context(market))) == (0, 2)
