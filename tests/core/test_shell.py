"""What stands around every route: request ids, security headers, CORS, the time limit."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Database
from app.core.errors import TooManyRequests
from app.core.http.limits import RateLimits
from app.core.http.middleware import SECURITY_HEADERS
from app.settings import Settings
from tests.conftest import make_settings
from tests.core.conftest import all_rows, keyed, problem_of
from tests.core.little import Script

ORIGIN = "https://shop.example"
WISH = {"name": "tea"}


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url, cors_origins=[ORIGIN], request_timeout_seconds=1)


async def test_every_answer_carries_the_security_headers(
    client: httpx2.AsyncClient, script: Script
) -> None:
    async def break_down(_db: AsyncSession) -> None:
        raise RuntimeError("a bug")

    script.inside = break_down
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    answers = {
        200: await client.get("/v1/things"),
        404: await client.get("/nowhere"),
        413: await client.post("/v1/things", content=b"", headers={"Content-Length": "99999999"}),
        500: await client.post("/v1/things", json=WISH, headers=keyed()),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
    for answer in (*answers.values(), await client.options("/v1/things", headers=preflight)):
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ("client-chosen_1.0", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("short", False),
        ("with space in it", False),
        ("<script>alert(1)</script>", False),
        ("", False),
    ],
)
async def test_a_request_id_is_taken_over_only_when_well_formed(
    client: httpx2.AsyncClient, told: str, *, taken: bool
) -> None:
    answer = await client.get("/nowhere", headers={"X-Request-ID": told})
    assert (answer.headers["x-request-id"] == told) is taken
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_request_ids_differ(client: httpx2.AsyncClient) -> None:
    ids = {(await client.get("/healthz")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


async def test_an_allowed_origin_may_read_answers_and_errors(
    client: httpx2.AsyncClient, script: Script
) -> None:
    async def break_down(_db: AsyncSession) -> None:
        raise RuntimeError("a bug")

    async def hang(_db: AsyncSession) -> None:
        await asyncio.sleep(5)

    origin = {"Origin": ORIGIN}
    answers = [await client.get("/v1/things", headers=origin)]
    answers.append(await client.get("/nowhere", headers=origin))
    for fault in (break_down, hang):
        script.inside = fault
        answers.append(await client.post("/v1/things", json=WISH, headers={**keyed(), **origin}))
    big = {**origin, "Content-Length": "99999999"}
    answers.append(await client.post("/v1/things", content=b"", headers=big))
    assert [a.status_code for a in answers] == [200, 404, 500, 503, 413]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
        assert "access-control-allow-credentials" not in answer.headers
        assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("origin", ["https://evil.example", ORIGIN + ".evil.example", "null"])
async def test_a_foreign_origin_may_not(client: httpx2.AsyncClient, origin: str) -> None:
    answer = await client.get("/v1/things", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = await client.options("/v1/things", headers=preflight)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


async def test_an_allowed_preflight(client: httpx2.AsyncClient) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "idempotency-key,if-match,authorization,x-request-id",
    }
    answer = await client.options("/v1/things", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("path", ["/v1/things", "/v1/things/outside"])
async def test_a_request_that_takes_too_long_writes_nothing(
    client: httpx2.AsyncClient, database: Database, script: Script, path: str
) -> None:
    async def hang(*_any: object) -> None:
        await asyncio.sleep(30)

    script.inside = script.after_outside = hang
    headers = keyed()
    answer = await client.post(path, json=WISH, headers=headers)
    document = problem_of(answer, 503, "unavailable")
    assert document["params"] == {"reason": "timeout"}
    assert await all_rows(database) == {}
    script.inside = script.after_outside = None
    assert (await client.post(path, json=WISH, headers=headers)).status_code == 201


async def test_a_request_that_hangs_in_the_database_gives_its_connection_back(
    client: httpx2.AsyncClient, database: Database, script: Script, backend: str
) -> None:
    if backend == "sqlite":
        async with database.writing() as holder:
            await holder.connection()
            answer = await client.post("/v1/things", json=WISH, headers=keyed())
            problem_of(answer, 503, "unavailable")
    else:
        import sqlalchemy as sa

        async def sleep(db: AsyncSession) -> None:
            await db.execute(sa.text("SELECT pg_sleep(5)"))

        script.inside = sleep
        problem_of(await client.post("/v1/things", json=WISH, headers=keyed()), 503, "unavailable")
        script.inside = None
    assert database.writer.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert (await client.post("/v1/things", json=WISH, headers=keyed())).status_code == 201


async def test_a_client_that_leaves_is_answered_nothing(
    application: FastAPI, database: Database
) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(k.lower().encode(), v.encode()) for k, v in keyed().items()]
    headers += [(b"content-type", b"application/json"), (b"content-length", b"10")]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/things", "raw_path": b"/v1/things",
        "query_string": b"", "headers": headers, "client": ("1.2.3.4", 5), "scheme": "http",
        "server": ("shop.test", 80), "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    await application(scope, receive, send)
    assert sent == []
    assert await all_rows(database) == {}


class TestRateLimits:
    @staticmethod
    def request(direct: str, forwarded: str | None) -> Request:
        headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
        return Request({"type": "http", "headers": headers, "client": (direct, 1)})

    @pytest.mark.parametrize(
        ("direct", "forwarded", "address"),
        [
            ("9.9.9.9", "1.1.1.1", "9.9.9.9"),
            ("10.0.0.1", None, "10.0.0.1"),
            ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
            ("10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"),
            ("10.0.0.1", "not an address", "10.0.0.1"),
        ],
    )
    async def test_forwarded_addresses_are_believed_from_trusted_proxies_only(
        self, direct: str, forwarded: str | None, address: str
    ) -> None:
        limits = RateLimits(make_settings("sqlite://", trusted_proxies=["10.0.0.1"]))
        assert limits.address(self.request(direct, forwarded)) == address

    @pytest.mark.parametrize(
        ("direct", "forwarded", "address"),
        [
            ("10.1.2.3", "1.1.1.1", "1.1.1.1"),
            ("::ffff:10.1.2.3", "1.1.1.1", "1.1.1.1"),
            ("fd00::7", "2001:db8::1", "2001:db8::1"),
            ("11.1.2.3", "1.1.1.1", "11.1.2.3"),
            ("unknown", "1.1.1.1", "unknown"),
            # One proxy behind another; what the caller itself wrote is not believed.
            ("10.1.2.3", "6.6.6.6, 1.1.1.1, 10.9.9.9", "1.1.1.1"),
            ("10.1.2.3", "1.1.1.1, forged, 10.9.9.9", "10.9.9.9"),
        ],
    )
    async def test_proxies_may_be_named_by_their_network(
        self, direct: str, forwarded: str, address: str
    ) -> None:
        trusted = ["10.1.2.3/8", "fd00::/8"]
        limits = RateLimits(make_settings("sqlite://", trusted_proxies=trusted))
        assert limits.address(self.request(direct, forwarded)) == address

    async def test_doors_addresses_and_names_are_counted_apart(self) -> None:
        limits = RateLimits(make_settings("sqlite://", sign_in_attempts_per_minute=1))
        await limits.knock(self.request("1.1.1.1", None), "a")
        await limits.knock(self.request("1.1.1.1", None), "b")
        await limits.knock(self.request("2.2.2.2", None), "a", "name")
        with pytest.raises(TooManyRequests):
            await limits.knock(self.request("3.3.3.3", None), "a", "name")

    async def test_the_door_stays_open_when_redis_is_away(self) -> None:
        settings = make_settings(
            "sqlite://",
            redis_url="redis://:pw@127.0.0.1:9/0",
            sign_in_attempts_per_minute=1,
            wrong_codes_per_ten_minutes=1,
        )
        limits = RateLimits(settings)
        for _ in range(3):
            await limits.knock(self.request("1.1.1.1", None), "a")
            await limits.check_guesses("a", "ann")
            await limits.count_guesses("a", "ann", 2)


@pytest.fixture
async def plain(database_url: str, clock: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """The application without any allowed origin."""
    from tests.core.conftest import NOTHING_WIRED
    from tests.core.little import create_little_app

    application = create_little_app(make_settings(database_url), clock, NOTHING_WIRED)
    transport = httpx2.ASGITransport(application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        yield client
    await application.state.database.dispose()


async def test_without_an_allow_list_no_origin_is_allowed(plain: httpx2.AsyncClient) -> None:
    answer = await plain.get("/v1/things", headers={"Origin": ORIGIN})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_ready_and_metrics(plain: httpx2.AsyncClient) -> None:
    answer = await plain.get("/readyz")
    assert answer.json() == {"status": "ok", "clock_offset_ms": 0}
    await plain.get("/nowhere-CANARY")
    text = (await plain.get("/metrics")).text
    assert "quanpu_requests_total" in text
    assert "CANARY" not in text
