"""What a group order and the counting of its payment cost, by the size of the group."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from app.payments import service as payments
from app.payments.gateway import ChargeWish
from tests.factories import Caller, statements
from tests.orders.market import Market


async def statements_by_step(market: Market, size: int) -> dict[str, int]:
    """For a group of a size the statements of opening, joining, and of counting its payments.

    One statement for many rows is one.
    """
    campaign_id = await market.campaign(size=size, group_amount=5_900, stock_quota=1_000_000)
    leader, *others = [await market.buyer() for _ in range(size)]
    found = {}
    order, found["open"] = await _placed(market, leader, {"open": str(campaign_id)})
    await market.pay(leader, order)
    join = {"join": order["group_id"]}
    orders = []
    for buyer in others:
        joined, found["join"] = await _placed(market, buyer, join)
        orders.append((buyer, joined))
    for number, (buyer, joined) in enumerate(orders, start=1):
        name = "count the last" if number == len(orders) else "count a payment"
        found[name] = await _counted(market, buyer, joined)
    return found


async def _placed(
    market: Market, buyer: Caller, group: dict[str, str]
) -> tuple[dict[str, Any], int]:
    wish = await market.quote(buyer, group=group)
    with statements(market.database) as sent:
        answer = await buyer.post("/v1/orders", wish)
    assert answer.status_code == 201, answer.text
    return answer.json(), len(sent)


async def _counted(market: Market, buyer: Caller, order: dict[str, Any]) -> int:
    """The transaction in which the news of money is taken over, from its first statement on."""
    told = await market.pay(buyer, order, "sandbox_delay")
    gateway = market.application.state.gateways["sandbox"]
    wish = ChargeWish(
        payment_id=UUID(told["payment"]["id"]),
        order_id=UUID(order["id"]),
        amount=order["total_amount"],
        currency=order["currency"],
        token="sandbox_delay",
    )
    # The provider takes its time; who counts does not.
    charge = await gateway.find(wish, now=market.now + timedelta(minutes=1))
    with statements(market.database) as sent:
        await market.database.transact(
            lambda db: payments.record_charge(db, charge, now=market.now)
        )
    return len(sent)
