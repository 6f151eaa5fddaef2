"""A buyer names another gateway than the one under way, or one that is not there."""

import pytest

from tests.doubles.stripe.remote import Remote
from tests.orders.market import Market, problem
from tests.payments.stripe.till import begin, held, path_of, try_to_pay, with_card


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
