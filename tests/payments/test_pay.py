"""Paying: whatever happens on the way, one order takes one payment."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import sqlalchemy as sa

from app.core.db import Database
from app.core.ids import derived_id
from app.payments import repository as payments_repository
from app.payments import service as payments
from app.payments.gateway import Charge, ChargeState
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.books import all_of, facts, state_of
from tests.orders.market import SOLO_AMOUNT, Market, problem
from tests.payments.provider import Provider, be_away, crash

DELAY = "sandbox_delay"


async def pay(market: Market, buyer: Caller, order: Any, key: str) -> httpx2.Response:
    headers = {**buyer.headers, "Idempotency-Key": key}
    path = f"/v1/orders/{order['id']}/payments"
    return await market.client.post(path, json={"token": "sandbox_success"}, headers=headers)


async def captures(database: Database) -> int:
    query = sa.text("SELECT count(*) FROM payments WHERE state = 'captured'")
    async with database.reading() as db:
        return int((await db.execute(query)).scalar_one())


async def test_a_declined_card_takes_nothing_and_another_may_pay(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    declined = await market.pay(ann, order, "sandbox_decline")
    assert declined["payment"]["state"] == "declined"
    assert declined["payment"]["reason"] == "card_declined"
    assert declined["order"]["status"] == "placed"
    assert await market.levels() == (100, 1, 0)
    [told] = await facts(market.database, "payment.declined")
    assert told["reason"] == "card_declined"
    await market.balanced()

    paid = await market.pay(ann, order)
    assert paid["payment"]["state"] == "captured"
    assert paid["order"]["status"] == "paid"
    assert [p["state"] for p in paid["order"]["payments"]] == ["declined", "captured"]
    await market.balanced()


async def test_a_delayed_payment_is_captured_when_its_notice_is_heard(
    market: Market, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    pending = await market.pay(ann, order, DELAY)
    assert pending["payment"]["state"] == "pending"
    assert pending["order"]["status"] == "placed"
    clock.advance(seconds=4)
    await market.work()
    assert (await market.order(ann, order))["status"] == "placed"
    clock.advance(seconds=1)
    await market.work()
    now = await market.order(ann, order)
    assert (now["status"], now["fulfilment"]) == ("paid", "fulfilling")
    await market.balanced()


async def test_a_second_payment_waits_for_the_end_of_the_first(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order, DELAY)
    path = f"/v1/orders/{order['id']}/payments"
    await market.refused(ann.post(path, {"token": "sandbox_success"}), 409, "payment_in_progress")
    again = await market.pay(ann, order, DELAY)
    assert [p["state"] for p in again["order"]["payments"]] == ["pending"]


async def test_notices_told_twice_change_nothing_twice(market: Market, clock: FrozenClock) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_duplicate")
    before = await all_of(market.database, "orders")
    await market.work()
    assert await all_of(market.database, "orders") == before
    assert len(await facts(market.database, "payment.captured")) == 1
    assert len(await facts(market.database, "order.confirmed")) == 1
    assert all(row[-1] is not None for row in await all_of(market.database, "sandbox_notices"))
    assert await market.levels() == (100, 0, 1)
    await market.balanced()


async def test_a_provider_that_is_away_is_a_503_and_the_key_may_come_again(
    market: Market, provider: Provider
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    provider.before["charge"] = be_away
    answer = await pay(market, ann, order, "k")
    problem(answer, 503, "gateway_unavailable")
    assert answer.headers["retry-after"] == "2"
    assert (await market.order(ann, order))["status"] == "placed"
    await market.balanced()

    answer = await pay(market, ann, order, "k")
    assert answer.status_code == 201, answer.text
    assert answer.json()["payment"]["state"] == "captured"
    assert len(answer.json()["order"]["payments"]) == 1
    replayed = await pay(market, ann, order, "k")
    assert replayed.json() == answer.json()
    assert replayed.headers["idempotency-replayed"] == "true"
    assert await captures(market.database) == 1
    await market.balanced()


async def test_an_answer_that_was_lost_after_the_charge_is_found_again(
    market: Market, provider: Provider
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    provider.after["charge"] = be_away
    problem(await pay(market, ann, order, "k"), 503, "gateway_unavailable")
    await market.balanced(settled=False)
    answer = await pay(market, ann, order, "k")
    assert answer.json()["order"]["status"] == "paid"
    assert await captures(market.database) == 1
    await market.balanced()


async def test_after_a_crash_behind_the_charge_the_worker_finds_the_capture(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    provider.after["charge"] = crash
    problem(await pay(market, ann, order, "k"), 500, "internal_error")
    assert (await market.order(ann, order))["payments"][0]["state"] == "created"
    clock.advance(seconds=19)
    await market.work()
    assert (await market.order(ann, order))["status"] == "placed"
    clock.advance(seconds=1)
    await market.work()
    assert (await market.order(ann, order))["status"] == "paid"

    answer = await pay(market, ann, order, "k")
    assert answer.status_code == 201, answer.text
    assert answer.json()["payment"]["state"] == "captured"
    assert await captures(market.database) == 1
    await market.balanced()


async def test_a_payment_the_provider_never_heard_of_is_sealed(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    provider.before["charge"] = crash
    problem(await pay(market, ann, order, "k"), 500, "internal_error")
    clock.advance(seconds=20)
    await market.work()
    assert (await market.order(ann, order))["payments"][0]["state"] == "cancelled"

    # The late call of the dead process begins nothing any more.
    late = await pay(market, ann, order, "k")
    assert late.status_code == 201
    assert late.json()["payment"]["state"] == "cancelled"
    assert late.json()["order"]["status"] == "placed"
    paid = await market.pay(ann, order)
    assert [p["state"] for p in paid["order"]["payments"]] == ["cancelled", "captured"]
    await market.balanced()


async def test_two_keys_at_once_take_the_money_once(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    answers = await asyncio.gather(*(pay(market, ann, order, f"k{i}") for i in range(6)))
    codes = {a.status_code for a in answers}
    assert codes <= {201, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {
        "already_paid",
        "order_not_payable",
        "payment_in_progress",
    }
    assert {a.json()["payment"]["state"] for a in answers if a.status_code == 201} == {"captured"}
    assert await captures(market.database) == 1
    assert len(await facts(market.database, "order.confirmed")) == 1
    await market.balanced()


async def test_a_rival_that_pays_in_the_middle_of_the_charge_pays_the_same(
    market: Market, provider: Provider
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    rivals: list[httpx2.Response] = []

    async def rival() -> None:
        rivals.append(await pay(market, ann, order, "rival"))

    provider.before["charge"] = rival
    answer = await pay(market, ann, order, "k")
    assert (answer.status_code, rivals[0].status_code) == (201, 201)
    assert answer.json()["payment"]["id"] == rivals[0].json()["payment"]["id"]
    assert await captures(market.database) == 1
    await market.balanced()


async def test_the_same_key_is_in_flight_while_the_provider_thinks(
    market: Market, provider: Provider
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    rivals: list[httpx2.Response] = []

    async def rival() -> None:
        rivals.append(await pay(market, ann, order, "k"))

    provider.before["charge"] = rival
    answer = await pay(market, ann, order, "k")
    problem(rivals[0], 409, "idempotency_in_flight")
    assert answer.status_code == 201
    assert provider.calls == ["charge"]
    await market.balanced()


async def test_what_is_not_ones_own_or_is_over_is_not_payable(
    market: Market, clock: FrozenClock
) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    order = await market.place(ann)
    path, body = f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"}
    await market.refused(bob.post(path, body), 404, "not_found")
    clock.advance(seconds=30 * 60)
    await market.refused(ann.post(path, body), 409, "order_not_payable")

    second = await market.place(ann)
    await market.pay(ann, second)
    path = f"/v1/orders/{second['id']}/payments"
    await market.refused(ann.post(path, body), 409, "order_not_payable")
    await market.balanced()


@pytest.mark.parametrize("wrong", [{"amount": SOLO_AMOUNT - 1}, {"currency": "USD"}])
async def test_another_amount_than_asked_for_is_never_counted(
    market: Market, provider: Provider, clock: FrozenClock, wrong: dict[str, Any]
) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    provider.telling = wrong
    answer = await pay(market, ann, order, "k")
    assert answer.json()["payment"]["state"] == "created"
    assert answer.json()["payment"]["reason"] == "amount_mismatch"
    assert answer.json()["order"]["status"] == "placed"
    clock.advance(hours=2)
    await market.work()
    now = await market.order(ann, order)
    assert (now["status"], now["payments"][0]["reason"]) == ("expired", "amount_mismatch")
    assert await facts(market.database, "payment.captured") == []
    assert await market.levels() == (100, 0, 0)
    await market.balanced()


async def _told(market: Market, payment_id: str, **more: Any) -> None:
    """The provider's word about a payment, whatever its books say."""
    async with market.database.reading() as db:
        row = await payments_repository.payment(db, UUID(payment_id))
    assert row is not None
    told = {
        "payment_id": row["id"],
        "reference": "late",
        "state": ChargeState.CAPTURED,
        "amount": row["amount"],
        "currency": row["currency"],
        "at": market.now,
        **more,
    }
    await market.database.transact(
        lambda db: payments.record_charge(db, Charge(**told), now=market.now)
    )


