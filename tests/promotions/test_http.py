"""Promotions over HTTP: what operators send and get, and who may."""

from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.catalog.schemas.shops import PartyKind
from app.core.audit_log import AuditEntry
from app.core.sql import table
from app.identity.rules import ShopRole
from app.promotions.models import Promotion, PromotionKind
from tests.conftest import rows_in
from tests.factories import Caller, Stand

NO_LIMITS: dict[str, Any] = {
    "ladder": [],
    "per": "unit",
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

NOTHING_ASKED: dict[str, Any] = {
    "hours": [],
    "new_buyers_only": False,
    "nth_order": None,
    "community_ids": [],
    "roles": [],
    "member_tags_any": [],
    "member_tags_all": [],
    "member_tags_none": [],
    "audience_ids": [],
    "channels": [],
    "minimum": None,
    "units_min": None,
}


def path(shop_id: UUID, *rest: object) -> str:
    return "/".join((f"/v1/operator/shops/{shop_id}/promotions", *map(str, rest)))


async def created(caller: Caller, shop_id: UUID, **more: Any) -> dict[str, Any]:
    answer = await caller.post(path(shop_id), {**BODY, **more})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def test_a_promotion_is_drafted_shown_edited_run_ended_and_copied(
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
        "conditions": NOTHING_ASKED,
        "limits": {"uses_max": None, "member_uses_max": None, "budget_amount": None},
        "needs_coupon": False,
        "exclusive": False,
        "stacking_group": None,
        "priority": 0,
        "version": 1,
        "created_at": "2026-06-18T04:00:00Z",
        "warnings": [{"code": "no_goods", "params": {}}],
    }
    one = path(shop.id, shown["id"])
    assert (await owner.get(one)).json() == shown

    edited = await owner.patch(one, {"ends_at": None, "exclusive": True}, version=1)
    assert edited.headers["ETag"] == '"2"'
    assert edited.json() == {**shown, "ends_at": None, "exclusive": True, "version": 2}
    assert (await owner.post(one + "/activate")).json()["status"] == "running"
    assert (await owner.post(one + "/pause")).json()["status"] == "paused"
    assert (await owner.post(one + "/resume")).json()["status"] == "running"
    ended = await owner.post(one + "/end")
    assert (ended.json()["status"], ended.json()["version"]) == ("ended", 6)
    copied = (await owner.post(one + "/copy")).json()
    assert (copied["status"], copied["version"], copied["exclusive"]) == ("draft", 1, True)
    assert copied["id"] != shown["id"]

    entries = table(AuditEntry)
    async with stand.database.reading() as db:
        statement = sa.select(entries.c.actor_kind, entries.c.action, entries.c.request_id)
        noted = (await db.execute(statement.where(entries.c.subject == "promotion"))).all()
    assert {row.actor_kind for row in noted} == {"operator"}
    assert len({row.request_id for row in noted}) == len(noted) == 7


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
    active = (await owner.get(path(shop.id), status="running")).json()["items"]
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
        ({"status": "live"}, "/status"),
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
    assert again.json()["params"]["promotion_status"] == "running"


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
        for verb in ("activate", "pause", "resume", "end", "copy"):
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


CONDITIONS: dict[str, Any] = {
    "hours": [{"weekdays": [6, 7], "from_minute": 600, "to_minute": 1_320}],
    "new_buyers_only": False,
    "nth_order": 3,
    "community_ids": [],
    "roles": ["kol"],
    "member_tags_any": ["gourmet"],
    "member_tags_all": ["local"],
    "member_tags_none": ["staff"],
    "audience_ids": [],
    "channels": ["mini_program"],
    "minimum": {"amount": 5_000, "basis": "gross"},
    "units_min": 2,
}


async def test_conditions_and_limits_are_shown_as_they_were_sent(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    limits = {"uses_max": 10, "member_uses_max": 1, "budget_amount": 9_000}
    more = {"conditions": CONDITIONS, "limits": limits, "needs_coupon": True, "currency": "CNY"}
    made = await created(owner, shop.id, **more)
    shown = (await owner.get(path(shop.id, made["id"]))).json()
    for answer in (made, shown):
        hours = [
            {**one, "weekdays": sorted(one["weekdays"])} for one in answer["conditions"]["hours"]
        ]
        assert {**answer["conditions"], "hours": hours} == CONDITIONS
        assert (answer["limits"], answer["needs_coupon"]) == (limits, True)
    # What is sent replaces all conditions; what is not sent asks for nothing.
    edited = await owner.patch(
        path(shop.id, made["id"]), {"conditions": {"nth_order": 2}}, version=1
    )
    assert edited.json()["conditions"] == {**NOTHING_ASKED, "nth_order": 2}


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"conditions": {"roles": ["boss"]}}, "/conditions/roles"),
        ({"conditions": {"channels": ["fax"]}}, "/conditions/channels"),
        ({"conditions": {"hours": [{"weekdays": [0]}]}}, "/conditions/hours/0/weekdays"),
        ({"conditions": {"hours": [{"weekdays": []}]}}, "/conditions/hours/0/weekdays"),
        ({"conditions": {"nth_order": 0}}, "/conditions/nth_order"),
        ({"conditions": {"minimum": {"amount": 0}}}, "/conditions/minimum/amount"),
        ({"conditions": {"member_tag": ["a"]}}, "/conditions/member_tag"),
        ({"limits": {"uses_max": 0}}, "/limits/uses_max"),
        ({"limits": None}, "/limits"),
        ({"priority": 1_001}, "/priority"),
        ({"stacking_group": "two words"}, "/stacking_group"),
        ({"currency": "cny"}, "/currency"),
        ({"new_buyers_only": True}, "/new_buyers_only"),
    ],
)
async def test_conditions_that_mean_nothing_are_refused(
    stand: Stand, more: dict[str, Any], pointer: str
) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    before = await rows_in(stand.database)
    answer = await owner.post(path(shop.id), {**BODY, **more})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["pointer"].startswith(pointer), answer.text
    assert await rows_in(stand.database) == before


