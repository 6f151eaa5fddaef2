"""Endpoints over HTTP: what may stand, who is refused and why, and that refusals write nothing."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from app.core.audit_log import AuditEntry
from app.core.sql import table
from app.identity.rules import PlatformRole, ShopRole
from app.webhooks.models import ENDPOINTS_MAX, DisabledReason
from app.webhooks.service import switch_off
from app.webhooks.service.endpoints import SURE_AFTER
from tests.fakes import FrozenClock
from tests.orders.market import problem
from tests.webhooks.switchboard import (
    URL,
    Switchboard,
    contents,
    endpoints,
    filters,
    outbox,
    secrets,
)


async def test_an_endpoint_is_shown_as_it_was_added(board: Switchboard, clock: FrozenClock) -> None:
    made = await board.endpoint("order.paid", "order.refunded", description=" ERP ")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    answer = await board.owner.get(f"{board.path}/{made['endpoint_id']}")
    assert answer.json() == made
    assert answer.headers["etag"] == '"1"'
    assert secret not in answer.text
    assert made["kinds"] == ["order.paid", "order.refunded"]
    assert (made["url"], made["description"], made["state"]) == (URL, "ERP", "enabled")
    [held] = made["secrets"]
    assert held["expires_at"] is None
    listed = await board.owner.get(board.path)
    assert listed.json() == {"items": [made], "next_cursor": None}


async def test_every_kind_stands_alone(board: Switchboard) -> None:
    made = await board.endpoint("order.paid", "*", "order.refunded")
    assert made["kinds"] == ["*"]
    assert [row["kind"] for row in await board.rows(filters)] == ["*"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://erp.example.com/", "scheme"),
        ("https://erp.example.com:8080/", "port"),
        ("https://127.0.0.1/", "address"),
        ("https://2130706433/", "address"),
        ("https://me@erp.example.com/", "user_info"),
        ("https://erp.example.com/#a", "fragment"),
        ("https://printer.local/", "host_inside"),
        ("https://erp.inside.example/", "address_refused"),
    ],
)
async def test_a_url_that_may_not_be_sent_to_is_refused(
    board: Switchboard, url: str, reason: str
) -> None:
    told = await board.untouched(
        board.owner.post(board.path, {"url": url, "kinds": ["*"]}), 422, "webhook_url_refused"
    )
    assert told["params"] == {"reason": reason}
    made = await board.endpoint()
    edit = board.owner.patch(f"{board.path}/{made['endpoint_id']}", {"url": url}, 1)
    await board.untouched(edit, 422, "webhook_url_refused")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kinds": ["order.eaten"]}, "webhook_event_unknown"),
        ({"secret": "whsec_" + "QQ" * 4}, "webhook_secret_weak"),
        ({"secret": "whsec_" + "A" * 112}, "webhook_secret_weak"),
        ({"secret": "whsec_!!!!" + "A" * 40}, "webhook_secret_weak"),
        ({"secret": "A" * 44}, "webhook_secret_weak"),
        ({"kinds": []}, "validation_failed"),
        ({"kinds": ["order.paid", "order.paid"]}, "validation_failed"),
        ({"kinds": ["Order Paid"]}, "validation_failed"),
        ({"description": "a\nb"}, "validation_failed"),
        ({"description": "x" * 201}, "validation_failed"),
        ({"state": "disabled"}, "validation_failed"),
        ({"url": "https://erp.example.com/" + "x" * 500}, "validation_failed"),
    ],
)
async def test_what_cannot_be_added_is_refused_and_leaves_nothing(
    board: Switchboard, body: dict[str, Any], code: str
) -> None:
    wish = {"url": URL, "kinds": ["*"], **body}
    told = await board.untouched(board.owner.post(board.path, wish), 422, code)
    if "secret" in body:
        assert body["secret"] not in str(told)


async def test_a_shop_that_is_not_there_gets_no_endpoint(board: Switchboard) -> None:
    admin = await board.as_operator(await board.operator(platform=PlatformRole.ADMIN))
    path = f"/v1/operator/shops/{uuid4()}/webhook-endpoints"
    await board.untouched(admin.post(path, {"url": URL, "kinds": ["*"]}), 404, "not_found")


async def test_the_limit_holds_when_many_are_added_at_once(board: Switchboard) -> None:
    for _ in range(ENDPOINTS_MAX - 2):
        await board.endpoint()
    wish = {"url": URL, "kinds": ["*"]}
    answers = await asyncio.gather(*(board.owner.post(board.path, wish) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "webhook_endpoints_max")
    rows = await board.rows(endpoints)
    assert sorted(row["slot"] for row in rows) == list(range(1, ENDPOINTS_MAX + 1))
    assert len(await board.rows(secrets)) == ENDPOINTS_MAX


async def test_a_deleted_one_makes_room(board: Switchboard) -> None:
    made = [await board.endpoint() for _ in range(ENDPOINTS_MAX)]
    wish = {"url": URL, "kinds": ["*"]}
    refused = board.owner.post(board.path, wish)
    await board.untouched(refused, 409, "webhook_endpoints_max")
    assert (await board.delete(made[4]["endpoint_id"])).status_code == 204
    await board.endpoint()
    slots = [row["slot"] for row in await board.rows(endpoints) if not row["deleted_at"]]
    assert sorted(slots) == list(range(1, ENDPOINTS_MAX + 1))


async def test_a_deleted_one_is_gone_with_its_secrets(board: Switchboard) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}"
    assert (await board.delete(made["endpoint_id"])).status_code == 204
    before = await contents(board.database)
    for answer in (
        await board.owner.get(path),
        await board.owner.patch(path, {"description": "x"}, 1),
        await board.owner.post(f"{path}/enable"),
        await board.owner.post(f"{path}/rotate-secret", {}),
        await board.owner.post(f"{path}/test", {"kind": "order.paid"}),
        await board.owner.post(f"{path}/replay", {"since": board.now.isoformat()}),
        await board.owner.get(f"{path}/deliveries"),
        await board.delete(made["endpoint_id"]),
    ):
        problem(answer, 404, "not_found")
    assert await contents(board.database) == before
    assert await board.rows(secrets) == []
    assert await board.rows(filters) == []
    assert (await board.owner.get(board.path)).json()["items"] == []


async def test_changes_are_kept_apart_by_their_version(
    board: Switchboard, clock: FrozenClock
) -> None:
    made = await board.endpoint("order.paid", "order.placed")
    path = f"{board.path}/{made['endpoint_id']}"
    began = clock.now()
    clock.advance(hours=1)
    body = {"url": "https://new.example.com/", "kinds": ["order.paid", "order.closed"]}
    changed = await board.owner.patch(path, body, 1)
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] == '"2"'
    shown = changed.json()
    assert (shown["url"], shown["kinds"]) == (body["url"], ["order.closed", "order.paid"])
    assert shown["secrets"] == made["secrets"]
    # What the old place still answers is not held against the new one.
    assert shown["enabled_at"] == clock.now().isoformat().replace("+00:00", "Z")
    sure = {row["kind"]: row["sure_from"] - SURE_AFTER for row in await board.rows(filters)}
    assert sure == {"order.paid": began, "order.closed": clock.now()}
    stale = board.owner.patch(path, {"description": "late"}, 1)
    await board.untouched(stale, 412, "version_mismatch")
    bare = board.owner.patch(path, {"description": "late"})
    await board.untouched(bare, 428, "version_required")


async def test_two_changes_of_one_version_at_once_are_one(board: Switchboard) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}"
    edits = [board.owner.patch(path, {"description": str(n)}, 1) for n in range(4)]
    answers = await asyncio.gather(*edits)
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


async def test_switching_off_and_on_is_told_once_each(
    board: Switchboard, clock: FrozenClock
) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}"
    for _ in range(2):
        off = (await board.owner.post(f"{path}/disable")).json()
    assert (off["state"], off["disabled_reason"], off["version"]) == ("disabled", "operator", 2)
    clock.advance(minutes=1)
    for _ in range(2):
        on = (await board.owner.post(f"{path}/enable")).json()
    assert (on["state"], on["disabled_reason"], on["version"]) == ("enabled", None, 3)
    assert on["enabled_at"] == clock.now().isoformat().replace("+00:00", "Z")
    kinds = [row["kind"] for row in await board.rows(outbox)]
    assert kinds == ["webhook.endpoint_disabled"]


@pytest.mark.parametrize("reason", [DisabledReason.GONE, DisabledReason.FAILING])
async def test_one_that_is_switched_off_says_why(
    board: Switchboard, reason: DisabledReason
) -> None:
    made = await board.endpoint()
    [row] = await board.rows(endpoints)
    ask = [
        board.database.transact(
            lambda db: switch_off(db, board.shop_id, row["id"], reason, now=board.now)
        )
        for _ in range(3)
    ]
    assert sorted(await asyncio.gather(*ask)) == [False, False, True]
    shown = (await board.owner.get(f"{board.path}/{made['endpoint_id']}")).json()
    assert (shown["state"], shown["disabled_reason"]) == ("disabled", reason)
    [fact] = await board.rows(outbox)
    assert fact["payload"] == {"endpoint_id": made["endpoint_id"], "reason": reason}


async def test_another_shops_endpoints_do_not_exist(board: Switchboard) -> None:
    made = await board.endpoint()
    other = await board.shop("other")
    stranger = await board.as_owner(other.id)
    path = f"/v1/operator/shops/{other.id}/webhook-endpoints/{made['endpoint_id']}"
    await board.untouched(stranger.get(path), 404, "not_found")
    await board.untouched(stranger.post(f"{path}/rotate-secret", {}), 404, "not_found")
    await board.untouched(stranger.patch(path, {"description": "x"}, 1), 404, "not_found")
    listed = await stranger.get(f"/v1/operator/shops/{other.id}/webhook-endpoints")
    assert listed.json()["items"] == []


async def test_staff_see_endpoints_and_do_not_change_them(board: Switchboard) -> None:
    staff = await board.as_operator(await board.operator(board.shop_id, role=ShopRole.STAFF))
    assert (await staff.get(board.path)).status_code == 200
    asked = staff.post(board.path, {"url": URL, "kinds": ["*"]})
    await board.untouched(asked, 403, "forbidden")


async def test_what_was_done_stands_in_the_audit_log_without_urls(board: Switchboard) -> None:
    """A URL may hold a token; the host is enough to tell who was sent what."""
    made = await board.endpoint(url="https://erp.example.com/token-1234")
    path = f"{board.path}/{made['endpoint_id']}"
    await board.owner.patch(path, {"url": "https://new.example.com/token-5678"}, 1)
    await board.owner.post(f"{path}/rotate-secret", {})
    await board.owner.post(f"{path}/disable")
    await board.owner.post(f"{path}/enable")
    await board.delete(made["endpoint_id"])
    rows = await board.rows(table(AuditEntry))
    mine = [row for row in rows if row["subject"] == "webhook_endpoint"]
    assert [row["action"].removeprefix("webhooks.") for row in mine] == [
        "created",
        "changed",
        "secret_rotated",
        "disabled",
        "enabled",
        "deleted",
    ]
    assert "new.example.com" in str(mine)
    assert "token-" not in str(mine)
