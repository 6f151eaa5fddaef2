"""What is refused before any schema looks: text no database stores, JSON that means two things."""

import json
from typing import Any

from starlette.requests import Request

from app.core.errors import BadRequest, Invalid, NotFound, Problem


class ExactRequest(Request):
    """A request whose JSON body was read strictly: UTF-8, no member twice, storable text."""

    _exact: Any

    @classmethod
    async def read(cls, request: Request) -> "ExactRequest":
        """The same request with its JSON parsed; refuses what cannot be read exactly."""
        body = await request.body()
        exact = cls(request.scope, request.receive)
        exact._body = body
        exact._exact = parse(body) if body else None
        return exact

    async def json(self) -> Any:
        """The body as parsed by `read`."""
        return self._exact


def _fault(code: str, detail: str, pointer: str = "/") -> dict[str, str]:
    return {"pointer": pointer, "code": code, "detail": detail}


class _RefusedError(ValueError):
    """Carries a refusal through the JSON parser."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        fault = _fault("duplicate_member", "An object names the same member twice")
        raise _RefusedError(Invalid(errors=(fault,)))
    return found


def parse(body: bytes) -> Any:
    """The JSON value of a body; NaN and infinities pass as floats, for the schema to point at."""
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_object)
    except _RefusedError as refused:
        raise refused.problem from refused
    except json.JSONDecodeError as error:
        detail = f"JSON decode error at line {error.lineno}, column {error.colno}"
        fault = _fault("json_invalid", detail, f"/{error.pos}")
        raise BadRequest(errors=(fault,)) from error
    except RecursionError as error:
        fault = _fault("too_deep", "The JSON is nested too deeply")
        raise Invalid(errors=(fault,)) from error
    except ValueError as error:  # bytes that are no UTF-8, a number of thousands of digits
        raise BadRequest(errors=(_fault("json_invalid", "JSON decode error"),)) from error
    # Only an escape can bring these in: raw ones are no JSON, or no UTF-8.
    if b"\\u" in body:
        _refuse_unstorable(value)
    return value


def _refuse_unstorable(value: Any) -> None:
    """PostgreSQL refuses NUL in text, and no encoder writes half of a surrogate pair."""
    waiting = [(value, "")]
    while waiting:
        found, pointer = waiting.pop()
        if isinstance(found, dict):
            for key, inner in found.items():
                _refuse_text(key, pointer)
                waiting.append((inner, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"))
        elif isinstance(found, list):
            waiting.extend((inner, f"{pointer}/{i}") for i, inner in enumerate(found))
        elif isinstance(found, str):
            _refuse_text(found, pointer)


def _refuse_text(text: str, pointer: str) -> None:
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        fault = _fault("text_not_storable", "NUL and lone surrogates are refused", pointer or "/")
        raise Invalid(errors=(fault,))


def refuse_nul(request: Request) -> None:
    """No text of the address may hold a NUL: nothing here is called so, and no query means it."""
    if "\x00" in request.scope["path"]:
        raise NotFound
    query = request.scope["query_string"]
    if b"%00" in query or b"\x00" in query:
        fault = _fault("text_not_storable", "NUL is refused", "query")
        raise Invalid(errors=(fault,))
