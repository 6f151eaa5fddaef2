"""What every application of ours wears: faults in one shape, and the layers around the routes."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match

from app.core.db import DATABASE_ERRORS, is_outage
from app.core.errors import InternalError, MethodNotAllowed, Problem, Unavailable
from app.core.http.middleware import Envelope, Shield
from app.core.http.problem import from_http_exception, from_validation, render
from app.core.logging import log_failure
from app.settings import Settings

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


async def _problem(request: Request, refusal: Any) -> Response:
    return render(refusal, request)


async def _invalid(request: Request, error: Any) -> Response:
    return render(from_validation(error), request)


async def _framework(request: Request, error: Any) -> Response:
    problem = from_http_exception(error)
    if isinstance(problem, MethodNotAllowed):
        problem.headers["Allow"] = ", ".join(_methods_here(request))
    return render(problem, request)


def _methods_here(request: Request) -> list[str]:
    """Every method of this path; the framework names those of the first route that it fits."""
    here = {"type": "http", "path": request.scope["path"], "root_path": "", "headers": []}
    return [
        method
        for method in METHODS
        if any(
            route.matches({**here, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


async def _database(request: Request, error: Any) -> Response:
    outage = is_outage(error)
    log_failure("database_away" if outage else "database_failed", error)
    return render(Unavailable() if outage else InternalError(), request)


def add_rendering(app: FastAPI) -> None:
    """Answer every refusal and fault as a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _database)


def add_layers(app: FastAPI, settings: Settings) -> None:
    """Put Shield, CORS and Envelope around the routes, from the inside out."""
    app.add_middleware(Shield, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=METHODS,
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "X-Request-ID",
            ],
            expose_headers=["ETag", "X-Request-ID", "Idempotency-Replayed", "Retry-After"],
            max_age=600,
        )
    app.add_middleware(Envelope)
