"""Every refusal has one shape, whatever is sent; nothing sent comes back."""

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.core.db import Database
from app.core.errors import InternalError, Problem
from app.core.http.problem import document, from_http_exception, render
from tests.conftest import make_settings
from tests.core.conftest import all_rows, keyed, problem_of
from tests.core.little import Script
from tests.fakes import FrozenClock

CANARY = "sk_test_CANARY_12345"
JSON = {"Content-Type": "application/json"}


async def post(client: httpx2.AsyncClient, body: bytes, **headers: str) -> httpx2.Response:
    return await client.post("/v1/things", content=body, headers={**keyed(), **JSON, **headers})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'name': 'tea'}",
        b'{"name": "tea"} x',
        b'{"name": "\x01"}',
        b"\xff\xfe{",
        '{"name":"tea"}'.encode("utf-16"),
        b'{"name": "\xed\xa0\x80"}',
        b'{"quantity": ' + b"9" * 5_000 + b"}",
    ],
)
async def test_what_is_no_json_is_a_bad_request(
    client: httpx2.AsyncClient, database: Database, body: bytes
) -> None:
    answer = await post(client, body.replace(b"tea", CANARY.encode()))
    problem_of(answer, 400, "bad_request")
    assert "CANARY" not in answer.text
    assert await all_rows(database) == {}


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b'{"name": "a", "name": "b"}', "duplicate_member", "/"),
        (b'{"name": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep", "/"),
        (b'{"name": "a\\u0000b"}', "text_not_storable", "/name"),
        (b'{"name": "\\ud800"}', "text_not_storable", "/name"),
        (b'{"name": "a", "note": "\\udfff"}', "text_not_storable", "/note"),
        (b'{"x\\ud800": 1}', "text_not_storable", "/"),
        (b'{"a/b": ["\\u0000"]}', "text_not_storable", "/a~1b/0"),
        (b'{"name": "tea", "price": 1}', "extra_forbidden", "/price"),
        (b'{"name": ""}', "string_too_short", "/name"),
        (b"[]", "model_attributes_type", "/"),
        (b"", "missing", "/"),
        (b'{"name": "tea", "quantity": false}', "int_type", "/quantity"),
        (b'{"name": "tea", "quantity": "1"}', "int_type", "/quantity"),
        (b'{"name": "tea", "quantity": 1.5}', "int_type", "/quantity"),
        (b'{"name": "tea", "quantity": 1.0}', "int_type", "/quantity"),
        (b'{"name": "tea", "quantity": 1e400}', "int_type", "/quantity"),
        (b'{"name": "tea", "quantity": NaN}', "int_type", "/quantity"),
        (b'{"name": "tea", "quantity": -Infinity}', "int_type", "/quantity"),
        (b'{"name": "tea", "quantity": null}', "int_type", "/quantity"),
        (b'{"name": "tea", "quantity": 0}', "greater_than_equal", "/quantity"),
        (b'{"name": "tea", "quantity": -1}', "greater_than_equal", "/quantity"),
        (b'{"name": "tea", "quantity": 1000000000000000000}', "less_than_equal", "/quantity"),
        (b'{"name": "tea", "kind": "sk_test_CANARY_12345"}', "literal_error", "/kind"),
        (b'{"name": "a\\nb"}', "value_error", "/name"),
        (b'{"name": "a\\u0007b"}', "value_error", "/name"),
        (b'{"name": "' + b"x" * 121 + b'"}', "string_too_long", "/name"),
    ],
)
async def test_what_does_not_fit_is_pointed_at(
    client: httpx2.AsyncClient, database: Database, body: bytes, code: str, pointer: str
) -> None:
    answer = await post(client, body)
    shown: Any = problem_of(answer, 422, "validation_failed")
    assert [(e["code"], e["pointer"]) for e in shown["errors"]] == [(code, pointer)]
    assert "CANARY" not in answer.text
    assert await all_rows(database) == {}


async def test_an_unpaired_surrogate_is_refused_and_a_pair_is_kept(
    client: httpx2.AsyncClient,
) -> None:
    answer = await post(client, b'{"name": "\\ud83d\\ude00"}')
    assert answer.status_code == 201
    assert answer.json()["name"] == "😀"


