"""Orders paid by Stripe over HTTP: the official SDK on one side, a double of Stripe on a port."""

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI

from app.core.db import Database
from app.payments import service as payments
from app.payments.gateway import (
    Charge,
    Hooked,
    NotOurBusinessError,
    hang_up,
)
from app.settings import Settings
from tests.conftest import make_app, make_settings, rows_in
from tests.doubles.conftest import Handler, Inbox
from tests.doubles.stripe.remote import Remote
from tests.doubles.stripe.server import serving
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import SOLO_AMOUNT, Market, problem

SECRET = "whsec_double"
BACK = {"return_url": "https://shop.test/back"}
WALLET = {"alipay": BACK, "wechat_pay": {"payment_method_options[wechat_pay][client]": "web"}}


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    handler = type("Handling", (Handler,), {"inbox": found})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def shared_double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    truth: Path = tmp_path_factory.mktemp("stripe") / "truth.jsonl"
    with serving(truth, [], [SECRET]) as double:
        yield double


@pytest.fixture
def double(shared_double: Remote, clock: FrozenClock) -> Iterator[Remote]:
    shared_double.clock(int(clock.now().timestamp()), frozen=True)
    yield shared_double
    shared_double.reset()
    shared_double.outage(0)
    shared_double.hooks([])


@pytest.fixture
def settings(database_url: str, double: Remote) -> Settings:
    return make_settings(
        database_url,
        access_token_ttl_seconds=86_400,
        gateway="stripe",
        gateway_timeout_seconds=3,
        stripe_secret_key="sk_test_double",
        stripe_publishable_key="pk_test_double",
        stripe_webhook_secrets=["whsec_new", SECRET],
        stripe_api_url=double.url,
    )


@pytest.fixture
async def application(settings: Settings, clock: FrozenClock) -> AsyncIterator[FastAPI]:
    application = make_app(settings, clock)
    yield application
    await hang_up(application.state.gateways)
    await application.state.database.dispose()


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


