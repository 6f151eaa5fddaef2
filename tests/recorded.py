"""What many tests begin with: built once through the services, then laid down row by row."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from app.core.db import Database

Names = dict[str, Any]
Rows = list[tuple[sa.Table, list[dict[str, Any]]]]
# By its name, the database and the time: what it consists of, and every row of it.
_kept: dict[tuple[str, bool, datetime], tuple[Names, Rows]] = {}


async def once(
    database: Database, name: str, now: datetime, build: Callable[[], Awaitable[Names]]
) -> Names:
    """The names of what stands in the empty database now, as `build` made it the first time."""
    key = (name, database.settings.is_sqlite, now)
    if key not in _kept:
        _kept[key] = await build(), await _taken_up(database)
        return _kept[key][0]
    names, rows = _kept[key]
    await database.transact(lambda db: _lay_down(db, rows))
    return names


async def _taken_up(database: Database) -> Rows:
    rows: Rows = []
    async with database.reading() as db:
        for each in SQLModel.metadata.sorted_tables:
            found = [dict(row) for row in (await db.execute(sa.select(each))).mappings()]
            rows += [(each, found)] if found else []
    return rows


async def _lay_down(db: AsyncSession, rows: Rows) -> None:
    for each, values in rows:
        await db.execute(sa.insert(each), values)
