"""The audit over HTTP: who may read it, that an export is whole, and what it never tells."""

import asyncio
import contextvars
import json
from collections import Counter
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from app.audit.repository.export import THROUGH, WITHHELD, WITHHELD_COLUMNS
from app.identity.rules import PlatformRole, ShopRole
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import ADDRESS, Market

PATHS = ("/v1/audit/invariants", "/v1/audit/pending", "/v1/audit/export")


async def platform(market: Market, role: PlatformRole) -> Caller:
    return await market.as_operator(await market.operator(platform=role))


@pytest.mark.parametrize("path", PATHS)
async def test_only_those_with_the_right_read_it(market: Market, path: str) -> None:
    shop_id = str(market.shop_id)
    other = await market.shop("other")
    staff = await market.as_operator(await market.operator(market.shop_id, role=ShopRole.STAFF))
    auditor = await market.as_operator(await market.operator(market.shop_id, role=ShopRole.AUDITOR))
    expected = [
        (Caller(market.client, {}), 401),
        (await market.buyer(), 403),
        (staff, 403),
        (await market.as_owner(other.id), 404),
        (auditor, 200),
        (await market.as_owner(market.shop_id), 200),
        (await platform(market, PlatformRole.AUDITOR), 200),
    ]
    for caller, status in expected:
        assert (await caller.get(path, shop_id=shop_id)).status_code == status


async def test_all_shops_are_for_the_platform_alone(market: Market) -> None:
    owner = await market.as_owner(market.shop_id)
    auditor = await platform(market, PlatformRole.AUDITOR)
    for path in PATHS[:2]:
        assert (await owner.get(path)).status_code == 403
        assert (await auditor.get(path)).status_code == 200
    assert (await auditor.get(PATHS[2])).status_code == 422


async def test_a_broken_invariant_is_told_with_its_count(market: Market) -> None:
    owner = await market.as_owner(market.shop_id)
    before = (await owner.get(PATHS[0], shop_id=str(market.shop_id))).json()
    assert before["holds"] is True
    assert {f["count"] for f in before["findings"]} == {0}
    async with market.database.writer.begin() as connection:
        await connection.execute(sa.text("UPDATE stock SET sold = sold + 1"))
    after = (await owner.get(PATHS[0], shop_id=str(market.shop_id))).json()
    assert after["holds"] is False
    assert {f["name"] for f in after["findings"] if f["count"]} == {"stock_sold"}
    other = await market.shop("other")
    foreign = (await (await market.as_owner(other.id)).get(PATHS[0], shop_id=str(other.id))).json()
    assert foreign["holds"] is True


async def test_pending_counts_what_is_on_its_way(market: Market) -> None:
    ann = await market.buyer()
    await market.pay(ann, await market.place(ann), "sandbox_delay")
    owner = await market.as_owner(market.shop_id)
    answer = (await owner.get(PATHS[1], shop_id=str(market.shop_id))).json()
    work = {row["name"]: row["count"] for row in answer["work"]}
    assert work["payments_unsettled"] == 1
    assert work["facts_unheard"] > 0
    assert work["refunds_unsent"] == 0


def lines_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_an_export_is_whole_and_holds_nothing_personal(market: Market) -> None:
    ann = await market.buyer("ann-with-a-name")
    await market.pay(ann, await market.place(ann))
    owner = await market.as_owner(market.shop_id)
    answer = await owner.get(PATHS[2], shop_id=str(market.shop_id))
    *rows, end = lines_of(answer)
    assert end["end"] is True
    told = Counter(row["table"] for row in rows)
    assert {t: n for t, n in end["counts"].items() if n} == dict(told)
    assert told["orders"] == told["payments"] == told["order_lines"] == 1
    assert told["sandbox_entries"] == 1
    for secret in (ADDRESS["recipient"], ADDRESS["phone"], ADDRESS["detail"], "ann-with-a-name"):
        assert secret not in answer.text


