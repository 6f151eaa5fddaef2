"""What a rule owes is the same refund whenever it is decided.

The accident this prevents: a copy of the database is put back that knows nothing of a refund; the
rule decides it anew, and under a new id the provider would pay the buyer twice.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.core.ids import derived_id
from app.orders.rules import EVERYTHING, REBATE
from app.payments import service as payments
from app.payments.gateway import GatewayRefund, RefundState
from app.payments.service import Verdict
from tests.orders.market import GROUP_AMOUNT, Market
from tests.orders.test_group_terms import LADDER, buyers, group_of


def payment_id(order: dict[str, Any]) -> UUID:
    [paid] = order["payments"]
    return UUID(paid["id"])


def names(order: dict[str, Any]) -> Sequence[UUID]:
    return [UUID(refund["id"]) for refund in order["refunds"]]


async def test_everything_goes_back_as_one_refund_whatever_owes_it(market: Market) -> None:
    leader, leaver = await buyers(market, 2)
    orders = await group_of(market, [leader, leaver])
    left = await leaver.post(f"/v1/orders/{orders[1]['id']}/cancel")
    assert left.status_code == 200, left.text
    market.clock.advance(hours=1, minutes=2)
    await market.work()
    for buyer, order in ((leader, orders[0]), (leaver, orders[1])):
        now = await market.order(buyer, order)
        assert now["refund"] == "full"
        assert names(now) == [derived_id(payment_id(now), EVERYTHING)]
    await market.balanced()


async def test_a_rebate_that_the_provider_tells_of_first_is_paid_once(market: Market) -> None:
    """It was sent, its row was lost, and the message comes before the rule decides again."""
    market.campaign_id = await market.campaign(size=3, tiers=LADDER)
    people = await buyers(market, 5)
    orders = await group_of(market, people)
    order = await market.order(people[0], orders[0])
    paid_id, earned = payment_id(order), GROUP_AMOUNT - LADDER[1][1]
    told = GatewayRefund(
        refund_id=derived_id(paid_id, REBATE),
        reference="lost-1",
        state=RefundState.SUCCEEDED,
        at=market.now,
        payment_id=paid_id,
        amount=earned,
        currency="CNY",
    )
    for verdict in (Verdict.APPLIED, Verdict.UNCHANGED):
        heard = await market.database.transact(
            lambda db: payments.record_told(db, told, now=market.now)
        )
        assert heard is verdict
    await market.work()
    for buyer, each in zip(people, orders, strict=True):
        now = await market.order(buyer, each)
        assert now["refunded_amount"] == earned
        assert names(now) == [derived_id(payment_id(now), REBATE)]
