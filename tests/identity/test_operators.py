"""Operators: password sign-in, lockout, changing the password, their sessions."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from pwdlib.hashers.argon2 import Argon2Hasher

from app.core.audit_log import AuditEntry
from app.core.db import Database
from app.core.errors import AlreadyExists
from app.core.http.limits import RateLimits
from app.core.ids import new_id
from app.core.security import Claims, PrincipalKind
from app.identity.adapters.passwords import HASHES_AT_ONCE_MAX, Passwords, Verdict
from app.identity.models import Operator, OperatorLogin, OperatorStatus, Session
from app.identity.rules import PlatformRole, ShopRole
from app.settings import Settings
from tests.conftest import make_settings, rows_in
from tests.fakes import FrozenClock
from tests.identity.people import OTHER_PASSWORD, PASSWORD, People, Person, refused

EMAIL = "owner@shop.example"


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url, lockout_failures=3)


async def test_sign_in_and_own_account(client: httpx2.AsyncClient, people: People) -> None:
    shop_id = new_id()
    owner = await people.operator(EMAIL, [(shop_id, ShopRole.OWNER)], PlatformRole.AUDITOR)
    me = (await client.get("/v1/operator/me", headers=owner.headers)).json()
    assert (me["operator_id"], me["email"]) == (str(owner.id), EMAIL)
    assert me["platform_role"] == "auditor"
    assert me["shop_roles"] == [{"shop_id": str(shop_id), "role": "owner"}]


async def test_the_case_of_the_address_does_not_matter(people: People) -> None:
    await people.new_operator("Owner@Shop.Example")
    assert (await people.try_sign_in(" OWNER@shop.example", PASSWORD)).status_code == 200
    with pytest.raises(AlreadyExists):
        await people.new_operator(EMAIL)
    assert len(await people.rows(Operator)) == 1


async def test_every_failure_is_answered_alike(people: People) -> None:
    await people.new_operator(EMAIL)
    wrong = await people.try_sign_in(EMAIL, "wrong")
    unknown = await people.try_sign_in("nobody@shop.example", PASSWORD)
    await people.update(Operator, status=OperatorStatus.DISABLED)
    disabled = await people.try_sign_in(EMAIL, PASSWORD)
    answers = [{**a.json(), "request_id": ""} for a in (wrong, unknown, disabled)]
    refused(wrong, 401, "credentials_refused")
    assert answers[0] == answers[1] == answers[2]
    assert await people.rows(Session) == []


async def test_nobody_is_verified_as_long_as_somebody(people: People, application: Any) -> None:
    asked: list[str | None] = []

    class Watched(Passwords):
        async def verify(self, password: str, kept_hash: str | None) -> Verdict:
            asked.append(kept_hash)
            return await super().verify(password, kept_hash)

    application.state.passwords = Watched(Argon2Hasher(1, 8, 1))
    refused(await people.try_sign_in("nobody@shop.example", "x"), 401, "credentials_refused")
    assert asked == [None]


@pytest.mark.parametrize(
    "form",
    [
        {"username": EMAIL},
        {"password": PASSWORD},
        {"username": "no address", "password": PASSWORD},
        {"username": "a\x00@shop.example", "password": PASSWORD},
        {"username": "İ" * 60 + "@" + "İ" * 100 + ".example", "password": PASSWORD},
        {"username": EMAIL, "password": "x" * 129},
        {"username": EMAIL, "password": PASSWORD, "grant_type": "client_credentials"},
        {"username": EMAIL, "password": PASSWORD, "platform_role": "admin"},
    ],
)
async def test_misshapen_forms(form: dict[str, str], client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/operator/auth/sign-in", data=form)
    refused(answer, 422, "validation_failed")
    assert PASSWORD not in answer.text


async def test_lockout(people: People, clock: FrozenClock, settings: Settings) -> None:
    operator_id = await people.new_operator(EMAIL)
    for failures in (1, 2, 3):
        refused(await people.try_sign_in(EMAIL, "wrong"), 401, "credentials_refused")
        [login] = await people.rows(OperatorLogin)
        assert login["failures"] == failures
    locked_until = clock.now() + timedelta(seconds=settings.lockout_seconds)
    assert login["locked_until"] == locked_until
    refused(await people.try_sign_in(EMAIL, PASSWORD), 401, "credentials_refused")
    refused(await people.try_sign_in(EMAIL, "wrong"), 401, "credentials_refused")
    assert await people.rows(OperatorLogin) == [login]
    assert (await people.audit_actions()).count("identity.login_locked") == 1
    clock.at = locked_until
    refused(await people.try_sign_in(EMAIL, "wrong"), 401, "credentials_refused")
    await people.sign_in(operator_id, EMAIL)
    [login] = await people.rows(OperatorLogin)
    assert (login["failures"], login["locked_until"]) == (0, None)


async def test_success_forgets_failures(people: People) -> None:
    operator_id = await people.new_operator(EMAIL)
    for _ in range(3):
        await people.try_sign_in(EMAIL, "wrong")
        await people.try_sign_in(EMAIL, "wrong")
        await people.sign_in(operator_id, EMAIL)


async def test_guesses_at_once_do_not_pass_the_lock(people: People) -> None:
    await people.new_operator(EMAIL)
    # All are read before any is counted; the right one comes last in the queue for the hash.
    guesses = [people.try_sign_in(EMAIL, f"guess {n}") for n in range(30)]
    answers = await asyncio.gather(*guesses)
    assert {a.status_code for a in answers} == {401}
    [login] = await people.rows(OperatorLogin)
    assert login["failures"] == 3
    assert await people.rows(Session) == []


class Held(Passwords):
    """Lets a test act between the verification of a password and what follows from it."""

    def __init__(self) -> None:
        super().__init__(Argon2Hasher(1, 8, 1))
        self.verified, self.go_on = asyncio.Event(), asyncio.Event()

    async def verify(self, password: str, kept_hash: str | None) -> Verdict:
        verdict = await super().verify(password, kept_hash)
        self.verified.set()
        async with asyncio.timeout(5):
            await self.go_on.wait()
        return verdict


@pytest.mark.parametrize("rival", ["locked", "password changed"])
async def test_a_verified_password_is_judged_by_what_is_true_then(
    rival: str, application: FastAPI, people: People, clock: FrozenClock
) -> None:
    await people.new_operator(EMAIL)
    held = application.state.passwords = Held()
    signing_in = asyncio.create_task(people.try_sign_in(EMAIL, PASSWORD))
    async with asyncio.timeout(5):
        await held.verified.wait()
    # The write goes through at once: verification holds no lock, not even SQLite's.
    if rival == "locked":
        await people.update(OperatorLogin, locked_until=clock.now() + timedelta(seconds=1))
    else:
        await people.update(OperatorLogin, password_hash=await held.hash(OTHER_PASSWORD))
    held.go_on.set()
    refused(await signing_in, 401, "credentials_refused")
    assert await people.rows(Session) == []


async def test_outdated_hashes_are_renewed(people: People, application: FastAPI) -> None:
    operator_id = await people.new_operator(EMAIL)
    application.state.passwords = Passwords(Argon2Hasher(2, 16, 1))
    await people.sign_in(operator_id, EMAIL)
    [login] = await people.rows(OperatorLogin)
    assert "$m=16,t=2,p=1$" in login["password_hash"]
    await people.sign_in(operator_id, EMAIL)


async def test_production_hashes_are_argon2id_and_few_at_once() -> None:
    passwords = Passwords()
    kept = await passwords.hash(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.verify(PASSWORD, kept) == Verdict(fits=True)
    assert not (await passwords.verify("wrong", kept)).fits
    assert HASHES_AT_ONCE_MAX == passwords._threads._max_workers == 2


async def test_too_many_knocks(
    application: FastAPI, client: httpx2.AsyncClient, people: People
) -> None:
    limited = make_settings("sqlite://", sign_in_attempts_per_minute=2)
    application.state.limits = RateLimits(limited)
    doors: list[tuple[str, dict[str, Any]]] = [
        ("/v1/operator/auth/sign-in", {"data": {"username": EMAIL, "password": "x"}}),
        ("/v1/auth/wechat", {"json": {"code": "bad"}}),
        ("/v1/auth/refresh", {"json": {"refresh_token": "qpr_x"}}),
        ("/v1/operator/invitations/accept", {"json": {"token": "qpi_x", "password": PASSWORD}}),
        (
            "/v1/operator/auth/password",
            {"json": {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}},
        ),
        (f"/v1/operator/shops/{new_id()}/invitations", {"json": {"email": EMAIL, "role": "staff"}}),
    ]
    for path, body in doors:
        answers = [await client.post(path, **body) for _ in range(3)]
        assert 429 not in [a.status_code for a in answers[:2]], path
        refused(answers[2], 429, "too_many_requests")
        assert int(answers[2].headers["retry-after"]) > 0


async def test_knocks_count_by_account_from_any_address(
    application: FastAPI, client: httpx2.AsyncClient
) -> None:
    limited = make_settings(
        "sqlite://", sign_in_attempts_per_minute=2, trusted_proxies=["127.0.0.1"]
    )
    application.state.limits = RateLimits(limited)

    async def attempt(address: str, email: str) -> int:
        return (
            await client.post(
                "/v1/operator/auth/sign-in",
                data={"username": email, "password": "x"},
                headers={"X-Forwarded-For": address},
            )
        ).status_code

    tried = [await attempt(f"198.51.100.{n}", EMAIL) for n in range(3)]
    assert tried == [401, 401, 429]
    assert await attempt("198.51.100.9", "other@shop.example") == 401


async def change(client: httpx2.AsyncClient, person: Person, current: str, new: str) -> Any:
    wish = {"current_password": current, "new_password": new}
    return await client.post("/v1/operator/auth/password", json=wish, headers=person.headers)


async def test_change_of_password(client: httpx2.AsyncClient, people: People) -> None:
    here = await people.operator(EMAIL)
    there = await people.sign_in(here.id, EMAIL)
    assert (await change(client, here, PASSWORD, OTHER_PASSWORD)).status_code == 204
    assert (await client.get("/v1/operator/me", headers=here.headers)).status_code == 200
    refused(await client.get("/v1/operator/me", headers=there.headers), 401, "unauthenticated")
    refused(await people.try_sign_in(EMAIL, PASSWORD), 401, "credentials_refused")
    await people.sign_in(here.id, EMAIL, OTHER_PASSWORD)
    entries = [e for e in await people.rows(AuditEntry) if e["action"].endswith("word_changed")]
    assert [(e["actor_id"], e["before"], e["after"]) for e in entries] == [(here.id, None, None)]


async def test_refused_changes_of_password(
    client: httpx2.AsyncClient, people: People, database: Database
) -> None:
    owner, lin = await people.operator(EMAIL), await people.member()
    before = (await rows_in(database), await people.rows(OperatorLogin))
    refused(await change(client, lin, PASSWORD, OTHER_PASSWORD), 403, "forbidden")
    refused(await change(client, owner, PASSWORD, "too short"), 422, "validation_failed")
    surrogate = b'{"current_password": "\\ud800", "new_password": "eleven green bottles"}'
    headers = {**owner.headers, "Content-Type": "application/json"}
    answer = await client.post("/v1/operator/auth/password", content=surrogate, headers=headers)
    refused(answer, 422, "validation_failed")
    assert (await rows_in(database), await people.rows(OperatorLogin)) == before
    refused(await change(client, owner, "wrong", OTHER_PASSWORD), 401, "credentials_refused")
    [login] = await people.rows(OperatorLogin)
    assert login == {**before[1][0], "failures": 1}


async def test_sessions_of_an_operator(client: httpx2.AsyncClient, people: People) -> None:
    here, other = await people.operator(EMAIL), await people.operator("other@shop.example")
    there = await people.sign_in(here.id, EMAIL)
    path = "/v1/operator/sessions"
    first = (await client.get(path, params={"limit": 1}, headers=here.headers)).json()
    cursor = first["next_cursor"]
    rest = (
        await client.get(path, params={"limit": 1, "cursor": cursor}, headers=here.headers)
    ).json()
    shown = first["items"] + rest["items"]
    assert [s["current"] for s in shown] == [False, True]
    assert rest["next_cursor"] is None
    foreign = await client.delete(f"{path}/{shown[0]['session_id']}", headers=other.headers)
    refused(foreign, 404, "not_found")
    refused(await client.delete(f"{path}/{uuid4()}", headers=here.headers), 404, "not_found")
    assert (await client.get("/v1/operator/me", headers=there.headers)).status_code == 200
    ended = await client.delete(f"{path}/{shown[0]['session_id']}", headers=here.headers)
    assert ended.status_code == 204
    refused(await client.get("/v1/operator/me", headers=there.headers), 401, "unauthenticated")
    remaining = (await client.get(path, headers=here.headers)).json()["items"]
    assert [s["current"] for s in remaining] == [True]


async def test_members_are_no_operators(client: httpx2.AsyncClient, people: People) -> None:
    lin = await people.member()
    for path in ("/v1/operator/me", "/v1/operator/sessions"):
        refused(await client.get(path, headers=lin.headers), 403, "forbidden")
        refused(await client.get(path), 401, "unauthenticated")
    token = people.application.state.tokens.access(
        Claims(lin.id, new_id(), PrincipalKind.OPERATOR), now=people.application.state.clock.now()
    )
    forged = {"Authorization": f"Bearer {token}"}
    refused(await client.get("/v1/operator/me", headers=forged), 401, "unauthenticated")
