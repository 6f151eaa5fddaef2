"""The migration lane: up, down, up again and compared with the models, on each database.

`alembic check` looks at neither CHECK constraints nor sequences nor triggers, so the migrated
schema is held against one that was made from the models.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import app.wiring
from app.cli.migrations import alembic_config
from app.settings import Settings
from tests.conftest import create_tables, own_postgresql, postgresql_url

assert app.wiring.ROUTERS, "importing it registers every table"
KEPT = {"alembic_version"}
Schema = dict[str, dict[str, Any]]


def driven(url: str) -> str:
    return Settings(database_url=url).sqlalchemy_url  # type: ignore[arg-type]


def described(connection: sa.Connection) -> Schema:
    """Everything the database knows about each table, in a form that can be compared."""
    look = sa.inspect(connection)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return sorted((name, plain(part)) for name, part in value.items())
        # Types and partial indexes' conditions are objects; their text says what they are.
        return str(value)

    def parts(of_table: Any, table: str) -> list[str]:
        return sorted(str(plain(part)) for part in of_table(table))

    triggers = triggers_of(connection)
    return {
        table: {
            "columns": parts(look.get_columns, table),
            "checks": parts(look.get_check_constraints, table),
            "unique": parts(look.get_unique_constraints, table),
            "foreign": parts(look.get_foreign_keys, table),
            "indexes": parts(look.get_indexes, table),
            "triggers": sorted(text for name, text in triggers if name == table),
        }
        for table in set(look.get_table_names()) - KEPT
    }


def triggers_of(connection: sa.Connection) -> list[tuple[str, str]]:
    """Table and text of every trigger, on PostgreSQL with the function it runs."""
    query = {
        "sqlite": "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT relname, pg_get_triggerdef(t.oid) || p.prosrc FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
        " WHERE NOT tgisinternal",
    }[connection.dialect.name]
    return [(row[0], row[1]) for row in connection.exec_driver_sql(query)]


async def schema_of(url: str) -> Schema:
    engine = create_async_engine(driven(url))
    async with engine.connect() as connection:
        found = await connection.run_sync(described)
    await engine.dispose()
    return found


async def functions_in(url: str) -> list[str]:
    """What triggers run stays when their tables go."""
    if url.startswith("sqlite"):
        return []
    query = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    engine = create_async_engine(driven(url))
    async with engine.connect() as connection:
        found = (await connection.exec_driver_sql(query)).scalars().all()
    await engine.dispose()
    return list(found)


def differences(migrated: Schema, modelled: Schema) -> list[str]:
    """What one has and the other has not, table by table."""
    found = [f"only one has {table}" for table in migrated.keys() ^ modelled.keys()]
    for table in migrated.keys() & modelled.keys():
        for kind, ours in migrated[table].items():
            odd = set(ours) ^ set(modelled[table][kind])
            found += [f"{table} {kind}: {each}" for each in sorted(odd)]
    return found


async def prove(url: str, other_url: str) -> None:
    """Raises where a step fails, leaves tables behind, or the models say something else."""
    os.environ["DATABASE_URL"] = url
    config = alembic_config()
    await asyncio.to_thread(command.upgrade, config, "head")
    await asyncio.to_thread(command.downgrade, config, "base")
    if left := await schema_of(url) or await functions_in(url):
        raise SystemExit(f"down leaves {sorted(left)} behind")
    await asyncio.to_thread(command.upgrade, config, "head")
    await asyncio.to_thread(command.check, config)
    await create_tables(driven(other_url), SQLModel.metadata.sorted_tables)
    if odd := differences(await schema_of(url), await schema_of(other_url)):
        raise SystemExit("migrations and models differ:\n" + "\n".join(odd))


@asynccontextmanager
async def two_sqlite() -> AsyncIterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'a.db'}", f"sqlite:///{Path(folder) / 'b.db'}"


@asynccontextmanager
async def two_postgresql() -> AsyncIterator[tuple[str, str]]:
    async with own_postgresql([]) as one, own_postgresql([]) as other:
        yield one, other


async def main() -> None:
    lanes = {"sqlite": two_sqlite, **({"postgresql": two_postgresql} if postgresql_url() else {})}
    for name, two_databases in lanes.items():
        async with two_databases() as urls:
            await prove(*urls)
        sys.stdout.write(f"migrations up, down, up and as the models on {name}\n")


if __name__ == "__main__":
    asyncio.run(main())
