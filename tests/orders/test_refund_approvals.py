"""Refunds above a shop's limit wait for a second person; nobody gets round it."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.identity.rules import Right, ShopRole
from app.identity.service.api_keys import NewKey, create_key
from tests.factories import Caller
from tests.orders.after import asked, decide, of_shop, second, terms, units
from tests.orders.market import SOLO_AMOUNT, Market, problem
from tests.orders.test_group_terms import buyers, group_of
from tests.orders.test_refunds import bought


@pytest.fixture
async def ann(market: Market) -> Caller:
    await terms(market, refund_approval_above_amount=SOLO_AMOUNT)
    return await market.buyer("ann")


@pytest.fixture
async def one(market: Market) -> Caller:
    return await market.as_owner(market.shop_id)


@pytest.fixture
async def two(market: Market) -> Caller:
    return await market.as_owner(market.shop_id)


async def wish(market: Market, by: Caller, order: dict[str, Any], **more: Any) -> httpx2.Response:
    body = {"reason": "damaged", "reference": f"R-{uuid4().hex[:8]}", **more}
    return await market.shop_does(by, order, "refunds", body)


async def held(market: Market, by: Caller, order: dict[str, Any], **more: Any) -> str:
    answer = await wish(market, by, order, **more)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["state"], told["id"]) == ("awaiting_approval", None)
    approval_id: str = told["approval_id"]
    return approval_id


async def test_a_large_refund_is_owed_once_a_second_person_says_so(
    market: Market, ann: Caller, one: Caller, two: Caller
) -> None:
    order = await bought(market, ann, 3)
    approval = await held(market, one, order, **units(order, 2))
    await market.work()
    assert (await market.order(ann, order))["refunds"] == [], "nothing is owed before"
    await market.refused(second(market, one, approval), 409, "second_approver_needed")
    answers = await asyncio.gather(*(second(market, two, approval) for _ in range(3)))
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "refund_approval_decided")
    await market.work()
    now = await market.order(ann, order)
    assert (now["refunded_amount"], len(now["refunds"])) == (2 * SOLO_AMOUNT, 1)
    assert await market.levels() == (100, 0, 1)
    [row] = (await one.get(of_shop(market, "refund-approvals"))).json()["items"]
    assert (row["state"], row["refund_id"]) == ("approved", now["refunds"][0]["id"])
    assert row["decided_by"] != row["requested_by"]
    shown = await one.get(of_shop(market, f"orders/{order['id']}/timeline"))
    codes = [entry["code"] for entry in shown.json()["entries"]]
    assert codes.index("refund.awaits_approval") < codes.index("refund.approval_approved")
    assert "refund.awaits_approval" not in [
        e["code"] for e in (await ann.get(f"/v1/orders/{order['id']}/timeline")).json()["entries"]
    ]
    await market.balanced()


async def test_small_refunds_do_not_get_round_the_limit(
    market: Market, ann: Caller, one: Caller, two: Caller
) -> None:
    order = await bought(market, ann, 3)
    made = await wish(market, one, order, amount=SOLO_AMOUNT)
    assert made.json()["state"] == "pending", "the limit itself is not above it"
    approval = await held(market, one, order, amount=1)
    again = wish(market, two, order, amount=2)
    await market.refused(again, 409, "refund_awaits_approval")
    assert (await second(market, one, approval, "reject")).json()["state"] == "rejected"
    await market.refused(second(market, two, approval), 409, "refund_approval_decided")
    await market.work()
    assert (await market.order(ann, order))["refunded_amount"] == SOLO_AMOUNT
    await market.balanced()


async def test_two_small_ones_at_once_do_not_get_round_it_either(
    market: Market, ann: Caller, one: Caller, two: Caller
) -> None:
    order = await bought(market, ann, 3)
    answers = await asyncio.gather(
        *(wish(market, by, order, amount=SOLO_AMOUNT - 1) for by in (one, two))
    )
    assert sorted(a.json()["state"] for a in answers) == ["awaiting_approval", "pending"]


async def test_a_request_waits_with_its_refund(
    market: Market, ann: Caller, one: Caller, two: Caller
) -> None:
    order = await bought(market, ann, 3)
    request = await asked(ann, order, units(order, 2))

    async def approved() -> str:
        answer = await decide(market, one, request, "approve")
        assert answer.json()["state"] == "awaiting_approval", answer.text
        found = await one.get(of_shop(market, "refund-approvals"), state="awaiting")
        approval_id: str = found.json()["items"][0]["id"]
        return approval_id

    first = await approved()
    late = ann.post(f"/v1/after-sales/{request['id']}/withdraw")
    await market.refused(late, 409, "wrong_after_sales_state")
    assert (await second(market, two, first, "reject")).status_code == 200
    again = await approved()
    assert (await second(market, two, again)).status_code == 200
    now = (await ann.get(f"/v1/after-sales/{request['id']}")).json()
    assert (now["state"], now["refund_id"] is not None) == ("approved", True)
    await market.work()
    assert (await market.order(ann, order))["refunded_amount"] == 2 * SOLO_AMOUNT
    await market.balanced()


async def test_what_has_changed_meanwhile_is_not_approved_unseen(
    market: Market, ann: Caller, one: Caller, two: Caller
) -> None:
    order = await bought(market, ann, 2)
    approval = await held(market, one, order, **units(order, 2))
    small = await wish(market, one, order, amount=100)
    assert small.json()["state"] == "pending"
    await market.refused(second(market, two, approval), 409, "refund_amount_changed")


async def test_a_key_asks_for_its_maker_and_approves_nothing(
    market: Market, ann: Caller, two: Caller
) -> None:
    maker_id = await market.operator(market.shop_id)
    maker = await market.as_operator(maker_id)
    wanted = NewKey("ERP", [Right.REFUNDS_WRITE.value, Right.REFUNDS_APPROVE.value], None)
    made = await market.database.transact(
        lambda db: create_key(db, market.shop_id, wanted, by=maker_id, now=market.now)
    )
    key = Caller(market.client, {"Authorization": f"Bearer {made.text}"})
    order = await bought(market, ann, 3)
    approval = await held(market, key, order, **units(order, 2))
    await market.refused(second(market, key, approval), 403, "forbidden")
    await market.refused(second(market, maker, approval), 409, "second_approver_needed")
    assert (await second(market, two, approval)).status_code == 200


async def test_what_the_rules_pay_back_is_not_held(market: Market, ann: Caller) -> None:
    await terms(market, refund_approval_above_amount=0)
    people = await buyers(market, 2)
    orders = await group_of(market, people)
    market.clock.advance(hours=1, minutes=2)
    await market.work()
    await market.work()
    for buyer, order in zip(people, orders, strict=True):
        assert (await market.order(buyer, order))["refund"] == "full"
    await market.balanced()


async def test_who_has_not_seen_the_other_refund_is_told(
    market: Market, ann: Caller, one: Caller, two: Caller
) -> None:
    """Two operators who both saw nothing refunded: the second learns of the first."""
    order = await bought(market, ann, 3)
    answers = await asyncio.gather(
        *(wish(market, by, order, amount=500, expected_refunded_amount=0) for by in (one, two))
    )
    assert sorted(a.status_code for a in answers) == [201, 409]
    late = problem(next(a for a in answers if a.status_code == 409), 409, "refund_total_changed")
    assert late["params"] == {"refunded_amount": 500}
    made = await wish(market, two, order, amount=500, expected_refunded_amount=500)
    assert made.status_code == 201
    await market.work()
    assert (await market.order(ann, order))["refunded_amount"] == 1_000
    await market.balanced()


async def test_who_refunds_up_to_the_limit_does_not_set_it(
    market: Market, ann: Caller, one: Caller
) -> None:
    """Staff and keys keep the shop's other terms; an owner's change is in the log."""
    path = f"/v1/operator/shops/{market.shop_id}"
    staff_id = await market.operator(market.shop_id, role=ShopRole.STAFF)
    wanted = NewKey("ERP", [Right.SHOP_WRITE.value], None)
    key = await market.database.transact(
        lambda db: create_key(db, market.shop_id, wanted, by=staff_id, now=market.now)
    )
    staff = await market.as_operator(staff_id)
    for who in (staff, Caller(market.client, {"Authorization": f"Bearer {key.text}"})):
        for limit in (None, SOLO_AMOUNT + 1, 0):
            wish = {"refund_approval_above_amount": limit, "name": "杨梅山"}
            edit = who.patch(path, wish, 1)
            await market.refused(edit, 403, "refund_limit_for_owners")
    same = await staff.patch(path, {"refund_approval_above_amount": SOLO_AMOUNT, "name": "山"}, 1)
    assert (same.status_code, same.json()["name"]) == (200, "山"), same.text
    lifted = await one.patch(path, {"refund_approval_above_amount": None}, 2)
    assert (lifted.status_code, lifted.json()["refund_approval_above_amount"]) == (200, None)
