"""Engines that outlive a test, with a SQLite without threads: both cost more than what they do.

What is tested of the engines themselves is tested in tests/core, on the service's own.
"""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import aiosqlite
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.clock import Clock
from app.core.db import Database
from app.core.db import _engines as make_engines
from app.core.events import Wiring
from app.settings import Settings

Engines = tuple[AsyncEngine, AsyncEngine]
Job = tuple["asyncio.Future[Any]", "partial[Any]"]

_opened: dict[str, dict[str, Engines]] = {}
_sweepers: dict[Path, "_Sweeper"] = {}


class KeptDatabase(Database):
    """A database whose connections the next test finds open, unless this one still holds some."""

    async def dispose(self) -> None:
        idle = not any(e.pool.checkedout() for e in (self.writer, self.reader))  # type: ignore[attr-defined]
        if not (idle and self.settings.sqlalchemy_url in _opened):
            await super().dispose()
        # Opened by the few tests that need it, with time-outs of their own.
        await self.dispose_patient()


def keep(url: str) -> None:
    """Engines of this address are kept from now on."""
    _opened.setdefault(url, {})


def are_open(url: str) -> bool:
    return bool(_opened.get(url))


def address_of(place: Path) -> str:
    return f"sqlite+aiosqlite:///{place}"


def empty_file(place: Path) -> bool:
    """Delete from what holds rows; false where the tables are no longer those of the start."""
    if place not in _sweepers:
        _sweepers[place] = _Sweeper(place)
    return _sweepers[place].sweep()


def remove(place: Path) -> None:
    """Delete the file and what SQLite keeps beside it."""
    if sweeper := _sweepers.pop(place, None):
        sweeper.connection.close()
    for left in place.parent.glob(f"{place.name}*"):
        left.unlink()


class _Sweeper:
    def __init__(self, place: Path) -> None:
        self.connection = sqlite3.connect(place, isolation_level=None)
        self.connection.execute("PRAGMA synchronous=OFF")
        self.version = self._version()
        found = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.looks = " UNION ALL ".join(
            f"SELECT '{n}' WHERE EXISTS (SELECT 1 FROM \"{n}\")" for (n,) in found
        )

    def _version(self) -> int:
        return int(self.connection.execute("PRAGMA schema_version").fetchone()[0])

    def sweep(self) -> bool:
        if self._version() != self.version:
            return False
        run = self.connection.execute
        run("BEGIN IMMEDIATE")
        full = [name for (name,) in run(self.looks)]
        for name in full:
            # They keep the ledger from everybody else.
            guards = run(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?",
                (name,),
            ).fetchall()
            for guard, _ in guards:
                run(f'DROP TRIGGER "{guard}"')
            run(f'DELETE FROM "{name}"')
            for _, made in guards:
                run(made)
        run("COMMIT")
        self.version = self._version()
        return True


async def let_go(url: str) -> None:
    """Close what is open there."""
    for engines in _opened.pop(url, {}).values():
        for engine in engines:
            await engine.dispose()


def kept_engines(settings: Settings) -> Engines:
    """The engines for these settings: what they have compiled serves every test."""
    kept = _opened.get(settings.sqlalchemy_url)
    if kept is None:
        return _made(settings)
    writer, reader = kept[_key(settings)] = kept.get(_key(settings)) or _made(settings)
    return writer, reader


def _key(settings: Settings) -> str:
    # Nothing else of the settings reaches an engine.
    return repr([v for k, v in settings.model_dump().items() if k.startswith("db_")])


def make_database(settings: Settings, wiring: Wiring, clock: Clock) -> Database:
    with mock.patch("app.core.db._engines", kept_engines):
        return KeptDatabase(settings, wiring=wiring, clock=clock)


def _made(settings: Settings) -> Engines:
    made = make_engines(settings)
    if settings.is_sqlite:
        for engine in made:
            event.listen(engine.sync_engine, "do_connect", _connect_here)
            event.listen(engine.sync_engine, "connect", _hurry)
    return made


def _hurry(connection: Any, _record: Any) -> None:
    """No test cuts the machine's power."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def _connect_here(dialect: Any, _record: Any, where: Any, told: dict[str, Any]) -> Any:
    return dialect.dbapi.connect(*where, async_creator_fn=_here, **told)


def _here(*where: Any, **told: Any) -> aiosqlite.Connection:
    connection = aiosqlite.connect(*where, **told)
    connection._thread = connection._tx = _Here()  # type: ignore[assignment]
    return connection


class _Here:
    """In place of a connection's thread and of the queue to it: the loop's own thread does it.

    Every statement still lets the others go on, as it does where it is waited for.
    """

    daemon = True

    def start(self) -> None:
        return None

    def put_nowait(self, job: Job) -> None:
        future, work = job
        loop = future.get_loop()
        if getattr(work, "args", ())[:1] == ("BEGIN IMMEDIATE",):
            # It waits for another writer, who may be of this loop.
            waited = loop.run_in_executor(None, work)
            waited.add_done_callback(partial(_hand_over, future))
            return
        told, error = None, None
        try:
            told = work()
        except Exception as raised:  # noqa: BLE001
            error = raised
        loop.call_soon(_settle, future, told, error)


def _hand_over(future: "asyncio.Future[Any]", done: "asyncio.Future[Any]") -> None:
    error = done.exception()
    _settle(future, None if error else done.result(), error)


def _settle(future: "asyncio.Future[Any]", told: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(told)
    else:
        future.set_exception(error)
