"""Every route called by everybody: who may is answered, who may not is refused and leaves no trace.

The accident this prevents: a route added in a hurry that forgot to ask who is calling.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.factories import Caller
from tests.payments.signed import message, sign
from tests.policy.contract import FORM, Operation, operations
from tests.policy.table import (
    AFTER_SALES,
    CAMPAIGN,
    COMMUNITY,
    KEY_RIGHTS,
    ORDER,
    POLICY,
    PRODUCT,
    PROMOTION,
    SHOP,
    Kind,
    Who,
)
from tests.policy.world import World, Yard, send

pytestmark = pytest.mark.one_database

HOOK = "/v1/hooks/{gateway}"
UNSEALED = "c2VhbGVk"


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    routes = {(o.method, o.path) for o in operations()}
    assert sorted(routes - POLICY.keys()) == []
    assert sorted(POLICY.keys() - routes) == []


# What an operation needs beside the example of its body: by route, for whom.
Make = Callable[[World, Who], Awaitable[Any]]


async def _quoted(world: World, who: Who) -> Any:
    return await world.hill.quote(world.caller(who))


async def _refreshed(world: World, _who: Who) -> Any:
    return {"refresh_token": await world.refresh_token()}


async def _invited(world: World, _who: Who) -> Any:
    return {"token": await world.invitation(), "password": "a quiet lake at dawn"}


async def _signing_in(world: World, _who: Who) -> Any:
    return await world.password_form()


async def _password(world: World, _who: Who) -> Any:
    return world.password_change


async def _for_coupons(world: World, _who: Who) -> Any:
    return {"promotion_id": str(await world.hill.make_coupon_promotion()), "claimable": True}


async def _all_of_it(_world: World, _who: Who) -> Any:
    return {"reason": "cancelled_by_shop", "reference": uuid4().hex}


async def _whatever_is_left(_world: World, _who: Who) -> Any:
    return {}


async def _all_for_a_fault(_world: World, _who: Who) -> Any:
    return {"kind": "refund_only", "reason": "damaged"}


BODIES: dict[tuple[str, str], Make] = {
    ("POST", "/v1/orders"): _quoted,
    ("POST", "/v1/auth/refresh"): _refreshed,
    ("POST", "/v1/operator/invitations/accept"): _invited,
    ("POST", "/v1/operator/auth/sign-in"): _signing_in,
    ("POST", "/v1/operator/auth/password"): _password,
    ("POST", SHOP + "/coupon-batches"): _for_coupons,
    ("POST", ORDER + "/refunds"): _all_of_it,
    ("POST", ORDER + "/refund-previews"): _whatever_is_left,
    ("POST", "/v1/orders/{order_id}/refund-previews"): _whatever_is_left,
    ("POST", "/v1/orders/{order_id}/after-sales"): _all_for_a_fault,
}
# Where the object must be in another state than a fresh one is.
MAKERS: dict[tuple[str, str], Callable[[Yard], Awaitable[UUID]]] = {
    ("POST", "/v1/orders/{order_id}/payments"): Yard.make_placed,
    ("POST", "/v1/orders/{order_id}/cancel"): Yard.make_placed,
    ("POST", "/v1/orders/{order_id}/receive"): Yard.make_shipped,
    ("POST", "/v1/groups/{group_id}/leave"): Yard.make_own_group,
    ("POST", AFTER_SALES + "/await-return"): Yard.make_return,
    ("POST", PRODUCT + "/publish"): Yard.make_draft,
    ("POST", CAMPAIGN + "/stop"): lambda yard: yard.campaign(size=3),
    ("POST", PROMOTION + "/pause"): Yard.make_live,
    ("POST", PROMOTION + "/resume"): Yard.make_paused,
}


async def fresh_ids(world: World, operation: Operation, who: Who) -> dict[str, UUID]:
    """The ids of the path; what the call would change was made for it."""
    ids = dict(world.ids)
    if operation.method == "GET":
        return ids
    name = operation.named[-1] if operation.named else ""
    if name == "session_id":
        ids[name] = (await world.again(who))[1]
    elif name:
        maker = MAKERS.get((operation.method, operation.path))
        ids[name] = await (maker(world.hill) if maker else world.hill.make(name))
    return ids


async def etag_of(world: World, operation: Operation, ids: dict[str, UUID]) -> str:
    """The version of the object of the path, as its owner reads it."""
    head, _, verb = operation.path.rpartition("/")
    path = operation.path if verb.startswith("{") or operation.path == SHOP else head
    answer = await world.hill.owner.get(Operation("GET", path).url(ids))
    assert answer.status_code == 200, answer.text
    return answer.headers["etag"]


def request_of(operation: Operation, ids: dict[str, UUID], body: Any) -> dict[str, Any]:
    if operation.media is None:
        return {}
    if body is None:
        # A shop that the example pauses sells nothing to whoever comes next.
        body = {"name": "杨梅岭"} if operation.path == SHOP else operation.example(ids)
        if isinstance(body, dict) and "lines" in body:
            body.pop("group", None)
    return {"data" if operation.media == FORM else "json": body}


async def try_in_vain(world: World, operation: Operation, who: Who, ids: Any) -> httpx2.Response:
    """The call as an intruder makes it: well-formed, and about objects that are there."""
    body: Any = None
    if operation.path == "/v1/orders" and operation.media:
        body = {**operation.example(ids), "quote_id": UNSEALED}
    elif operation.path == "/v1/operator/auth/password":
        body = world.password_change
    more = request_of(operation, ids, body)
    if operation.has_version:
        more["headers"] = {"If-Match": '"1"'}
    rule = POLICY[operation.method, operation.path]
    caller = world.caller(who, rule.right)
    return await send(caller, operation.method, operation.url(ids), **more)


async def do(world: World, operation: Operation, who: Who) -> httpx2.Response:
    """The call as somebody makes it who may, about an object that is ready for it."""
    route = operation.method, operation.path
    ids = await fresh_ids(world, operation, who)
    caller: Caller = world.caller(who, POLICY[route].right)
    if operation.path == "/v1/auth/sign-out":
        caller, _ = await world.again(who)
    elif operation.path == "/v1/me/erasure":
        caller = await world.hill.buyer()
    elif operation.path == "/v1/communities/{community_id}/leave":
        joined = await caller.post(operation.url(ids).replace("/leave", "/join"))
        assert joined.status_code == 200, joined.text
    elif operation.path.endswith("/webhook-endpoints/{endpoint_id}/enable"):
        off = await caller.post(operation.url(ids).replace("/enable", "/disable"))
        assert off.status_code == 200, off.text
    if operation.path == HOOK:
        sent = message()
        told = {"content": sent, "headers": sign(sent, world.hill.now)}
        return await send(caller, operation.method, operation.url(ids), **told)
    body = await BODIES[route](world, who) if route in BODIES else None
    more = request_of(operation, ids, body)
    if operation.has_version:
        more["headers"] = {"If-Match": await etag_of(world, operation, ids)}
    return await send(caller, operation.method, operation.url(ids), **more)


def rows(who: Who, *, refused: bool) -> list[tuple[Operation, int | None]]:
    told = [(o, POLICY[o.method, o.path].refusal_of(who)) for o in operations()]
    return [(o, status) for o, status in told if (status is not None) is refused]


REFUSAL_CODES = {401: {"unauthenticated"}, 403: {"forbidden"}, 404: {"not_found"}}


@pytest.mark.parametrize("who", Who)
async def test_who_may_not_is_refused_and_changes_nothing(world: World, who: Who) -> None:
    before = await world.contents()
    wrong = []
    for operation, status in rows(who, refused=True):
        answer = await try_in_vain(world, operation, who, world.ids)
        assert status is not None
        code = answer.json().get("code") if answer.content else None
        if answer.status_code != status or code not in REFUSAL_CODES[status]:
            wrong.append(f"{operation}: {answer.status_code} {code}, not {status}")
    assert wrong == []
    assert await world.contents() == before


@pytest.mark.parametrize("who", Who)
async def test_who_may_is_served(world: World, who: Who) -> None:
    """2xx and nothing else: a refusal for another reason would prove nothing about the right."""
    wrong = []
    for operation, _ in rows(who, refused=False):
        answer = await do(world, operation, who)
        if not answer.is_success:
            wrong.append(f"{operation}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


async def test_who_lacks_one_of_several_rights_is_refused(world: World) -> None:
    """A key for promotions alone must not learn what goods cost, or who has bought what."""
    seen = 0
    for operation in operations():
        rights = frozenset(POLICY[operation.method, operation.path].right.split())
        for missing in sorted(rights) if len(rights) > 1 else ():
            _, key = await world.hill.make_key(KEY_RIGHTS - {missing})
            more = request_of(operation, world.ids, None)
            answer = await send(key, operation.method, operation.url(world.ids), **more)
            assert answer.status_code == 403, (operation, missing, answer.text)
            assert answer.json()["params"] == {"right": missing}
            seen += 1
    assert seen >= 5


@pytest.mark.parametrize("who", [Who.FOREIGN_OWNER, Who.FOREIGN_KEY])
async def test_strangers_cannot_tell_a_shop_from_none(world: World, who: Who) -> None:
    """A different answer for what exists would let anybody list all shops."""
    nowhere = {**world.ids, "shop_id": uuid4()}
    for operation, _ in rows(who, refused=True):
        if POLICY[operation.method, operation.path].kind is Kind.SHOP:
            answers = [
                await try_in_vain(world, operation, who, ids) for ids in (world.ids, nowhere)
            ]
            told = [(a.status_code, {**a.json(), "request_id": ""}) for a in answers]
            assert told[0] == told[1], operation


@pytest.mark.parametrize("path", ["/v1/audit/invariants", "/v1/audit/pending"])
async def test_the_audit_of_all_shops_is_the_platforms(world: World, path: str) -> None:
    statuses = {who: (await send(world.caller(who), "GET", path)).status_code for who in Who}
    assert statuses.pop(Who.NOBODY) == 401
    assert {who for who, status in statuses.items() if status == 200} == {
        Who.ADMIN,
        Who.PLATFORM_AUDITOR,
    }
    assert set(statuses.values()) == {200, 403}


async def test_hidden_and_private_things_are_public_to_nobody(world: World) -> None:
    """Routes that anybody may call still show only what is meant for anybody."""
    hidden = await world.hill.make_community_id()
    ids = {**world.ids, "community_id": hidden, "product_id": await world.hill.make_draft()}
    edit = Operation("PATCH", COMMUNITY)
    changed = await send(
        world.hill.owner,
        "PATCH",
        edit.url(ids),
        json={"visibility": "hidden"},
        headers={"If-Match": '"1"'},
    )
    assert changed.status_code == 200
    drafted = await world.hill.make_campaign_id()
    for url in (
        f"/v1/communities/{hidden}",
        f"/v1/products/{ids['product_id']}",
        f"/v1/campaigns/{drafted}",
    ):
        for who in Who:
            answer = await send(world.caller(who), "GET", url)
            assert answer.status_code == 404, (url, who)