def test_a_shop_may_name_every_kind_in_its_denials() -> None:
    price_settings = {"group_price", "solo_price", "member_price"}
    kinds = {kind.value for kind in PromotionKind}
    assert set(get_args(PartyKind)) == kinds | price_settings | {"coupon"}


@pytest.mark.parametrize(
    "stored",
    [
        {"rule": {"kind": "percent_off", "off_bp": 20_000}},
        {"rule": {"kind": "bundle", "parts": [{}], "price_amount": 1}},
        {"match": {"product_ids": ["no id"]}},
        {"conditions": {"moon": "full"}},
    ],
    ids=["out of bounds", "half a part", "no id", "unknown condition"],
)
async def test_a_broken_stored_promotion_is_shown_as_such_and_can_be_ended(
    stand: Stand, stored: dict[str, Any]
) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    whole = {**BODY, "match": {}}
    sound, broken = [(await owner.post(path(shop.id), whole)).json() for _ in range(2)]
    for made in (sound, broken):
        assert (await owner.post(path(shop.id, made["id"], "activate"))).status_code == 200
    rows = table(Promotion)
    breaking = sa.update(rows).where(rows.c.id == UUID(broken["id"])).values(**stored)
    await stand.database.transact(lambda db: db.execute(breaking))

    listed = (await owner.get(path(shop.id))).json()["items"]
    by_id = {row["id"]: row["rule"] for row in listed}
    assert by_id[broken["id"]]["kind"] == "broken"
    name, value = next(iter(stored.items()))
    assert by_id[broken["id"]]["stored"][name] == value
    shown = (await owner.get(path(shop.id, broken["id"]))).json()
    assert [row["code"] for row in shown["warnings"]] == ["broken"]
    beside = (await owner.get(path(shop.id, sound["id"]))).json()
    assert "broken" not in {row["code"] for row in beside["warnings"]}
    refused = await owner.post(path(shop.id, broken["id"], "copy"))
    assert refused.status_code == 409, refused.text
    assert (await owner.post(path(shop.id, broken["id"], "end"))).json()["status"] == "ended"


BROKEN: list[dict[str, Any]] = [
    {"rule": []},
    {"rule": {"kind": "percent_off", "off_bp": 1000.5}},
    {"rule": {"kind": "gift", "variant_id": 5}},
    {"rule": {"kind": "add_on", "tiers": [{"price_amount": 1, "variant_ids": [5]}]}},
    {"rule": {"kind": "bundle", "parts": [{"match": 5, "quantity": 2}], "price_amount": 1}},
    {"match": []},
    {"match": {"product_ids": [3]}},
    {"conditions": []},
    {"conditions": {"community_ids": "abc"}},
    {"rule": {"kind": "percent_off", "off_bp": True}},
    {"rule": {"kind": "percent_off", "off_bp": 1_000, "per": "moon"}},
    {"rule": {"kind": "bundle", "parts": [{"match": [], "quantity": 2}], "price_amount": 1}},
    {"rule": {"kind": "gift", "variant_id": str(UUID(int=5)), "repeat": 1}},
    {"match": {"tags_none": ["dear", 1]}},
    {"conditions": {"roles": ["kol", 1]}},
    {"conditions": {"channels": ["web", None]}},
    {"conditions": {"member_tags_any": [1, "parent"]}},
    {"conditions": {"new_buyers_only": "no"}},
    {"conditions": {"minimum": {"amount": 1, "basis": "net"}}},
    {"limits": {"uses_max": None, "member_uses_max": None, "budget_amount": -1}},
    {"limits": []},
    {"limits": {"uses_max": None, "member_uses_max": "5", "budget_amount": None}},
]


async def test_nothing_stored_keeps_a_shop_from_selling_or_its_operators_from_ending_it(
    stand: Stand,
) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    goods = await stand.goods(shop.id, units=5)
    buyer = await stand.as_member(await stand.member())
    made = [(await owner.post(path(shop.id), {**BODY, "match": {}})).json() for _ in BROKEN]
    rows = table(Promotion)
    for row, stored in zip(made, BROKEN, strict=True):
        told = await owner.post(path(shop.id, row["id"], "activate"))
        assert told.status_code == 200, told.text
        breaking = sa.update(rows).where(rows.c.id == UUID(row["id"])).values(**stored)
        await stand.database.transact(lambda db, breaking=breaking: db.execute(breaking))
    basket = {
        "shop_id": str(shop.id),
        "lines": [{"variant_id": str(goods.id), "quantity": 1}],
    }
    quoted = await buyer.post("/v1/quotes", basket)
    assert quoted.status_code == 200, quoted.text
    assert quoted.json()["not_applied"] == quoted.json()["applied"] == []
    listed = await owner.get(path(shop.id))
    assert {row["rule"]["kind"] for row in listed.json()["items"]} == {"broken"}
    for row in made:
        ended = await owner.post(path(shop.id, row["id"], "end"))
        assert (ended.status_code, ended.json()["status"]) == (200, "ended")


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1999-12-31T00:00:00Z"]
)
async def test_moments_of_another_age_are_refused(stand: Stand, moment: str) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    before = await rows_in(stand.database)
    answer = await owner.post(path(shop.id), {**BODY, "ends_at": moment})
    assert answer.status_code == 422, answer.text
    assert await rows_in(stand.database) == before
