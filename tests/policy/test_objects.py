"""Ids in the wrong hands: what is somebody else's does not exist, in paths and in bodies."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.factories import Caller
from tests.orders.market import ADDRESS
from tests.policy.contract import Operation, operations
from tests.policy.table import POLICY, SHOP, Kind, Who
from tests.policy.test_policy import request_of
from tests.policy.world import World, send

pytestmark = pytest.mark.one_database

Ids = dict[str, UUID]
PROMOTION = {
    "name_zh": "一折",
    "name_en": "90% off",
    "rule": {"kind": "percent_off", "off_bp": 9_000},
}


def nested(kind: Kind) -> list[Operation]:
    """Operations about an object that belongs to a member, or stands below a shop."""
    outer = {"shop_id"} if kind is Kind.SHOP else set()
    return [
        o for o in operations() if POLICY[o.method, o.path].kind is kind and set(o.named) - outer
    ]


async def answer_to(world: World, operation: Operation, who: Who, ids: Ids) -> httpx2.Response:
    more = request_of(operation, ids, None)
    if operation.has_version:
        more["headers"] = {"If-Match": '"1"'}
    return await send(world.caller(who), operation.method, operation.url(ids), **more)


def told(answer: httpx2.Response) -> tuple[int, Any]:
    """What the caller learns, but for the id of the request."""
    return answer.status_code, {**answer.json(), "request_id": ""}


async def test_a_shops_objects_do_not_exist_below_another_shop(world: World) -> None:
    """The path is authorised by its shop; whoever forgets the rest serves all shops' objects."""
    before = await world.contents()
    wrong = []
    for operation in nested(Kind.SHOP):
        smuggled = {**world.ids, "shop_id": world.foreign["shop_id"]}
        absent = {name: uuid4() for name in smuggled} | {"shop_id": smuggled["shop_id"]}
        answers = [
            await answer_to(world, operation, Who.FOREIGN_OWNER, ids) for ids in (smuggled, absent)
        ]
        if answers[0].status_code != 404 or told(answers[0]) != told(answers[1]):
            wrong.append(f"{operation}: {answers[0].status_code} {answers[0].text[:150]}")
    assert wrong == []
    assert await world.contents() == before


async def test_a_members_objects_do_not_exist_for_another(world: World) -> None:
    before = await world.contents()
    for operation in nested(Kind.OWN):
        ids = world.ids
        absent = {name: uuid4() for name in ids}
        answers = [await answer_to(world, operation, Who.FELLOW, i) for i in (ids, absent)]
        assert answers[0].status_code == 404, operation
        assert told(answers[0]) == told(answers[1]), operation
    assert await world.contents() == before


async def test_an_operators_session_is_ended_by_nobody_else(world: World) -> None:
    before = await world.contents()
    for who in (Who.OWNER, Who.ADMIN):
        url = f"/v1/operator/sessions/{world.ids['session_id']}"
        assert (await send(world.caller(who), "DELETE", url)).status_code == 404
    assert await world.contents() == before


def foreign_bodies(world: World, named: Ids) -> list[tuple[str, str, dict[str, Any]]]:
    """Bodies of the other shop's owner that name these objects."""
    ids = {name: str(value) for name, value in named.items()}
    shop, own = f"/v1/operator/shops/{world.foreign['shop_id']}", world.foreign
    campaign = {
        "name": "三人团",
        "product_id": str(own["product_id"]),
        "size": 3,
        "group_seconds": 3_600,
        "starts_at": "2026-06-19T00:00:00Z",
        "ends_at": "2026-06-25T00:00:00Z",
        "prices": [{"variant_id": str(own["variant_id"]), "group_amount": 9_000}],
    }
    price = {"variant_id": ids["variant_id"], "group_amount": 9_000}
    group = {"conditions": {"community_ids": [ids["community_id"]]}}
    members = {"member_ids": [ids["member_id"]]}
    product = f"{shop}/products/{own['product_id']}"
    category = f"{shop}/categories/{own['category_id']}"
    drafted = f"{shop}/promotions/{own['promotion_id']}"
    return [
        ("POST", f"{shop}/products", {"title": "梅", "category_id": ids["category_id"]}),
        ("PATCH", product, {"category_id": ids["category_id"]}),
        ("POST", f"{shop}/categories", {"name": "梅", "parent_id": ids["category_id"]}),
        ("PATCH", category, {"parent_id": ids["category_id"]}),
        ("POST", f"{shop}/promotions", {**PROMOTION, **group}),
        ("PATCH", drafted, group),
        ("PATCH", drafted, {"conditions": {"audience_ids": [ids["audience_id"]]}}),
        ("PATCH", drafted, {"match": {"variant_ids": [ids["variant_id"]]}}),
        ("PATCH", product, {"brand_id": ids["brand_id"]}),
        ("POST", f"{shop}/audiences/{own['audience_id']}/members", members),
        ("POST", f"{shop}/coupon-batches", {"promotion_id": ids["promotion_id"], "code": "ABC"}),
        ("POST", f"{shop}/campaigns", {**campaign, "product_id": ids["product_id"]}),
        ("POST", f"{shop}/campaigns", {**campaign, "prices": [price]}),
        ("POST", f"{shop}/campaigns", {**campaign, "ladder": [{"size": 5, "prices": [price]}]}),
        ("POST", f"{shop}/campaigns", {**campaign, "audience": group["conditions"]}),
        ("PATCH", f"{shop}/campaigns/{own['draft_id']}", {"audience": group["conditions"]}),
    ]


