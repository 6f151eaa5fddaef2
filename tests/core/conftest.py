"""The little application on both databases, its tables beside the real ones."""

import importlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import SQLModel

from app.core.db import Database
from app.core.events import Wiring
from app.settings import Settings
from tests.conftest import create_tables, own_postgresql, rows_in
from tests.core.little import TABLES, Script, ThingMade, create_little_app
from tests.fakes import FrozenClock

MEMBER = UUID("0192f0c1-a5e8-7000-a000-000000000001")
NOTHING_WIRED = Wiring.of((), (), (ThingMade,))


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    importlib.import_module("app.main")
    path = tmp_path_factory.mktemp("template") / "little.db"
    await create_tables(f"sqlite+aiosqlite:///{path}", SQLModel.metadata, TABLES)
    return path


@pytest.fixture(scope="session")
async def postgresql_test_url() -> AsyncIterator[str]:
    importlib.import_module("app.main")
    async with own_postgresql(SQLModel.metadata, TABLES) as url:
        yield url


@pytest.fixture
async def database_url(database_url: str) -> AsyncIterator[str]:
    yield database_url
    if database_url.startswith("postgresql"):
        connection = await asyncpg.connect(database_url)
        await connection.execute("TRUNCATE little_things, little_counters")
        await connection.close()


@pytest.fixture
def wiring() -> Wiring:
    """Nobody listens; a test that wants listeners overrides this."""
    return NOTHING_WIRED


@pytest.fixture
async def application(
    settings: Settings, clock: FrozenClock, wiring: Wiring
) -> AsyncIterator[FastAPI]:
    application = create_little_app(settings, clock, wiring)
    yield application
    await application.state.database.dispose()


@pytest.fixture
def script(application: FastAPI) -> Script:
    found: Script = application.state.script
    return found


@pytest.fixture
def signed_in() -> dict[str, str]:
    return {"Authorization": f"Bearer {MEMBER}"}


def keyed(key: str | None = None, member: UUID = MEMBER) -> dict[str, str]:
    """Headers of a signed-in member's POST with a fresh or a given key."""
    return {"Authorization": f"Bearer {member}", "Idempotency-Key": key or uuid4().hex}


async def all_rows(database: Database) -> dict[str, int]:
    """Rows of every table, the little ones too; empty tables are left out."""
    counts = await rows_in(database)
    async with database.reading() as db:
        for table in TABLES.sorted_tables:
            found = await db.execute(sa.select(sa.func.count()).select_from(table))
            counts[table.name] = found.scalar_one()
    return {name: count for name, count in counts.items() if count}


def problem_of(answer: httpx2.Response, status: int, code: str) -> dict[str, object]:
    """The answer's document, after the checks that hold for every problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = answer.json()
    assert document["code"] == code, document
    assert document["status"] == status
    assert document["type"] == f"urn:quanpu:problem:{code}"
    if "idempotency-replayed" not in answer.headers:
        assert document["request_id"] == answer.headers["x-request-id"]
    return document
