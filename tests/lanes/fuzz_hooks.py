"""What schemathesis loads: tokens that outlive a sign-out, ids that exist, quotes that hold.

Everything it knows of the seeded shop stands in the file that FUZZ_KNOWN names. Only values that
were valid anyway are exchanged, so what was made wrong on purpose stays wrong.
"""

import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import requests
import schemathesis

from tests.policy.table import POLICY, Kind

KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
# Routes about objects that do not exist for everybody.
GUARDED = frozenset({Kind.OWN, Kind.SHOP, Kind.PLATFORM})
# One in so many ids stays one that nobody knows.
UNKNOWN_EVERY = 6


@cache
def known() -> dict[str, Any]:
    """Tokens, ids by field name, and where the server is."""
    found: dict[str, Any] = json.loads(Path(os.environ["FUZZ_KNOWN"]).read_text())
    return found


@schemathesis.auth(refresh_interval=None)
class Sessions:
    """A bearer token whose session still lives; a sign-out costs one request, not the run."""

    def get(self, _case: Any, _context: Any) -> str:
        token: str = known()["tokens"][0]
        return token

    def set(self, case: Any, data: str, _context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def after_call(_context: Any, _case: Any, response: Any) -> None:
    tokens = known()["tokens"]
    sent = response.request.headers.get("Authorization", "")
    if response.status_code == 401 and sent == f"Bearer {tokens[0]}" and len(tokens) > 1:
        tokens.pop(0)


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    for container in (case.path_parameters, case.query):
        for name, value in (container or {}).items():
            container[name] = _existing(name, value)
    case.body = _walked(case.body)
    _give_a_fresh_key(case)
    if case.meta and case.meta.generation.mode.is_positive:
        # Nobody can make up a cursor, and refusing one is what tests of paging are for.
        (case.query or {}).pop("cursor", None)
        _name_the_version(case)
        prepare = _PREPARED.get((case.method.upper(), case.operation.path))
        if prepare is not None:
            prepare(case)


@schemathesis.check
def what_is_anothers_does_not_exist(_context: Any, response: Any, case: Any) -> None:
    """No success names an object of the other shop or member, in what is asked or told."""
    guarded = known()["guarded"]
    rule = POLICY.get((case.method.upper(), case.operation.path))
    if not guarded or rule is None or rule.kind not in GUARDED or response.status_code >= 400:
        return
    asked = urlsplit(response.request.url)
    sent = f"{asked.path} {_text(response.request.body)}"
    used = [one for one in guarded if one in sent]
    assert not used, f"{case.method} {asked.path} did something with {used}"
    told = [one for one in guarded if one in response.text and one not in asked.query]
    assert not told, f"{case.method} {asked.path} tells of {told}"


def _text(body: bytes | str | None) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else body or ""


def _existing(name: str, value: Any) -> Any:
    ids = known()["ids"].get(name)
    if not ids or not isinstance(value, str):
        return value
    try:
        made = UUID(value)
    except ValueError:
        return value
    # Version 7 is the service's own: somebody got it from an answer.
    if made.version == 7 or made.int % UNKNOWN_EVERY == 0:
        return value
    return ids[made.int % len(ids)]


def _walked(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _existing(k, v) if isinstance(v, str) else _walked(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_walked(v) for v in value]
    return value


def _give_a_fresh_key(case: Any) -> None:
    """Two cases with one key would only ever see the first one's answer."""
    told = (case.headers or {}).get(KEY_HEADER)
    if isinstance(told, str) and _KEY.fullmatch(told):
        case.headers[KEY_HEADER] = uuid4().hex


def _send(method: str, path: str, body: Any = None) -> requests.Response:
    headers = {
        "Authorization": f"Bearer {known()['tokens'][0]}",
        "Content-Type": "application/json",
    }
    data = None if body is None else json.dumps(body)
    return requests.request(
        method, f"{known()['url']}{path}", data=data, headers=headers, timeout=10
    )


def _name_the_version(case: Any) -> None:
    """An edit names the version it was made on: read it first."""
    if "If-Match" in (case.headers or {}):
        etag = _send("GET", case.formatted_path).headers.get("ETag")
        if etag is not None:
            case.headers["If-Match"] = etag


def _with_a_quote(case: Any) -> None:
    """An order stands on a quote and goes to one address: ask for a quote of the same basket."""
    body = case.body
    if not isinstance(body, dict):
        return
    if (body.get("address") is None) == (body.get("address_id") is None):
        body.pop("address", None)
        body["address_id"] = known()["ids"]["address_id"][0]
    basket = {n: body[n] for n in ("shop_id", "lines", "group", "community_id") if n in body}
    answer = _send("POST", "/v1/quotes", basket)
    if answer.status_code == 200:
        body["quote_id"] = answer.json()["quote_id"]


def _signing_in(case: Any) -> None:
    """Every other attempt with the right password."""
    if isinstance(case.body, dict) and len(str(case.body)) % 2:
        case.body.update(known()["operator"])


_PREPARED: dict[tuple[str, str], Callable[[Any], None]] = {
    ("POST", "/v1/orders"): _with_a_quote,
    ("POST", "/v1/operator/auth/sign-in"): _signing_in,
}
