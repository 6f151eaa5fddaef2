"""The stand that promotions are configured for, with their routes mounted."""

import httpx2
import pytest
from fastapi import FastAPI

from tests.factories import Stand
from tests.fakes import FrozenClock


@pytest.fixture
def stand(application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient) -> Stand:
    return Stand(application, clock, client)
