"""What came in while a member was being erased is forgotten, too."""

from datetime import timedelta
from uuid import UUID

from app.core.jobs import Job, JobContext, each
from app.privacy import service

# An order that was being placed ends long before.
LOOK_BACK = timedelta(days=30)
PAGE_ROWS = 100


async def forget_late(context: JobContext) -> int:
    """Forget again members erased lately: idempotent, and mostly there is nothing left."""
    since = context.now() - LOOK_BACK
    after: UUID | None = None

    async def again(member_id: UUID) -> bool:
        await context.database.transact(lambda db: service.forget(db, member_id, now=context.now()))
        return False

    while True:
        async with context.database.reading() as db:
            page = await service.erased_since(db, since, after, PAGE_ROWS)
        await each(page, again)
        if len(page) < PAGE_ROWS:
            return 0
        after = page[-1]


JOBS = (Job("privacy.forget_late", 3_600, forget_late, is_long=True),)
