"""Coupons over HTTP: given out, claimed to the last one and never beyond, kept and stopped."""

import asyncio
import csv
import io
import unicodedata
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import sqlalchemy as sa

from app.core.audit_log import AuditEntry
from app.core.csv import safe_cell
from app.core.sql import table
from app.promotions.models import CouponKind
from app.promotions.rules.coupons import CODE_ALPHABET, CODE_LENGTH, is_code, normalised
from tests.conftest import rows_in
from tests.factories import Caller, Stand, statements
from tests.orders.books import facts
from tests.orders.market import problem
from tests.promotions.giving import batch, coupon_rows, promoted

BAYBERRY_CODES = ("BAYBERRY26", "bayberry26", " ＢayＢerry２６ ", "bayberry２6")


@pytest.fixture
async def shop_id(stand: Stand) -> UUID:
    return (await stand.shop()).id


@pytest.fixture
async def promotion_id(stand: Stand, shop_id: UUID) -> UUID:
    return await promoted(stand, shop_id, needs_coupon=True)


def path(shop_id: UUID, *rest: object) -> str:
    return "/".join((f"/v1/operator/shops/{shop_id}/coupon-batches", *map(str, rest)))


async def created(caller: Caller, shop_id: UUID, promotion_id: UUID, **more: Any) -> dict[str, Any]:
    answer = await caller.post(path(shop_id), {"promotion_id": str(promotion_id), **more})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def claim(member: Caller, **body: Any) -> httpx2.Response:
    return await member.post("/v1/coupons/claims", {k: str(v) for k, v in body.items()})


async def claimed(member: Caller, **body: Any) -> dict[str, Any]:
    answer = await claim(member, **body)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def refused(stand: Stand, asked: Any, status: int, code: str) -> dict[str, Any]:
    """The problem of a refusal whose only trace may be its own answer."""
    before = await rows_in(stand.database)
    told = problem(await asked, status, code)
    after = await rows_in(stand.database)
    assert {**after, "idempotency_answers": 0} == {**before, "idempotency_answers": 0}
    return told


async def test_batches_are_created_listed_shown_and_stopped(
    stand: Stand, shop_id: UUID, promotion_id: UUID
) -> None:
    owner = await stand.as_owner(shop_id)
    shared = await created(owner, shop_id, promotion_id, code="ｓummer-26")
    single = await created(owner, shop_id, promotion_id, codes_count=3)
    free = await created(
        owner, shop_id, promotion_id, claimable=True, coupons_max=9, valid_seconds=3_600
    )
    kinds = [made["kind"] for made in (shared, single, free)]
    assert kinds == ["shared_code", "single_codes", "claimed"]
    assert (free["coupons_max"], free["member_max"], free["valid_seconds"]) == (9, 1, 3_600)
    assert [made["member_max"] for made in (shared, single)] == [None, None]
    listed = (await owner.get(path(shop_id), limit=2)).json()
    assert [row["id"] for row in listed["items"]] == [free["id"], single["id"]]
    rest = await owner.get(path(shop_id), limit=2, cursor=listed["next_cursor"])
    assert [row["id"] for row in rest.json()["items"]] == [shared["id"]]
    of_none = await owner.get(path(shop_id), promotion_id=uuid4())
    assert of_none.json()["items"] == []
    for _ in range(2):
        stopped = await owner.post(path(shop_id, free["id"], "stop"))
        assert stopped.json() == {**free, "status": "stopped"}
    assert (await owner.get(path(shop_id, free["id"]))).json() == stopped.json()
    log = table(AuditEntry)
    mine = sa.select(log.c.action).where(log.c.subject_id == UUID(free["id"])).order_by(log.c.id)
    async with stand.database.reading() as db:
        actions = (await db.execute(mine)).scalars().all()
    assert actions == ["coupon_batch.created", "coupon_batch.stopped"]


async def test_single_codes_are_random_easy_to_type_and_exported(
    stand: Stand, shop_id: UUID, promotion_id: UUID
) -> None:
    owner = await stand.as_owner(shop_id)
    until = "2026-12-31T16:00:00+00:00"
    made = await created(owner, shop_id, promotion_id, codes_count=2_345, ends_at=until)
    answer = await owner.get(path(shop_id, made["id"], "codes"))
    assert answer.headers["content-type"].startswith("text/csv")
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert header == ["code", "state", "ends_at"]
    codes = [row[0] for row in rows]
    assert len(set(codes)) == 2_345
    assert {(row[1], row[2]) for row in rows} == {("open", until)}
    assert {len(code) for code in codes} == {CODE_LENGTH}
    assert set("".join(codes)) == set(CODE_ALPHABET)
    assert len(CODE_ALPHABET) ** CODE_LENGTH >= 2**64
    assert not set("0O1IL") & set(CODE_ALPHABET)
    assert answer.text.count("\r\n") == 2_346


