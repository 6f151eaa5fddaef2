"""What the worker does about idempotency keys: forget answers and attempts whose time is over."""

from datetime import timedelta
from functools import partial

from app.core.http.idempotency import prune_answers, release_abandoned
from app.core.jobs import Job, JobContext

# Who was cut off and wants its answer has asked again long before.
ABANDONED_AFTER = timedelta(minutes=5)


async def forget_answers(context: JobContext) -> int:
    """Drop a bounded number of answers that were kept long enough."""
    settings = context.settings
    before = context.now() - timedelta(seconds=settings.idempotency_ttl_seconds)
    prune = partial(prune_answers, before=before, rows_max=settings.sweep_batch_rows)
    return await context.database.transact(prune)


async def forget_attempts(context: JobContext) -> int:
    """Drop a bounded number of attempts that a crash cut off and whose client never came again."""
    rows_max = context.settings.sweep_batch_rows
    before = context.now() - ABANDONED_AFTER
    release = partial(release_abandoned, before=before, rows_max=rows_max)
    return await context.database.transact(release)


JOBS = (
    Job("core.forget_answers", 60, forget_answers),
    Job("core.forget_attempts", 60, forget_attempts),
)
