"""What a rule owes after a copy was put back, when the days that were lost had gone otherwise.

The accident this prevents: the provider has given back a part that the copy knows nothing of, the
rule owes the whole, the provider refuses that, and the rest never comes to the buyer.
"""

from typing import Any

import pytest

from app.core.ids import derived_id
from app.payments.gateway import RefundState
from tests.fakes import FrozenClock
from tests.orders.market import GROUP_AMOUNT, Market
from tests.payments.signed import Desk, refund

FAILED_AFTER_SECONDS = 3_700


@pytest.fixture
def desk(market: Market) -> Desk:
    return Desk(market)


async def left_group(desk: Desk) -> tuple[Any, dict[str, Any], Any]:
    """A member who has paid and left; everything is owed, and nothing of it is sent yet."""
    market = desk.market
    leader, leaver = await market.buyer("leader"), await market.buyer("leaver")
    opened = await market.open_group(leader)
    await market.pay(leader, opened)
    order = await market.join(leaver, opened["group_id"])
    await market.pay(leaver, order)
    left = await leaver.post(f"/v1/orders/{order['id']}/cancel")
    assert left.status_code == 200, left.text
    return leaver, order, await desk.payment(order)


async def test_a_part_that_went_back_on_a_lost_day_leaves_the_rest_to_the_rule(
    desk: Desk, clock: FrozenClock
) -> None:
    buyer, order, row = await left_group(desk)
    whole = derived_id(row["id"], "everything")
    desk.provider.refunds[whole, 1] = RefundState.FAILED
    await desk.market.work()
    [refused] = (await desk.market.order(buyer, order))["refunds"]
    assert (refused["amount"], refused["state"]) == (GROUP_AMOUNT, "failed")
    # Told twice and under two names of the message, it makes room once.
    for name in ("evt_1", "evt_1", "evt_2"):
        await desk.tell(refund(row, 500), event_id=name)
        await desk.work()
    clock.advance(seconds=FAILED_AFTER_SECONDS)
    await desk.market.work()
    now = await desk.market.order(buyer, order)
    assert [(r["amount"], r["state"]) for r in now["refunds"]] == [
        (GROUP_AMOUNT - 500, "succeeded"),
        (500, "succeeded"),
    ]
    assert (now["refund"], now["refunded_amount"]) == ("full", GROUP_AMOUNT)
    asked = [wish.amount for wish in desk.provider.asked if wish.refund_id == whole]
    assert asked == [GROUP_AMOUNT, GROUP_AMOUNT - 500]
    assert (await desk.payment(order))["quarantine_reason"] is None
    assert await desk.broken() == []


async def test_a_part_told_before_the_whole_is_refused_finds_its_place_later(
    desk: Desk, clock: FrozenClock
) -> None:
    _, order, row = await left_group(desk)
    desk.provider.refunds[derived_id(row["id"], "everything"), 1] = RefundState.FAILED
    await desk.tell(refund(row, 500), event_id="evt_early")
    await desk.work()
    assert (await desk.payment(order))["quarantine_reason"] == "refund_exceeds_payment"
    await desk.market.work()
    await desk.tell(refund(row, 500), event_id="evt_again")
    await desk.work()
    clock.advance(seconds=FAILED_AFTER_SECONDS)
    await desk.market.work()
    paid = await desk.payment(order)
    assert (paid["refunded_amount"], paid["quarantine_reason"]) == (GROUP_AMOUNT, None)
    assert await desk.broken() == []


@pytest.mark.parametrize("told", [GROUP_AMOUNT - 900, 1])
async def test_what_a_rule_owed_on_a_lost_day_counts_with_the_amount_it_had(
    desk: Desk, clock: FrozenClock, told: int
) -> None:
    """The ladder had another tier then, or a dispute had taken a part."""
    buyer, order, row = await left_group(desk)
    whole = derived_id(row["id"], "everything")
    for name in ("evt_1", "evt_2"):
        await desk.tell(refund(row, told, refund_id=str(whole)), event_id=name)
        await desk.work()
    [back] = (await desk.market.order(buyer, order))["refunds"]
    assert (back["id"], back["amount"], back["state"]) == (str(whole), told, "succeeded")
    paid = await desk.payment(order)
    assert (paid["refund_owed_amount"], paid["refunded_amount"]) == (told, told)
    # That a closed order is not wholly paid back is said until a person has looked at it.
    await desk.market.work()
    clock.advance(minutes=20)
    assert await desk.broken() == ["owed_money_returned"]


@pytest.mark.parametrize("told", [GROUP_AMOUNT + 1, 0])
async def test_more_than_the_payment_holds_is_kept_apart(desk: Desk, told: int) -> None:
    _, order, row = await left_group(desk)
    whole = derived_id(row["id"], "everything")
    await desk.tell(refund(row, told, refund_id=str(whole)))
    await desk.work()
    paid = await desk.payment(order)
    assert paid["quarantine_reason"] == "refund_mismatch"
    assert (paid["refund_owed_amount"], paid["refunded_amount"]) == (GROUP_AMOUNT, 0)
    assert await desk.broken() == []
