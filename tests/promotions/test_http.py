"""Promotions over HTTP: what operators send and get, and who may."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.core.audit_log import AuditEntry
from app.core.sql import table
from app.identity.rules import ShopRole
from tests.conftest import rows_in
from tests.factories import Caller, Stand

NO_LIMITS: dict[str, Any] = {
    "ladder": [],
    "units_max": None,
    "line_off_max_amount": None,
    "order_off_max_amount": None,
}
BODY: dict[str, Any] = {
    "name_zh": "杨梅季八折",
    "name_en": "20% off",
    "rule": {"kind": "percent_off", "off_bp": 2_000},
    "match": {"tags_any": ["fruit"]},
    "starts_at": "2026-06-18T00:00:00Z",
    "ends_at": "2026-06-25T08:00:00+08:00",
}


def path(shop_id: UUID, *rest: object) -> str:
    return "/".join((f"/v1/operator/shops/{shop_id}/promotions", *map(str, rest)))


async def created(caller: Caller, shop_id: UUID, **more: Any) -> dict[str, Any]:
    answer = await caller.post(path(shop_id), {**BODY, **more})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def test_a_promotion_is_drafted_shown_edited_activated_stopped_and_copied(
    stand: Stand,
) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    made = await owner.post(path(shop.id), BODY)
    shown = made.json()
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert shown == {
        "id": shown["id"],
        "shop_id": str(shop.id),
        "kind": "percent_off",
        "status": "draft",
        "name_zh": "杨梅季八折",
        "name_en": "20% off",
        "rule": {**NO_LIMITS, "kind": "percent_off", "off_bp": 2_000},
        "match": {**{name: [] for name in shown["match"]}, "tags_any": ["fruit"]},
        "starts_at": "2026-06-18T00:00:00Z",
        "ends_at": "2026-06-25T00:00:00Z",
        "new_buyers_only": False,
        "community_ids": [],
        "member_tags_any": [],
        "exclusive": False,
        "version": 1,
        "created_at": "2026-06-18T04:00:00Z",
    }
    one = path(shop.id, shown["id"])
    assert (await owner.get(one)).json() == shown

    edited = await owner.patch(one, {"ends_at": None, "exclusive": True}, version=1)
    assert edited.headers["ETag"] == '"2"'
    assert edited.json() == {**shown, "ends_at": None, "exclusive": True, "version": 2}
    assert (await owner.post(one + "/activate")).json()["status"] == "active"
    stopped = await owner.post(one + "/stop")
    assert (stopped.json()["status"], stopped.json()["version"]) == ("stopped", 4)
    copied = (await owner.post(one + "/copy")).json()
    assert (copied["status"], copied["version"], copied["exclusive"]) == ("draft", 1, True)
    assert copied["id"] != shown["id"]

    entries = table(AuditEntry)
    async with stand.database.reading() as db:
        statement = sa.select(entries.c.actor_kind, entries.c.action, entries.c.request_id)
        noted = (await db.execute(statement.where(entries.c.subject == "promotion"))).all()
    assert {row.actor_kind for row in noted} == {"operator"}
    assert len({row.request_id for row in noted}) == len(noted) == 5


async def test_the_list_is_paged_newest_first_and_filtered_by_status(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    owner = await stand.as_owner(shop.id)
    ids = [(await created(owner, shop.id))["id"] for _ in range(3)]
    await created(await stand.as_owner(other.id), other.id)
    await owner.post(path(shop.id, ids[1], "activate"))
    first = (await owner.get(path(shop.id), limit=2)).json()
    assert [row["id"] for row in first["items"]] == [ids[2], ids[1]]
    rest = (await owner.get(path(shop.id), limit=2, cursor=first["next_cursor"])).json()
    assert ([row["id"] for row in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)
    active = (await owner.get(path(shop.id), status="active")).json()["items"]
    assert [row["id"] for row in active] == [ids[1]]
    foreign = await owner.get(path(shop.id), status="draft", cursor=first["next_cursor"])
    assert (foreign.status_code, foreign.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"name_zh": ""}, "/name_zh"),
        ({"name_en": None}, "/name_en"),
        ({"rule": {"kind": "percent_off", "off_bp": 0}}, "/rule"),
        ({"rule": {"kind": "percent_off", "off_bp": 10_001}}, "/rule"),
        ({"rule": {"kind": "percent_off", "off_bp": 12.5}}, "/rule"),
        ({"rule": {"kind": "percent_off", "off_bp": True}}, "/rule"),
        ({"rule": {"kind": "percent_off", "off_bp": 100, "units_max": 0}}, "/rule"),
        ({"rule": {"kind": "percent_off", "off_bp": 100, "order_off_max_amount": 0}}, "/rule"),
        ({"rule": {"kind": "percent_off", "ladder": [{"units": 2}]}}, "/rule"),
        ({"rule": {"kind": "percent_off", "ladder": [{"units": 1, "off_bp": 1}] * 11}}, "/rule"),
        ({"rule": {"kind": "gift"}}, "/rule"),
        ({"rule": {"off_bp": 100}}, "/rule"),
        ({"match": {"tag": ["fruit"]}}, "/match/tag"),
        ({"match": {"product_ids": ["x"]}}, "/match/product_ids/0"),
        ({"starts_at": "2026-06-18T00:00:00"}, "/starts_at"),
        ({"exclusive": "yes"}, "/exclusive"),
        ({"status": "active"}, "/status"),
        ({"version": 7}, "/version"),
        ({"shop_id": str(uuid4())}, "/shop_id"),
    ],
)
async def test_what_does_not_fit_the_schema_is_refused_with_its_place(
    stand: Stand, more: dict[str, Any], pointer: str
) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    before = await rows_in(stand.database)
    answer = await owner.post(path(shop.id), {**BODY, **more})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["pointer"].startswith(pointer), answer.text
    assert await rows_in(stand.database) == before


async def test_refusals_have_their_code_and_leave_no_trace(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    made = await created(owner, shop.id)
    one = path(shop.id, made["id"])
    free = {"rule": {"kind": "percent_off", "off_bp": 10_000}, "match": {}}
    stale = await owner.patch(one, {"name_zh": "新"}, version=9)
    blind = await owner.patch(one, {"name_zh": "新"})
    bad = await owner.patch(one, free, version=1)
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert (blind.status_code, blind.json()["code"]) == (428, "version_required")
    assert (bad.status_code, bad.json()["code"]) == (409, "bad_promotion")
    assert bad.json()["params"] == {"reason": "free_orders"}
    assert (await owner.get(one)).json() == made
    await owner.post(one + "/activate")
    again = await owner.post(one + "/activate")
    assert (again.status_code, again.json()["code"]) == (409, "wrong_promotion_status")
    assert again.json()["params"]["promotion_status"] == "active"


async def test_foreign_and_unknown_ids_are_not_found(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    owner, stranger = await stand.as_owner(shop.id), await stand.as_owner(other.id)
    made = await created(owner, shop.id)
    before = await rows_in(stand.database)
    for caller, one in (
        (stranger, path(shop.id, made["id"])),
        (stranger, path(other.id, made["id"])),
        (owner, path(shop.id, uuid4())),
    ):
        answers = [await caller.get(one), await caller.patch(one, {"name_zh": "x"}, version=1)]
        assert {a.status_code for a in answers} == {404}
        for verb in ("activate", "stop", "copy"):
            answer = await caller.post(f"{one}/{verb}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    found = await rows_in(stand.database)
    kept = {"idempotency_answers"}  # a refusal is kept under its key, and nothing else
    assert {n: c for n, c in found.items() if n not in kept} == {
        n: c for n, c in before.items() if n not in kept
    }
    assert (await owner.get(path(shop.id, made["id"]))).json() == made


async def test_who_may_read_and_who_may_write(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    made = await created(owner, shop.id)
    one = path(shop.id, made["id"])
    auditor = await stand.as_operator(await stand.operator(shop.id, role=ShopRole.AUDITOR))
    staff = await stand.as_operator(await stand.operator(shop.id, role=ShopRole.STAFF))
    member = await stand.as_member(await stand.member())
    nobody = Caller(stand.client, {})
    assert [(await c.get(one)).status_code for c in (auditor, staff, member, nobody)] == [
        200,
        200,
        403,
        401,
    ]
    writes = [
        (await c.patch(one, {"name_zh": "新"}, version=1)).status_code
        for c in (auditor, member, nobody, staff)
    ]
    assert writes == [403, 403, 401, 200]
    posts = [(await c.post(path(shop.id), BODY)).status_code for c in (auditor, member, nobody)]
    assert posts == [403, 403, 401]
