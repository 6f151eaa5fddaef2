"""Refunds that a provider refuses: seen by the shop, on the seat, and sent again at its word."""

from typing import Any
from uuid import uuid4

from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import GROUP_AMOUNT, Market
from tests.payments.provider import Provider


async def failed_group(
    market: Market, provider: Provider, clock: FrozenClock
) -> tuple[Caller, dict[str, Any]]:
    """A group that failed, and whose money the provider refuses to send back."""
    leader = await market.buyer()
    order = await market.open_group(leader)
    await market.pay(leader, order)
    provider.refusing_refunds = True
    clock.advance(hours=1, minutes=2)
    await market.work()
    await market.work()
    return leader, order


def refunds(market: Market, *rest: object) -> str:
    return "/".join((f"/v1/operator/shops/{market.shop_id}/refunds", *map(str, rest)))


async def seat_of(leader: Caller) -> str:
    status: str = (await leader.get("/v1/me/groups")).json()["items"][0]["status"]
    return status


async def test_a_refused_refund_shows_on_the_seat_and_the_board_and_is_sent_again(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    leader, order = await failed_group(market, provider, clock)
    owner = await market.as_owner(market.shop_id)
    assert await seat_of(leader) == "refund_failed"
    board = f"/v1/operator/shops/{market.shop_id}/campaigns/{market.campaign_id}"
    assert (await owner.get(board)).json()["seats"]["refund_failed"] == {
        "seats": 1,
        "units": 1,
        "goods_amount": GROUP_AMOUNT,
    }
    [shown] = (await owner.get(refunds(market), state="failed")).json()["items"]
    assert (shown["order_id"], shown["amount"], shown["reason"], shown["last_error"]) == (
        order["id"],
        GROUP_AMOUNT,
        "group_failed",
        "account_closed",
    )
    provider.refusing_refunds = False
    await market.work()
    assert await seat_of(leader) == "refund_failed"
    again = await owner.post(refunds(market, shown["id"], "retry"), {})
    assert (again.status_code, again.json()["id"]) == (200, shown["id"]), again.text
    await market.work()
    now = await market.order(leader, order)
    assert (now["refund"], [r["state"] for r in now["refunds"]]) == ("full", ["succeeded"])
    assert await seat_of(leader) == "refunded"
    assert (await owner.get(refunds(market), state="failed")).json()["items"] == []
    await market.refused(
        owner.post(refunds(market, shown["id"], "retry"), {}), 409, "refund_not_retryable"
    )
    await market.balanced()


async def test_refunds_are_listed_by_pages_and_of_the_own_shop_only(
    market: Market, provider: Provider, clock: FrozenClock
) -> None:
    for _ in range(3):
        await failed_group(market, provider, clock)
    owner = await market.as_owner(market.shop_id)
    first = (await owner.get(refunds(market), limit=2)).json()
    rest = (await owner.get(refunds(market), limit=2, cursor=first["next_cursor"])).json()
    ids = [row["id"] for row in (*first["items"], *rest["items"])]
    assert (len(ids), ids, rest["next_cursor"]) == (3, sorted(ids, reverse=True), None)
    other = await market.shop("other")
    stranger = await market.as_owner(other.id)
    there = f"/v1/operator/shops/{other.id}/refunds"
    assert (await stranger.get(there)).json()["items"] == []
    await market.refused(stranger.post(f"{there}/{ids[0]}/retry", {}), 404, "not_found")
    await market.refused(owner.post(refunds(market, uuid4(), "retry"), {}), 404, "not_found")


async def test_a_member_leaves_by_the_group_it_sits_in(market: Market, clock: FrozenClock) -> None:
    leader, joiner, stranger = [await market.buyer() for _ in range(3)]
    order = await market.open_group(leader)
    await market.pay(leader, order)
    path = f"/v1/groups/{order['group_id']}/leave"
    joined = await market.join(joiner, order["group_id"])
    await market.refused(stranger.post(path, {}), 404, "not_found")
    left = await joiner.post(path, {})
    assert (left.status_code, left.json()["id"], left.json()["status"]) == (
        200,
        joined["id"],
        "cancelled",
    )
    await market.refused(joiner.post(path, {}), 404, "not_found")
    left = await leader.post(path, {})
    assert (left.status_code, left.json()["status"]) == (200, "closed")
    await market.work()
    assert (await market.order(leader, order))["refund"] == "full"
    await market.balanced()
