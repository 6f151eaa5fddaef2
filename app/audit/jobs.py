"""The product checks itself: invariants on a timer, as metrics and as an alarm in the log."""

import structlog

from app.audit import service
from app.core.jobs import Job, JobContext
from app.core.metrics import INVARIANT_VIOLATIONS, OUTBOX_PENDING
from app.core.outbox import pending_facts

log = structlog.get_logger("audit")


async def check_invariants(context: JobContext) -> int:
    """Check every invariant over all shops; each breach is logged as an error."""
    async with context.database.snapshot() as db:
        findings = await service.invariants(
            db, None, now=context.now(), grace_seconds=context.settings.group_grace_seconds
        )
        OUTBOX_PENDING.set(await pending_facts(db))
    for finding in findings:
        INVARIANT_VIOLATIONS.labels(finding.name).set(finding.count)
        if finding.count:
            log.error("invariant_broken", invariant=finding.name, count=finding.count)
    return 0


JOBS = (Job("audit.check_invariants", 300, check_invariants),)
