"""Databases, sessions and clients: real SQLite files and, where one answers, PostgreSQL."""

import functools
import gc
import importlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx2
import hypothesis
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.routing import BaseRoute
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlmodel import SQLModel

from app.core.clock import Clock
from app.core.db import Database
from app.core.db import _engines as make_engines
from app.core.events import Wiring
from app.settings import Settings
from tests.fakes import FrozenClock

# A deadline would be a timed assertion: it fails on a busy machine and tells nothing.
hypothesis.settings.register_profile("suite", max_examples=60, deadline=None)
hypothesis.settings.register_profile("laws", max_examples=5_000, deadline=None)
hypothesis.settings.load_profile("suite")

Engines = tuple[AsyncEngine, AsyncEngine]

TOKEN_SECRET = "a-secret-of-the-tests-that-is-long-enough"
LISTED = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
}
LOCAL_POSTGRESQL = "postgresql://postgres@127.0.0.1:5432/postgres"


@functools.cache
def postgresql_url() -> str | None:
    """The server the tests may make databases on: named by TEST_DATABASE_URL, or a local one."""
    told = os.environ.get("TEST_DATABASE_URL")
    if told:
        return told
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return LOCAL_POSTGRESQL if probe.connect_ex(("127.0.0.1", 5432)) == 0 else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        backends = ["sqlite", "postgresql"] if postgresql_url() else ["sqlite"]
        if metafunc.definition.get_closest_marker("one_database"):
            # The one that carries production, where it answers.
            backends = backends[-1:]
        metafunc.parametrize("backend", backends, scope="session")


def pytest_collection_finish() -> None:
    # What is there by now lives as long as the process; the collector need not look at it again
    # and again, as the service does it at its start.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_report_header() -> str:
    return f"databases: sqlite{', postgresql' if postgresql_url() else ' (no postgresql answers)'}"


def make_settings(url: str, **more: object) -> Settings:
    values: dict[str, object] = {
        "app_env": "test",
        "database_url": url,
        "token_secret": TOKEN_SECRET,
        "log_level": "error",
        "sign_in_attempts_per_minute": 10_000,
        "wrong_codes_per_ten_minutes": 10_000,
    }
    return Settings(_env_file=None, **{**values, **more})  # type: ignore[arg-type]


_included: dict[int, BaseRoute] = {}
_opened: dict[str, Engines] = {}
_sweepers: dict[str, asyncpg.Connection] = {}


def kept_engines(settings: Settings) -> Engines:
    """The engines for these settings, kept: what they have compiled serves every test."""
    # Nothing else of the settings reaches an engine; the address is told apart, being secret.
    told = [v for k, v in settings.model_dump().items() if k.startswith("db_")]
    key = f"{settings.sqlalchemy_url} {told}"
    if key not in _opened:
        _opened[key] = make_engines(settings)
    return _opened[key]


def make_database(settings: Settings, wiring: Wiring, clock: Clock) -> Database:
    with mock.patch("app.core.db._engines", kept_engines):
        return Database(settings, wiring=wiring, clock=clock)


async def host_fault(host: str) -> str | None:
    """No test asks the network for a name: one below `inside.example` is not public."""
    return "address_refused" if host.endswith("inside.example") else None


def make_app(settings: Settings, clock: FrozenClock) -> FastAPI:
    """The application; each router is built once a process, as that takes longer than a test."""
    main = importlib.import_module("app.main")
    with mock.patch("app.core.db._engines", kept_engines):
        application: FastAPI = main.create_app(settings, clock=clock, webhook_host_fault=host_fault)
    routes = application.router.routes
    for place, route in enumerate(routes):
        if router := getattr(route, "original_router", None):
            routes[place] = _included.setdefault(id(router), route)
    return application


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    importlib.import_module("app.main")  # registers every table
    path = tmp_path_factory.mktemp("template") / "empty.db"
    await create_tables(f"sqlite+aiosqlite:///{path}", SQLModel.metadata.sorted_tables)
    return path


@pytest.fixture(scope="session")
async def postgresql_test_url() -> AsyncIterator[str]:
    importlib.import_module("app.main")
    async with own_postgresql(SQLModel.metadata.sorted_tables) as url:
        yield url


