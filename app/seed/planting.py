"""What every part of the seed works with: the database, the keys, and pages read to their end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Database
from app.core.http.paging import LIMIT_MAX, Paging, Slice
from app.core.security import Tokens
from app.settings import Settings

R = TypeVar("R")
_LIST = "seed"


@dataclass(frozen=True, slots=True)
class Planting:
    """One run of the seed."""

    database: Database
    settings: Settings
    tokens: Tokens
    now: datetime


@dataclass(frozen=True, slots=True)
class Ground:
    """The shop with its goods and people, as found or just made."""

    shop_id: UUID
    opened_at: datetime
    variant_ids: dict[str, UUID]
    campaign_id: UUID
    community_id: UUID
    member_ids: list[UUID]


async def read_all(
    db: AsyncSession,
    tokens: Tokens,
    read: Callable[[AsyncSession, Paging], Awaitable[Slice[R]]],
) -> list[R]:
    """Every row of a paged list."""
    rows: list[R] = []
    cursor: str | None = None
    while True:
        part = await read(db, Paging(LIMIT_MAX, cursor, tokens, _LIST))
        rows.extend(part.rows)
        if part.next_after is None:
            return rows
        cursor = tokens.seal(f"cursor:{_LIST}", list(part.next_after))