@pytest.mark.parametrize("typed", BAYBERRY_CODES)
async def test_a_code_is_one_however_it_is_typed(
    stand: Stand, shop_id: UUID, promotion_id: UUID, typed: str
) -> None:
    owner = await stand.as_owner(shop_id)
    made = await created(owner, shop_id, promotion_id, code=typed)
    [row] = await coupon_rows(stand.database, UUID(made["id"]))
    assert row["code"] == "BAYBERRY26"
    again = {"promotion_id": str(promotion_id), "code": "BayBerry26"}
    await refused(stand, owner.post(path(shop_id), again), 409, "code_in_use")
    # It is this shop's alone.
    other = (await stand.shop("lake")).id
    theirs = await promoted(stand, other, needs_coupon=True)
    await created(await stand.as_owner(other), other, theirs, code=typed)


def test_spelling_a_code_twice_changes_nothing_more() -> None:
    for number in range(0x3_0000):
        letter = chr(number)
        if unicodedata.category(letter) != "Cs":
            once = normalised(f"A{letter}A")
            assert normalised(once) == once, hex(number)
            # No spreadsheet takes a code for a formula.
            code = normalised(f"{letter}AAA")
            assert not is_code(code) or safe_cell(code) == code, hex(number)


CLAIMS: dict[str, Any] = {"claimable": True}


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"code": "SUMMER", "codes_count": 3},
        {"code": "SUMMER", "claimable": True},
        {"codes_count": 3, "claimable": True},
        {"code": "SUMMER", "coupons_max": 3},
        {"codes_count": 3, "valid_seconds": 60},
        {"code": "SUMMER", "member_max": 1},
        {"code": "SUMMER", "claims_start_at": "2026-06-18T00:00:00Z"},
        *({"code": code} for code in ("", "AB", "A B C", "-ABC", "=ABC", "A" * 33, "ﷺ" * 9, 7)),
        *({"codes_count": count} for count in (0, -1, 10_001, 1.0, "1", True)),
        *({**CLAIMS, "coupons_max": most} for most in (0, -1, 10**10, "1", True)),
        *({**CLAIMS, "member_max": most} for most in (0, 101, "1")),
        *({**CLAIMS, "valid_seconds": seconds} for seconds in (0, -1, 10**9)),
        {**CLAIMS, "starts_at": "2026-06-18T00:00:00"},
        {**CLAIMS, "status": "stopped"},
        {**CLAIMS, "claimed": 0},
        {"claimable": 1},
    ],
    ids=str,
)
async def test_a_batch_that_fits_no_schema_is_refused(
    stand: Stand, shop_id: UUID, promotion_id: UUID, wish: dict[str, Any]
) -> None:
    owner = await stand.as_owner(shop_id)
    asked = owner.post(path(shop_id), {"promotion_id": str(promotion_id), **wish})
    await refused(stand, asked, 422, "validation_failed")


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        ({"claims_start_at": 2, "claims_end_at": 1}, "claim_window"),
        ({"claims_start_at": 1, "claims_end_at": 1}, "claim_window"),
        ({"claims_end_at": 0}, "claim_window"),
        ({"claims_start_at": 2, "ends_at": 1}, "claim_window"),
        ({"claims_start_at": 1, "ends_at": 1}, "claim_window"),
        ({"claims_start_at": 1, "claims_end_at": 3, "ends_at": 1}, "claim_window"),
        ({"starts_at": 2, "ends_at": 1}, "valid_window"),
        ({"ends_at": -1}, "valid_window"),
    ],
)
async def test_coupons_that_could_never_hold_are_refused(
    stand: Stand, shop_id: UUID, promotion_id: UUID, window: dict[str, int], reason: str
) -> None:
    owner = await stand.as_owner(shop_id)
    times = {k: (stand.now + timedelta(hours=h)).isoformat() for k, h in window.items()}
    wish = {"promotion_id": str(promotion_id), "claimable": True, **times}
    told = await refused(stand, owner.post(path(shop_id), wish), 409, "bad_coupon_batch")
    assert told["params"]["reason"] == reason


async def test_coupons_are_for_promotions_of_the_shop_that_need_one(
    stand: Stand, shop_id: UUID
) -> None:
    owner = await stand.as_owner(shop_id)
    wish = {"promotion_id": str(await promoted(stand, shop_id)), "claimable": True}
    told = await refused(stand, owner.post(path(shop_id), wish), 409, "bad_coupon_batch")
    assert told["params"]["reason"] == "promotion"
    other = (await stand.shop("lake")).id
    theirs = str(await promoted(stand, other, needs_coupon=True))
    for absent in (theirs, str(uuid4())):
        asked = owner.post(path(shop_id), {**wish, "promotion_id": absent})
        await refused(stand, asked, 404, "not_found")


