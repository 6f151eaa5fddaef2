"""Communities over HTTP: found, joined, left, kept; nobody named who did not agree."""

from typing import Any
from uuid import UUID

import httpx2
import pytest
from pydantic import BaseModel

from app.community import schemas
from app.community.models import Access, Visibility
from app.identity import service as identity
from app.identity.rules import ShopRole
from app.identity.service.members import change_me
from tests.community.test_service import found, join
from tests.conftest import rows_in
from tests.factories import Stand, statements

NOWHERE = UUID(int=3)


def _code(answer: httpx2.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    code: str = answer.json()["code"]
    return code


async def test_joined_shown_and_left(stand: Stand) -> None:
    shop = await stand.shop()
    community = await found(stand, shop.id, description="一起买杨梅", capacity=9)
    member = await stand.as_member(await stand.member())
    path = f"/v1/communities/{community.id}"
    joined = await member.post(f"{path}/join")
    assert joined.status_code == 200, joined.text
    assert joined.json() == {
        "id": str(community.id),
        "shop_id": str(shop.id),
        "name": "杨梅爱好者",
        "kind": "fan",
        "access": "open",
        "visibility": "public",
        "description": "一起买杨梅",
        "capacity": 9,
        "member_count": 1,
        "created_at": "2026-06-18T04:00:00Z",
        "my_role": "member",
    }
    assert (await member.get(path)).json() == joined.json()
    assert (await member.get("/v1/me/communities")).json()["items"] == [joined.json()]
    assert (await stand.client.get(path)).json() == {**joined.json(), "my_role": None}
    listed = await stand.client.get(f"/v1/shops/{shop.id}/communities")
    assert listed.json()["items"] == [{k: v for k, v in joined.json().items() if k != "my_role"}]
    left = await member.post(f"{path}/leave")
    assert (left.status_code, left.content) == (204, b"")
    assert (await member.get("/v1/me/communities")).json()["items"] == []
    assert _code(await member.post(f"{path}/leave"), 409) == "not_a_member"


async def test_hidden_communities_exist_for_their_members(stand: Stand) -> None:
    shop = await stand.shop()
    community = await found(stand, shop.id)
    inside, outside = await stand.member(), await stand.as_member(await stand.member())
    await join(stand, inside, community.id)
    owner = await stand.as_owner(shop.id)
    kept = f"/v1/operator/shops/{shop.id}/communities/{community.id}"
    assert (await owner.patch(kept, {"visibility": "hidden"}, 1)).status_code == 200
    path = f"/v1/communities/{community.id}"
    assert _code(await outside.get(path), 404) == "not_found"
    assert _code(await outside.post(f"{path}/join"), 404) == "not_found"
    assert _code(await outside.post(f"{path}/leave"), 404) == "not_found"
    assert _code(await stand.client.get(path), 404) == "not_found"
    assert (await (await stand.as_member(inside)).get(path)).status_code == 200
    listed = await stand.client.get(f"/v1/shops/{shop.id}/communities")
    assert listed.json()["items"] == []
    assert (await owner.get(kept)).json()["visibility"] == "hidden"


async def test_refusals_of_joining_write_nothing(stand: Stand) -> None:
    shop = await stand.shop()
    full = await found(stand, shop.id, capacity=1)
    await join(stand, await stand.member(), full.id)
    closed = await found(stand, shop.id, access=Access.APPROVAL)
    member = await stand.as_member(await stand.member())
    before = await rows_in(stand.database)
    for community_id, status, code in (
        (full.id, 409, "community_full"),
        (closed.id, 409, "join_needs_approval"),
        (NOWHERE, 404, "not_found"),
    ):
        answer = await member.post(f"/v1/communities/{community_id}/join")
        assert _code(answer, status) == code
    after = await rows_in(stand.database)
    # A refusal leaves nothing but the kept answer of its key.
    after.pop("idempotency_answers"), before.pop("idempotency_answers")
    assert after == before


async def test_what_a_member_declares(stand: Stand) -> None:
    member = await stand.as_member(await stand.member())
    assert (await member.get("/v1/me/tags")).json() == {"tags": []}
    answer = await member.put("/v1/me/tags", {"tags": ["跑步", "fruit"]})
    assert answer.json() == {"tags": ["fruit", "跑步"]}
    assert (await member.get("/v1/me/tags")).json() == {"tags": ["fruit", "跑步"]}
    wrong: list[Any] = [
        {"tags": ["a b"]},
        {"tags": ["a", "a"]},
        {"tags": [""]},
        {"tags": ["x" * 65]},
        {"tags": [f"t{n}" for n in range(51)]},
        {"tags": None},
        {"tags": ["a"], "source": "inferred"},
        {},
    ]
    for body in wrong:
        assert _code(await member.put("/v1/me/tags", body), 422) == "validation_failed"
    assert (await member.get("/v1/me/tags")).json() == {"tags": ["fruit", "跑步"]}


async def test_operators_found_edit_and_close(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    root = f"/v1/operator/shops/{shop.id}/communities"
    made = await owner.post(root, {"name": "新客群", "kind": "lead"})
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert (made.json()["access"], made.json()["visibility"]) == ("open", "listed")
    path = f"{root}/{made.json()['id']}"
    assert _code(await owner.patch(path, {"name": "x"}), 428) == "version_required"
    assert _code(await owner.patch(path, {"name": "x"}, 4), 412) == "version_mismatch"
    assert _code(await owner.patch(path, {"name": None}, 1), 422) == "validation_failed"
    assert _code(await owner.patch(path, {"member_count": 9}, 1), 422) == "validation_failed"
    await join(stand, await stand.member(), UUID(made.json()["id"]))
    await join(stand, await stand.member(), UUID(made.json()["id"]))
    too_small = await owner.patch(path, {"capacity": 1}, 1)
    assert _code(too_small, 409) == "capacity_below_members"
    edited = await owner.patch(path, {"capacity": 2}, 1)
    assert (edited.json()["capacity"], edited.headers["etag"]) == (2, '"2"')
    closed = await owner.post(f"{path}/archive")
    assert closed.json()["archived_at"] == "2026-06-18T04:00:00Z"
    assert (await owner.post(f"{path}/archive")).json() == closed.json()
    assert [c["id"] for c in (await owner.get(root)).json()["items"]] == [made.json()["id"]]
    public = await stand.client.get(f"/v1/shops/{shop.id}/communities")
    assert public.json()["items"] == []


async def test_only_who_agreed_is_named(stand: Stand) -> None:
    shop = await stand.shop()
    community = await found(stand, shop.id)
    shown, silent = await stand.member("小林"), await stand.member("小王")
    await stand.database.transact(lambda db: change_me(db, shown, {"shown_to_fellows": True}))
    for member in (shown, silent):
        await join(stand, member, community.id)
    async with stand.database.reading() as db:
        assert await identity.names_of(db, [shown, silent]) == {shown: "小林"}
    owner = await stand.as_owner(shop.id)
    answer = await owner.get(f"/v1/operator/shops/{shop.id}/communities/{community.id}/members")
    names = {item["member_id"]: item["nickname"] for item in answer.json()["items"]}
    assert names == {str(shown): "小林", str(silent): None}
    assert answer.json()["items"][0].keys() == {"member_id", "role", "joined_at", "nickname"}


async def test_who_may_not_come_in(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    community = await found(stand, shop.id)
    stranger = await stand.as_owner(other.id)
    auditor = await stand.as_operator(await stand.operator(shop.id, role=ShopRole.AUDITOR))
    member = await stand.as_member(await stand.member())
    root = f"/v1/operator/shops/{shop.id}/communities"
    foreign = f"/v1/operator/shops/{other.id}/communities/{community.id}"
    wish = {"name": "x", "kind": "fan"}
    assert _code(await member.get(root), 403) == "forbidden"
    assert _code(await stranger.get(root), 404) == "not_found"
    assert _code(await auditor.post(root, wish), 403) == "forbidden"
    assert (await auditor.get(f"{root}/{community.id}")).status_code == 200
    for path in (foreign, f"{foreign}/members"):
        assert _code(await stranger.get(path), 404) == "not_found"
    assert _code(await stranger.patch(foreign, {"name": "x"}, 1), 404) == "not_found"
    assert _code(await stranger.post(f"{foreign}/archive"), 404) == "not_found"
    for own in ("/v1/me/tags", "/v1/me/communities"):
        assert _code(await stand.client.get(own), 401) == "unauthenticated"
        assert _code(await stranger.get(own), 403) == "forbidden"
    joining = f"/v1/communities/{community.id}/join"
    assert _code(await stranger.post(joining), 403) == "forbidden"
    unknown = await stand.client.get(f"/v1/shops/{NOWHERE}/communities")
    assert _code(unknown, 404) == "not_found"


async def test_lists_ask_as_often_whatever_their_size(stand: Stand) -> None:
    shop = await stand.shop()
    me = await stand.member()
    for _ in range(40):
        community = await found(stand, shop.id, visibility=Visibility.LISTED)
        await join(stand, me, community.id)
    for _ in range(40):
        await join(stand, await stand.member(), community.id)
    member, owner = await stand.as_member(me), await stand.as_owner(shop.id)
    listed = f"/v1/shops/{shop.id}/communities"
    kept = f"/v1/operator/shops/{shop.id}/communities"
    for caller, path, most in (
        (member, listed, 3),
        (member, "/v1/me/communities", 2),
        (owner, kept, 2),
        (owner, f"{kept}/{community.id}/members", 4),
    ):
        counts = []
        for limit in (10, 40):
            with statements(stand.database) as seen:
                answer = await caller.get(path, limit=limit)
            assert len(answer.json()["items"]) == limit
            counts.append(len(seen))
        assert counts[0] == counts[1] <= most, path
        first = answer.json()
        rest = await caller.get(path, limit=100, cursor=first["next_cursor"] or "")
        if first["next_cursor"]:
            assert len(rest.json()["items"]) == 1


def _requests() -> list[type[BaseModel]]:
    shapes = [v for v in vars(schemas).values() if isinstance(v, type)]
    return [s for s in shapes if issubclass(s, schemas.Wish) and s is not schemas.Wish]


@pytest.mark.parametrize("shape", _requests())
def test_every_request_shape_has_an_example_that_fits(shape: type[BaseModel]) -> None:
    (example,) = shape.model_json_schema()["examples"]
    assert shape.model_validate(example).model_dump(exclude_unset=True).keys() == example.keys()
