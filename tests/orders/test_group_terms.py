"""Group orders from the quote to the money back: ladders, leaders, newcomers, stops.

Through the whole line of sale, with the worker; books must balance after each story.
"""

from typing import Any

from tests.conftest import rows_in
from tests.factories import Caller
from tests.orders.market import GROUP_AMOUNT, Market

LADDER = [(4, 8_900), (5, 7_900)]


async def group_of(market: Market, buyers: list[Caller], **more: Any) -> list[dict[str, Any]]:
    """The paid orders of a group, the leader's first."""
    orders = [await market.open_group(buyers[0], **more)]
    await market.pay(buyers[0], orders[0])
    for buyer in buyers[1:]:
        orders.append(await market.join(buyer, orders[0]["group_id"], **more))
        await market.pay(buyer, orders[-1])
    return orders


async def buyers(market: Market, count: int) -> list[Caller]:
    return [await market.buyer(f"b{n}") for n in range(count)]


async def test_a_full_ladder_pays_the_difference_back_to_everybody_once(market: Market) -> None:
    market.campaign_id = await market.campaign(size=3, tiers=LADDER)
    people = await buyers(market, 5)
    orders = await group_of(market, people, quantity=2)
    await market.work()
    await market.work()
    for buyer, order in zip(people, orders, strict=True):
        now = await market.order(buyer, order)
        assert (now["status"], now["fulfilment"], now["refund"]) == ("paid", "fulfilling", "partly")
        assert now["total_amount"] - now["refunded_amount"] == 2 * LADDER[1][1]
        [refund] = now["refunds"]
        assert (refund["reason"], refund["state"]) == ("group_rebate", "succeeded")
    await market.balanced()


async def test_at_its_deadline_a_ladder_pays_back_what_its_tier_has_earned(market: Market) -> None:
    market.campaign_id = await market.campaign(size=3, tiers=LADDER)
    people = await buyers(market, 4)
    orders = await group_of(market, people)
    assert (await market.order(people[0], orders[0]))["confirmed_at"] is None
    market.clock.advance(hours=1, minutes=2)
    await market.work()
    kept = [await market.order(b, o) for b, o in zip(people, orders, strict=True)]
    assert [k["total_amount"] - k["refunded_amount"] for k in kept] == [LADDER[0][1]] * 4
    assert {k["fulfilment"] for k in kept} == {"fulfilling"}
    await market.balanced()


async def test_the_smallest_tier_earns_nothing_and_too_few_fail(market: Market) -> None:
    market.campaign_id = await market.campaign(size=3, tiers=LADDER)
    three, two = await buyers(market, 3), [await market.buyer("x"), await market.buyer("y")]
    enough, few = await group_of(market, three), await group_of(market, two)
    market.clock.advance(hours=1, minutes=2)
    await market.work()
    for buyer, order in zip(three, enough, strict=True):
        now = await market.order(buyer, order)
        assert (now["fulfilment"], now["refunds"]) == ("fulfilling", [])
    for buyer, order in zip(two, few, strict=True):
        now = await market.order(buyer, order)
        assert (now["status"], now["refund"]) == ("closed", "full")
    await market.balanced()


async def test_a_unit_refunded_after_the_rebate_pays_what_it_cost_in_the_end(
    market: Market,
) -> None:
    market.campaign_id = await market.campaign(size=3, tiers=LADDER)
    people = await buyers(market, 5)
    orders = await group_of(market, people, quantity=2)
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/orders/{orders[0]['id']}/refunds"
    line_id = orders[0]["lines"][0]["id"]
    # One before the worker has paid the rebate, one after: each costs the tier's price.
    for reference in ("first", "second"):
        wish = {
            "lines": [{"line_id": line_id, "quantity": 1}],
            "reason": "changed_mind",
            "reference": reference,
        }
        answer = await owner.post(path, wish)
        assert (answer.status_code, answer.json()["amount"]) == (201, LADDER[1][1]), answer.text
        await market.work()
    now = await market.order(people[0], orders[0])
    assert (now["refunded_amount"], now["refund"]) == (now["total_amount"], "full")
    await market.balanced()


async def test_a_refund_of_everything_takes_the_rebate_with_it(market: Market) -> None:
    market.campaign_id = await market.campaign(size=3, tiers=LADDER)
    people = await buyers(market, 5)
    orders = await group_of(market, people)
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/orders/{orders[1]['id']}/refunds"
    whole = {"reason": "faulty", "reference": "all"}
    answer = await owner.post(path, whole)
    assert answer.json()["amount"] == GROUP_AMOUNT
    await market.work()
    now = await market.order(people[1], orders[1])
    assert (len(now["refunds"]), now["refunded_amount"]) == (1, GROUP_AMOUNT)
    await market.balanced()


