"""Any number of rows read and told as text, in memory that does not grow with them."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import is_postgresql

ROWS_AT_ONCE = 500
_PLANS_THAT_COLLECT = (
    "enable_sort",
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_seqscan",
    "enable_bitmapscan",
    "enable_material",
)


async def row_after_row(db: AsyncSession) -> None:
    """For the rest of a snapshot, read along indexes, from the first row on.

    A plan that first sorts or hashes a whole table says nothing for longer the more there is: until
    the time-out, on a large enough table. It fills the server's memory or disk, too.
    """
    if is_postgresql(db):
        for name in _PLANS_THAT_COLLECT:
            await db.execute(sa.text(f"SET LOCAL {name} = off"))


async def batches(
    db: AsyncSession, query: sa.Select[Any]
) -> AsyncIterator[Sequence[sa.RowMapping]]:
    """The rows of a query, a bounded number at a time."""
    result = await db.stream(query, execution_options={"yield_per": ROWS_AT_ONCE})
    try:
        async for batch in result.mappings().partitions(ROWS_AT_ONCE):
            yield batch
    finally:
        await result.close()


def line(value: Mapping[str, Any]) -> str:
    """One line of NDJSON."""
    return text(value) + "\n"


def text(value: Any) -> str:
    """JSON without blanks, the texts in it as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row in values that JSON has."""
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | StrEnum) else value
