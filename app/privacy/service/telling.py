"""Everything that is kept of a member, as one JSON document made while it is sent."""

from collections.abc import AsyncGenerator
from uuid import UUID

from app.core.db import Database
from app.core.rows import batches, told
from app.privacy.repository.kept import parts


async def export_parts(database: Database, member_id: UUID) -> AsyncGenerator[bytes]:
    """`{member_id, at, tables: {name: [row, …], …}}` of one moment; a cut one is no JSON."""
    head = told({"member_id": member_id, "at": database.clock.now()})
    yield head[:-1] + b',"tables":{'
    async with database.snapshot(is_long=False) as db:
        for number, part in enumerate(parts(member_id)):
            yield (b"," if number else b"") + told(part.name) + b":["
            comma = b""
            async for batch in batches(db, part.query):
                yield comma + b",".join(told(dict(row)) for row in batch)
                comma = b","
            yield b"]"
    yield b"}}\n"
