"""The little application on both databases, its tables beside the real ones."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI

from app.core.audit_log import AuditEntry
from app.core.clock import TestClockRow
from app.core.db import Database
from app.core.events import OutboxEvent, OutboxHandled, Wiring
from app.core.http.idempotency import IdempotencyAnswer
from app.core.jobs import WorkerBeat
from app.core.sql import table
from app.settings import Settings
from tests.conftest import create_tables, own_postgresql, rows_in
from tests.core.little import TABLES, Script, ThingMade, create_little_app
from tests.fakes import FrozenClock

MEMBER = UUID("0192f0c1-a5e8-7000-a000-000000000001")
NOTHING_WIRED = Wiring.of((), (), (ThingMade,))


# The core stands without any feature, and so do its tests.
CORE_TABLES = [
    *(table(m) for m in (AuditEntry, IdempotencyAnswer, OutboxEvent, OutboxHandled)),
    *(table(m) for m in (TestClockRow, WorkerBeat)),
    *TABLES.sorted_tables,
]


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "little.db"
    await create_tables(f"sqlite+aiosqlite:///{path}", CORE_TABLES)
    return path


@pytest.fixture(scope="session")
async def postgresql_test_url() -> AsyncIterator[str]:
    async with own_postgresql(CORE_TABLES) as url:
        yield url


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
    """Rows of every table that has any."""
    return {name: count for name, count in (await rows_in(database)).items() if count}


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
