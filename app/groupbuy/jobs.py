"""What the worker does about groups: end those whose time is over."""

from datetime import datetime
from functools import partial

import sqlalchemy as sa

from app.core.jobs import Job, JobContext, each
from app.groupbuy import service

BATCHES_MAX = 20


async def fail_due_groups(context: JobContext) -> int:
    """Fail overdue groups, one transaction each; a rival's work is not done twice.

    Groups that cannot be failed do not hide those behind them.
    """
    grace_seconds, now = context.settings.group_grace_seconds, context.now()
    rows_max = context.settings.sweep_batch_rows
    failed, after = 0, None
    for _ in range(BATCHES_MAX):
        async with context.database.reading() as db:
            rows = await service.due_to_fail(
                db, grace_seconds=grace_seconds, now=now, after=after, rows_max=rows_max
            )
        failed += await each(rows, partial(_fail, context, now))
        if len(rows) < rows_max:
            break
        after = (rows[-1]["deadline_at"], rows[-1]["id"])
    return failed


async def _fail(context: JobContext, now: datetime, row: sa.RowMapping) -> bool:
    grace_seconds = context.settings.group_grace_seconds
    return await context.database.transact(
        partial(service.fail_group, group_id=row["id"], grace_seconds=grace_seconds, now=now)
    )


JOBS = (Job("groupbuy.fail_due_groups", 1, fail_due_groups),)
