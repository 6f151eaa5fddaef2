"""Runs migrations on the database of the settings; foreign keys stay off on SQLite meanwhile."""

import asyncio

import sqlalchemy as sa
from alembic import context
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import app.wiring  # registers every table
from app.settings import Settings

assert app.wiring.ROUTERS


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        compare_type=True,
        compare_server_default=True,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    url = context.get_x_argument(as_dictionary=True).get("url")
    settings = Settings(database_url=url) if url else Settings()
    engine = create_async_engine(settings.sqlalchemy_url)
    if settings.is_sqlite:

        @event.listens_for(engine.sync_engine, "connect")
        def _connect(connection, _record):
            # Batch mode rebuilds tables; with foreign keys on, that would delete child rows.
            connection.execute("PRAGMA foreign_keys=OFF")
            connection.execute("PRAGMA journal_mode=WAL")

    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


def offline() -> None:
    context.configure(
        url=Settings().sqlalchemy_url, target_metadata=SQLModel.metadata, literal_binds=True
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
elif (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(main())
