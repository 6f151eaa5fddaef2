"""Proof: what must hold and does it, what is on its way, and everything a shop's books say."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.repository import INVARIANTS, export, judge
from app.audit.repository import pending as pending_repository
from app.audit.repository.breach import Moment
from app.core.db import Database
from app.core.rows import line


@dataclass(frozen=True, slots=True)
class Finding:
    """How an invariant stands: `count` rows break it, 0 is right."""

    name: str
    rule: str
    count: int
    samples: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A kind of unfinished work, how much of it, and since when the oldest waits."""

    name: str
    count: int
    oldest_at: datetime | None


async def invariants(
    db: AsyncSession, shop_id: UUID | None, *, now: datetime, grace_seconds: int
) -> list[Finding]:
    """Ask every invariant, of one shop or of all."""
    moment = Moment(now, grace_seconds)
    return [await invariant(db, name, moment, shop_id) for name in INVARIANTS]


async def invariant(
    db: AsyncSession, name: str, moment: Moment, shop_id: UUID | None = None
) -> Finding:
    """Ask one invariant: one statement, which sees one moment whatever goes on beside it."""
    check = INVARIANTS[name]
    count, samples = await judge.breaches(db, check, moment, shop_id)
    return Finding(name, (check.__doc__ or "").strip(), count, samples)


async def pending(
    db: AsyncSession, shop_id: UUID | None, *, now: datetime, grace_seconds: int
) -> list[Waiting]:
    """What is still on its way."""
    rows = await pending_repository.pending(db, shop_id, now=now, grace_seconds=grace_seconds)
    return [Waiting(row["name"], row["count"], row["oldest_at"]) for row in rows]


async def export_lines(database: Database, shop_id: UUID) -> AsyncGenerator[bytes]:
    """A shop's books as NDJSON: a line a row, all of one moment, and a last line that seals them.

    The last line has the number of rows of each table and the SHA-256 of all lines before it. An
    export without it, or with another one, was cut or changed and proves nothing.
    """
    digest, counts = hashlib.sha256(), dict[str, int]()
    async with database.snapshot() as db:
        await export.begin(db)
        for part in export.parts(shop_id):
            counts[part.name] = 0
            async for batch in export.rows(db, part):
                counts[part.name] += len(batch)
                lines = b"".join(line({"table": part.name, "row": dict(row)}) for row in batch)
                digest.update(lines)
                yield lines
    yield line(
        {
            "end": True,
            "shop_id": shop_id,
            "at": database.clock.now(),
            "counts": counts,
            "rows": sum(counts.values()),
            "sha256": digest.hexdigest(),
        }
    )
