"""Access tokens under attack: everything but a fresh token of a live session is nobody."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest

from app.core.security import Claims, PrincipalKind, Tokens
from app.identity.models import Session
from app.settings import Settings
from tests.conftest import TOKEN_SECRET, make_settings
from tests.fakes import FrozenClock
from tests.identity.people import People, Person, refused, statements_of

ACCESS_KEY = hmac.digest(TOKEN_SECRET.encode(), b"quanpu:access", "sha256")


def signed(claims: dict[str, Any], *, key: bytes = ACCESS_KEY, **headers: Any) -> str:
    return jwt.encode(claims, key, algorithm="HS256", headers=headers or None)


def raw(header: dict[str, Any], body: str, *, key: bytes = ACCESS_KEY) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    start = f"{part(json.dumps(header).encode())}.{part(body.encode())}"
    return f"{start}.{part(hmac.digest(key, start.encode(), 'sha256'))}"


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in claims.items() if k != name}


def nan_expiry(claims: dict[str, Any]) -> str:
    body = json.dumps({**claims, "exp": float("nan")})
    return raw({"alg": "HS256", "typ": "JWT"}, body)


OWN_KEY = b"the attacker's own key, long enough"
OWN_JWK = {"kty": "oct", "k": base64.urlsafe_b64encode(OWN_KEY).decode()}

ATTACKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "alg none": lambda c: jwt.encode(c, None, algorithm="none"),  # type: ignore[arg-type]
    "alg None": lambda c: raw({"alg": "None", "typ": "JWT"}, json.dumps(c)),
    "alg HS512": lambda c: jwt.encode(c, ACCESS_KEY + ACCESS_KEY, algorithm="HS512"),
    "alg missing": lambda c: raw({"typ": "JWT"}, json.dumps(c)),
    "signature cut off": lambda c: signed(c).rsplit(".", 1)[0] + ".",
    "other secret": lambda c: signed(c, key=OWN_KEY),
    "the secret itself": lambda c: signed(c, key=TOKEN_SECRET.encode()),
    "key of cursors": lambda c: signed(
        c, key=hmac.digest(TOKEN_SECRET.encode(), b"quanpu:cursor", "sha256")
    ),
    "kid path": lambda c: raw({"alg": "HS256", "kid": "../../dev/null"}, json.dumps(c), key=b""),
    "kid sql": lambda c: signed(c, key=OWN_KEY, kid="' UNION SELECT 'x"),
    "jwk header": lambda c: signed(c, key=OWN_KEY, jwk=OWN_JWK),
    "jku header": lambda c: signed(c, key=OWN_KEY, jku="https://evil.example/keys"),
    "x5u header": lambda c: signed(c, key=OWN_KEY, x5u="https://evil.example/cert"),
    "wrong audience": lambda c: signed({**c, "aud": "other"}),
    "no audience": lambda c: signed(without(c, "aud")),
    "wrong issuer": lambda c: signed({**c, "iss": "other"}),
    "no issuer": lambda c: signed(without(c, "iss")),
    "no expiry": lambda c: signed(without(c, "exp")),
    "expiry is a float": lambda c: signed({**c, "exp": c["exp"] + 0.5}),
    "expiry is text": lambda c: raw({"alg": "HS256"}, json.dumps({**c, "exp": str(c["exp"])})),
    "expiry is true": lambda c: signed({**c, "exp": True}),
    "expiry is null": lambda c: signed({**c, "exp": None}),
    "expiry is not a number": nan_expiry,
    "expired now": lambda c: signed({**c, "exp": c["iat"]}),
    "issued later": lambda c: signed({**c, "iat": c["iat"] + 3_600}),
    "not before later": lambda c: signed({**c, "nbf": c["iat"] + 3_600}),
    "another type": lambda c: signed({**c, "typ": "refresh"}),
    "no type": lambda c: signed(without(c, "typ")),
    "another kind": lambda c: signed({**c, "knd": "operator"}),
    "kind of keys": lambda c: signed({**c, "knd": "api_key"}),
    "unknown kind": lambda c: signed({**c, "knd": "root"}),
    "another subject": lambda c: signed({**c, "sub": str(uuid4())}),
    "subject is no id": lambda c: signed({**c, "sub": "1"}),
    "unknown session": lambda c: signed({**c, "sid": str(uuid4())}),
    "session is a number": lambda c: signed({**c, "sid": 7}),
    "no session": lambda c: signed(without(c, "sid")),
    "claims are a list": lambda c: raw({"alg": "HS256"}, json.dumps([c])),
    "empty": lambda _: "",
    "not a token": lambda _: "a.b.c",
    "unicode": lambda _: "eyJ\xe9.\xff.\xfe",
    "long": lambda _: "x" * 20_000,
}


def claims_of(person: Person) -> dict[str, Any]:
    token = person.headers["Authorization"].removeprefix("Bearer ")
    told: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return told


async def ask(client: httpx2.AsyncClient, credentials: str) -> httpx2.Response:
    return await client.get("/v1/me", headers={"Authorization": credentials.encode("latin-1")})


async def test_forged_tokens_are_nobody(client: httpx2.AsyncClient, people: People) -> None:
    claims = claims_of(await people.member())
    # What the forger starts from is good: each refusal below is due to the one change.
    assert (await ask(client, f"Bearer {signed(claims)}")).status_code == 200
    for name, forge in ATTACKS.items():
        answer = await ask(client, f"Bearer {forge(claims)}")
        assert answer.status_code == 401, name
        assert answer.json()["code"] == "unauthenticated", name
        assert answer.headers["www-authenticate"] == "Bearer", name


async def test_other_credentials_are_nobody(client: httpx2.AsyncClient, people: People) -> None:
    lin = await people.member()
    token = lin.headers["Authorization"].removeprefix("Bearer ")
    others = [token, f"Basic {token}", f"Bearer  {token}", "Bearer", f"Bearer {lin.refresh_token}"]
    for credentials in others:
        refused(await ask(client, credentials), 401, "unauthenticated")
    assert (await ask(client, f"bearer {token}")).status_code == 200


async def test_an_operators_session_does_not_open_a_members_account(
    client: httpx2.AsyncClient, people: People
) -> None:
    owner = await people.operator()
    refused(await client.get("/v1/me", headers=owner.headers), 403, "forbidden")
    forged = signed({**claims_of(owner), "knd": "member"})
    refused(await ask(client, f"Bearer {forged}"), 401, "unauthenticated")


async def test_tokens_end_with_their_time(
    client: httpx2.AsyncClient, people: People, clock: FrozenClock, settings: Settings
) -> None:
    lin = await people.member()
    clock.at += timedelta(seconds=settings.access_token_ttl_seconds - 1)
    assert (await client.get("/v1/me", headers=lin.headers)).status_code == 200
    clock.at += timedelta(seconds=1)
    refused(await client.get("/v1/me", headers=lin.headers), 401, "unauthenticated")


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
async def test_tokens_end_with_their_session(
    column: str, client: httpx2.AsyncClient, people: People, clock: FrozenClock
) -> None:
    lin, owner = await people.member(), await people.operator()
    await people.update(Session, **{column: clock.now()})
    refused(await client.get("/v1/me", headers=lin.headers), 401, "unauthenticated")
    refused(await client.get("/v1/operator/me", headers=owner.headers), 401, "unauthenticated")


async def test_the_caller_costs_one_statement(client: httpx2.AsyncClient, people: People) -> None:
    lin, owner = await people.member(), await people.operator()
    async with statements_of(people.database) as seen:
        # The path asks nothing more of the database: the caller is all there is to find.
        refused(await client.get("/v1/operator/me", headers=lin.headers), 403, "forbidden")
        refused(await client.get("/v1/me", headers=owner.headers), 403, "forbidden")
    assert len([s for s in seen if s.startswith("SELECT")]) == len(seen) == 2


async def test_another_installations_token(client: httpx2.AsyncClient, people: People) -> None:
    lin = await people.member()
    other = make_settings("sqlite://", token_secret="another-secret-of-another-installation")
    [session] = await people.rows(Session)
    claims = Claims(lin.id, session["id"], PrincipalKind.MEMBER)
    now = people.application.state.clock.now()
    foreign, own = (Tokens(s).access(claims, now=now) for s in (other, people.settings))
    assert (await ask(client, f"Bearer {own}")).status_code == 200
    refused(await ask(client, f"Bearer {foreign}"), 401, "unauthenticated")
