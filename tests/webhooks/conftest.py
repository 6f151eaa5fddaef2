"""A market whose shop tells integrators what happens in it."""

import httpx2
import pytest
from fastapi import FastAPI

from app.settings import Settings
from tests.conftest import make_settings
from tests.fakes import FrozenClock
from tests.webhooks.switchboard import Switchboard


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Tokens outlive the days that these stories skip."""
    return make_settings(database_url, access_token_ttl_seconds=86_400)


@pytest.fixture
async def board(
    application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient
) -> Switchboard:
    board = Switchboard(application, clock, client)
    await board.open()
    board.owner = await board.as_owner(board.shop_id)
    return board