@pytest.mark.parametrize("method", ["card", "alipay", "wechat_pay"])
async def test_an_order_is_paid(
    market: Market, double: Remote, clock: FrozenClock, method: str
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    if method == "card":
        assert with_card(double, step).status_code == 200
    else:
        form = {"payment_method_data[type]": method, **WALLET[method]}
        assert confirm(double, step, **form).json()["status"] == "requires_action"
        await hear(market, clock)
        assert (await market.order(ann, order))["status"] == "placed"
        double.pay(step["id"])
    await hear(market, clock)
    paid = await market.order(ann, order)
    assert (paid["status"], paid["payments"][0]["state"]) == ("paid", "captured")
    assert paid["payments"][0]["gateway"] == "stripe"
    assert held(double, step)["captured"] == paid["total_amount"] == SOLO_AMOUNT
    problem(await try_to_pay(market, ann, order), 409, "order_not_payable")
    await market.balanced()


async def test_a_declined_card_is_followed_by_another_on_the_same_intent(
    market: Market, double: Remote, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    assert with_card(double, step, "chargeDeclined").status_code == 402
    await hear(market, clock)
    [payment] = (await market.order(ann, order))["payments"]
    assert payment["state"] == "pending"
    assert await begin(market, ann, order) == step
    assert with_card(double, step).status_code == 200
    await hear(market, clock)
    assert (await market.order(ann, order))["status"] == "paid"
    assert held(double, step)["captured"] == SOLO_AMOUNT


async def test_only_the_payer_hears_the_next_step(market: Market, double: Remote) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await market.place(ann)
    step = await begin(market, ann, order)
    shown = [
        await ann.get(f"/v1/orders/{order['id']}"),
        await owner.get(f"/v1/operator/shops/{market.shop_id}/orders/{order['id']}"),
    ]
    for answer in shown:
        assert answer.status_code == 200
        assert "next_step" not in answer.text
        assert step["client_secret"] not in answer.text
    assert with_card(double, step).status_code == 200
    answer = await try_to_pay(market, ann, order)
    paid = answer.json()
    assert (paid["payment"]["state"], paid["payment"]["next_step"]) == ("captured", None)
    assert paid["order"]["status"] == "paid"


@pytest.mark.parametrize("fault", ["cut_before", "cut_after"])
async def test_a_connection_cut_amid_the_payment_makes_one_intent(
    market: Market, double: Remote, clock: FrozenClock, fault: str
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    before = len(double.truth()["payment_intents"])
    double.fault(fault, path="POST /v1/payment_intents$")
    refusal = await try_to_pay(market, ann, order, "same-key-of-the-buyer")
    problem(refusal, 503, "gateway_unavailable")
    assert refusal.headers["Retry-After"] == "2"
    assert await reference_of(market.database, order) == [None]
    await hear(market, clock)
    [reference] = await reference_of(market.database, order)
    answer = await try_to_pay(market, ann, order, "same-key-of-the-buyer")
    step = answer.json()["payment"]["next_step"]
    assert str(reference) == step["client_secret"].partition("_secret_")[0]
    assert len(double.truth()["payment_intents"]) == before + 1


FAULTS: dict[str, dict[str, Any]] = {
    "too many": {"kind": "error", "status": 429, "retry_after": 7},
    "down": {"kind": "error", "status": 500},
    "down, and says so again": {"kind": "error_after", "status": 500},
    "slow": {"kind": "hang_after", "seconds": 4},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_while_stripe_fails_the_buyer_is_told_when_to_try_again(
    market: Market, double: Remote, clock: FrozenClock, fault: dict[str, Any]
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    more = {name: value for name, value in fault.items() if name != "kind"}
    double.fault(fault["kind"], path="POST /v1/payment_intents$", **more)
    refusal = await try_to_pay(market, ann, order, "the-buyers-own-key")
    problem(refusal, 503, "gateway_unavailable")
    assert refusal.headers["Retry-After"] == str(fault.get("retry_after", 2))
    answer = await try_to_pay(market, ann, order, "the-buyers-own-key")
    if answer.status_code == 503:
        # The first is still at work at Stripe.
        assert fault["kind"] == "hang_after"
        await hear_until_known(market, clock, order)
    step = await begin(market, ann, order)
    assert with_card(double, step).status_code == 200
    await hear(market, clock)
    assert (await market.order(ann, order))["status"] == "paid"
    assert held(double, step)["captured"] == SOLO_AMOUNT
    await market.balanced()


async def hear_until_known(market: Market, clock: FrozenClock, order: Any) -> None:
    for _ in range(20):
        await hear(market, clock)
        if await reference_of(market.database, order) != [None]:
            return


async def test_after_five_silences_stripe_is_left_alone_for_ten_seconds(
    market: Market, double: Remote, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    double.fault("error", status=503, times=5)
    for _ in range(5):
        problem(await try_to_pay(market, ann, order), 503, "gateway_unavailable")
    refusal = await try_to_pay(market, ann, order)
    problem(refusal, 503, "gateway_unavailable")
    assert refusal.headers["Retry-After"] == "10", "nobody has asked, as the faults are used up"
    clock.advance(seconds=10)
    await begin(market, ann, order)


async def test_an_expired_order_ends_its_intent(
    market: Market, double: Remote, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    clock.advance(minutes=31)
    await market.work()
    assert (await market.order(ann, order))["status"] == "expired"
    assert held(double, step)["status"] == "canceled"
    assert with_card(double, step).status_code == 400
    assert await market.levels() == (100, 0, 0)
    await market.balanced()


async def test_an_order_paid_just_before_it_expires_is_paid(
    market: Market, double: Remote, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    assert with_card(double, step).status_code == 200
    clock.advance(minutes=31)
    await market.work()
    assert (await market.order(ann, order))["status"] == "paid"
    problem(await ann.post(f"/v1/orders/{order['id']}/cancel"), 409, "order_not_cancellable")


async def paid_order(
    market: Market, double: Remote, clock: FrozenClock, ann: Caller
) -> tuple[Any, dict[str, Any]]:
    order = await market.place(ann)
    step = await begin(market, ann, order)
    assert with_card(double, step).status_code == 200
    await hear(market, clock)
    return order, step


async def test_refunds_in_part_and_whole(
    market: Market, double: Remote, clock: FrozenClock
) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order, step = await paid_order(market, double, clock, ann)
    await market.refund(owner, order, "R-1", amount=400)
    double.fault("cut_after", path="POST /v1/refunds$")
    await market.work()
    assert held(double, step)["refunded"] == 400
    await hear(market, clock)
    now = await market.order(ann, order)
    assert (now["refund"], now["refunded_amount"]) == ("partly", 400)
    await market.refund(owner, order, "R-2")
    await hear(market, clock)
    now = await market.order(ann, order)
    assert (now["refund"], now["refunded_amount"]) == ("full", SOLO_AMOUNT)
    assert held(double, step)["refunded"] == SOLO_AMOUNT
    await market.balanced()


async def test_another_gateway_takes_over_once_the_first_has_stopped(
    market: Market, double: Remote
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    body = {"gateway": "sandbox", "token": "sandbox_success"}
    paid = (await try_to_pay(market, ann, order, **body)).json()
    assert (paid["payment"]["gateway"], paid["payment"]["next_step"]) == ("sandbox", None)
    assert paid["order"]["status"] == "paid"
    assert [p["state"] for p in paid["order"]["payments"]] == ["cancelled", "captured"]
    assert held(double, step)["status"] == "canceled"
    assert with_card(double, step).status_code == 400


async def test_who_has_paid_already_pays_nowhere_else(market: Market, double: Remote) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    assert with_card(double, step).status_code == 200
    body = {"gateway": "sandbox", "token": "sandbox_success"}
    problem(await try_to_pay(market, ann, order, **body), 409, "already_paid")
    now = await market.order(ann, order)
    assert now["status"] == "paid"
    assert [p["gateway"] for p in now["payments"]] == ["stripe"]


async def test_a_first_that_cannot_be_stopped_now_stays_the_only_one(
    market: Market, double: Remote
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await begin(market, ann, order)
    double.fault("error", status=500, path="/cancel$")
    body = {"gateway": "sandbox", "token": "sandbox_success"}
    problem(await try_to_pay(market, ann, order, **body), 503, "gateway_unavailable")
    [payment] = (await market.order(ann, order))["payments"]
    assert (payment["gateway"], payment["state"]) == ("stripe", "pending")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"gateway": "wechatpay"}, "gateway_unknown"),
        ({"gateway": "paypal"}, "gateway_unknown"),
        ({"gateway": "Stripe!"}, "validation_failed"),
        ({"gateway": "sandbox"}, "validation_failed"),
    ],
)
async def test_a_gateway_that_is_not_there_is_refused(
    market: Market, double: Remote, body: dict[str, str], code: str
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    told = await market.refused(ann.post(path_of(order), body), 422, code)
    if code == "gateway_unknown":
        assert told["params"]["gateways"] == ["sandbox", "stripe"]
    assert held(double, step)["status"] == "requires_payment_method"


async def test_an_amount_stripe_does_not_take_is_declined(market: Market, double: Remote) -> None:
    ann = await market.buyer()
    await market.percent_off(9_990)
    order = await market.place(ann)
    assert order["total_amount"] < 350
    payment = (await try_to_pay(market, ann, order)).json()["payment"]
    assert (payment["state"], payment["reason"]) == ("declined", "amount_too_small")
    assert payment["next_step"] is None


class Post:
    """Stripe's messages to this installation, taken over as they come."""

    def __init__(self, market: Market, double: Remote, inbox: Inbox) -> None:
        self.market, self.double, self.inbox = market, double, inbox
        found = market.application.state.gateways["stripe"]
        assert isinstance(found, Hooked)
        self.gateway: Hooked = found
        inbox.clear()
        double.hooks([inbox.url])

    async def take(self) -> list[Charge]:
        """Everything that came, in the order it came."""
        self.double.idle()
        now, heard = self.market.now, []
        for body, mark in self.inbox.came:
            event = self.gateway.verify(body, {"stripe-signature": mark}, now=now)
            for told in self.gateway.read(event):
                assert isinstance(told, Charge)
                heard.append(told)
                await self._record(told)
        self.inbox.clear()
        return heard

    async def _record(self, told: Charge) -> None:
        await self.market.database.transact(
            lambda db: payments.record_charge(db, told, now=self.market.now)
        )


async def test_a_message_pays_the_order_as_well_as_asking_does(
    market: Market, double: Remote, inbox: Inbox, clock: FrozenClock
) -> None:
    post = Post(market, double, inbox)
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    assert with_card(double, step, "chargeDeclined").status_code == 402
    assert with_card(double, step).status_code == 200
    heard = await post.take()
    assert sorted(c.state.value for c in heard) == ["captured", "pending"]
    assert (await market.order(ann, order))["status"] == "paid"
    await hear(market, clock)
    await market.balanced()


async def test_one_fen_short_is_kept_aside_and_the_truth_asked_for(
    market: Market, double: Remote, inbox: Inbox, clock: FrozenClock
) -> None:
    post = Post(market, double, inbox)
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    double.modes(short_by=1, types=["payment_intent.succeeded"])
    assert with_card(double, step).status_code == 200
    [told] = await post.take()
    assert told.amount == SOLO_AMOUNT - 1
    now = await market.order(ann, order)
    assert (now["status"], now["payments"][0]["state"]) == ("placed", "pending")
    assert now["payments"][0]["reason"] == "amount_mismatch"
    clock.advance(minutes=31)
    await market.work()
    assert (await market.order(ann, order))["status"] == "paid"


async def test_a_message_of_the_other_mode_is_not_our_business(
    market: Market, double: Remote, inbox: Inbox
) -> None:
    post = Post(market, double, inbox)
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    await post.take()
    double.modes(flip_livemode=True, types=["payment_intent.succeeded"])
    assert with_card(double, step).status_code == 200
    before = await rows_in(market.database)
    with pytest.raises(NotOurBusinessError):
        await post.take()
    assert await rows_in(market.database) == before
    assert (await market.order(ann, order))["status"] == "placed"
