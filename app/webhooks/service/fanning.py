"""From committed facts to messages on their way: once for each endpoint that wants to hear."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import Clock
from app.webhooks.repository import deliveries as repository


async def fan_out(db: AsyncSession, rows: Sequence[sa.RowMapping]) -> None:
    """Put a message on its way to every enabled endpoint of a fact's shop that wants its kind.

    Hearing a batch again adds nothing: an endpoint has one message about a fact.
    """
    wanted = await repository.wanted(db, [row["id"] for row in rows])
    if wanted:
        clock: Clock = db.info["clock"]
        await repository.add_all(db, wanted, now=clock.now())
