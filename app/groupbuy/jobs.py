"""What the worker does about groups: end those whose time is over."""

from functools import partial
from uuid import UUID

from app.core.jobs import Job, JobContext, each
from app.groupbuy import service


async def fail_due_groups(context: JobContext) -> int:
    """Fail overdue groups, one transaction each; a rival's work is not done twice."""
    settings = context.settings
    grace_seconds, now = settings.group_grace_seconds, context.now()
    async with context.database.reading() as db:
        due = await service.due_to_fail(
            db, grace_seconds=grace_seconds, now=now, rows_max=settings.sweep_batch_rows
        )

    async def fail(group_id: UUID) -> bool:
        return await context.database.transact(
            partial(service.fail_group, group_id=group_id, grace_seconds=grace_seconds, now=now)
        )

    return await each(due, fail)


JOBS = (Job("groupbuy.fail_due_groups", 1, fail_due_groups),)
