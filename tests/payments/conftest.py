"""The market again: payments are tested where they are made."""

import httpx2
import pytest
from fastapi import FastAPI

from app.settings import Settings
from tests.conftest import make_settings
from tests.fakes import FrozenClock
from tests.orders.market import Market
from tests.payments.provider import Provider


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Tokens outlive the hours that these stories skip."""
    return make_settings(database_url, access_token_ttl_seconds=86_400)


@pytest.fixture
async def market(application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient) -> Market:
    return await Market(application, clock, client).open()


@pytest.fixture
def provider(market: Market) -> Provider:
    """The sandbox, with somebody who may do something at any bad moment."""
    return Provider.installed(market)
