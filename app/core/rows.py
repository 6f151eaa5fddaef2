"""Any number of rows read and told as text, in memory that does not grow with them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
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


def line(value: Mapping[str, Any]) -> bytes:
    """One line of NDJSON, in UTF-8; ids, times and enums as the API tells them."""
    return told(value) + b"\n"


told = TypeAdapter(Any).dump_json