async def test_64_members_claim_the_last_coupon_and_one_has_it(
    stand: Stand, shop_id: UUID, promotion_id: UUID
) -> None:
    kind = CouponKind.CLAIMED
    batch_id = await batch(stand, shop_id, promotion_id, kind, coupons_max=1, member_max=1)
    members = [await stand.as_member(await stand.member()) for _ in range(64)]
    answers = await asyncio.gather(*(claim(member, batch_id=batch_id) for member in members))
    told = Counter(a.json().get("code", a.status_code) for a in answers)
    assert told == {201: 1, "coupons_gone": 63}
    assert len(await coupon_rows(stand.database, batch_id)) == 1
    shown = (await (await stand.as_owner(shop_id)).get(path(shop_id, batch_id))).json()
    assert (shown["claimed_count"], shown["coupons_max"]) == (1, 1)
    assert len(await facts(stand.database, "coupon.claimed")) == 1
    late = await stand.as_member(await stand.member())
    await refused(stand, claim(late, batch_id=batch_id), 409, "coupons_gone")


@pytest.mark.parametrize(("coupons_max", "member_max"), [(None, 3), (100, 3), (2, 3), (None, 1)])
async def test_a_member_claims_as_often_as_allowed(
    stand: Stand, shop_id: UUID, promotion_id: UUID, coupons_max: int | None, member_max: int
) -> None:
    most = {"coupons_max": coupons_max, "member_max": member_max}
    batch_id = await batch(stand, shop_id, promotion_id, CouponKind.CLAIMED, **most)
    ann, bob = [await stand.as_member(await stand.member(name)) for name in ("ann", "bob")]
    allowed = min(member_max, coupons_max or member_max)
    answers = await asyncio.gather(*(claim(ann, batch_id=batch_id) for _ in range(12)))
    told = Counter(a.json().get("code", a.status_code) for a in answers)
    assert told[201] == allowed
    assert set(told) <= {201, "claim_limit_reached", "coupons_gone"}
    rows = await coupon_rows(stand.database, batch_id)
    assert sorted(row["number"] for row in rows) == list(range(1, allowed + 1))
    if allowed == member_max:
        asked = claim(ann, batch_id=batch_id)
        told_one = await refused(stand, asked, 409, "claim_limit_reached")
        assert told_one["params"] == {"member_max": member_max}
        await claimed(bob, batch_id=batch_id)


async def test_an_unlimited_batch_touches_no_counter(
    stand: Stand, shop_id: UUID, promotion_id: UUID
) -> None:
    batch_id = await batch(stand, shop_id, promotion_id, CouponKind.CLAIMED)
    ann = await stand.as_member(await stand.member("ann"))
    with statements(stand.database) as seen:
        for _ in range(3):
            await claimed(ann, batch_id=batch_id)
    assert not [s for s in seen if s.startswith("UPDATE")]
    assert [row["number"] for row in await coupon_rows(stand.database, batch_id)] == [None] * 3


async def test_a_purse_tells_how_each_coupon_stands(
    stand: Stand, shop_id: UUID, promotion_id: UUID
) -> None:
    owner = await stand.as_owner(shop_id)
    ann = await stand.as_member(await stand.member("ann"))
    soon = (stand.now + timedelta(seconds=30)).isoformat()
    made = {
        "later": await created(owner, shop_id, promotion_id, **CLAIMS, starts_at=soon),
        "minute": await created(
            owner, shop_id, promotion_id, **CLAIMS, valid_seconds=60, ends_at=None
        ),
        "half": await created(
            owner, shop_id, promotion_id, **CLAIMS, valid_seconds=60, ends_at=soon
        ),
        "void": await created(owner, shop_id, promotion_id, **CLAIMS),
    }
    for row in made.values():
        await claimed(ann, batch_id=row["id"])
    await owner.post(path(shop_id, made["void"]["id"], "stop"))

    async def states() -> dict[str, str]:
        items = (await ann.get("/v1/me/coupons", shop_id=shop_id)).json()["items"]
        by_batch = {item["batch_id"]: item["state"] for item in items}
        return {name: by_batch[row["id"]] for name, row in made.items()}

    assert await states() == {
        "later": "not_yet",
        "minute": "usable",
        "half": "usable",
        "void": "expired",
    }
    stand.clock.advance(seconds=29)
    assert (await states())["half"] == "usable"
    stand.clock.advance(seconds=1)
    assert await states() == {
        "later": "usable",
        "minute": "usable",
        "half": "expired",
        "void": "expired",
    }
    first = (await ann.get("/v1/me/coupons", limit=3)).json()
    rest = (await ann.get("/v1/me/coupons", limit=3, cursor=first["next_cursor"])).json()
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (3, 1, None)
    other = (await stand.shop("lake")).id
    assert (await ann.get("/v1/me/coupons", shop_id=other)).json()["items"] == []