@asynccontextmanager
async def own_postgresql(
    tables: Sequence[sa.Table], *, is_durable: bool = False
) -> AsyncIterator[str]:
    """A database of one's own on the server of the tests, dropped afterwards.

    Unless it has to be durable, a commit does not wait for the disk.
    """
    server = postgresql_url()
    assert server
    name = f"quanpu_test_{uuid4().hex[:10]}"
    admin = await asyncpg.connect(server)
    await admin.execute(f'CREATE DATABASE "{name}"')
    if not is_durable:
        await admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    address = urlsplit(server)._replace(path=f"/{name}").geturl()
    try:
        await create_tables(address.replace("postgresql://", "postgresql+asyncpg://"), tables)
        yield address
    finally:
        if sweeper := _sweepers.pop(address, None):
            await sweeper.close()
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


async def create_tables(url: str, tables: Sequence[sa.Table]) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for table in tables:
            await connection.run_sync(table.create)
    await engine.dispose()


@pytest.fixture
def prepared(backend: str, request: pytest.FixtureRequest) -> Path | str:
    """What the empty databases are made from; not async, as it asks for fixtures that are."""
    name = "sqlite_template" if backend == "sqlite" else "postgresql_test_url"
    found: Path | str = request.getfixturevalue(name)
    return found


@pytest.fixture
async def database_url(prepared: Path | str) -> AsyncIterator[str]:
    """An empty database with all tables, at the same place for every test of the process."""
    if isinstance(prepared, Path):
        place = prepared.with_name("test.db")
        shutil.copy(prepared, place)
        yield f"sqlite:///{place}"
        for left in place.parent.glob("test.db*"):
            left.unlink()
        return
    yield prepared
    await empty_tables(prepared)


async def empty_tables(url: str) -> None:
    """Delete from what holds rows: few as they are, that is faster than a truncation's files."""
    # Opening a connection takes longer than all the rest; some tests cut every one there is.
    if url not in _sweepers or _sweepers[url].is_closed():
        _sweepers[url] = await asyncpg.connect(url)
        # Triggers keep the ledger from everybody else.
        await _sweepers[url].execute("SET session_replication_role = replica")
    connection = _sweepers[url]
    found = await connection.fetch(LISTED["postgresql"])
    # Children before parents; the tests' own little tables have neither and go first.
    parents_first = [t.name for t in SQLModel.metadata.sorted_tables]
    depth = {name: place for place, name in enumerate(parents_first)}
    ordered = sorted((row["tablename"] for row in found), key=lambda n: -depth.get(n, len(depth)))
    looks = " UNION ALL ".join(f"SELECT '{n}' WHERE EXISTS (SELECT FROM \"{n}\")" for n in ordered)
    full = {row[0] for row in await connection.fetch(looks)}
    if full:
        await connection.execute("; ".join(f'DELETE FROM "{n}"' for n in ordered if n in full))


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url)


@pytest.fixture
async def application(settings: Settings, clock: FrozenClock) -> AsyncIterator[FastAPI]:
    """The application on an empty database, with a clock that stands still."""
    application = make_app(settings, clock)
    yield application
    await application.state.database.dispose()


@pytest.fixture
def database(application: FastAPI) -> Database:
    found: Database = application.state.database
    return found


@pytest.fixture
async def db(database: Database) -> AsyncIterator[AsyncSession]:
    """A writing session; a test that wants its writes seen elsewhere calls core.db.commit."""
    async with database.writing() as session:
        yield session


@pytest.fixture
async def client(application: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        yield client


async def rows_in(database: Database) -> dict[str, int]:
    """How many rows each table holds: the proof that a refusal wrote nothing."""
    listed = LISTED["sqlite" if database.settings.is_sqlite else "postgresql"]
    async with database.reading() as session:
        connection = await session.connection()
        names = [row[0] for row in await connection.exec_driver_sql(listed)]
        counts = " UNION ALL ".join(f"SELECT '{n}', count(*) FROM \"{n}\"" for n in names)
        return {row[0]: row[1] for row in await connection.exec_driver_sql(counts)}


async def rows_of(database: Database, names: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of these tables, to be compared with what is there later."""
    probe = " UNION ALL ".join(f"SELECT '{n}' WHERE EXISTS (SELECT 1 FROM \"{n}\")" for n in names)
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in names}
    async with database.reading() as session:
        connection = await session.connection()
        # Most tables are empty, and asking each of them costs as much as reading it.
        for (name,) in (await connection.exec_driver_sql(probe)).all():
            rows = await connection.exec_driver_sql(f'SELECT * FROM "{name}"')
            found[name] = sorted((tuple(row) for row in rows), key=repr)
    return found
