"""Proof: what must hold and does it, what is on its way, and everything a shop's books say."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.repository import INVARIANTS, export, judge
from app.audit.repository import pending as pending_repository
from app.audit.repository.breach import Moment
from app.core.db import Database


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
    findings = []
    for name, check in INVARIANTS.items():
        count, samples = await judge.breaches(db, check, moment, shop_id)
        rule = (check.__doc__ or "").strip()
        findings.append(Finding(name, rule, count, samples))
    return findings


async def pending(
    db: AsyncSession, shop_id: UUID | None, *, now: datetime, grace_seconds: int
) -> list[Waiting]:
    """What is still on its way."""
    rows = await pending_repository.pending(db, shop_id, now=now, grace_seconds=grace_seconds)
    return [Waiting(row["name"], row["count"], row["oldest_at"]) for row in rows]


async def export_lines(database: Database, shop_id: UUID) -> AsyncIterator[str]:
    """A shop's books as NDJSON: a line a row, all of one moment, the counts in the last line.

    An export without its last line was cut off and proves nothing.
    """
    counts: dict[str, int] = {}
    async with database.snapshot() as db:
        for part in export.parts(shop_id):
            counts[part.name] = 0
            async for batch in export.rows(db, part):
                counts[part.name] += len(batch)
                yield "".join(_line({"table": part.name, "row": _plain(row)}) for row in batch)
    yield _line({"end": True, "at": database.clock.now().isoformat(), "counts": counts})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | StrEnum) else value
