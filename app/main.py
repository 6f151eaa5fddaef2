"""The API process: `create_app` puts the outside world, the wiring and the routes together."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from app.core import system
from app.core.clock import Clock, SharedTestClock, SystemClock
from app.core.db import Database, is_outage
from app.core.errors import InternalError, Problem, Unavailable
from app.core.http.limits import RateLimits
from app.core.http.middleware import Envelope
from app.core.http.openapi import describe
from app.core.http.problem import from_http_exception, from_validation, render
from app.core.logging import configure_logging, log_failure
from app.core.security import Tokens
from app.identity.adapters.wechat import WechatDoor, wechat_door
from app.identity.deps import authenticate
from app.payments.gateway import Gateway
from app.settings import Settings
from app.wiring import ROUTERS, WIRING, gateways_of
from app.worker import Worker


def operation_id(route: APIRoute) -> str:
    """`tag_verb`, so that generated clients read well."""
    return f"{route.tags[0]}_{route.name.rstrip('_')}"


def clock_of(settings: Settings) -> Clock:
    """The clock of this environment."""
    return SharedTestClock() if settings.app_env == "test" else SystemClock()


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    gateways: Mapping[str, Gateway] | None = None,
    wechat: WechatDoor | None = None,
) -> FastAPI:
    """Build the application; tests hand in their own outside world."""
    configure_logging(settings.log_level)
    app = FastAPI(
        title="Quanpu 圈铺",
        version="0.1.0",
        lifespan=_lifespan,
        generate_unique_id_function=operation_id,
        separate_input_output_schemas=False,
        docs_url="/docs" if settings.docs_public else None,
        openapi_url="/openapi.json" if settings.docs_public else None,
        redoc_url=None,
        max_body_size=settings.body_bytes_max,
    )
    state = app.state
    state.settings = settings
    state.clock = clock or clock_of(settings)
    state.database = Database(settings, wiring=WIRING, clock=state.clock)
    state.tokens = Tokens(settings)
    state.limits = RateLimits(settings)
    state.authenticate = authenticate
    state.wechat = wechat or wechat_door(settings)
    state.gateways = gateways or gateways_of(settings, state.database)
    _add_routes(app, settings)
    _add_rendering(app)
    _add_layers(app, settings)
    describe(app)
    return app


def _add_routes(app: FastAPI, settings: Settings) -> None:
    # The router in front is matched first: the hot routes come first.
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(system.router)
    if settings.app_env == "test":
        app.include_router(system.test_router)


def _add_rendering(app: FastAPI) -> None:
    async def problem(request: Request, refusal: Any) -> Response:
        return render(refusal, request)

    async def invalid(request: Request, error: Any) -> Response:
        return render(from_validation(error), request)

    async def framework(request: Request, error: Any) -> Response:
        return render(from_http_exception(error), request)

    async def database(request: Request, error: Any) -> Response:
        log_failure("database_failed", error)
        return render(Unavailable() if is_outage(error) else InternalError(), request)

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, framework)
    for kind in (DBAPIError, PoolTimeout, OSError):
        app.add_exception_handler(kind, database)


def _add_layers(app: FastAPI, settings: Settings) -> None:
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match"],
            expose_headers=["ETag", "X-Request-ID", "Idempotency-Replayed", "Retry-After"],
            max_age=600,
        )
    app.add_middleware(Envelope, settings=settings)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    database: Database = app.state.database
    tasks = [asyncio.create_task(_follow_the_clock(database))]
    worker = Worker(settings, database, app.state.gateways)
    if settings.worker_embedded:
        tasks.append(asyncio.create_task(worker.run()))
    # What start-up has made lives as long as the process; the collector need not look at it.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        worker.stop()
        for task in tasks[1:]:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(task, timeout=8)
        tasks[0].cancel()
        await database.dispose()


async def _follow_the_clock(database: Database) -> None:
    while True:
        with contextlib.suppress(DBAPIError, PoolTimeout, OSError):
            async with database.reading() as db:
                await database.clock.sync(db)
        await asyncio.sleep(30)


def app() -> FastAPI:
    """The factory that uvicorn calls: settings from the environment."""
    return create_app(Settings())
