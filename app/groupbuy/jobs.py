"""What the worker does about groups: end those that are over or stopped, forget old proofs."""

from datetime import datetime
from functools import partial

import sqlalchemy as sa

from app.core.jobs import Job, JobContext, each
from app.groupbuy import service
from app.groupbuy.service import pages

BATCHES_MAX = 20


async def settle_due_groups(context: JobContext) -> int:
    """End overdue groups, one transaction each; a rival's work is not done twice.

    Groups that cannot be ended do not hide those behind them.
    """
    grace_seconds, now = context.settings.group_grace_seconds, context.now()
    rows_max = context.settings.sweep_batch_rows
    done, after = 0, None
    for _ in range(BATCHES_MAX):
        async with context.database.reading() as db:
            rows = await service.due_to_settle(
                db, grace_seconds=grace_seconds, now=now, after=after, rows_max=rows_max
            )
        done += await each(rows, partial(_settle, context, now))
        if len(rows) < rows_max or done >= rows_max:
            break
        after = (rows[-1]["deadline_at"], rows[-1]["id"])
    return done


async def _settle(context: JobContext, now: datetime, row: sa.RowMapping) -> bool:
    grace_seconds = context.settings.group_grace_seconds
    return await context.database.transact(
        partial(service.settle_group, group_id=row["id"], grace_seconds=grace_seconds, now=now)
    )


async def end_stopped_groups(context: JobContext) -> int:
    """End the groups of campaigns that were stopped with them, one transaction each.

    Groups that cannot be ended do not hide those behind them.
    """
    rows_max = context.settings.sweep_batch_rows
    done, after = 0, None
    for _ in range(BATCHES_MAX):
        async with context.database.reading() as db:
            rows = await service.stopped_groups(db, after=after, rows_max=rows_max)
        done += await each(rows, partial(_stop, context))
        if len(rows) < rows_max or done >= rows_max:
            break
        after = rows[-1]["id"]
    return done


async def _stop(context: JobContext, row: sa.RowMapping) -> bool:
    # Others had their turn before: whether its deadline has passed is seen by the time of now.
    now = context.now()
    return await context.database.transact(partial(service.stop_group, group_id=row["id"], now=now))


async def forget_old_proofs(context: JobContext) -> int:
    """Delete what was shown of groups longer ago than anybody reports on."""
    rows_max = context.settings.sweep_batch_rows
    return await context.database.transact(
        partial(pages.forget_proofs, now=context.now(), rows_max=rows_max)
    )


JOBS = (
    Job("groupbuy.settle_due_groups", 1, settle_due_groups),
    Job("groupbuy.end_stopped_groups", 1, end_stopped_groups),
    Job("groupbuy.forget_old_proofs", 3_600, forget_old_proofs),
)
