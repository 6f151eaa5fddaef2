"""What providers tell afterwards: refunds that bounce, second captures, disputes."""

from typing import Any
from uuid import UUID

import pytest

from app.payments.gateway import RefundState
from app.payments.jobs import send_refunds
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.books import facts
from tests.orders.market import SOLO_AMOUNT, Market
from tests.payments.signed import Desk, charge, dispute, refund


@pytest.fixture
def desk(market: Market) -> Desk:
    return Desk(market)


async def shop(desk: Desk) -> Caller:
    return await desk.market.as_owner(desk.market.shop_id)


async def listed(desk: Desk, what: str, **filters: str) -> list[dict[str, Any]]:
    path = f"/v1/operator/shops/{desk.market.shop_id}/{what}"
    answer = await (await shop(desk)).get(path, **filters)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_refund_that_bounces_is_sent_again_until_it_arrives(
    desk: Desk, clock: FrozenClock
) -> None:
    buyer, order, row = await desk.paid()
    made = await desk.market.refund(await shop(desk), order)
    await desk.market.work()
    assert (await desk.market.order(buyer, order))["status"] == "closed"
    first = {"refund_id": made["id"], "reference": f"re_{made['id']}_1"}
    bounced = refund(row, SOLO_AMOUNT, "failed", **first, reason="account_closed")
    await desk.tell(bounced)
    await desk.work()
    now = await desk.market.order(buyer, order)
    assert (now["status"], now["refund"], now["refunded_amount"]) == ("paid", "none", 0)
    [failed] = await listed(desk, "refunds", state="failed")
    assert (failed["id"], failed["last_error"]) == (made["id"], "account_closed")
    assert await desk.broken() == []
    # Neither the old word nor the old failure again changes anything.
    await desk.tell(refund(row, SOLO_AMOUNT, **first))
    await desk.tell(bounced)
    await desk.work()
    assert (await desk.market.order(buyer, order))["refunded_amount"] == 0

    # The second round is under way at the provider first: it is asked about by its name then.
    desk.provider.refunds[UUID(made["id"]), 2] = RefundState.PENDING
    clock.advance(hours=1)
    await desk.market.work()
    desk.provider.refunds.clear()
    clock.advance(hours=1)
    await desk.market.work()
    now = await desk.market.order(buyer, order)
    assert (now["status"], now["refund"], now["refunds"][0]["state"]) == (
        "closed",
        "full",
        "succeeded",
    )
    second = f"re_{made['id']}_2"
    asked = [(w.round, w.reference) for w in desk.provider.asked]
    assert asked == [(1, None), (2, None), (2, second)]
    assert len(await facts(desk.market.database, "payment.refund_returned")) == 1
    assert await desk.broken() == []


async def test_a_refund_made_at_the_provider_is_adopted_within_what_is_left(desk: Desk) -> None:
    buyer, order, row = await desk.paid()
    await desk.tell(refund(row, 900))
    await desk.work()
    now = await desk.market.order(buyer, order)
    [adopted] = now["refunds"]
    assert (adopted["reason"], adopted["reference"], adopted["state"]) == (
        "made_at_provider",
        "re_hand",
        "succeeded",
    )
    assert (now["refunded_amount"], now["lines"][0]["refunded_amount"]) == (900, 900)
    await desk.tell(refund(row, SOLO_AMOUNT - 899, reference="re_more"))
    await desk.work()
    assert (await desk.market.order(buyer, order))["refunded_amount"] == 900
    [shown] = await listed(desk, "payments", quarantined="true")
    assert shown["quarantine_reason"] == "refund_exceeds_payment"
    await desk.tell(refund(row, SOLO_AMOUNT - 900, reference="re_rest"))
    await desk.work()
    assert (await desk.market.order(buyer, order))["status"] == "closed"
    assert await desk.broken() == []


async def test_one_made_at_the_provider_instead_of_ours_is_ours(desk: Desk) -> None:
    """The provider would refuse ours for ever, as there is nothing left to give back."""
    buyer, order, row = await desk.paid()
    owner = await desk.market.as_owner(desk.market.shop_id)
    made = await desk.market.refund(owner, order)
    refused = ((UUID(made["id"]), n) for n in range(1, 9))
    desk.provider.refunds = dict.fromkeys(refused, RefundState.FAILED)
    await desk.tell(refund(row, row["amount"]))
    await desk.work()
    # Ours is on its way, and may be this one.
    assert (await desk.market.order(buyer, order))["refund"] == "none"
    await send_refunds(desk.context())
    for seconds in (1, 60):
        desk.market.clock.advance(seconds=seconds)
        await desk.work()
    now = await desk.market.order(buyer, order)
    [only] = now["refunds"]
    assert (now["refund"], only["id"], only["state"]) == ("full", made["id"], "succeeded")
    assert await desk.broken() == []


