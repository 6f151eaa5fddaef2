"""Engines, sessions and the only home of `commit()`."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import asyncpg
import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.core.clock import Clock
from app.core.errors import Unavailable
from app.core.events import Wiring, flush_events
from app.core.sql import is_postgresql
from app.settings import Settings

RETRIES_MAX = 3
# serialization failure, deadlock; a unique violation of an event's number is told by its name
RETRYABLE_SQLSTATES = frozenset({"40001", "40P01"})
BUSY_SQLSTATES = frozenset({"55P03", "57014", "25P03"})
# connection lost, out of resources, shut down by an operator
BUSY_SQLSTATE_CLASSES = ("08", "53", "57P")
# busy, locked, interrupted, input/output error, disk full, file cannot be opened
BUSY_SQLITE_CODES = frozenset({5, 6, 9, 10, 13, 14})
# An answer that was given outlives the process, the server and the machine's power.
DURABLE_SETTINGS = ("synchronous_commit", "fsync", "full_page_writes")
RETRYABLE_CONSTRAINT = "uq_outbox_events_aggregate_id"

# What a statement may raise. The driver's own errors come untranslated from a connection that is
# lost while it is being prepared, before any statement.
DATABASE_ERRORS = (
    DBAPIError,
    PoolTimeout,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)

T = TypeVar("T")


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", "") or "")


def is_retryable(error: BaseException) -> bool:
    """True when the same work may simply be done again from the start."""
    if not isinstance(error, DBAPIError):
        return False
    if _sqlstate(error) in RETRYABLE_SQLSTATES:
        return True
    told = str(error.orig)
    return RETRYABLE_CONSTRAINT in told or "outbox_events.aggregate_id" in told


def is_outage(error: BaseException) -> bool:
    """True when the database is busy, full or away: the client may come again, nothing is lost."""
    # A name that does not resolve, a port that refuses and a full disk are all plain OSErrors.
    if isinstance(error, PoolTimeout | OSError | asyncpg.InterfaceError):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return _says_away(str(error.sqlstate))
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or is_retryable(error):
        return True
    if sqlstate := _sqlstate(error):
        return _says_away(sqlstate)
    # SQLite calls a missing table operational too; only its code tells a busy file from a fault.
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in BUSY_SQLITE_CODES


def _says_away(sqlstate: str) -> bool:
    return sqlstate in BUSY_SQLSTATES or sqlstate.startswith(BUSY_SQLSTATE_CLASSES)


def log_fault(log: Any, work: str, error: Exception, **facts: Any) -> None:
    """A line about work that failed and is tried again; only a fault of ours has its trace shown.

    Called while the error is being handled.
    """
    if is_outage(error):
        told = {"error": type(error).__name__, "detail": str(error)[:500]}
        log.warning("database_away", work=work, **told, **facts)
    else:
        log.exception(f"{work}_failed", **facts)


async def pause_before_retry(attempt: int) -> None:
    """Wait a little, longer each time, never in step with a rival."""
    await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)


# Exports and checks of everything at the same time; more of them wait, and are refused in the end.
PATIENT_POOL_SIZE = 2


class Database:
    """One database: a writing pool, a reading pool, and the wiring every session carries.

    A third pool, opened when it is asked for, is for what takes long: it has a time-out of its own
    and takes no connection from those who serve people.
    """

    def __init__(self, settings: Settings, *, wiring: Wiring, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.writer, self.reader = _engines(settings)
        self._patient: AsyncEngine | None = None
        self._info = {"wiring": wiring, "clock": clock}
        self._writing = async_sessionmaker(self.writer, expire_on_commit=False, info=self._info)
        self._reading = async_sessionmaker(
            self.reader, expire_on_commit=False, autoflush=False, info=self._info
        )

    async def dispose(self) -> None:
        """Close every pooled connection."""
        await self.writer.dispose()
        await self.reader.dispose()
        await self.dispose_patient()

    async def dispose_patient(self) -> None:
        """Close the pool for what takes long; it is opened again when it is asked for."""
        if self._patient is not None:
            await self._patient.dispose()
            self._patient = None

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session whose transaction is rolled back unless `commit` is called on it."""
        async with self._writing() as db:
            db.info["pending_events"] = []
            yield db

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session of the reading pool: each statement sees what is committed, no transaction."""
        async with self._reading() as db:
            yield db

    @asynccontextmanager
    async def patient(self) -> AsyncIterator[AsyncSession]:
        """A reading session like `reading`, whose statements may take long."""
        async with AsyncSession(self._long_reader(), autoflush=False, info=self._info) as db:
            yield db

    @asynccontextmanager
    async def snapshot(self, *, is_long: bool = True) -> AsyncIterator[AsyncSession]:
        """A reading session in which every statement sees one and the same moment."""
        async with (self._long_reader() if is_long else self.reader).connect() as plain:
            connection = plain
            if self.settings.is_sqlite:
                await connection.exec_driver_sql("BEGIN")
            else:
                connection = await connection.execution_options(isolation_level="REPEATABLE READ")
                await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            try:
                async with AsyncSession(connection, autoflush=False, info=self._info) as db:
                    yield db
            finally:
                await connection.rollback()

    def _long_reader(self) -> AsyncEngine:
        if self.settings.is_sqlite:
            return self.reader  # it has no time-outs
        if self._patient is None:
            self._patient = _postgresql_engine(
                self.settings,
                PATIENT_POOL_SIZE,
                statement_timeout_ms=self.settings.db_long_statement_timeout_ms,
                isolation_level="AUTOCOMMIT",
            )
        return self._patient

    async def transact(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Do the work in one transaction and commit; again from the start where rivals collided."""
        attempt = 0
        while True:
            try:
                async with self.writing() as db:
                    done = await work(db)
                    await commit(db)
                    return done
            except DBAPIError as error:
                if not is_retryable(error) or attempt >= RETRIES_MAX:
                    raise
                attempt += 1
                await pause_before_retry(attempt)


