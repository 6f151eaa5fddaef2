"""Each fact about money with what it posts, in the fact's own transaction."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.payments import service as payments
from app.payments.gateway import (
    Charge,
    ChargeState,
    Dispute,
    DisputeState,
    GatewayRefund,
    RefundState,
    Told,
)
from tests.factories import Caller
from tests.ledger.posted import balances, kinds
from tests.orders.market import SOLO_AMOUNT, Market
from tests.payments.provider import Provider

LEFT = SOLO_AMOUNT - 900


async def standing(market: Market) -> dict[str, int]:
    return await balances(market.database, market.shop_id)


async def paid(market: Market) -> tuple[Caller, dict[str, Any]]:
    ann = await market.buyer("ann")
    order = await market.place(ann)
    await market.pay(ann, order)
    return ann, order


async def rows_of(market: Market, order: dict[str, Any]) -> tuple[sa.RowMapping, sa.RowMapping]:
    """The payment of an order and its refund."""
    async with market.database.reading() as db:
        [payment] = await payments.payments_of_order(db, UUID(order["id"]))
        [refund] = await payments.refunds_of_order(db, UUID(order["id"]))
    return payment, refund


async def refunded(market: Market) -> tuple[sa.RowMapping, sa.RowMapping]:
    _, order = await paid(market)
    await market.refund(await market.as_owner(market.shop_id), order, amount=900)
    await market.work()
    return await rows_of(market, order)


async def hear(market: Market, told: Told) -> None:
    """Twice: what a provider says again counts once."""
    for _ in range(2):
        await market.database.transact(lambda db: payments.record_told(db, told, now=market.now))


async def hear_from(market: Market, told: Told) -> None:
    """The same from the provider by itself, nobody having asked."""
    for _ in range(2):
        await market.database.transact(
            lambda db: payments.record_told(db, told, now=market.now, gateway="sandbox")
        )


async def test_a_capture_and_a_refund_from_its_decision_to_its_end(market: Market) -> None:
    _, order = await paid(market)
    assert await standing(market) == {"psp_clearing": SOLO_AMOUNT, "shop_payable": -SOLO_AMOUNT}
    await market.refund(await market.as_owner(market.shop_id), order, amount=900)
    assert await standing(market) == {
        "psp_clearing": SOLO_AMOUNT,
        "shop_payable": -LEFT,
        "refunds": -900,
    }
    await market.work()
    assert await standing(market) == {"psp_clearing": LEFT, "shop_payable": -LEFT}
    assert await kinds(market.database) == ["payment.captured", "refund.owed", "refund.sent"]
    await market.balanced()


async def test_a_refund_that_the_provider_refuses_stays_owed(market: Market) -> None:
    provider = Provider.installed(market)
    provider.refusing_refunds = True
    await refunded(market)
    assert (await standing(market))["refunds"] == -900
    await market.balanced(settled=False)


async def test_a_free_order_posts_nothing(market: Market) -> None:
    await market.allow_free_orders()
    await market.percent_off_all_the_way()
    _, order = await paid(market)
    assert order["total_amount"] == 0
    assert await kinds(market.database) == []


async def test_what_the_provider_keeps_is_a_cost_of_the_shop(market: Market) -> None:
    provider = Provider.installed(market)
    provider.telling = {"fee_amount": 60}
    await paid(market)
    assert await standing(market) == {
        "psp_clearing": SOLO_AMOUNT - 60,
        "shop_payable": -SOLO_AMOUNT,
        "psp_fees": 60,
    }


@pytest.mark.parametrize("currency", ["CNY", "USD"])
async def test_a_capture_that_does_not_count_is_nobodys_until_it_is_back(
    market: Market, currency: str
) -> None:
    provider = Provider.installed(market)
    ann = await market.buyer("ann")
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_delay")
    wish = await provider.wish_of(order)
    at = market.now
    charge = Charge(wish.payment_id, "x", ChargeState.CAPTURED, wish.amount - 1, currency, at)
    for fee_amount in (0, 40, 0):
        await hear(market, replace(charge, fee_amount=fee_amount))
    there = {"psp_clearing": charge.amount - 40, "suspense": -charge.amount, "psp_fees": 40}
    assert await standing(market) == there
    await market.balanced(settled=False)
    by_hand = GatewayRefund(
        None, "re_1", RefundState.SUCCEEDED, at, None, None, "x", 1_000, currency
    )
    await hear_from(market, replace(by_hand, state=RefundState.PENDING))
    assert await standing(market) == there
    await hear_from(market, by_hand)
    less = {**there, "psp_clearing": charge.amount - 1_040, "suspense": 1_000 - charge.amount}
    assert await standing(market) == less
    # Neither another amount of the same refund nor another currency is believed.
    await hear_from(market, replace(by_hand, amount=900))
    await hear_from(market, replace(by_hand, reference="re_2", currency="EUR"))
    assert await standing(market) == less
    await hear_from(market, replace(by_hand, state=RefundState.FAILED))
    assert await standing(market) == there
    await hear_from(market, replace(by_hand, reference="re_3", amount=charge.amount))
    assert await standing(market) == {"psp_clearing": -40, "psp_fees": 40}
    await market.balanced(settled=False)


async def test_a_capture_that_counts_after_all_is_not_there_twice(market: Market) -> None:
    """Whichever of the two words comes first."""
    provider = Provider.installed(market)
    for first_is_right in (True, False):
        buyer = await market.buyer()
        order = await market.place(buyer)
        await market.pay(buyer, order, "sandbox_delay")
        wish = await provider.wish_of(order)
        right = Charge(
            wish.payment_id,
            f"x-{order['id']}",
            ChargeState.CAPTURED,
            wish.amount,
            "CNY",
            market.now,
        )
        wrong = replace(right, amount=wish.amount - 1, fee_amount=40)
        for told in (right, wrong) if first_is_right else (wrong, right):
            await hear(market, told)
        assert (await market.order(buyer, order))["status"] == "paid"
    total = 2 * SOLO_AMOUNT
    assert await standing(market) == {"psp_clearing": total, "shop_payable": -total}
    await market.balanced(settled=False)


async def test_a_fee_that_is_told_late_is_posted_once(market: Market) -> None:
    provider = Provider.installed(market)
    _, order = await paid(market)
    wish = await provider.wish_of(order)
    charge = await provider.find(wish, now=market.now)
    assert charge is not None
    for fee in (60, 60, 75, 60):
        await hear(market, replace(charge, fee_amount=fee))
    assert await standing(market) == {
        "psp_clearing": SOLO_AMOUNT - 75,
        "shop_payable": -SOLO_AMOUNT,
        "psp_fees": 75,
    }
    await market.balanced()


async def test_a_refund_that_came_back_is_owed_again_and_sent_in_another_round(
    market: Market,
) -> None:
    _, refund = await refunded(market)
    bounced = GatewayRefund(
        refund["id"], refund["gateway_reference"], RefundState.FAILED, market.now, "closed"
    )
    await hear(market, bounced)
    assert await standing(market) == {
        "psp_clearing": SOLO_AMOUNT,
        "shop_payable": -LEFT,
        "refunds": -900,
    }
    sent = replace(bounced, reference="another", state=RefundState.SUCCEEDED, reason=None)
    await hear(market, sent)
    assert await standing(market) == {"psp_clearing": LEFT, "shop_payable": -LEFT}
    await hear(market, replace(sent, state=RefundState.FAILED, reason="closed"))
    assert (await standing(market))["refunds"] == -900


def _dispute(payment: sa.RowMapping) -> Dispute:
    return Dispute(
        reference="dp_1",
        payment_id=payment["id"],
        charge_reference=payment["reference"],
        amount=700,
        currency="CNY",
        state=DisputeState.OPEN,
        at=payment["created_at"],
        fee_amount=150,
    )


async def test_a_dispute_withholds_and_gives_back_or_takes(market: Market) -> None:
    payment, _ = await refunded(market)
    won, lost = _dispute(payment), replace(_dispute(payment), reference="dp_2")
    await hear(market, won)
    opened = {"psp_clearing": LEFT - 850, "shop_payable": -LEFT, "disputes": 700, "psp_fees": 150}
    assert await standing(market) == opened
    await hear(market, replace(won, state=DisputeState.WON, fee_returned_amount=150))
    assert await standing(market) == {"psp_clearing": LEFT, "shop_payable": -LEFT}
    await hear(market, lost)
    await hear(market, replace(lost, state=DisputeState.LOST))
    taken = {"psp_clearing": LEFT - 850, "shop_payable": 700 - LEFT, "psp_fees": 150}
    assert await standing(market) == taken
    await market.balanced(settled=False)


async def test_the_fee_of_a_dispute_may_be_told_at_any_time(market: Market) -> None:
    payment, _ = await refunded(market)
    told = _dispute(payment)
    free = replace(told, fee_amount=0)
    await hear(market, free)
    await hear(market, told)
    opened = {"psp_clearing": LEFT - 850, "shop_payable": -LEFT, "disputes": 700, "psp_fees": 150}
    assert await standing(market) == opened
    await hear(market, replace(free, state=DisputeState.WON))
    # Nobody has said that the fee came back: some providers keep it.
    kept = {"psp_clearing": LEFT - 150, "shop_payable": -LEFT, "psp_fees": 150}
    assert await standing(market) == kept
    await market.balanced(settled=False)
    await hear(market, replace(told, state=DisputeState.WON, fee_returned_amount=150))
    assert await standing(market) == {"psp_clearing": LEFT, "shop_payable": -LEFT}
    other = replace(told, reference="dp_2")
    await hear(market, replace(other, fee_amount=0, state=DisputeState.LOST))
    await hear(market, other)
    taken = {"psp_clearing": LEFT - 850, "shop_payable": 700 - LEFT, "psp_fees": 150}
    assert await standing(market) == taken
    await market.balanced(settled=False)


async def test_a_dispute_of_another_amount_than_it_was_opened_with_is_not_believed(
    market: Market,
) -> None:
    """What was withheld would never be even again."""
    payment, _ = await refunded(market)
    told = _dispute(payment)
    await hear(market, told)
    opened = await standing(market)
    await hear(market, replace(told, state=DisputeState.LOST, amount=600))
    assert await standing(market) == opened
    now, _ = await rows_of(market, {"id": str(payment["order_id"])})
    assert (now["quarantine_reason"], now["disputed_amount"]) == ("dispute_mismatch", 700)
    await market.balanced(settled=False)


async def test_a_dispute_that_was_won_and_then_lost_is_lost(market: Market) -> None:
    payment, _ = await refunded(market)
    told = _dispute(payment)
    for state in (DisputeState.WON, DisputeState.LOST, DisputeState.OPEN):
        await hear(market, replace(told, state=state))
    taken = {"psp_clearing": LEFT - 850, "shop_payable": 700 - LEFT, "psp_fees": 150}
    assert await standing(market) == taken
    await market.balanced(settled=False)