async def test_bodies_cannot_name_another_shops_objects(world: World) -> None:
    """And what they are told does not depend on whether there are such objects."""
    owner = world.caller(Who.FOREIGN_OWNER)
    absent = {name: uuid4() for name in world.ids}
    before = await world.contents()
    for smuggled, unknown in zip(
        foreign_bodies(world, world.ids), foreign_bodies(world, absent), strict=True
    ):
        answers = []
        for method, url, body in (smuggled, unknown):
            version = (await owner.get(url)).headers.get("etag", "")
            headers = {"If-Match": version}
            answers.append(await send(owner, method, url, json=body, headers=headers))
        assert answers[0].status_code in {404, 409}, (smuggled, answers[0].text)
        codes = [answer.json()["code"] for answer in answers]
        assert codes[0] == codes[1], smuggled
        assert codes[0] not in {"version_mismatch", "already_exists"}, smuggled
    assert await world.contents() == before


async def test_a_promotion_touches_no_other_shops_goods(world: World) -> None:
    """Everything there is in a shop is that shop's; at the till it is worth nothing elsewhere."""
    hill, buyer = world.hill, world.caller(Who.BUYER)
    lines = [{"variant_id": str(hill.variant_id), "quantity": 1}]
    basket = {"shop_id": str(hill.shop_id), "lines": lines}
    before = (await buyer.post("/v1/quotes", basket)).json()
    url = f"/v1/operator/shops/{world.other.shop_id}/promotions"
    made = await world.other.owner.post(url, PROMOTION)
    assert made.status_code == 201, made.text
    live = await world.other.owner.post(f"{url}/{made.json()['id']}/activate")
    assert live.status_code == 200, live.text
    after = (await buyer.post("/v1/quotes", basket)).json()
    assert {**after, "quote_id": ""} == {**before, "quote_id": ""}


async def test_a_basket_cannot_mix_shops_or_borrow_an_address(world: World) -> None:
    hill, other, fellow = world.hill, world.other, world.caller(Who.FELLOW)
    own_line = {"variant_id": str(hill.variant_id), "quantity": 1}
    basket = {"shop_id": str(hill.shop_id), "lines": [own_line]}
    before = await world.contents()
    for change in (
        {"shop_id": str(other.shop_id)},
        {"lines": [own_line, {"variant_id": str(other.variant_id), "quantity": 1}]},
        {"group": {"open": str(other.campaign_id)}},
        {"group": {"join": str(world.foreign["group_id"])}},
    ):
        answer = await fellow.post("/v1/quotes", {**basket, **change})
        assert answer.status_code in {404, 409}, (change, answer.text)
    quoted = await hill.quote(fellow)
    del quoted["address"]
    borrowed = {**quoted, "address_id": str(world.ids["address_id"])}
    assert (await fellow.post("/v1/orders", borrowed)).status_code == 404
    elsewhere = {**quoted, "address": ADDRESS, "community_id": str(world.foreign["community_id"])}
    assert (await fellow.post("/v1/orders", elsewhere)).status_code in {404, 409, 422}
    assert await world.contents() == before


async def test_a_quote_is_its_buyers_own(world: World) -> None:
    before = await world.contents()
    quoted = await world.hill.quote(world.caller(Who.BUYER))
    answer = await world.caller(Who.FELLOW).post("/v1/orders", quoted)
    assert (answer.status_code, answer.json()["code"]) == (409, "quote_invalid"), answer.text
    assert await world.contents() == before


async def test_an_idempotency_key_gives_nobody_elses_answer(world: World) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    buyer, fellow = world.caller(Who.BUYER), world.caller(Who.FELLOW)
    client = world.hill.client
    first = await client.post("/v1/me/addresses", json=ADDRESS, headers={**buyer.headers, **key})
    second = await client.post("/v1/me/addresses", json=ADDRESS, headers={**fellow.headers, **key})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["address_id"] != second.json()["address_id"]
    assert "idempotency-replayed" not in second.headers


async def test_a_filter_finds_nothing_of_another_shop(world: World) -> None:
    owner, shop = world.caller(Who.FOREIGN_OWNER), world.foreign["shop_id"]
    url = f"/v1/operator/shops/{shop}"
    orders = await owner.get(f"{url}/orders", group_id=str(world.ids["group_id"]))
    assert orders.json()["items"] == []
    products = await owner.get(f"{url}/products", category_id=str(world.ids["category_id"]))
    assert products.status_code == 404 or products.json()["items"] == []