async def test_claims_have_their_window(stand: Stand, shop_id: UUID, promotion_id: UUID) -> None:
    window = {
        "claims_start_at": stand.now + timedelta(minutes=1),
        "claims_end_at": stand.now + timedelta(minutes=2),
    }
    kind = CouponKind.CLAIMED
    batch_id = await batch(stand, shop_id, promotion_id, kind, member_max=9, **window)
    ann = await stand.as_member(await stand.member("ann"))

    async def reason() -> str:
        told = await refused(stand, claim(ann, batch_id=batch_id), 409, "coupon_not_claimable")
        found: str = told["params"]["reason"]
        return found

    assert await reason() == "not_started"
    stand.clock.advance(seconds=60)
    await claimed(ann, batch_id=batch_id)
    stand.clock.advance(seconds=60)
    assert await reason() == "ended"
    assert len(await coupon_rows(stand.database, batch_id)) == 1
    await (await stand.as_owner(shop_id)).post(path(shop_id, batch_id, "stop"))
    assert await reason() == "stopped"


async def test_a_coupons_own_time_begins_with_its_validity_and_ends_with_its_batch(
    stand: Stand, shop_id: UUID, promotion_id: UUID
) -> None:
    ann = await stand.as_member(await stand.member("ann"))
    soon, over = stand.now + timedelta(seconds=30), stand.now + timedelta(seconds=60)
    kind, window = CouponKind.CLAIMED, {"starts_at": soon, "ends_at": over, "member_max": 9}
    ends = []
    for seconds in (10, 50):
        batch_id = await batch(stand, shop_id, promotion_id, kind, valid_seconds=seconds, **window)
        ends.append((await claimed(ann, batch_id=batch_id))["ends_at"])
    assert list(map(datetime.fromisoformat, ends)) == [soon + timedelta(seconds=10), over]
    stand.clock.advance(seconds=60)
    told = await refused(stand, claim(ann, batch_id=batch_id), 409, "coupon_not_claimable")
    assert told["params"]["reason"] == "ended"


async def test_a_single_code_is_kept_by_whoever_has_it_first(
    stand: Stand, shop_id: UUID, promotion_id: UUID
) -> None:
    kind = CouponKind.SINGLE_CODES
    batch_id = await batch(stand, shop_id, promotion_id, kind, codes_count=1)
    [coupon] = await coupon_rows(stand.database, batch_id)
    typed = f" {coupon['code'].lower()} "
    members = [await stand.as_member(await stand.member()) for _ in range(5)]
    asked = (claim(member, shop_id=shop_id, code=typed) for member in members)
    answers = await asyncio.gather(*asked)
    told = Counter(a.json().get("code", a.status_code) for a in answers)
    assert told == {201: 1, "coupons_gone": 4}
    [shown] = [a.json() for a in answers if a.status_code == 201]
    assert (shown["id"], shown["state"]) == (str(coupon["id"]), "usable")
    late = claim(members[0], shop_id=shop_id, code=coupon["code"])
    await refused(stand, late, 409, "coupons_gone")


async def test_what_cannot_be_claimed(stand: Stand, shop_id: UUID, promotion_id: UUID) -> None:
    shared = await batch(stand, shop_id, promotion_id, CouponKind.SHARED_CODE, code="SUMMER")
    ann = await stand.as_member(await stand.member("ann"))
    told = await refused(
        stand, claim(ann, shop_id=shop_id, code="summer"), 409, "coupon_not_claimable"
    )
    assert told["params"]["reason"] == "kind"
    other = (await stand.shop("lake")).id
    for absent in (
        {"batch_id": shared},
        {"batch_id": uuid4()},
        {"shop_id": shop_id, "code": "WINTER"},
        {"shop_id": other, "code": "SUMMER"},
    ):
        await refused(stand, claim(ann, **absent), 404, "not_found")
    for wrong in (
        {},
        {"batch_id": shared, "shop_id": shop_id, "code": "SUMMER"},
        {"batch_id": shared, "shop_id": shop_id},
        {"code": "SUMMER"},
        {"shop_id": shop_id},
        {"batch_id": shared, "member_id": uuid4()},
    ):
        await refused(stand, claim(ann, **wrong), 422, "validation_failed")
