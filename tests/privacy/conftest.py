"""A market where somebody has left traces everywhere."""

import httpx2
import pytest
from fastapi import FastAPI

from app.settings import Settings
from tests.conftest import make_settings
from tests.fakes import FrozenClock
from tests.orders.market import Market


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Tokens outlive the days that these stories skip."""
    return make_settings(database_url, access_token_ttl_seconds=86_400)


@pytest.fixture
async def market(application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient) -> Market:
    return await Market(application, clock, client).open()
