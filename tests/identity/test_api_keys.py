"""API keys: made and shown once, bounded by shop and scope, dead when revoked or expired."""

from datetime import timedelta
from typing import Annotated, Any, get_args
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import Depends, FastAPI

from app.core.audit_log import AuditEntry
from app.core.http.route import Reading
from app.core.ids import new_id
from app.core.security import Principal, fingerprint
from app.identity.deps import MaybeMember, may, platform
from app.identity.models import ApiKey
from app.identity.rules import KEY_RIGHTS, Right, ShopRole
from app.identity.schemas.access import Scope
from tests.conftest import rows_in
from tests.fakes import FrozenClock
from tests.identity.people import People, Person, refused, statements_of

SHOP = new_id()
KEYS = f"/v1/operator/shops/{SHOP}/api-keys"
WISH = {"name": "ERP", "scopes": ["orders.read", "stock.write", "orders.read"]}


@pytest.fixture
async def owner(people: People) -> Person:
    return await people.operator(roles=[(SHOP, ShopRole.OWNER)])


@pytest.fixture
async def application(application: FastAPI) -> FastAPI:
    """The application with routes that only say who got in."""
    application.router.route_class = Reading

    @application.get("/shops/{shop_id}/orders", tags=["probe"])
    async def orders(who: Annotated[Principal, Depends(may(Right.ORDERS_READ))]) -> str:
        return f"{who.kind}:{who.id}"

    @application.get("/shops/{shop_id}/refunds", tags=["probe"])
    async def refunds(who: Annotated[Principal, Depends(may(Right.REFUNDS_WRITE))]) -> str:
        return f"{who.kind}:{who.id}"

    @application.get("/platform", tags=["probe"])
    async def everything(who: Annotated[Principal, Depends(platform(Right.ORDERS_READ))]) -> str:
        return f"{who.kind}:{who.id}"

    @application.get("/public", tags=["probe"])
    async def public(who: MaybeMember) -> str:
        return f"{who.kind}:{who.id}" if who else "nobody"

    return application


