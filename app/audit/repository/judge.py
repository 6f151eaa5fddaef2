"""Ask one invariant: how many rows break it, and a few of them."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.repository.breach import Invariant, Moment
from app.core.sql import all_rows

SAMPLES_MAX = 5


async def breaches(
    db: AsyncSession, check: Invariant, moment: Moment, shop_id: UUID | None
) -> tuple[int, list[dict[str, Any]]]:
    """The number of rows that break the invariant (of one shop, or of all) and a few samples."""
    broken = check(moment).subquery()
    statement = sa.select(broken, sa.func.count().over().label("count"))
    if shop_id is not None:
        # As text the two databases write a UUID differently.
        statement = statement.where(broken.c.shop_id.in_((str(shop_id), shop_id.hex)))
    rows = await all_rows(db, statement.limit(SAMPLES_MAX))
    samples = [{k: v for k, v in row.items() if k != "count"} for row in rows]
    return (rows[0]["count"] if rows else 0), samples
