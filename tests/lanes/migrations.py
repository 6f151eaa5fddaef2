"""The migration lane: up, down, up again and `alembic check`, on each database that answers."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine

from app.cli.migrations import alembic_config
from app.settings import Settings
from tests.conftest import own_postgresql, postgresql_url

KEPT = {"alembic_version"}


async def tables_of(url: str) -> set[str]:
    engine = create_async_engine(Settings(database_url=url).sqlalchemy_url)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda plain: set(sa.inspect(plain).get_table_names()))
    await engine.dispose()
    return names


async def prove(url: str) -> None:
    """Raises where a step fails, leaves tables behind, or the models say something else."""
    os.environ["DATABASE_URL"] = url
    config = alembic_config()
    await asyncio.to_thread(command.upgrade, config, "head")
    made = await tables_of(url)
    await asyncio.to_thread(command.downgrade, config, "base")
    left = await tables_of(url) - KEPT
    if left or not made - KEPT:
        raise SystemExit(f"down leaves {sorted(left)} behind of {len(made)} tables")
    await asyncio.to_thread(command.upgrade, config, "head")
    await asyncio.to_thread(command.check, config)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await prove(f"sqlite:///{Path(folder) / 'lane.db'}")
    ran = ["sqlite"]
    if postgresql_url():
        async with own_postgresql([]) as url:
            await prove(url)
        ran.append("postgresql")
    sys.stdout.write(f"migrations up, down, up and checked on: {', '.join(ran)}\n")


if __name__ == "__main__":
    asyncio.run(main())
