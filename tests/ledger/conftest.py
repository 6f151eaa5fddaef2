"""The market whose money is posted."""

import httpx2
import pytest
from fastapi import FastAPI

from tests.fakes import FrozenClock
from tests.orders.market import Market


@pytest.fixture
async def market(application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient) -> Market:
    return await Market(application, clock, client).open()
