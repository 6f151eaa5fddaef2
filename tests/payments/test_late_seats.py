"""Money for a seat that was given up: seated again where the campaign says so, else all of it back.

A place is taken again only with its stock and its quota, and only while the group gathers.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.groupbuy.models import LatePayment
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import Market
from tests.payments.provider import Provider
from tests.payments.test_late import DELAY, refunded_once, unstoppable

__all__ = ["unstoppable"]

TTL_SECONDS = 15 * 60
Story = Callable[[Market, dict[str, Any]], Awaitable[None]]


async def late_payer(
    market: Market, clock: FrozenClock, between: Story | None = None, **campaign: Any
) -> tuple[Caller, dict[str, Any]]:
    """A member whose order expires while its money is on its way, and is heard of afterwards."""
    market.campaign_id = await market.campaign(**{"size": 2, "stock_quota": 50, **campaign})
    leader, joiner = await market.buyer(), await market.buyer()
    opened = await market.open_group(leader)
    await market.pay(leader, opened)
    joined = await market.join(joiner, opened["group_id"])
    clock.advance(seconds=TTL_SECONDS - 2)
    await market.pay(joiner, joined, DELAY)
    clock.advance(seconds=3)
    await market.work()
    assert (await market.order(joiner, joined))["status"] == "expired"
    if between is not None:
        await between(market, opened)
    clock.advance(seconds=5)
    await market.work()
    return joiner, joined


async def quota_taken(market: Market) -> int:
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/campaigns/{market.campaign_id}"
    taken: int = (await owner.get(path)).json()["quota_taken"]
    return taken


async def test_a_late_payer_is_seated_again_and_completes_the_group(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    joiner, joined = await late_payer(
        market, clock, late_payment=LatePayment.RESEAT, member_units_max=1
    )
    now = await market.order(joiner, joined)
    assert (now["status"], now["fulfilment"], now["refunds"]) == ("paid", "fulfilling", [])
    assert now["refund_due_reason"] is None
    assert await quota_taken(market) == 2
    assert await market.levels() == (100, 0, 2)
    group = (await joiner.get(f"/v1/groups/{joined['group_id']}")).json()
    assert (group["status"], group["paid"]) == ("succeeded", 2)
    await market.balanced()


async def test_a_late_payer_is_seated_again_in_a_group_that_goes_on(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    joiner, joined = await late_payer(market, clock, size=3, late_payment=LatePayment.RESEAT)
    now = await market.order(joiner, joined)
    assert (now["status"], now["fulfilment"], now["refunds"]) == ("paid", "none", [])
    group = (await joiner.get(f"/v1/groups/{joined['group_id']}")).json()
    assert (group["status"], group["paid"], group["mine"]) == ("open", 2, True)
    await market.balanced()


async def test_without_the_rule_the_money_goes_back(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    joiner, joined = await late_payer(market, clock)
    now = await refunded_once(market, joiner, joined, "paid_too_late")
    assert now["status"] == "expired"
    assert await quota_taken(market) == 1


async def _place_taken(market: Market, opened: dict[str, Any]) -> None:
    await market.join(await market.buyer(), opened["group_id"])


async def _stock_gone(market: Market, _: dict[str, Any]) -> None:
    await market.place(await market.buyer(), quantity=99)


async def _quota_gone(market: Market, _: dict[str, Any]) -> None:
    await market.open_group(await market.buyer(), quantity=49)


async def _full_in_time(market: Market, opened: dict[str, Any]) -> None:
    rival = await market.buyer()
    await market.pay(rival, await market.join(rival, opened["group_id"]))


@pytest.mark.parametrize("between", [_place_taken, _stock_gone, _quota_gone, _full_in_time])
async def test_what_is_gone_meanwhile_sends_the_money_back(
    market: Market, unstoppable: Provider, clock: FrozenClock, between: Story
) -> None:
    joiner, joined = await late_payer(market, clock, between, late_payment=LatePayment.RESEAT)
    levels, taken = await market.levels(), await quota_taken(market)
    now = await refunded_once(market, joiner, joined, "paid_too_late")
    assert now["status"] == "expired"
    assert (await market.levels(), await quota_taken(market)) == (levels, taken)


async def test_who_has_gone_away_by_choice_is_not_seated_again(
    market: Market, unstoppable: Provider, clock: FrozenClock
) -> None:
    market.campaign_id = await market.campaign(size=2, late_payment=LatePayment.RESEAT)
    leader, joiner = await market.buyer(), await market.buyer()
    opened = await market.open_group(leader)
    await market.pay(leader, opened)
    joined = await market.join(joiner, opened["group_id"])
    await market.pay(joiner, joined, DELAY)
    answer = await joiner.post(f"/v1/orders/{joined['id']}/cancel", {})
    assert answer.status_code == 200, answer.text
    clock.advance(seconds=10)
    now = await refunded_once(market, joiner, joined, "paid_too_late")
    assert now["status"] == "cancelled"
