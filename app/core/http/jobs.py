"""What the worker does about kept answers: forget those whose time is over."""

from datetime import timedelta
from functools import partial

from app.core.http.idempotency import prune_answers
from app.core.jobs import Job, JobContext


async def forget_answers(context: JobContext) -> int:
    """Drop a bounded number of answers that were kept long enough."""
    settings = context.settings
    before = context.now() - timedelta(seconds=settings.idempotency_ttl_seconds)
    prune = partial(prune_answers, before=before, rows_max=settings.sweep_batch_rows)
    return await context.database.transact(prune)


JOBS = (Job("core.forget_answers", 60, forget_answers),)
