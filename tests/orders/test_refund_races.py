"""Refunds of one order that are asked for at the same moment: one effect each, never too much."""

import asyncio
import random
from typing import Any

import pytest

from tests.orders.books import all_of
from tests.orders.market import SOLO_AMOUNT, Market, problem
from tests.orders.test_refunds import bought, line_of


@pytest.mark.parametrize("seed", range(2))
async def test_twenty_amounts_at_once(market: Market, seed: int) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    await market.open_shipping(701)
    order = await bought(market, ann, 3)
    chance = random.Random(seed)
    amounts = [chance.randint(1, 3 * SOLO_AMOUNT // 5) for _ in range(20)]
    answers = await asyncio.gather(
        *(
            market.shop_does(
                owner, order, "refunds", {"reason": "r", "reference": f"R-{n}", "amount": amount}
            )
            for n, amount in enumerate(amounts)
        )
    )
    given = [n for n, answer in enumerate(answers) if answer.status_code == 201]
    for answer in answers:
        if answer.status_code != 201:
            assert answer.json()["code"] in {"refund_exceeds_payment", "nothing_to_refund"}
    left = order["total_amount"] - sum(amounts[n] for n in given)
    refused = [amount for n, amount in enumerate(amounts) if n not in given]
    assert 0 <= left < min(refused, default=left + 1), "no refund was refused that still fitted"
    await market.work()
    await market.work()
    now = await market.order(ann, order)
    assert sorted((r["reference"], r["amount"]) for r in now["refunds"]) == sorted(
        (f"R-{n}", amounts[n]) for n in given
    )
    assert now["refunded_amount"] == order["total_amount"] - left
    entries = await all_of(market.database, "sandbox_entries")
    assert len([e for e in entries if "refund" in e]) == len(given)
    await market.balanced()


async def test_the_same_key_at_the_same_time_refunds_once(market: Market) -> None:
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await bought(market, ann, 3)
    body = {"reason": "r", "reference": "R-1", "lines": line_of(order, 1)}
    path = f"/v1/operator/shops/{market.shop_id}/orders/{order['id']}/refunds"
    headers = {**owner.headers, "Idempotency-Key": "refund-once"}

    async def ask() -> Any:
        return await owner.client.post(path, json=body, headers=headers)

    answers = await asyncio.gather(*(ask() for _ in range(5)))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert len({one["id"] for one in made}) == 1
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 409, "idempotency_in_flight")
    again = await ask()
    assert (again.status_code, again.json()) == (201, made[0])
    await market.work()
    now = await market.order(ann, order)
    assert (now["refunded_amount"], len(now["refunds"])) == (SOLO_AMOUNT, 1)
    await market.balanced()


async def test_two_operators_send_the_same_unit_back_once_each(market: Market) -> None:
    """The last unit goes back once, whoever asks."""
    ann = await market.buyer()
    operators = [await market.as_owner(market.shop_id) for _ in range(2)]
    order = await bought(market, ann, 1)
    answers = await asyncio.gather(
        *(
            market.shop_does(
                operator,
                order,
                "refunds",
                {"reason": "r", "reference": f"R-{n}", "lines": line_of(order, 1)},
            )
            for n, operator in enumerate(operators)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    problem(next(a for a in answers if a.status_code == 409), 409, "refund_exceeds_line")
    await market.work()
    assert (await market.order(ann, order))["refunded_amount"] == SOLO_AMOUNT
    await market.balanced()
