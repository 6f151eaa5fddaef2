"""One world a module and database: what the policy is asked about is expensive to make."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from app.identity.adapters.passwords import Passwords
from tests.conftest import empty_tables, make_app, make_settings
from tests.fakes import FrozenClock
from tests.policy.world import World, Yard


@pytest.fixture(scope="module")
def world_url(
    backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An empty database for a whole module; not async, as it asks for fixtures that are."""
    if backend == "postgresql":
        url: str = request.getfixturevalue("postgresql_test_url")
        return url
    template: Path = request.getfixturevalue("sqlite_template")
    path = tmp_path_factory.mktemp("policy") / "world.db"
    shutil.copy(template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
async def world(backend: str, world_url: str) -> AsyncIterator[World]:
    clock = FrozenClock()
    settings = make_settings(world_url, access_token_ttl_seconds=86_400)
    application = make_app(settings, clock)
    application.state.passwords = Passwords(Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1))
    transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        hill, other = (Yard(application, clock, client) for _ in range(2))
        yield await World(hill, other).populate()
    await application.state.database.dispose()
    if backend == "postgresql":
        await empty_tables(world_url)
