"""The application with a cheap password hash, and people to act as."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from pwdlib.hashers.argon2 import Argon2Hasher

from app.identity.adapters.passwords import Passwords
from app.settings import Settings
from tests.conftest import make_app
from tests.fakes import FrozenClock
from tests.identity.people import People


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def application(
    settings: Settings, clock: FrozenClock, passwords: Passwords
) -> AsyncIterator[FastAPI]:
    application = make_app(settings, clock)
    application.state.passwords = passwords
    yield application
    await application.state.database.dispose()


@pytest.fixture
def people(application: FastAPI, client: object) -> People:
    return People(application, client)  # type: ignore[arg-type]
