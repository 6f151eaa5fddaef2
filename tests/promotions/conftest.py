"""The stand that promotions are configured for, with their routes mounted."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.promotions.routes import router
from app.settings import Settings
from app.wiring import ROUTERS
from tests.catalog.stand import Stand
from tests.fakes import FrozenClock


@pytest.fixture
async def application(settings: Settings, clock: FrozenClock) -> AsyncIterator[FastAPI]:
    application = create_app(settings, clock=clock)
    if router not in ROUTERS:
        application.include_router(router)
    yield application
    await application.state.database.dispose()


@pytest.fixture
def stand(application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient) -> Stand:
    return Stand(application, clock, client)
