"""What is not kept for ever: the log of messages, deleted endpoints, secrets that have ended."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.webhooks.repository import deliveries, endpoints


async def forget(db: AsyncSession, *, now: datetime, kept_days: int, rows_max: int) -> int:
    """Drop at most so many rows of each kind whose time is over; the most that one kind had.

    What has waited that long for a disabled endpoint is given up first, and forgotten later.
    """
    before = now - timedelta(days=kept_days)
    moved = [
        await deliveries.give_up_on_disabled(db, before=before, now=now, rows_max=rows_max),
        await deliveries.forget(db, before=before, rows_max=rows_max),
        await deliveries.forget_deleted(db, rows_max=rows_max),
        await endpoints.drop_ended_secrets(db, before=now, rows_max=rows_max),
    ]
    return max(moved)
