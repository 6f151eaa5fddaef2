"""Staff: invitations taken once, roles, the last owner, and who sees a shop at all."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from app.core.audit_log import AuditEntry
from app.core.db import Database
from app.core.ids import new_id
from app.core.security import fingerprint
from app.identity.models import Invitation, Operator, OperatorLogin, OperatorRole, OperatorStatus
from app.identity.rules import PlatformRole, ShopRole
from app.settings import Settings
from tests.conftest import rows_in
from tests.fakes import FrozenClock
from tests.identity.people import OTHER_PASSWORD, PASSWORD, People, Person, refused

SHOP = new_id()
HELPER = "helper@shop.example"


@pytest.fixture
async def owner(people: People) -> Person:
    return await people.operator(roles=[(SHOP, ShopRole.OWNER)])


async def invite(
    client: httpx2.AsyncClient, by: Person, email: str = HELPER, role: str = "staff"
) -> httpx2.Response:
    return await client.post(
        f"/v1/operator/shops/{SHOP}/invitations",
        json={"email": email, "role": role},
        headers=by.headers,
    )


async def accept(client: httpx2.AsyncClient, token: str, password: str = PASSWORD) -> Any:
    wish = {"token": token, "password": password}
    return await client.post("/v1/operator/invitations/accept", json=wish)


async def remove(client: httpx2.AsyncClient, by: Person, operator_id: UUID) -> httpx2.Response:
    path = f"/v1/operator/shops/{SHOP}/staff/{operator_id}"
    return await client.delete(path, headers=by.headers)


async def test_a_newcomer_takes_an_invitation(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    invited = (await invite(client, owner, "Helper@Shop.Example")).json()
    assert invited["token"].startswith("qpi_")
    [row] = await people.rows(Invitation)
    assert row["token_hash"] == fingerprint(invited["token"])
    accepted = await accept(client, invited["token"], OTHER_PASSWORD)
    assert accepted.status_code == 200, accepted.text
    assert (accepted.json()["shop_id"], accepted.json()["role"]) == (str(SHOP), "staff")
    helper = await people.sign_in(UUID(accepted.json()["operator_id"]), HELPER, OTHER_PASSWORD)
    me = (await client.get("/v1/operator/me", headers=helper.headers)).json()
    assert me["shop_roles"] == [{"shop_id": str(SHOP), "role": "staff"}]
    listed = await client.get(f"/v1/operator/shops/{SHOP}/staff", headers=owner.headers)
    assert {s["email"]: s["role"] for s in listed.json()["items"]} == {
        "owner@shop.example": "owner",
        HELPER: "staff",
    }


async def test_a_known_operator_keeps_its_password(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    helper = await people.operator(HELPER)
    token = (await invite(client, owner)).json()["token"]
    before = await people.rows(OperatorRole)
    # Whoever invites sees the token: it must not open an account that exists.
    refused(await accept(client, token, OTHER_PASSWORD), 401, "credentials_refused")
    assert await people.rows(OperatorRole) == before
    assert {r["failures"] for r in await people.rows(OperatorLogin)} == {0, 1}
    assert (await accept(client, token, PASSWORD)).json()["operator_id"] == str(helper.id)
    refused(await people.try_sign_in(HELPER, OTHER_PASSWORD), 401, "credentials_refused")


async def test_a_disabled_operator_cannot_come_back_by_invitation(
    client: httpx2.AsyncClient, people: People, owner: Person, database: Database
) -> None:
    await people.new_operator(HELPER)
    token = (await invite(client, owner)).json()["token"]
    await people.update(Operator, status=OperatorStatus.DISABLED)
    before = await rows_in(database)
    refused(await accept(client, token), 401, "credentials_refused")
    assert await rows_in(database) == before


async def test_an_invitation_is_taken_once(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    token = (await invite(client, owner)).json()["token"]
    answers = await asyncio.gather(*(accept(client, token) for _ in range(2)))
    # The loser meets the account just made (409) or the invitation just taken (404).
    statuses = sorted(a.status_code for a in answers)
    assert statuses in ([200, 404], [200, 409]), [a.text for a in answers]
    assert len(await people.rows(Operator)) == 2
    assert len(await people.rows(OperatorRole)) == 2
    refused(await accept(client, token), 404, "invitation_not_valid")


async def test_an_invitation_of_a_known_operator_is_taken_once(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    await people.new_operator(HELPER)
    token = (await invite(client, owner)).json()["token"]
    answers = await asyncio.gather(*(accept(client, token) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [200, 404, 404, 404]
    refused(max(answers, key=lambda a: a.status_code), 404, "invitation_not_valid")
    assert len(await people.rows(OperatorRole)) == 2


async def test_two_invitations_of_one_newcomer_at_once(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    admin = await people.operator("admin@platform.example", platform_role=PlatformRole.ADMIN)
    shop_token = (await invite(client, owner)).json()["token"]
    wish = {"email": HELPER, "role": "auditor"}
    told = await client.post("/v1/operator/invitations", json=wish, headers=admin.headers)
    tokens = [shop_token, told.json()["token"]]
    answers = await asyncio.gather(*(accept(client, token) for token in tokens))
    assert {a.status_code for a in answers} <= {200, 409}
    for token, answer in zip(tokens, answers, strict=True):
        if answer.status_code == 409:
            refused(answer, 409, "already_exists")
            assert (await accept(client, token)).status_code == 200
    logins = [r for r in await people.rows(OperatorLogin) if r["email"] == HELPER]
    [operator] = [r for r in await people.rows(Operator) if r["id"] == logins[0]["operator_id"]]
    assert operator["platform_role"] is PlatformRole.AUDITOR
    assert len(await people.rows(Operator)) == 3


async def test_invitations_that_do_not_hold(
    client: httpx2.AsyncClient,
    people: People,
    owner: Person,
    clock: FrozenClock,
    settings: Settings,
) -> None:
    first = (await invite(client, owner)).json()["token"]
    second = (await invite(client, owner, role="auditor")).json()["token"]
    refused(await accept(client, first), 404, "invitation_not_valid")
    refused(await accept(client, "qpi_unknown"), 404, "invitation_not_valid")
    clock.at += timedelta(seconds=settings.invitation_ttl_seconds)
    before = await rows_in(people.database)
    refused(await accept(client, second), 404, "invitation_not_valid")
    assert await rows_in(people.database) == before


async def test_an_invitation_never_lowers_an_owner(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    token = (await invite(client, owner, "owner@shop.example", "auditor")).json()["token"]
    assert (await accept(client, token)).status_code == 200
    [role] = await people.rows(OperatorRole)
    assert role["role"] is ShopRole.OWNER


async def test_roles_change_both_ways_below_owner(people: People) -> None:
    operator_id = await people.new_operator(HELPER)
    for role in (ShopRole.STAFF, ShopRole.AUDITOR, ShopRole.STAFF, ShopRole.STAFF):
        await people.grant(operator_id, SHOP, role)
    entries = [e for e in await people.rows(AuditEntry) if e["action"] == "identity.role_granted"]
    assert [(e["before"]["role"], e["after"]["role"]) for e in entries] == [
        (None, "staff"),
        ("staff", "auditor"),
        ("auditor", "staff"),
    ]
    assert {e["shop_id"] for e in entries} == {SHOP}


async def test_platform_invitations_are_the_admins(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    auditor = await people.operator("a@platform.example", platform_role=PlatformRole.AUDITOR)
    lin = await people.member()
    before = await rows_in(people.database)
    wish = {"email": HELPER, "role": "admin"}
    for nobody in (owner, auditor, lin):
        answer = await client.post("/v1/operator/invitations", json=wish, headers=nobody.headers)
        refused(answer, 403, "forbidden")
    refused(await client.post("/v1/operator/invitations", json=wish), 401, "unauthenticated")
    assert await rows_in(people.database) == before


async def test_removal_works_at_once(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    helper = await people.operator(HELPER, [(SHOP, ShopRole.OWNER)])
    token = (await invite(client, helper, "friend@shop.example", "owner")).json()["token"]
    assert (await remove(client, owner, helper.id)).status_code == 204
    refused(await invite(client, helper), 404, "not_found")
    # What the removed one had offered is void, so that nobody comes back through a friend.
    refused(await accept(client, token), 404, "invitation_not_valid")
    refused(await remove(client, owner, helper.id), 404, "not_found")
    entry = (await people.rows(AuditEntry))[-1]
    assert (entry["action"], entry["actor_id"]) == ("identity.role_removed", owner.id)
    assert (entry["before"], entry["after"]) == ({"role": "owner"}, {"role": None})


async def test_the_last_owner_stays(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    helper = await people.operator(HELPER, [(SHOP, ShopRole.STAFF)])
    other_shop = await people.operator("o@shop.example", [(new_id(), ShopRole.OWNER)])
    before = await rows_in(people.database)
    refused(await remove(client, owner, owner.id), 409, "last_owner")
    refused(await remove(client, owner, other_shop.id), 404, "not_found")
    refused(await remove(client, owner, uuid4()), 404, "not_found")
    assert await rows_in(people.database) == before
    assert (await remove(client, owner, helper.id)).status_code == 204


async def test_two_owners_who_remove_each_other(client: httpx2.AsyncClient, people: People) -> None:
    one = await people.operator("one@shop.example", [(SHOP, ShopRole.OWNER)])
    two = await people.operator("two@shop.example", [(SHOP, ShopRole.OWNER)])
    for _ in range(10):
        answers = await asyncio.gather(remove(client, one, two.id), remove(client, two, one.id))
        assert sorted(a.status_code for a in answers) in ([204, 404], [204, 409])
        [role] = await people.rows(OperatorRole)
        gone = two if role["operator_id"] == one.id else one
        await people.grant(gone.id, SHOP, ShopRole.OWNER)


async def test_a_shop_is_invisible_to_strangers(
    client: httpx2.AsyncClient, people: People, owner: Person
) -> None:
    stranger = await people.operator("s@shop.example", [(new_id(), ShopRole.OWNER)])
    helper = await people.operator(HELPER, [(SHOP, ShopRole.STAFF)])
    auditor = await people.operator("a@platform.example", platform_role=PlatformRole.AUDITOR)
    admin = await people.operator("root@platform.example", platform_role=PlatformRole.ADMIN)
    lin = await people.member()
    path, absent = (f"/v1/operator/shops/{s}/staff" for s in (SHOP, uuid4()))
    for who, status in (
        (owner, 200),
        (admin, 200),
        (stranger, 404),
        (helper, 403),
        (auditor, 403),
        (lin, 403),
    ):
        assert (await client.get(path, headers=who.headers)).status_code == status
    refused(await client.get(path), 401, "unauthenticated")
    hidden, missing = [await client.get(p, headers=stranger.headers) for p in (path, absent)]
    assert {**hidden.json(), "request_id": ""} == {**missing.json(), "request_id": ""}


@pytest.mark.parametrize(
    "wish",
    [
        {"email": HELPER, "role": "admin"},
        {"email": HELPER, "role": "member"},
        {"email": "nobody", "role": "staff"},
        {"email": HELPER, "role": "staff", "shop_id": str(uuid4())},
        {"role": "staff"},
    ],
)
async def test_misshapen_invitations(
    wish: dict[str, Any], client: httpx2.AsyncClient, owner: Person, people: People
) -> None:
    path = f"/v1/operator/shops/{SHOP}/invitations"
    refused(await client.post(path, json=wish, headers=owner.headers), 422, "validation_failed")
    assert await people.rows(Invitation) == []


async def test_staff_is_paged(client: httpx2.AsyncClient, people: People, owner: Person) -> None:
    for n in range(3):
        await people.operator(f"s{n}@shop.example", [(SHOP, ShopRole.STAFF)])
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    for _ in range(2):
        answer = await client.get(
            f"/v1/operator/shops/{SHOP}/staff", params=params, headers=owner.headers
        )
        seen += [s["operator_id"] for s in answer.json()["items"]]
        params["cursor"] = answer.json()["next_cursor"]
    assert params["cursor"] is None
    assert len(set(seen)) == 4