async def more_of_everything(world: World) -> None:
    """At least three of whatever is listed, in both hands."""
    for yard in (world.hill, world.other):
        for parameter in (
            "product_id",
            "category_id",
            "community_id",
            "promotion_id",
            "batch_id",
            "campaign_id",
            "group_id",
            "operator_id",
            "key_id",
            "brand_id",
            "audience_id",
            "member_id",
            "refund_id",
            "after_sales_id",
            "approval_id",
            "endpoint_id",
            "delivery_id",
        ):
            for _ in range(2):
                await yard.make(parameter)
        for community_id in [await yard.make_community_id() for _ in range(3)]:
            answer = await yard.buyer_.post(f"/v1/communities/{community_id}/join")
            assert answer.status_code == 200
        for _ in range(3):
            await yard.make_order_id()
            campaign = str(await yard.campaign(size=3))
            await yard.place(yard.buyer_, group={"open": campaign})
            await yard.campaign(size=3)
            await yard.complain()
        await fill_lists_below(yard)


async def fill_lists_below(yard: Any) -> None:
    """Three members of a community, three prices and three stock adjustments of a variant."""
    variant = f"/v1/operator/shops/{yard.shop_id}/variants/{yard.variant_id}"
    for count in range(3):
        adjusted = await yard.owner.post(
            f"{variant}/stock-adjustments", {"quantity": 5, "reason": "到货"}
        )
        assert adjusted.status_code == 201
        version = (await yard.owner.get(variant)).headers["etag"].strip('"')
        change = {"list_amount": 20_000 + count}
        assert (await yard.owner.patch(variant, change, int(version))).status_code == 200


LISTS = [o for o in operations() if "cursor" in o.parameters("query")]
IN_SHOP = [o for o in LISTS if POLICY[o.method, o.path].kind is Kind.SHOP]
OF_CALLER = [o for o in LISTS if POLICY[o.method, o.path].kind in {Kind.MEMBER, Kind.OPERATOR}]


@pytest.fixture(scope="module")
async def full(world: World) -> World:
    """The world with lists of more than one page."""
    await more_of_everything(world)
    for who in (Who.BUYER, Who.FELLOW):
        for yard, ids in ((world.hill, world.ids), (world.other, world.foreign)):
            await yard.buyer_.post(f"/v1/communities/{ids['community_id']}/join")
            joined = await world.caller(who).post(f"/v1/communities/{ids['community_id']}/join")
            assert joined.status_code == 200
            claim = {"batch_id": str(ids["batch_id"])}
            claimed = await world.caller(who).post("/v1/coupons/claims", claim)
            assert claimed.status_code == 201, claimed.text
    for who in (Who.OWNER, Who.FOREIGN_OWNER):
        for _ in range(3):
            await world.again(who)
        extra = await world.hill.shop(f"extra-{who.name.lower().replace('_', '-')}")
        await world.hill.grant(world.people[who], extra.id)
    return world


def ids_on(page: Sequence[dict[str, Any]]) -> set[str]:
    return {str(next(iter(row.values()))) for row in page}


async def all_ids(caller: Caller, url: str) -> set[str]:
    answer = await caller.get(url, limit=100)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_cursor"] is None
    return ids_on(answer.json()["items"])


@pytest.mark.parametrize("operation", IN_SHOP, ids=str)
async def test_a_cursor_of_one_shops_list_opens_no_other(full: World, operation: Operation) -> None:
    url, theirs = operation.url(full.ids), operation.url(full.foreign)
    first = await full.caller(Who.OWNER).get(url, limit=1)
    cursor = first.json()["next_cursor"]
    assert cursor, "the list has a second page"
    stranger = full.caller(Who.FOREIGN_OWNER)
    assert (await stranger.get(url, cursor=cursor)).status_code == 404
    answer = await stranger.get(theirs, cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("operation", OF_CALLER, ids=str)
async def test_a_cursor_of_ones_own_list_shows_others_only_theirs(
    full: World, operation: Operation
) -> None:
    is_members = POLICY[operation.method, operation.path].kind is Kind.MEMBER
    pair = (Who.BUYER, Who.FELLOW) if is_members else (Who.OWNER, Who.FOREIGN_OWNER)
    mine, theirs = (full.caller(who) for who in pair)
    cursor = (await mine.get(operation.path, limit=1)).json()["next_cursor"]
    assert cursor, "the list has a second page"
    answer = await theirs.get(operation.path, cursor=cursor, limit=100)
    assert answer.status_code in {200, 422}
    if answer.status_code == 200:
        allowed = await all_ids(theirs, operation.path)
        assert ids_on(answer.json()["items"]) <= allowed


def test_the_lists_are_all_here() -> None:
    """A walk over no routes would prove nothing."""
    assert len(IN_SHOP) >= 10
    assert len(OF_CALLER) >= 4
    assert len(nested(Kind.SHOP)) >= 20
    assert len(nested(Kind.OWN)) >= 6
    assert SHOP + "/orders" in {o.path for o in IN_SHOP}