async def make(client: httpx2.AsyncClient, by: Person, **more: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json={**WISH, **more}, headers=by.headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def key_headers(made: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['key']}"}


def test_the_scopes_offered_are_the_rights_a_key_may_have() -> None:
    assert set(get_args(Scope)) == KEY_RIGHTS


async def test_a_key_is_shown_once(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    made = await make(client, owner)
    assert made["key"].startswith("qpk_")
    assert made["prefix"] == made["key"][:10]
    assert made["scopes"] == ["orders.read", "stock.write"]
    [row] = await people.rows(ApiKey)
    assert row["key_hash"] == fingerprint(made["key"])
    listed = await client.get(KEYS, headers=owner.headers)
    assert [k["api_key_id"] for k in listed.json()["items"]] == [made["api_key_id"]]
    assert made["key"] not in listed.text
    assert "key_hash" not in listed.text
    assert made["key"] not in str(await people.rows(AuditEntry))


async def test_a_key_does_what_its_scopes_say(client: httpx2.AsyncClient, owner: Person) -> None:
    made = await make(client, owner)
    headers = key_headers(made)
    answer = await client.get(f"/shops/{SHOP}/orders", headers=headers)
    assert answer.json() == f"api_key:{made['api_key_id']}"
    refused(await client.get(f"/shops/{SHOP}/refunds", headers=headers), 403, "forbidden")
    refused(await client.get(f"/shops/{uuid4()}/orders", headers=headers), 404, "not_found")
    refused(await client.get("/platform", headers=headers), 403, "forbidden")
    refused(await client.get("/v1/me", headers=headers), 403, "forbidden")
    refused(await client.get("/v1/operator/me", headers=headers), 403, "forbidden")
    refused(await client.get(KEYS, headers=headers), 403, "forbidden")
    refused(await client.post("/v1/auth/sign-out", headers=headers), 403, "forbidden")
    assert (await client.get("/public", headers=headers)).json() == "nobody"


async def test_a_key_costs_one_statement(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    made = await make(client, owner)
    async with statements_of(people.database) as seen:
        answer = await client.get(f"/shops/{SHOP}/orders", headers=key_headers(made))
    assert answer.status_code == 200
    assert len(seen) == 1


async def test_keys_end(client: httpx2.AsyncClient, owner: Person, clock: FrozenClock) -> None:
    until = clock.now() + timedelta(hours=1)
    revoked, expiring = (
        await make(client, owner),
        await make(client, owner, expires_at=until.isoformat()),
    )
    path = f"{KEYS}/{revoked['api_key_id']}"
    assert (await client.delete(path, headers=owner.headers)).status_code == 204
    refused(await client.delete(path, headers=owner.headers), 404, "not_found")
    orders = f"/shops/{SHOP}/orders"
    refused(await client.get(orders, headers=key_headers(revoked)), 401, "unauthenticated")
    assert (await client.get(orders, headers=key_headers(expiring))).status_code == 200
    clock.at = until
    refused(await client.get(orders, headers=key_headers(expiring)), 401, "unauthenticated")
    unknown = {"Authorization": "Bearer qpk_unknown"}
    refused(await client.get(orders, headers=unknown), 401, "unauthenticated")


async def test_changes_of_keys_are_in_the_audit_log(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    made = await make(client, owner)
    await client.delete(f"{KEYS}/{made['api_key_id']}", headers=owner.headers)
    entries = [e for e in await people.rows(AuditEntry) if e["subject"] == "api_key"]
    assert [e["action"] for e in entries] == [
        "identity.api_key_created",
        "identity.api_key_revoked",
    ]
    assert {(e["actor_id"], e["shop_id"]) for e in entries} == {(owner.id, SHOP)}
    assert {e["subject_id"] for e in entries} == {UUID(made["api_key_id"])}


async def test_only_the_shops_owner_has_to_do_with_its_keys(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    made = await make(client, owner)
    foreign = await people.operator("o@shop.example", [(new_id(), ShopRole.OWNER)])
    helper = await people.operator("h@shop.example", [(SHOP, ShopRole.STAFF)])
    before = (await rows_in(people.database), await people.rows(ApiKey))
    for who, status in ((foreign, 404), (helper, 403), (await people.member(), 403)):
        own = f"{KEYS}/{made['api_key_id']}"
        answers = [
            await client.post(KEYS, json=WISH, headers=who.headers),
            await client.get(KEYS, headers=who.headers),
            await client.delete(own, headers=who.headers),
        ]
        assert {a.status_code for a in answers} == {status}
    other_shop = f"/v1/operator/shops/{next(iter(await shops_of(client, foreign)))}/api-keys"
    answer = await client.delete(f"{other_shop}/{made['api_key_id']}", headers=foreign.headers)
    refused(answer, 404, "not_found")
    after = (await rows_in(people.database), await people.rows(ApiKey))
    grown = {"members", "member_profiles", "member_wechats", "sessions"}
    assert after[1] == before[1]
    assert {t for t in before[0] if before[0][t] != after[0][t]} <= grown


async def shops_of(client: httpx2.AsyncClient, who: Person) -> list[str]:
    me = (await client.get("/v1/operator/me", headers=who.headers)).json()
    return [role["shop_id"] for role in me["shop_roles"]]


@pytest.mark.parametrize(
    "wish",
    [
        {"scopes": []},
        {"scopes": ["staff.write"]},
        {"scopes": ["api_keys.write"]},
        {"scopes": ["platform.write"]},
        {"scopes": ["orders"]},
        {"scopes": "orders.read"},
        {"name": ""},
        {"name": "a\nb"},
        {"expires_at": "2027-01-01T00:00:00"},
        {"expires_at": "9999-01-01T00:00:00Z"},
        {"key_hash": "x"},
    ],
)
async def test_misshapen_keys(
    wish: dict[str, Any], client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    answer = await client.post(KEYS, json={**WISH, **wish}, headers=owner.headers)
    refused(answer, 422, "validation_failed")
    assert await people.rows(ApiKey) == []


async def test_public_routes_know_members_and_refuse_stale_credentials(
    client: httpx2.AsyncClient, people: People, owner: Person, clock: FrozenClock
) -> None:
    lin = await people.member()
    assert (await client.get("/public")).json() == "nobody"
    assert (await client.get("/public", headers=lin.headers)).json() == f"member:{lin.id}"
    assert (await client.get("/public", headers=owner.headers)).json() == "nobody"
    clock.at += timedelta(hours=1)
    refused(await client.get("/public", headers=lin.headers), 401, "unauthenticated")


async def test_guards_answer_nobody_before_anything_else(client: httpx2.AsyncClient) -> None:
    refused(await client.get(f"/shops/{uuid4()}/orders"), 401, "unauthenticated")
    refused(await client.get("/platform"), 401, "unauthenticated")
    refused(await client.get("/shops/no-id/orders"), 422, "validation_failed")
