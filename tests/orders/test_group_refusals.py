"""What a campaign asks of who takes part: refused at the quote and at the order alike."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.community import service as community
from app.community.rules import NewCommunity
from app.core.sql import table
from app.groupbuy.models import Campaign, CampaignStatus
from tests.factories import Caller
from tests.orders.books import state_of
from tests.orders.market import GROUP_AMOUNT, SOLO_AMOUNT, Market, problem

Params = dict[str, Any]


async def change(market: Market, campaign_id: UUID, **values: Any) -> None:
    campaigns = table(Campaign)
    update = sa.update(campaigns).where(campaigns.c.id == campaign_id).values(**values)
    await market.database.transact(lambda db: db.execute(update))


async def community_of(market: Market) -> UUID:
    made = await market.database.transact(
        lambda db: community.create_community(
            db, market.shop_id, NewCommunity("近邻"), now=market.now
        )
    )
    return made.id


async def group_of(market: Market, **campaign: Any) -> tuple[str, Caller]:
    """A group that its leader has paid for, in a campaign of its own."""
    market.campaign_id = await market.campaign(**{"size": 3, **campaign})
    leader = await market.buyer()
    order = await market.open_group(leader)
    await market.pay(leader, order)
    return order["group_id"], leader


async def buys_alone(market: Market, buyer: Caller) -> None:
    await market.pay(buyer, await market.place(buyer))


@pytest.fixture
async def ann(market: Market) -> Caller:
    return await market.buyer("ann")


# Each makes a wish that was good when it was quoted and no longer is, and says how it is refused.
Case = Callable[[Market, Caller], Awaitable[tuple[dict[str, Any], str, Params]]]


async def not_started(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    wish = await market.quote(ann, group={"open": str(market.campaign_id)})
    await change(market, market.campaign_id, starts_at=market.now + timedelta(seconds=1))
    return wish, "campaign_not_started", {}


async def ended(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    wish = await market.quote(ann, group={"open": str(market.campaign_id)})
    await change(market, market.campaign_id, ends_at=market.now)
    return wish, "campaign_ended", {}


async def stopped(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    wish = await market.quote(ann, group={"open": str(market.campaign_id)})
    await change(market, market.campaign_id, status=CampaignStatus.STOPPED)
    return wish, "campaign_stopped", {}


async def stopped_with_groups(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    group_id, _ = await group_of(market)
    wish = await market.quote(ann, group={"join": group_id})
    stop = {"status": CampaignStatus.STOPPED, "stop_ends_groups": True}
    await change(market, market.campaign_id, **stop)
    return wish, "campaign_stopped", {}


async def failed(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    group_id, leader = await group_of(market)
    wish = await market.quote(ann, group={"join": group_id})
    [order] = (await leader.get("/v1/orders")).json()["items"]
    assert (await leader.post(f"/v1/orders/{order['id']}/cancel")).status_code == 200
    return wish, "group_failed", {"status": "cancelled"}


async def succeeded(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    group_id, _ = await group_of(market, size=2)
    wish = await market.quote(ann, group={"join": group_id})
    bob = await market.buyer()
    await market.pay(bob, await market.join(bob, group_id))
    return wish, "group_closed", {"status": "succeeded"}


async def no_newcomer(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    group_id, _ = await group_of(market, newcomers_only=True)
    wish = await market.quote(ann, group={"join": group_id})
    await buys_alone(market, ann)
    return wish, "newcomers_only", {}


async def left_community(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    wanted = str(await community_of(market))
    assert (await ann.post(f"/v1/communities/{wanted}/join")).status_code == 200
    market.campaign_id = await market.campaign(size=2, audience={"community_ids": [wanted]})
    wish = await market.quote(ann, group={"open": str(market.campaign_id)})
    assert (await ann.post(f"/v1/communities/{wanted}/leave")).is_success
    params = {"reason": "not_in_community", "community_ids": [wanted]}
    return wish, "not_in_campaign_audience", params


async def lost_tag(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    group_id, _ = await group_of(market)
    assert (await ann.put("/v1/me/tags", {"tags": ["parent"]})).status_code == 200
    await change(market, market.campaign_id, audience={"member_tags_any": ["cook", "parent"]})
    wish = await market.quote(ann, group={"join": group_id})
    assert (await ann.put("/v1/me/tags", {"tags": []})).status_code == 200
    params = {"reason": "tags_missing", "tags": ["cook", "parent"]}
    return wish, "not_in_campaign_audience", params


async def enough_units(market: Market, ann: Caller) -> tuple[dict[str, Any], str, Params]:
    market.campaign_id = await market.campaign(size=2, member_units_max=3)
    wish = await market.quote(ann, group={"open": str(market.campaign_id)}, quantity=2)
    mine = await market.open_group(ann, quantity=2)
    await market.pay(ann, mine)
    bob = await market.buyer()
    await market.pay(bob, await market.join(bob, mine["group_id"]))
    return wish, "member_units_reached", {"member_units_max": 3, "units_left": 1}


CASES = [
    not_started,
    ended,
    stopped,
    stopped_with_groups,
    failed,
    succeeded,
    no_newcomer,
    left_community,
    lost_tag,
    enough_units,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_a_quote_that_no_longer_holds_is_neither_given_nor_placed(
    market: Market, ann: Caller, case: Case
) -> None:
    wish, code, params = await case(market, ann)
    basket = {n: value for n, value in wish.items() if n not in {"quote_id", "address"}}
    for asked in (ann.post("/v1/quotes", basket), ann.post("/v1/orders", wish)):
        told = await market.refused(asked, 409, code)
        assert {name: told["params"].get(name) for name in params} == params, told


async def test_one_unit_less_is_within_the_limit_of_a_member(market: Market, ann: Caller) -> None:
    await enough_units(market, ann)
    order = await market.open_group(ann)
    await market.refused(
        ann.post("/v1/quotes", basket_of(market, group={"open": str(market.campaign_id)})),
        409,
        "member_units_reached",
    )
    # What is given up may be taken again.
    assert (await ann.post(f"/v1/orders/{order['id']}/cancel")).status_code == 200
    await market.open_group(ann)


def basket_of(market: Market, **more: Any) -> dict[str, Any]:
    line = {"variant_id": str(market.variant_id), "quantity": 1}
    return {"shop_id": str(market.shop_id), "lines": [line], **more}


async def test_who_has_not_signed_in_is_asked_to_where_it_matters(market: Market) -> None:
    nobody = Caller(market.client, {})
    group_id, _ = await group_of(market, newcomers_only=True, member_units_max=1)
    wish = basket_of(market, group={"join": group_id})
    assert (await nobody.post("/v1/quotes", wish)).json()["total_amount"] == GROUP_AMOUNT
    await change(market, market.campaign_id, audience={"member_tags_none": ["trader"]})
    told = await market.refused(nobody.post("/v1/quotes", wish), 409, "not_in_campaign_audience")
    assert told["params"] == {"reason": "sign_in"}
    known = await market.buyer()
    assert (await known.post("/v1/quotes", wish)).status_code == 200


async def test_a_leader_need_not_be_new(market: Market, ann: Caller) -> None:
    await buys_alone(market, ann)
    market.campaign_id = await market.campaign(size=2, newcomers_only=True)
    first = await market.open_group(ann)
    await market.pay(ann, first)
    bob = await market.buyer("bob")
    await market.pay(bob, await market.join(bob, first["group_id"]))
    assert (await market.order(ann, first))["confirmed_at"]


async def test_a_campaign_of_another_shop_is_neither_opened_nor_joined(
    market: Market, ann: Caller
) -> None:
    before = await state_of(market.database)
    for group in ({"open": str(uuid4())}, {"join": str(uuid4())}):
        problem(await ann.post("/v1/quotes", basket_of(market, group=group)), 404, "not_found")
    assert await state_of(market.database) == before
    alone = await ann.post("/v1/quotes", basket_of(market))
    assert alone.json()["total_amount"] == SOLO_AMOUNT
