"""Orders whose time for returns and complaints is over."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.orders.events import OrderClosed
from app.orders.repository import after_sales as repository
from app.orders.service.facts import fact


async def close_received(
    db: AsyncSession, *, close_after: timedelta, rows_max: int, now: datetime
) -> int:
    """Close a batch of orders received long enough ago, about which nothing is open.

    Their rows are held before they are looked at again: a request takes the same lock.
    """
    held = await repository.hold_received(db, received_before=now - close_after, rows_max=rows_max)
    if not held:
        return 0
    closed = await repository.close(db, held, now=now)
    for row in sorted(closed, key=lambda row: row["id"]):
        await events.record(db, fact(OrderClosed, row, now))
    return len(closed)
