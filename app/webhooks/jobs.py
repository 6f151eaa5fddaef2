"""What the worker does about webhooks besides sending: forget old messages, change the seal."""

from uuid import UUID

import sqlalchemy as sa

from app.core.jobs import Job, JobContext, each
from app.core.metrics import WEBHOOK_PENDING
from app.webhooks.repository import endpoints, sending
from app.webhooks.service.forgetting import forget
from app.webhooks.service.sealing import Sealer
from app.webhooks.service.secrets import reseal


async def forget_messages(context: JobContext) -> int:
    """Drop a bounded number of messages, endpoints and secrets whose time is over."""
    settings = context.settings
    return await context.database.transact(
        lambda db: forget(
            db,
            now=context.now(),
            kept_days=settings.webhook_kept_days,
            rows_max=settings.sweep_batch_rows,
        )
    )


async def change_seals(context: JobContext) -> int:
    """Seal with the newest key what an older one has sealed, so that the older one may go.

    What none of the keys opens is logged and stays as it is.
    """
    sealer, rows_max = Sealer(context.settings), context.settings.sweep_batch_rows
    last: UUID | None = None

    async def change(row: sa.RowMapping) -> None:
        await context.database.transact(lambda db: reseal(db, row, sealer))

    while True:
        async with context.database.reading() as db:
            rows = await endpoints.sealed_otherwise(db, sealer.name, last, rows_max)
        await each(rows, change)
        if len(rows) < rows_max:
            return 0  # all of it is done, as far as it can be
        last = rows[-1]["id"]


async def count_pending(context: JobContext) -> int:
    """Tell the metrics how many messages wait."""
    async with context.database.reading() as db:
        WEBHOOK_PENDING.set(await sending.count_pending(db))
    return 0


JOBS = (
    Job("webhooks.count_pending", 60, count_pending),
    Job("webhooks.forget_messages", 3_600, forget_messages),
    Job("webhooks.change_seals", 3_600, change_seals),
)
