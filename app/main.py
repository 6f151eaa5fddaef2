"""The API process: `create_app` puts the outside world, the wiring and the routes together."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Mapping
from functools import partial

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.core import system
from app.core.clock import Clock, SharedTestClock, SystemClock
from app.core.db import DATABASE_ERRORS, Database
from app.core.http.docs import add_docs
from app.core.http.limits import RateLimits
from app.core.http.openapi import describe
from app.core.http.shell import add_layers, add_rendering
from app.core.logging import configure_logging
from app.core.security import Tokens
from app.groupbuy.service.pages import FillEstimate
from app.identity.adapters.passwords import Passwords
from app.identity.adapters.wechat import WechatDoor, wechat_door
from app.identity.deps import authenticate
from app.payments.gateway import Gateway, hang_up
from app.settings import Settings, settings_or_exit
from app.webhooks.adapters.resolving import address_fault
from app.webhooks.schemas.published import webhooks_of
from app.webhooks.service.desk import HostFault
from app.webhooks.service.sealing import Sealer
from app.wiring import ROUTERS, WIRING, companions_of, gateways_of
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
    fill_estimate: FillEstimate | None = None,
    webhook_host_fault: HostFault | None = None,
) -> FastAPI:
    """Build the application; tests hand in their own outside world.

    `fill_estimate` tells how likely a group comes together; without one nothing is told.
    `webhook_host_fault` says why no webhook may go to a host; without one its name is resolved.
    """
    configure_logging(settings.log_level)
    app = FastAPI(
        title="Quanpu 圈铺",
        version="0.1.0",
        lifespan=_lifespan,
        generate_unique_id_function=operation_id,
        separate_input_output_schemas=False,
        docs_url=None,
        openapi_url="/openapi.json" if settings.shows_docs else None,
        redoc_url=None,
        # A path is spelt one way; a redirect would trust the Host header for its target.
        redirect_slashes=False,
    )
    state = app.state
    state.settings = settings
    state.clock = clock or clock_of(settings)
    state.database = Database(settings, wiring=WIRING, clock=state.clock)
    state.tokens = Tokens(settings)
    state.limits = RateLimits(settings)
    state.authenticate = authenticate
    state.wechat = wechat or wechat_door(settings)
    state.passwords = Passwords()
    state.gateways = gateways or gateways_of(settings, state.database)
    state.fill_estimate = fill_estimate
    state.webhook_sealer = Sealer(settings)
    state.webhook_host_fault = webhook_host_fault or partial(
        address_fault, allow_loopback=settings.webhook_allow_loopback
    )
    _add_routes(app, settings)
    add_rendering(app)
    add_layers(app, settings)
    describe(app, partial(webhooks_of, WIRING.kinds))
    return app


def _add_routes(app: FastAPI, settings: Settings) -> None:
    # The router in front is matched first: the hot routes come first.
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(system.router)
    if settings.shows_docs:
        add_docs(app)
    if settings.app_env == "test":
        app.include_router(system.test_router)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    database: Database = app.state.database
    tasks = [asyncio.create_task(_follow_the_clock(database))]
    companions = companions_of(database) if settings.worker_embedded else ()
    worker = Worker(settings, database, app.state.gateways, companions=companions)
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
        await asyncio.gather(*tasks, return_exceptions=True)
        await app.state.wechat.close()
        await hang_up(app.state.gateways)
        await database.dispose()


async def _follow_the_clock(database: Database) -> None:
    while True:
        with contextlib.suppress(*DATABASE_ERRORS):
            async with database.reading() as db:
                await database.clock.sync(db)
        await asyncio.sleep(30)


def app() -> FastAPI:
    """The factory that uvicorn calls: settings from the environment."""
    return create_app(settings_or_exit())