async def test_an_export_holds_no_token_parcel_or_phone(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order)
    owner = await market.as_owner(market.shop_id)
    parcel = {"carrier": "SF Express", "tracking_number": "CANARY-7654321"}
    shipped = await market.shop_does(owner, order, "ship", parcel)
    assert shipped.status_code == 200, shipped.text
    async with market.database.writer.begin() as connection:
        await connection.execute(sa.text("UPDATE payments SET token = 'CANARY-token'"))
    answer = await owner.get(PATHS[2], shop_id=str(market.shop_id))
    assert "CANARY" not in answer.text
    assert ADDRESS["phone"] not in answer.text
    rows = lines_of(answer)[:-1]
    facts = [r["row"] for r in rows if r["table"] == "outbox_events"]
    told = next(fact["payload"] for fact in facts if fact["kind"] == "order.shipped")
    assert told == {
        "carrier": parcel["carrier"],
        "order_id": order["id"],
        "member_id": told["member_id"],
    }
    noted = [r["row"]["after"] for r in rows if r["table"] == "audit_log"]
    assert {"carrier": parcel["carrier"]} in noted
    (payment,) = (r["row"] for r in rows if r["table"] == "payments")
    assert payment["state"] == "captured"
    assert "token" not in payment


async def test_an_export_tells_that_a_group_was_looked_at_but_not_by_whom(market: Market) -> None:
    ann, stranger_id = await market.buyer(), await market.member()
    owner = await market.as_owner(market.shop_id)
    order = await market.open_group(ann)
    await market.pay(ann, order)
    stranger = await market.as_member(stranger_id)
    assert (await stranger.get(f"/v1/groups/{order['group_id']}")).status_code == 200
    answer = await owner.get(PATHS[2], shop_id=str(market.shop_id))
    [shown] = [r["row"] for r in lines_of(answer)[:-1] if r["table"] == "proofs_shown"]
    assert (shown["group_id"], shown["fellows_count"]) == (order["group_id"], 0)
    assert str(stranger_id) not in answer.text


async def test_the_facts_name_who_acted(market: Market, clock: FrozenClock) -> None:
    ann_id = await market.member("ann")
    ann = await market.as_member(ann_id)
    await market.place(ann)
    clock.advance(hours=1)
    # A worker has a context of its own, where nobody has signed in.
    await asyncio.create_task(market.work(), context=contextvars.Context())
    owner = await market.as_owner(market.shop_id)
    rows = lines_of(await owner.get(PATHS[2], shop_id=str(market.shop_id)))[:-1]
    facts = [r["row"] for r in rows if r["table"] == "outbox_events"]
    assert {f["kind"]: (f["actor_kind"], f["actor_id"]) for f in facts} == {
        "order.placed": ("member", str(ann_id)),
        "order.expired": ("system", None),
    }


async def test_an_export_tells_nothing_of_another_shop(market: Market) -> None:
    ann = await market.buyer()
    order = await market.place(ann)
    await market.pay(ann, order)
    other = await market.shop("other")
    owner = await market.as_owner(other.id)
    answer = await owner.get(PATHS[2], shop_id=str(other.id))
    for foreign in (str(market.shop_id), order["id"], str(market.variant_id)):
        assert foreign not in answer.text


def test_every_table_is_exported_or_withheld_for_a_reason() -> None:
    """A new table must be placed on purpose: nothing leaks, and nothing is forgotten."""
    for table in SQLModel.metadata.sorted_tables:
        direct = table.name == "shops" or "shop_id" in table.c
        places = [direct, table.name in THROUGH, table.name in WITHHELD]
        if table.name in WITHHELD:
            assert table.name not in THROUGH
        else:
            assert places.count(True) == 1, table.name
    tables = SQLModel.metadata.tables
    assert WITHHELD.keys() | THROUGH.keys() <= tables.keys()
    for name, columns in WITHHELD_COLUMNS.items():
        assert columns <= set(tables[name].c.keys()), "a renamed column would come back"