@pytest.mark.parametrize(
    "path",
    ["/v1/things/sk_test_CANARY_12345", "/v1/things?limit=sk_test_CANARY_12345"],
)
async def test_bad_addresses_are_not_echoed(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    problem_of(answer, 422, "validation_failed")
    assert "CANARY" not in answer.text
    assert "`s`" not in answer.text


async def test_a_wrong_kind_of_a_union_is_not_echoed(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/sums", json={"form": {"shape": CANARY}})
    shown: Any = problem_of(answer, 422, "validation_failed")
    assert shown["errors"][0]["pointer"] == "/form"
    assert "CANARY" not in answer.text


@pytest.mark.parametrize("path", ["/v1/things?name=%00", "/v1/things?x=a%00b"])
async def test_nul_in_a_query_is_refused(client: httpx2.AsyncClient, path: str) -> None:
    shown: Any = problem_of(await client.get(path), 422, "validation_failed")
    assert shown["errors"][0]["pointer"] == "query"


async def test_nul_in_a_path_is_not_found(client: httpx2.AsyncClient) -> None:
    problem_of(await client.get("/v1/things/%00"), 404, "not_found")


async def test_odd_text_in_a_query_is_only_text(client: httpx2.AsyncClient) -> None:
    for odd in ("%ED%A0%80", "%FF", "'%20OR%201=1--", "%25", "%F0%9F%98%80"):
        answer = await client.get(f"/v1/things?name={odd}")
        assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_the_framework_s_own_refusals(client: httpx2.AsyncClient) -> None:
    problem_of(await client.get("/v1/nowhere"), 404, "not_found")
    problem_of(await client.get("/v1/things/"), 404, "not_found")
    answer = await client.delete("/v1/things")
    problem_of(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]
    unknown = str(uuid4())
    problem_of(await client.get(f"/v1/things/{unknown}"), 404, "not_found")


async def test_who_is_unknown_is_told_how_to_sign_in(
    client: httpx2.AsyncClient, database: Database
) -> None:
    for headers in ({}, {"Authorization": f"Bearer {CANARY}"}):
        more = {"Idempotency-Key": "k", **headers}
        answer = await client.post("/v1/things", json={"name": "tea"}, headers=more)
        problem_of(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "CANARY" not in answer.text
    assert await all_rows(database) == {}


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "", None])
async def test_another_media_type_is_refused(
    client: httpx2.AsyncClient, database: Database, media: str | None
) -> None:
    headers = keyed() if media is None else {**keyed(), "Content-Type": media}
    answer = await client.post("/v1/things", content=b'{"name": "tea"}', headers=headers)
    problem_of(answer, 415, "unsupported_media_type")
    assert await all_rows(database) == {}


@pytest.mark.parametrize(
    "media", ["application/json; charset=utf-8", "application/merge-patch+json"]
)
async def test_json_by_its_other_names_is_read(client: httpx2.AsyncClient, media: str) -> None:
    headers = {**keyed(), "Content-Type": media}
    answer = await client.post("/v1/things", content=b'{"name": "tea"}', headers=headers)
    assert answer.status_code == 201


async def test_a_body_that_is_announced_too_large_is_not_read(
    application: FastAPI, client: httpx2.AsyncClient, database: Database
) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"x"

    headers = {**keyed(), **JSON, "Content-Length": str(50 * 2**20)}
    answer = await client.post("/v1/things", content=body(), headers=headers)
    problem_of(answer, 413, "body_too_large")
    assert await all_rows(database) == {}


@pytest.mark.parametrize("path", ["/v1/things", "/v1/sums", "/v1/unkeyed"])
async def test_a_body_without_end_is_cut_off(
    client: httpx2.AsyncClient, database: Database, path: str
) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 50 * 2**20:
            sent += 2**16
            yield b" " * 2**16

    answer = await client.post(path, content=body(), headers={**keyed(), **JSON})
    problem_of(answer, 413, "body_too_large")
    assert await all_rows(database) == {}


async def test_a_body_of_the_largest_size_is_read(
    client: httpx2.AsyncClient, database: Database
) -> None:
    body = b'{"name": "tea"}'
    most = database.settings.body_bytes_max
    assert (await post(client, body.ljust(most))).status_code == 201
    problem_of(await post(client, body.ljust(most + 1)), 413, "body_too_large")


async def test_too_many_knocks(
    application: FastAPI, client: httpx2.AsyncClient, script: Script
) -> None:
    from app.core.http.limits import RateLimits

    limits = RateLimits(make_settings("sqlite://", sign_in_attempts_per_minute=2))

    async def knock(request: Request) -> Any:
        await limits.knock(request, "door")

    application.add_api_route("/knock", knock)
    assert [(await client.get("/knock")).status_code for _ in range(2)] == [200, 200]
    answer = await client.get("/knock")
    problem_of(answer, 429, "too_many_requests")
    assert answer.headers["retry-after"] == "60"


@pytest.mark.parametrize(
    ("told", "language", "title"),
    [
        (None, "zh-CN", "未找到"),
        ("zh-TW,en;q=0.5", "zh-CN", "未找到"),
        ("en-GB,zh;q=0.9", "en", "Not found"),
        ("fr", "zh-CN", "未找到"),
    ],
)
async def test_titles_come_in_the_reader_s_language(
    client: httpx2.AsyncClient, told: str | None, language: str, title: str
) -> None:
    headers = {"Accept-Language": told} if told else {}
    answer = await client.get("/v1/nowhere", headers=headers)
    assert problem_of(answer, 404, "not_found")["title"] == title
    assert answer.headers["content-language"] == language


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (401, "unauthenticated"),
        (403, "forbidden"),
        (405, "method_not_allowed"),
        (413, "body_too_large"),
        (418, "bad_request"),
        (500, "internal_error"),
        (502, "internal_error"),
        (503, "unavailable"),
    ],
)
def test_exceptions_of_the_framework_keep_their_meaning(status: int, code: str) -> None:
    assert from_http_exception(HTTPException(status, detail=CANARY)).code == code