@pytest.mark.parametrize("state", [ChargeState.CANCELLED, ChargeState.DECLINED])
async def test_a_payment_that_took_nothing_ends_whatever_its_amount(
    market: Market, state: ChargeState
) -> None:
    """It would keep its order from being paid another way for ever."""
    ann = await market.buyer()
    order = await market.place(ann)
    waiting = await market.pay(ann, order, "sandbox_delay")
    payment_id = waiting["payment"]["id"]
    reference = f"sandbox-{UUID(payment_id).hex}"
    await _told(market, payment_id, state=state, amount=1, reference=reference)
    now = await market.order(ann, order)
    assert [(p["state"], p["reason"]) for p in now["payments"]] == [(state.value, None)]


async def test_the_end_of_a_try_that_nobody_was_given_ends_no_payment(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    waiting = await market.pay(ann, order, "sandbox_delay")
    async with market.database.reading() as db:
        row = await payments_repository.payment(db, UUID(waiting["payment"]["id"]))
    assert row is not None
    orphan = Charge(
        row["id"], "pi_orphan", ChargeState.CANCELLED, row["amount"], row["currency"], market.now
    )
    before = await state_of(market.database)
    verdict = await market.database.transact(
        lambda db: payments.record_told(db, orphan, now=market.now, gateway="sandbox")
    )
    assert verdict is payments.Verdict.UNCHANGED
    assert await state_of(market.database) == before


async def test_money_taken_after_all_is_believed(market: Market, provider: Provider) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    declined = await market.pay(ann, order, "sandbox_decline")
    await _told(market, declined["payment"]["id"])
    now = await market.order(ann, order)
    assert (now["status"], now["payments"][0]["state"]) == ("paid", "captured")
    assert await market.levels() == (100, 0, 1)


async def test_a_second_capture_of_one_order_is_kept_apart(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    declined = await market.pay(ann, order, "sandbox_decline")
    await market.pay(ann, order)
    await _told(market, declined["payment"]["id"])
    now = await market.order(ann, order)
    assert [(p["state"], p["reason"]) for p in now["payments"]] == [
        ("surplus", "second_capture"),
        ("captured", None),
    ]
    assert len(await facts(market.database, "payment.captured")) == 1
    [back] = now["refunds"]
    assert (back["amount"], back["reason"]) == (order["total_amount"], "second_capture")
    # Set aside again after its row was lost, it would be the same refund to the provider.
    assert UUID(back["id"]) == derived_id(UUID(now["payments"][0]["id"]), "second_capture")
    assert (now["refund"], now["refunded_amount"]) == ("none", 0)


async def test_a_word_about_an_unknown_payment_is_not_swallowed(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order)
    charge = Charge(uuid4(), "x", ChargeState.CAPTURED, 1, "CNY", market.now)
    before = await state_of(market.database)
    verdict = await market.database.transact(
        lambda db: payments.record_charge(db, charge, now=market.now)
    )
    assert verdict is payments.Verdict.UNKNOWN
    assert await state_of(market.database) == before


async def test_one_payment_that_fails_does_not_keep_others_from_being_asked_about(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    ann = await market.buyer()
    orders = []
    for _ in range(3):
        order = await market.place(ann)
        provider.after["charge"] = crash
        await pay(market, ann, order, f"k-{order['id']}")
        orders.append(order)
    clock.advance(seconds=20)
    provider.before["find"] = crash
    await market.work()
    states = [(await market.order(ann, order))["status"] for order in orders]
    assert sorted(states) == ["paid", "paid", "placed"]
    clock.advance(seconds=30)
    await market.work()
    states = [(await market.order(ann, order))["status"] for order in orders]
    assert states == ["paid"] * 3
    await market.balanced()