async def test_the_leader_pays_less_and_the_reward_goes_to_who_leads_in_the_end(
    market: Market,
) -> None:
    market.campaign_id = await market.campaign(size=3, leader_amount=8_000)
    people = await buyers(market, 3)
    orders = await group_of(market, people)
    assert [o["total_amount"] for o in orders] == [8_000, GROUP_AMOUNT, GROUP_AMOUNT]
    market.campaign_id = await market.campaign(size=3, leader_reward_amount=1_500)
    first, second, third, fourth = [await market.buyer(f"r{n}") for n in range(4)]
    begun = await group_of(market, [first, second])
    left = await first.post(f"/v1/orders/{begun[0]['id']}/cancel", {})
    assert left.status_code == 200, left.text
    rest = []
    for buyer in (third, fourth):
        rest.append(await market.join(buyer, begun[0]["group_id"]))
        await market.pay(buyer, rest[-1])
    await market.work()
    leads, follows = await market.order(second, begun[1]), await market.order(third, rest[0])
    assert (leads["refunded_amount"], follows["refunded_amount"]) == (1_500, 0)
    assert (await market.order(first, begun[0]))["refund"] == "full"
    await market.balanced()


async def test_who_has_bought_meanwhile_is_refused_before_anything_is_charged(
    market: Market,
) -> None:
    market.campaign_id = await market.campaign(size=3, newcomers_only=True)
    leader, joiner = await buyers(market, 2)
    opened = await market.open_group(leader)
    await market.pay(leader, opened)
    joined = await market.join(joiner, opened["group_id"])
    alone = await market.place(joiner)
    await market.pay(joiner, alone)
    before = await rows_in(market.database)
    await market.refused(
        joiner.post(f"/v1/orders/{joined['id']}/payments", {"token": "sandbox_success"}),
        409,
        "newcomers_only",
    )
    after = await rows_in(market.database)
    assert after["payments"] == before["payments"]
    wish = {**await _basket(market, joiner, opened)}
    await market.refused(joiner.post("/v1/quotes", wish), 409, "newcomers_only")


async def _basket(market: Market, buyer: Caller, opened: dict[str, Any]) -> dict[str, Any]:
    return {
        "shop_id": str(market.shop_id),
        "lines": [{"variant_id": str(market.variant_id), "quantity": 1}],
        "group": {"join": opened["group_id"]},
    }


async def test_money_of_who_is_no_newcomer_any_more_goes_back(market: Market) -> None:
    """Both payments are under way at once; the slower one is not a newcomer's."""
    market.campaign_id = await market.campaign(size=2, newcomers_only=True)
    leader, joiner = await buyers(market, 2)
    opened = await market.open_group(leader)
    await market.pay(leader, opened)
    joined = await market.join(joiner, opened["group_id"])
    alone = await market.place(joiner)
    await market.pay(joiner, joined, "sandbox_delay")
    await market.pay(joiner, alone)
    market.clock.advance(seconds=10)
    await market.work()
    now = await market.order(joiner, joined)
    assert (now["status"], now["refund"], now["refund_due_reason"]) == (
        "closed",
        "full",
        "not_a_newcomer",
    )
    group = (await leader.get(f"/v1/groups/{opened['group_id']}")).json()
    assert (group["status"], group["paid"], group["seats_left"]) == ("open", 1, 1)
    await market.balanced()


async def test_a_stop_with_its_groups_refunds_every_paid_seat_once(market: Market) -> None:
    people = await buyers(market, 3)
    orders = await group_of(market, people[:2])
    unpaid = await market.join(people[2], orders[0]["group_id"])
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/campaigns/{market.campaign_id}"
    stopped = await owner.client.post(
        f"{path}/stop",
        headers={**owner.headers, "If-Match": '"1"', "Idempotency-Key": "stop-1"},
        json={"end_groups": True},
    )
    assert (stopped.status_code, stopped.json()["stop_ends_groups"]) == (200, True), stopped.text
    late = await market.buyer("late")
    wish = await _basket(market, late, orders[0])
    await market.refused(late.post("/v1/quotes", wish), 409, "campaign_stopped")
    await market.work()
    for buyer, order in zip(people[:2], orders, strict=True):
        now = await market.order(buyer, order)
        assert (now["status"], now["refund"], len(now["refunds"])) == ("closed", "full", 1)
    assert (await market.order(people[2], unpaid))["status"] == "expired"
    board = (await owner.get(path)).json()
    assert (board["groups"]["failed"], board["seats"]["refunded"]["seats"]) == (1, 2)
    await market.balanced()


async def test_a_leader_who_gets_everything_back_still_gets_the_goods(market: Market) -> None:
    market.campaign_id = await market.campaign(size=2, leader_reward_amount=GROUP_AMOUNT)
    people = await buyers(market, 2)
    orders = await group_of(market, people)
    await market.work()
    now = await market.order(people[0], orders[0])
    assert (now["status"], now["fulfilment"], now["refund"]) == ("paid", "fulfilling", "full")
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/orders/{orders[0]['id']}/ship"
    shipped = await owner.post(path, {"carrier": "sf", "tracking_number": "SF1234"})
    assert (shipped.status_code, shipped.json()["fulfilment"]) == (200, "shipped"), shipped.text
    await market.balanced()
