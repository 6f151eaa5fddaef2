"""What banks do afterwards: buyers complain and win or lose, and a refund bounces."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from tests.doubles.stripe.remote import Remote
from tests.lanes.report import Report
from tests.lanes.till import Provider, bought, refund, until
from tests.lanes.world import World

_DISPUTE = "SELECT COUNT(*) FROM disputes WHERE order_id = :id AND state = "
_REFUND = "SELECT COUNT(*) FROM refunds WHERE order_id = :id AND "
DOES: Mapping[str, Callable[[Remote, str], dict[str, Any]]] = {
    "dispute": Remote.dispute,
    "win": Remote.win,
    "win_dearly": partial(Remote.win, keeps_fee=True),
    "lose": Remote.lose,
    "fail_refund": Remote.fail_refund,
}


async def bounced(made: World, report: Report, provider: Provider) -> None:
    """Two disputes are won, one at a cost, one is lost, and money that was given back returns."""
    owner = await made.owner()
    stall = await made.fair.stall(units=100, size=2)
    [buyer] = await made.buyers(1)
    orders = [await bought(made, provider, buyer, stall.basket()) for _ in range(4)]
    won, dear, lost, returned = orders
    ends = {}
    for order, end in ((won, "win"), (dear, "win_dearly"), (lost, "lose")):
        told = await _ask(provider, "dispute", await _intent(made, order))
        ends[order["id"]] = (end, told["id"])
        await until(made, _DISPUTE + "'open'", order["id"])
        answer = await refund(owner, order, f"disputed-{order['id']}")
        report.same(
            "a refund while disputed", (answer.status, answer.code), (409, "order_disputed")
        )
    for end, dispute_id in ends.values():
        await _ask(provider, end, dispute_id)
    for order in (won, dear):
        await until(made, _DISPUTE + "'won'", order["id"])
    await until(made, _DISPUTE + "'lost'", lost["id"])
    report.same("a refund after all", (await refund(owner, returned, "bounces")).status, 201)
    await until(made, _REFUND + "state = 'succeeded'", returned["id"])
    [row] = await made.rows(
        "SELECT gateway_reference FROM refunds WHERE order_id = :id", id=UUID(returned["id"])
    )
    await _ask(provider, "fail_refund", row["gateway_reference"])
    await until(made, _REFUND + "state = 'failed'", returned["id"])
    report.line("banks", "two disputes won, one at a cost, one lost, a refund that bounced")


async def _intent(made: World, order: dict[str, Any]) -> str:
    [row] = await made.rows(
        "SELECT reference FROM payments WHERE state = 'captured' AND order_id = :id",
        id=UUID(order["id"]),
    )
    return str(row["reference"])


async def _ask(provider: Provider, verb: str, subject: str) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        with Remote(provider.url) as remote:
            told: dict[str, Any] = DOES[verb](remote, subject)
            return told

    return await asyncio.to_thread(ask)
