"""Problems as RFC 9457 documents, in answers and in the OpenAPI description."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.core import errors
from app.core.context import request_id_var
from app.core.errors import Problem
from app.core.i18n import language_of

MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN_MAX = 50


class FieldFault(BaseModel):
    """One fault in the request: where it is and what is wrong, never the value itself."""

    pointer: str = Field(description="JSON pointer into the body, or `query/…`, `header/…`.")
    code: str
    detail: str


class ProblemDocument(BaseModel):
    """The one shape of every error (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    code: str = Field(description="Stable, for programs; titles are for people.")
    params: dict[str, Any] = Field(default_factory=dict)
    errors: list[FieldFault] = Field(default_factory=list)
    request_id: str


# Refusals that any route can answer with, whatever it does.
EVERYWHERE: tuple[type[Problem], ...] = (
    errors.BadRequest,
    errors.Invalid,
    errors.TooManyRequests,
    errors.Unavailable,
)
WITH_BODY: tuple[type[Problem], ...] = (errors.BodyTooLarge, errors.UnsupportedMediaType)


def document(problem: Problem, language: str) -> dict[str, Any]:
    """The problem as a JSON-able document."""
    return {
        "type": f"urn:quanpu:problem:{problem.code}",
        "title": problem.title_zh if language == "zh-CN" else problem.title,
        "status": int(problem.status),
        "code": problem.code,
        "params": problem.params,
        "errors": list(problem.errors),
        "request_id": request_id_var.get(),
    }


def render(problem: Problem, request: Request) -> Response:
    """The answer a client gets for a problem."""
    language = language_of(request.headers.get("accept-language"))
    return Response(
        json.dumps(document(problem, language), ensure_ascii=False, default=str),
        status_code=int(problem.status),
        media_type=MEDIA_TYPE,
        headers={"Content-Language": language, **problem.headers},
    )


def _pointer(location: Sequence[Any]) -> str:
    place, *rest = [str(part).replace("~", "~0").replace("/", "~1") for part in location] or [""]
    return "/" + "/".join(rest) if place == "body" else "/".join((place, *rest))


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:200]


# Messages that would repeat what was sent.
_ECHOING = {
    "union_tag_invalid": "Input is none of the expected kinds",
    "uuid_parsing": "Input should be a valid UUID",
    "datetime_from_date_parsing": "Input should be a valid date and time",
}


def faults_of(found: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], ...]:
    """What a schema found, in our shape; inputs are not echoed, they may be secrets."""
    return tuple(
        {
            "pointer": _printable(_pointer(fault["loc"])),
            "code": str(fault["type"]),
            "detail": _printable(_ECHOING.get(fault["type"]) or str(fault["msg"])),
        }
        for fault in found[:ERRORS_SHOWN_MAX]
    )


def from_validation(error: RequestValidationError) -> Problem:
    """One shape for all that does not fit."""
    faults = faults_of(error.errors())
    if any(fault["code"] == "json_invalid" for fault in faults):
        return errors.BadRequest(errors=faults)
    return errors.Invalid(errors=faults)


_BY_STATUS: Mapping[int, type[Problem]] = {
    400: errors.BadRequest,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.BodyTooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.Invalid,
    503: errors.Unavailable,
}


def from_http_exception(error: HTTPException) -> Problem:
    """What the framework itself refuses, in our shape."""
    otherwise = errors.InternalError if error.status_code >= 500 else errors.BadRequest
    problem = _BY_STATUS.get(error.status_code, otherwise)()
    problem.headers.update(error.headers or {})
    return problem


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: each refusal by status, with its codes as examples."""
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in dict.fromkeys((*kinds, *EVERYWHERE)):
        by_status.setdefault(int(kind.status), []).append(kind)
    return {status: _response(group) for status, group in sorted(by_status.items())}


def _response(kinds: Iterable[type[Problem]]) -> dict[str, Any]:
    group = list(kinds)
    examples = {
        kind.code: {
            "summary": kind.title,
            "value": {
                "type": f"urn:quanpu:problem:{kind.code}",
                "title": kind.title,
                "status": int(kind.status),
                "code": kind.code,
                "params": {},
                "errors": [],
                "request_id": "0192f0c1a5e87000a000000000000001",
            },
        }
        for kind in group
    }
    return {
        "description": "; ".join(kind.title for kind in group),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": examples,
            }
        },
    }
