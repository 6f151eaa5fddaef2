"""What the worker cleans up for identity: sessions and invitations that are over."""

from app.core.jobs import Job, JobContext
from app.identity.repository import keys, sessions


async def _prune_sessions(context: JobContext) -> int:
    rows_max = context.settings.sweep_batch_rows
    return await context.database.transact(
        lambda db: sessions.prune(db, now=context.now(), rows_max=rows_max)
    )


async def _prune_invitations(context: JobContext) -> int:
    rows_max = context.settings.sweep_batch_rows
    return await context.database.transact(
        lambda db: keys.prune_invitations(db, now=context.now(), rows_max=rows_max)
    )


PRUNE_SESSIONS = Job("identity.prune_sessions", 300.0, _prune_sessions)
PRUNE_INVITATIONS = Job("identity.prune_invitations", 3_600.0, _prune_invitations)
JOBS = (PRUNE_SESSIONS, PRUNE_INVITATIONS)