def test_a_refusal_must_say_its_status_code_and_titles() -> None:
    with pytest.raises(TypeError, match="must declare status, code, title, title_zh"):
        type("Bare", (Problem,), {})


class Picky(Problem):
    status = HTTPStatus.CONFLICT
    code = "picky"
    title = "Picky"
    title_zh: ClassVar[str] = "挑剔"


def test_params_are_shown_as_facts() -> None:
    refusal = Picky(missing_amount=300, id=uuid4(), headers={"Retry-After": "5"})
    scope = {"type": "http", "headers": [], "path": "/", "query_string": b"", "method": "GET"}
    answer = render(refusal, Request(scope))
    shown = json.loads(bytes(answer.body))
    assert shown["params"]["missing_amount"] == 300
    assert shown["params"]["id"] == str(refusal.params["id"])
    assert answer.headers["retry-after"] == "5"
    assert document(InternalError(), "en")["params"] == {}


async def test_many_faults_are_answered_with_some(client: httpx2.AsyncClient) -> None:
    body = {f"x{i}": 1 for i in range(5_000)}
    answer = await client.post("/v1/things", json=body, headers=keyed())
    shown: Any = problem_of(answer, 422, "validation_failed")
    assert len(shown["errors"]) == 50


async def test_a_database_that_is_away_is_answered_503(clock: FrozenClock, tmp_path: Any) -> None:
    from tests.core.conftest import NOTHING_WIRED
    from tests.core.little import create_little_app

    settings = make_settings("postgresql://nobody:CANARY_PW@127.0.0.1:9/none")
    application = create_little_app(settings, clock, NOTHING_WIRED)
    transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        answers = await asyncio.gather(
            client.get("/v1/things"),
            client.get("/readyz"),
            client.post("/v1/things", json={"name": "tea"}, headers=keyed()),
        )
    for answer in answers:
        problem_of(answer, 503, "unavailable")
        assert "CANARY" not in answer.text
        assert answer.headers["retry-after"] == "1"
