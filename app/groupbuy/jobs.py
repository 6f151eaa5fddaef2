"""What the worker does about groups: end those whose time is over."""

from functools import partial

from app.core.jobs import Job, JobContext
from app.groupbuy import service


async def fail_due_groups(context: JobContext) -> int:
    """Fail overdue groups, one transaction each; a rival's work is not done twice."""
    settings = context.settings
    now = context.now()
    async with context.database.reading() as db:
        due = await service.due_to_fail(
            db,
            grace_seconds=settings.group_grace_seconds,
            now=now,
            rows_max=settings.sweep_batch_rows,
        )
    for group_id in due:
        await context.database.transact(
            partial(
                service.fail_group,
                group_id=group_id,
                grace_seconds=settings.group_grace_seconds,
                now=now,
            )
        )
    return len(due)


JOBS = (Job("groupbuy.fail_due_groups", 1, fail_due_groups),)
