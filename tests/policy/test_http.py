"""What stands around the real routes: CORS, security headers, HEAD, OPTIONS, 405, 404, slashes."""

import re
from typing import Any

import httpx2
import pytest

from app.core.http.middleware import SECURITY_HEADERS
from app.settings import Settings
from tests.conftest import make_settings
from tests.policy.contract import PROBLEM, Operation, document, operations

pytestmark = pytest.mark.one_database

ORIGIN = "https://h5.shop.example"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
PATHS = sorted(document()["paths"])
ANY_ID = "0192f0c1-a5e8-7000-a000-000000000001"


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url, cors_origins=[ORIGIN])


def url_of(path: str) -> str:
    for name in Operation("GET", path).named:
        path = path.replace(f"{{{name}}}", ANY_ID)
    return path


def fits(path: str, url: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), url) is not None


def preflight(origin: str, method: str, headers: str = "authorization") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


def problem_of(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told: dict[str, Any] = answer.json()
    assert (told["code"], told["status"]) == (code, status)
    assert told["request_id"] == answer.headers["x-request-id"]
    return told


async def test_a_page_of_ours_may_call_every_operation(client: httpx2.AsyncClient) -> None:
    """Method and headers that the contract asks for are ones that a browser may send."""
    for operation in operations():
        named = operation.parameters("header") | {"authorization", "content-type"}
        wanted = preflight(ORIGIN, operation.method, ",".join(sorted(named)))
        answer = await client.options(url_of(operation.path), headers=wanted)
        assert answer.status_code == 200, (operation, answer.text)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "http://h5.shop.example", "null"])
async def test_a_page_of_others_may_not(client: httpx2.AsyncClient, origin: str) -> None:
    answer = await client.options("/v1/orders", headers=preflight(origin, "POST"))
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers
    plain = await client.get(f"/v1/shops/{ANY_ID}", headers={"Origin": origin})
    assert "access-control-allow-origin" not in plain.headers


async def test_every_route_answers_with_the_security_headers(client: httpx2.AsyncClient) -> None:
    for operation in operations():
        answer = await client.request(operation.method, url_of(operation.path))
        assert answer.status_code < 500, (operation, answer.text)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value, operation
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store", operation


async def test_an_unknown_method_is_told_the_known_ones(client: httpx2.AsyncClient) -> None:
    """All of them: some client chooses by this header what to try next."""
    for path in PATHS:
        # A word may stand where an id does, as in /promotions/stop-all: both routes are known.
        known = {o.method for o in operations() if fits(o.path, url_of(path))}
        for method in sorted(METHODS - known):
            answer = await client.request(method, url_of(path))
            problem_of(answer, 405, "method_not_allowed")
            allowed = {m.strip() for m in answer.headers["allow"].split(",")}
            assert allowed - {"HEAD"} == known, (method, path)


async def test_head_and_options_change_and_leak_nothing(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/orders", f"/v1/shops/{ANY_ID}", "/healthz"):
        head, options = await client.head(path), await client.options(path)
        problem_of(options, 405, "method_not_allowed")
        assert head.status_code == 405
        assert head.headers["x-request-id"]


async def test_an_unknown_path_is_a_problem(client: httpx2.AsyncClient) -> None:
    for path in ("/", "/v1", "/v2/orders", "/v1/order", "/.env", "/v1/../etc/passwd", "/%2e%2e/x"):
        for method in ("GET", "POST"):
            problem_of(await client.request(method, path), 404, "not_found")


async def test_a_slash_too_many_redirects_nowhere(client: httpx2.AsyncClient) -> None:
    """A redirect would be built from the Host header, over http, and lose the body."""
    for path in PATHS:
        for url in (url_of(path) + "/", "/" + url_of(path)):
            answer = await client.get(url, headers={"Host": "evil.example"})
            problem_of(answer, 404, "not_found")
            assert "location" not in answer.headers
