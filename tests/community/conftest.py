"""The stand that the communities' tests gather around."""

import httpx2
import pytest
from fastapi import FastAPI

from tests.factories import Stand
from tests.fakes import FrozenClock


@pytest.fixture
def stand(application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient) -> Stand:
    return Stand(application, clock, client)
