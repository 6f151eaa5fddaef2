"""The audit log: only added to, read by its shop alone, and written by whatever changes anything.

The accident this prevents: a change that nobody can be asked about, or a log that was tidied up.
"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.identity.rules import ShopRole
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import Market


@pytest.mark.parametrize(
    "verb",
    [
        "UPDATE audit_log SET action = 'tidied'",
        "UPDATE audit_log SET action = 'tidied' WHERE action = 'no.such'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ],
)
async def test_nobody_edits_it(market: Market, backend: str, verb: str) -> None:
    if backend == "sqlite" and (verb.startswith("TRUNCATE") or "no.such" in verb):
        pytest.skip("SQLite has no TRUNCATE, and its triggers see rows only")
    with pytest.raises(DBAPIError, match="audit_log is append-only"):
        await market.database.transact(lambda db: db.execute(sa.text(verb)))


async def edited(market: Market, owner: Caller, amount: int) -> str:
    """A change of a price; the id of its request."""
    path = f"/v1/operator/shops/{market.shop_id}/variants/{market.variant_id}"
    version = int((await owner.get(path)).headers["etag"].strip('"'))
    answer = await owner.patch(path, {"list_amount": amount}, version)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"]


async def listed(caller: Caller, market: Market, **asked: Any) -> list[dict[str, Any]]:
    answer = await caller.get(f"/v1/operator/shops/{market.shop_id}/audit-log", **asked)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_it_says_who_changed_what_from_what_to_what(market: Market) -> None:
    owner_id = await market.operator(market.shop_id)
    owner = await market.as_operator(owner_id)
    before = await owner.get(f"/v1/operator/shops/{market.shop_id}/variants/{market.variant_id}")
    request_id = await edited(market, owner, 21_000)
    [newest, *_] = await listed(owner, market)
    assert newest.pop("entry_id")
    assert newest == {
        "at": market.now.isoformat().replace("+00:00", "Z"),
        "actor_kind": "operator",
        "actor_id": str(owner_id),
        "action": "variant.edited",
        "subject": "variant",
        "subject_id": str(market.variant_id),
        "before": {"list_amount": before.json()["list_amount"]},
        "after": {"list_amount": 21_000},
        "request_id": request_id,
    }


async def test_filters_and_pages_find_each_entry_once(market: Market, clock: FrozenClock) -> None:
    owner_id = await market.operator(market.shop_id)
    owner = await market.as_operator(owner_id)
    for amount in (21_000, 22_000, 23_000):
        clock.advance(minutes=1)
        await edited(market, owner, amount)
    began, middle = market.now - timedelta(minutes=2), market.now - timedelta(minutes=1)
    everything = await listed(owner, market, limit=100)
    edits = {"action": "variant.edited"}

    async def amounts(**asked: Any) -> list[int]:
        return [e["after"]["list_amount"] for e in await listed(owner, market, **asked)]

    assert await amounts(**edits) == [23_000, 22_000, 21_000]
    assert await amounts(actor_id=str(owner_id)) == [23_000, 22_000, 21_000]
    window = {"since": began.isoformat(), "until": middle.isoformat()}
    assert await amounts(**edits, **window) == [21_000]
    assert await amounts(**edits, since=middle.isoformat()) == [23_000, 22_000]
    about = {"subject": "variant", "subject_id": str(market.variant_id)}
    assert len(await listed(owner, market, **about, **edits)) == 3
    assert await listed(owner, market, actor_kind="member", **edits) == []
    assert await listed(owner, market, subject_id=str(uuid4())) == []
    path = f"/v1/operator/shops/{market.shop_id}/audit-log"
    found, cursor = [], None
    while True:
        page = (await owner.get(path, limit=2, **({"cursor": cursor} if cursor else {}))).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == everything
    assert len({entry["entry_id"] for entry in found}) == len(found) > 4


@pytest.mark.parametrize(
    "asked",
    [
        {"actor_id": "1"},
        {"action": "'; DROP TABLE audit_log; --"},
        {"since": "2026-06-18T04:00:00"},
        {"until": "yesterday"},
        {"cursor": "Zm9yZ2Vk"},
        {"limit": 0},
    ],
)
async def test_what_cannot_be_meant_is_refused(market: Market, asked: dict[str, Any]) -> None:
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/audit-log"
    assert (await owner.get(path, **asked)).status_code == 422


async def test_a_cursor_serves_its_own_question_only(market: Market) -> None:
    owner = await market.as_owner(market.shop_id)
    for amount in (21_000, 22_000):
        await edited(market, owner, amount)
    path = f"/v1/operator/shops/{market.shop_id}/audit-log"
    cursor = (await owner.get(path, limit=1)).json()["next_cursor"]
    assert cursor
    other = await owner.get(path, limit=1, cursor=cursor, action="shop.created")
    assert (other.status_code, other.json()["code"]) == (422, "invalid_cursor")


async def test_a_shop_reads_its_own(market: Market) -> None:
    await edited(market, await market.as_owner(market.shop_id), 21_000)
    other = await market.shop("other")
    stranger = await market.as_owner(other.id)
    staff = await market.as_operator(await market.operator(market.shop_id, role=ShopRole.STAFF))
    path = "/v1/operator/shops/{}/audit-log"
    assert (await stranger.get(path.format(market.shop_id))).status_code == 404
    assert (await staff.get(path.format(market.shop_id))).status_code == 403
    theirs = (await stranger.get(path.format(other.id))).text
    assert str(market.variant_id) not in theirs
    assert "shop.created" in theirs
