"""What buyers ask back after the sale: each step, each refusal, and one refund however often."""

import asyncio
from typing import Any

import pytest

from app.orders.models import AfterSalesState
from app.orders.rules import AFTER_SALES_MOVES
from app.settings import Settings
from tests.conftest import make_settings
from tests.factories import Caller
from tests.orders.after import ask, asked, decide, of_shop, previewed, received, units
from tests.orders.books import facts
from tests.orders.market import SOLO_AMOUNT, Market
from tests.orders.test_refunds import bought

RETURN_PERIOD, CLOSE = 3_600, 7_200
RETURN = {"kind": "return_and_refund", "reason": "changed_mind"}


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Periods that are over before a token is."""
    return make_settings(
        database_url,
        access_token_ttl_seconds=86_400,
        return_period_seconds=RETURN_PERIOD,
        order_close_seconds=CLOSE,
    )


@pytest.fixture
async def ann(market: Market) -> Caller:
    await market.open_shipping(701)
    return await market.buyer("ann")


@pytest.fixture
async def owner(market: Market) -> Caller:
    return await market.as_owner(market.shop_id)


async def test_units_and_shipping_are_asked_granted_and_paid_back(
    market: Market, ann: Caller, owner: Caller
) -> None:
    order = await bought(market, ann, 3)
    wanted = {**units(order, 2), "shipping_amount": 701}
    told = await previewed(ann, order, wanted)
    assert (told["policy"], told["why"]) == ("keep", "frozen_shares")
    assert (told["amount"], told["shipping_amount"]) == (2 * SOLO_AMOUNT + 701, 701)
    assert await previewed(owner, order, wanted, market) == told
    request = await asked(ann, order, wanted, expected_amount=told["amount"], note="两盒压坏了")
    assert (request["state"], request["amount"]) == ("requested", told["amount"])
    [listed] = (await owner.get(of_shop(market, "after-sales"), state="requested")).json()["items"]
    assert listed == request
    granted = await decide(market, owner, request, "approve")
    assert granted.status_code == 200, granted.text
    assert (granted.json()["state"], granted.json()["amount"]) == ("approved", told["amount"])
    await market.work()
    now = await market.order(ann, order)
    assert now["refunded_amount"] == told["amount"]
    assert now["refunds"][0]["id"] == granted.json()["refund_id"]
    assert await market.levels() == (100, 0, 1), "what had not left the house is for sale again"
    own = (await ann.get("/v1/after-sales", order_id=order["id"])).json()["items"]
    assert own == [(await ann.get(f"/v1/after-sales/{request['id']}")).json()]
    [fact] = await facts(market.database, "order.after_sales_requested")
    assert (fact["reason"], fact["amount"]) == ("damaged", told["amount"])
    await market.balanced()


async def test_goods_come_back_before_the_money_does(
    market: Market, ann: Caller, owner: Caller
) -> None:
    order = await bought(market, ann, 2)
    early = ask(ann, order, units(order, 1), **RETURN)
    await market.refused(early, 409, "wrong_fulfilment")
    await received(market, ann, owner, order)
    request = await asked(ann, order, units(order, 1), **RETURN)
    assert (await decide(market, owner, request, "await-return")).json()["state"] == "returning"
    again = decide(market, owner, request, "await-return")
    await market.refused(again, 409, "wrong_after_sales_state")
    assert (await market.order(ann, order))["refunds"] == []
    assert (await decide(market, owner, request, "approve")).json()["state"] == "approved"
    await market.work()
    assert (await market.order(ann, order))["refunded_amount"] == SOLO_AMOUNT
    states = [f["state"] for f in await facts(market.database, "order.after_sales_decided")]
    assert states == ["returning", "approved"]
    await market.balanced()


async def test_one_request_is_open_at_a_time(market: Market, ann: Caller, owner: Caller) -> None:
    order = await bought(market, ann, 3)
    answers = await asyncio.gather(*(ask(ann, order, units(order, 1)) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"after_sales_open"}
    request = next(a.json() for a in answers if a.status_code == 201)
    withdrawn = await ann.post(f"/v1/after-sales/{request['id']}/withdraw")
    assert withdrawn.json()["state"] == "withdrawn"
    second = await asked(ann, order, units(order, 1))
    assert (await decide(market, owner, second, "reject")).json()["decision_note"] == "好"
    await asked(ann, order, units(order, 1))


async def test_what_is_decided_stays_decided(market: Market, ann: Caller, owner: Caller) -> None:
    """Every move that the table does not have is refused, and writes nothing."""
    order = await bought(market, ann, 9)
    ends = {"approve": "approved", "reject": "rejected"}
    for verb, state in ends.items():
        request = await asked(ann, order, units(order, 1))
        assert (await decide(market, owner, request, verb)).json()["state"] == state
        for other in (*ends, "await-return"):
            late = decide(market, owner, request, other)
            await market.refused(late, 409, "wrong_after_sales_state")
        late = ann.post(f"/v1/after-sales/{request['id']}/withdraw")
        await market.refused(late, 409, "wrong_after_sales_state")


def test_the_table_of_moves_ends_where_nothing_is_open() -> None:
    ends = {state for state, targets in AFTER_SALES_MOVES.items() if not targets}
    assert ends == {
        AfterSalesState.APPROVED,
        AfterSalesState.REJECTED,
        AfterSalesState.WITHDRAWN,
    }


async def test_two_operators_and_a_buyer_at_once_come_to_one_end(
    market: Market, ann: Caller, owner: Caller
) -> None:
    other = await market.as_owner(market.shop_id)
    order = await bought(market, ann, 2)
    request = await asked(ann, order, units(order, 1))
    answers = await asyncio.gather(
        decide(market, owner, request, "approve"),
        decide(market, other, request, "approve"),
        decide(market, other, request, "reject"),
        ann.post(f"/v1/after-sales/{request['id']}/withdraw"),
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
    codes = {a.json()["code"] for a in answers if a.status_code == 409}
    assert codes == {"wrong_after_sales_state"}
    state = next(a.json()["state"] for a in answers if a.status_code == 200)
    await market.work()
    now = await market.order(ann, order)
    assert now["refunded_amount"] == (SOLO_AMOUNT if state == "approved" else 0)
    await market.balanced()


async def test_a_changed_amount_is_not_paid_unseen(
    market: Market, ann: Caller, owner: Caller
) -> None:
    order = await bought(market, ann, 1)
    wrong = ask(ann, order, units(order, 1), expected_amount=1)
    told = await market.refused(wrong, 409, "refund_amount_changed")
    assert told["params"]["amount"] == SOLO_AMOUNT
    request = await asked(ann, order, units(order, 1))
    await market.refund(owner, order, amount=601)
    late = decide(market, owner, request, "approve")
    left = (await market.refused(late, 409, "refund_amount_changed"))["params"]["amount"]
    assert left < SOLO_AMOUNT
    granted = await decide(market, owner, request, "approve", expected_amount=left)
    assert granted.json()["amount"] == left
    await market.work()
    await market.balanced()


async def test_who_comes_too_early_or_too_late(market: Market, ann: Caller, owner: Caller) -> None:
    unpaid = await market.place(ann)
    await market.refused(ask(ann, unpaid, units(unpaid, 1)), 409, "order_not_confirmed")
    order = await bought(market, ann, 2)
    await received(market, ann, owner, order)
    market.clock.advance(seconds=RETURN_PERIOD)
    request = await asked(ann, order, units(order, 1), **RETURN)
    assert (await ann.post(f"/v1/after-sales/{request['id']}/withdraw")).status_code == 200
    market.clock.advance(seconds=1)
    late = ask(ann, order, units(order, 1), **RETURN)
    told = await market.refused(late, 409, "after_sales_window_over")
    assert told["params"]["until"] < market.now.isoformat()
    faulty = await asked(ann, order, units(order, 1))
    market.clock.advance(seconds=CLOSE - RETURN_PERIOD)
    await market.work()
    assert (await market.order(ann, order))["status"] == "paid", "a request keeps it open"
    assert (await decide(market, owner, faulty, "reject")).status_code == 200
    await market.work()
    now = await market.order(ann, order)
    assert (now["status"], now["fulfilment"]) == ("closed", "received")
    await market.refused(ask(ann, order, units(order, 1)), 409, "order_closed")
    await market.refund(owner, order, "goodwill", lines=units(order, 1)["lines"])
    await market.work()
    await market.work()
    assert (await market.order(ann, order))["refunded_amount"] == SOLO_AMOUNT
    assert len(await facts(market.database, "order.closed")) == 1
    await market.balanced()


async def test_what_cannot_be_asked_for(market: Market, ann: Caller, owner: Caller) -> None:
    order, other = await bought(market, ann, 1), await bought(market, ann, 1)
    too_many: dict[str, tuple[dict[str, Any], ...]] = {
        "refund_exceeds_line": (units(order, 2), units(other, 1)),
        "refund_exceeds_shipping": ({"shipping_amount": 702},),
    }
    for code, wishes in too_many.items():
        for wish in wishes:
            await market.refused(ask(ann, order, wish), 409, code)
            body = {"reason": "r", "reference": "R-1", **wish}
            await market.refused(market.shop_does(owner, order, "refunds", body), 409, code)
    for body in (
        {**units(order, 0)},
        {**units(order, 1), "note": "x" * 501},
        {**units(order, 1), "reason": "?"},
    ):
        assert (await ask(ann, order, body)).status_code == 422
    bob = await market.buyer("bob")
    await market.refused(ask(bob, order, units(order, 1)), 404, "not_found")
    request = await asked(ann, order, units(order, 1))
    for path in ("", "/withdraw"):
        url = f"/v1/after-sales/{request['id']}{path}"
        await market.refused(bob.post(url) if path else bob.get(url), 404, "not_found")


async def test_a_timeline_tells_all_of_it_in_order(
    market: Market, ann: Caller, owner: Caller
) -> None:
    order = await market.place(ann, quantity=2)
    market.clock.advance(seconds=1)
    await market.pay(ann, order, "sandbox_decline")
    market.clock.advance(seconds=1)
    await market.pay(ann, order)
    for step in ("receive", "ask", "approve", "work"):
        market.clock.advance(seconds=1)
        if step == "receive":
            await received(market, ann, owner, order)
        elif step == "ask":
            request = await asked(ann, order, units(order, 1))
        elif step == "approve":
            await decide(market, owner, request, "approve")
        else:
            await market.work()
    told = (await ann.get(f"/v1/orders/{order['id']}/timeline")).json()["entries"]
    assert [entry["code"] for entry in told] == [
        "order.placed",
        "payment.started",
        "payment.declined",
        "payment.started",
        "payment.captured",
        "order.paid",
        "order.confirmed",
        "order.shipped",
        "order.received",
        "order.after_sales_requested",
        "order.after_sales_decided",
        "refund.decided",
        "payment.refund_succeeded",
    ]
    assert told[-1]["text"] == "已退款 ¥159.00"
    shown = await owner.get(of_shop(market, f"orders/{order['id']}/timeline"))
    assert shown.json()["entries"] == told
    bob = await market.buyer("bob")
    assert (await bob.get(f"/v1/orders/{order['id']}/timeline")).status_code == 404
