"""Copies of a database that is being used, made and put back by the tools its users have."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tests.lanes.cluster import programs
from tests.lanes.world import World

TOOL_SECONDS_MAX = 300


class SqliteCopy:
    """One file, written by the database itself while others write on."""

    def __init__(self, made: World) -> None:
        self.database = Path(made.url.removeprefix("sqlite:///"))
        self.file = made.folder / "copy.db"

    async def take(self) -> None:
        """Write a copy as of one moment."""
        await asyncio.to_thread(self._do, self.database, "VACUUM INTO ?", str(self.file))

    async def put_back(self) -> None:
        """Throw everything away that is left, and lay the copy in its place."""
        for left in self.database.parent.glob(f"{self.database.name}*"):
            left.unlink()
        self.database.write_bytes(self.file.read_bytes())
        for look in ("PRAGMA integrity_check", "PRAGMA foreign_key_check"):
            said = await asyncio.to_thread(self._do, self.database, look)
            assert said in ([], [("ok",)]), said

    def _do(self, path: Path, statement: str, *values: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            return connection.execute(statement, values).fetchall()


class PostgresqlCopy:
    """An archive of `pg_dump`, put back by `pg_restore` into an empty database of the same name."""

    def __init__(self, made: World) -> None:
        self.url = made.url
        self.file = made.folder / "copy.dump"

    async def take(self) -> None:
        """Write a copy as of one moment."""
        await _tool("pg_dump", "--format=custom", f"--file={self.file}", self.url)

    async def put_back(self) -> None:
        """Drop everything that is left, and restore the copy; any fault of that is one."""
        address = urlsplit(self.url)
        name = address.path.removeprefix("/")
        admin = await asyncpg.connect(address._replace(path="/postgres").geturl())
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{name}"')
        await admin.close()
        how = ("--exit-on-error", "--no-owner", f"--dbname={self.url}")
        await _tool("pg_restore", *how, str(self.file))


def copy_of(made: World) -> SqliteCopy | PostgresqlCopy:
    """Where the copy of this installation goes."""
    return SqliteCopy(made) if made.backend == "sqlite" else PostgresqlCopy(made)


async def _tool(program: str, *words: str) -> None:
    """Run one of PostgreSQL's client programs to its good end."""
    folder = programs()
    assert folder is not None, "no PostgreSQL programs were found"
    child = await asyncio.create_subprocess_exec(
        str(folder / program),
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(child.communicate(), TOOL_SECONDS_MAX)
    assert child.returncode == 0, f"{program}: {said.decode(errors='replace')[-2_000:]}"
