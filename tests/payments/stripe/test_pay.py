"""Orders paid by Stripe over HTTP: the official SDK on one side, a double of Stripe on a port."""

from typing import Any

import pytest

from tests.doubles.stripe.remote import Remote
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import SOLO_AMOUNT, Market, problem
from tests.payments.stripe.till import (
    begin,
    confirm,
    hear,
    held,
    reference_of,
    try_to_pay,
    with_card,
)

BACK = {"return_url": "https://shop.test/back"}
WALLET = {"alipay": BACK, "wechat_pay": {"payment_method_options[wechat_pay][client]": "web"}}


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


async def test_an_amount_stripe_does_not_take_is_declined(market: Market, double: Remote) -> None:
    ann = await market.buyer()
    await market.percent_off(9_990)
    order = await market.place(ann)
    assert order["total_amount"] < 350
    payment = (await try_to_pay(market, ann, order)).json()["payment"]
    assert (payment["state"], payment["reason"]) == ("declined", "amount_too_small")
    assert payment["next_step"] is None


async def test_what_is_still_being_paid_when_its_group_fails_is_stopped(
    market: Market, double: Remote, clock: FrozenClock
) -> None:
    ann, bob = await market.buyer(), await market.buyer()
    opened = await market.open_group(ann)
    assert with_card(double, await begin(market, ann, opened)).status_code == 200
    await hear(market, clock)
    clock.advance(minutes=59)
    joined = await market.join(bob, opened["group_id"])
    step = await begin(market, bob, joined)
    clock.advance(minutes=3)
    for _ in range(3):
        await hear(market, clock)
    order = await market.order(bob, joined)
    assert (order["status"], order["payments"][0]["state"]) == ("expired", "cancelled")
    assert with_card(double, step).status_code == 400
    assert held(double, step)["captured"] == 0
    await market.balanced()