async def let_go(db: AsyncSession) -> None:
    """Give the connection back while something long is worked out; a reader has nothing to undo."""
    await db.rollback()


async def commit(db: AsyncSession) -> None:
    """Write the events still held back, then make it all durable at once."""
    await flush_events(db)
    await db.commit()


def _engines(settings: Settings) -> tuple[AsyncEngine, AsyncEngine]:
    return _sqlite(settings) if settings.is_sqlite else _postgresql(settings)


def _sqlite(settings: Settings) -> tuple[AsyncEngine, AsyncEngine]:
    common: dict[str, Any] = {
        "pool_timeout": settings.db_pool_timeout_seconds,
        "max_overflow": 0,
        "pool_reset_on_return": "rollback",
        # Parameters are people's data; an error's text must not carry them into the log.
        "hide_parameters": True,
    }
    writer = create_async_engine(settings.sqlalchemy_url, pool_size=1, **common)
    reader = create_async_engine(
        settings.sqlalchemy_url,
        pool_size=settings.db_reader_pool_size,
        isolation_level="AUTOCOMMIT",
        **common,
    )
    busy_ms = settings.db_lock_timeout_ms

    def pragmas(connection: Any, *, read_only: bool) -> None:
        # The driver must not open transactions by itself: it would take the lock too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        for statement in (
            f"PRAGMA busy_timeout={busy_ms}",
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "PRAGMA foreign_keys=ON",
            "PRAGMA temp_store=MEMORY",
            f"PRAGMA query_only={'ON' if read_only else 'OFF'}",
        ):
            cursor.execute(statement)
        cursor.close()

    @event.listens_for(writer.sync_engine, "connect")
    def _writer_connects(connection: Any, _record: Any) -> None:
        pragmas(connection, read_only=False)

    @event.listens_for(reader.sync_engine, "connect")
    def _reader_connects(connection: Any, _record: Any) -> None:
        pragmas(connection, read_only=True)

    @event.listens_for(writer.sync_engine, "begin")
    def _take_the_lock_first(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return writer, reader


def _postgresql(settings: Settings) -> tuple[AsyncEngine, AsyncEngine]:
    limit = settings.db_statement_timeout_ms
    return (
        _postgresql_engine(settings, settings.db_pool_size, statement_timeout_ms=limit),
        _postgresql_engine(
            settings,
            settings.db_reader_pool_size,
            statement_timeout_ms=limit,
            isolation_level="AUTOCOMMIT",
        ),
    )


def _postgresql_engine(
    settings: Settings, size: int, *, statement_timeout_ms: int, **more: Any
) -> AsyncEngine:
    return create_async_engine(
        settings.sqlalchemy_url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.db_pool_timeout_seconds,
        pool_use_lifo=True,
        # Parameters are people's data; an error's text must not carry them into the log.
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            "command_timeout": statement_timeout_ms / 1000 + 2,
            "server_settings": {
                "application_name": "quanpu",
                "timezone": "UTC",
                "jit": "off",
                "lock_timeout": str(settings.db_lock_timeout_ms),
                "statement_timeout": str(statement_timeout_ms),
                "idle_in_transaction_session_timeout": "30000",
            },
        },
        **more,
    )


def database_of(request: Request) -> Database:
    """The application's database."""
    found: Database = request.app.state.database
    return found


async def _current_session(request: Request) -> AsyncSession:
    db: AsyncSession = request.state.db
    return db


async def _current_reader(request: Request) -> AsyncSession:
    db: AsyncSession = request.state.read_db
    return db


Db = Annotated[AsyncSession, Depends(_current_session)]
ReadDb = Annotated[AsyncSession, Depends(_current_reader)]


async def unsafe_settings(db: AsyncSession) -> list[str]:
    """The database's settings by which a crash would lose what a client was told; best is none."""
    if not is_postgresql(db):
        return []  # each connection sets its own
    told = [sa.func.current_setting(name).label(name) for name in DURABLE_SETTINGS]
    row = (await db.execute(sa.select(*told))).mappings().one()
    return [f"{name}={value}" for name, value in row.items() if value == "off"]


async def ping(database: Database) -> None:
    """One trivial statement; raises `Unavailable` where the database does not answer."""
    try:
        async with database.reading() as db:
            await db.execute(sa.text("SELECT 1"))
    except DATABASE_ERRORS as error:
        raise Unavailable from error