@pytest.mark.parametrize(("lost", "sent"), [(SOLO_AMOUNT, 0), (SOLO_AMOUNT - 900, 1)])
async def test_what_a_bank_has_given_to_the_buyer_is_not_sent_as_well(
    desk: Desk, clock: FrozenClock, lost: int, sent: int
) -> None:
    """The refund was owed before the dispute began, and waited for its end."""
    _, order, row = await desk.paid()
    await desk.market.refund(await shop(desk), order, amount=900)
    await desk.tell(dispute(row, amount=lost))
    await desk.work()
    clock.advance(hours=1)
    assert await send_refunds(desk.context()) == 0
    await desk.tell(dispute(row, "lost", amount=lost))
    await desk.work()
    for _ in range(2):
        clock.advance(hours=2)
        await desk.market.work()
    assert len(desk.provider.asked) == sent
    assert await desk.broken() == []


async def test_a_second_capture_goes_back_once(desk: Desk, clock: FrozenClock) -> None:
    buyer, order, first = await desk.paid("sandbox_decline")
    await desk.market.pay(buyer, order)
    for n in range(3):
        await desk.tell(charge(first), event_id=f"evt_{n}")
    await desk.work()
    clock.advance(hours=1)
    await desk.market.work()
    now = await desk.market.order(buyer, order)
    assert [p["state"] for p in now["payments"]] == ["surplus", "captured"]
    assert [(p["refunded_amount"]) for p in now["payments"]] == [SOLO_AMOUNT, 0]
    assert (now["status"], now["refund"], now["refunded_amount"]) == ("paid", "none", 0)
    assert [(w.payment_id, w.amount) for w in desk.provider.asked] == [(first["id"], SOLO_AMOUNT)]
    # The one that counts is refunded as ever.
    await desk.market.refund(await shop(desk), order)
    await desk.market.work()
    assert (await desk.market.order(buyer, order))["refund"] == "full"
    assert set(await desk.broken()) <= {"captures_true"}


async def test_while_a_dispute_is_open_nothing_leaves_the_house(
    desk: Desk, clock: FrozenClock
) -> None:
    buyer, order, row = await desk.paid()
    owner, market = await shop(desk), desk.market
    await market.refund(owner, order, "R-0", amount=100)
    await desk.tell(dispute(row, amount=5_000))
    await desk.work()
    [shown] = await listed(desk, "disputes", state="open")
    assert (shown["amount"], shown["fee_amount"], shown["order_id"]) == (5_000, 1_500, order["id"])
    parcel = {"carrier": "SF", "tracking_number": "SF123456"}
    body = {"reason": "r", "reference": "R-1", "amount": 200}
    await market.refused(market.shop_does(owner, order, "ship", parcel), 409, "order_disputed")
    await market.refused(market.shop_does(owner, order, "refunds", body), 409, "order_disputed")
    await market.work()
    assert desk.provider.asked == []

    await desk.tell(dispute(row, "lost", amount=5_000))
    await desk.tell(dispute(row, amount=5_000))
    await desk.tell(dispute(row, "won", amount=5_000))
    await desk.work()
    assert (await market.order(buyer, order))["dispute"] == "lost"
    assert await listed(desk, "disputes", state="open") == []
    too_much = {**body, "amount": SOLO_AMOUNT - 100 - 5_000 + 1}
    await market.refused(
        market.shop_does(owner, order, "refunds", too_much), 409, "refund_exceeds_payment"
    )
    await market.refund(owner, order, "R-1", amount=SOLO_AMOUNT - 100 - 5_000)
    shipped = await market.shop_does(owner, order, "ship", parcel)
    assert shipped.status_code == 200
    clock.advance(minutes=1)
    await market.work()
    # One moment later all may go, in any order.
    assert sorted(w.amount for w in desk.provider.asked) == [100, SOLO_AMOUNT - 5_100]
    assert len(await facts(market.database, "payment.dispute_opened")) == 1
    assert len(await facts(market.database, "payment.dispute_closed")) == 1
    assert await desk.broken() == []


async def test_another_word_about_a_refund_or_a_dispute_never_counts(desk: Desk) -> None:
    buyer, order, row = await desk.paid()
    made = await desk.market.refund(await shop(desk), order, amount=100)
    for wrong in (
        refund(row, 101, refund_id=made["id"]),
        refund(row, 100, refund_id=made["id"], currency="USD"),
        dispute(row, currency="USD"),
        dispute(row, amount=SOLO_AMOUNT + 1),
    ):
        await desk.tell(wrong)
    await desk.work()
    now = await desk.market.order(buyer, order)
    assert (now["refunded_amount"], now["dispute"]) == (0, "none")
    [shown] = await listed(desk, "payments", quarantined="true")
    assert shown["quarantine_reason"] == "dispute_mismatch"
