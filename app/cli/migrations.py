"""The schema's versions: bring a database to the newest, and tell which it has."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

import app
from app.settings import Settings

INI = "alembic.ini"


def alembic_config() -> Config:
    """Alembic's settings, from beside the package or from here; LookupError where neither has."""
    for folder in (Path(app.__file__).parent.parent, Path.cwd()):
        if (folder / INI).is_file():
            return Config(folder / INI)
    raise LookupError(INI)


def newest_revision() -> str | None:
    """The revision that the code was written for."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def revision_of(connection: sa.Connection) -> str | None:
    """The revision that a database has; `None` for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


async def upgrade(settings: Settings) -> tuple[str | None, str | None]:
    """Bring the database to the newest revision; returns the revisions before and after.

    The connection is an ordinary one: foreign keys stay off on SQLite, where rebuilding a table
    with them on would delete the rows of others.
    """
    config = alembic_config()
    engine = create_async_engine(settings.sqlalchemy_url, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_upgrade, config)
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection, config: Config) -> tuple[str | None, str | None]:
    before = revision_of(connection)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before, revision_of(connection)
