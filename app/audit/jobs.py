"""The product checks itself on a timer: what must hold, and the providers' books against ours."""

from collections import Counter
from datetime import timedelta

import structlog

from app.audit import service
from app.audit.rules import Kind
from app.core.jobs import Job, JobContext
from app.core.metrics import (
    INVARIANT_VIOLATIONS,
    OUTBOX_PENDING,
    PROVIDER_DIFFERENCES,
    RECONCILED_AT,
)
from app.core.outbox import pending_facts
from app.payments.gateway import Bookkeeper, GatewayUnavailable

log = structlog.get_logger("audit")
# An hour's run that did not come off is made up for by the next ones.
LOOK_BACK = timedelta(days=2)


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


async def reconcile(context: JobContext) -> int:
    """Hold our books against every provider's; what is safe is mended, the rest is an alarm."""
    mended = 0
    for gateway in context.gateways.values():
        if isinstance(gateway, Bookkeeper):
            mended += await _reconcile(context, gateway)
    return mended


async def _reconcile(context: JobContext, gateway: Bookkeeper) -> int:
    since = context.now() - LOOK_BACK
    try:
        found = await service.reconcile(context.database, gateway, since, repairs=True)
    except GatewayUnavailable:
        log.warning("provider_not_read", gateway=gateway.name)
        return 0
    left = Counter(difference.kind for difference in found if not difference.is_mended)
    for kind in Kind:
        PROVIDER_DIFFERENCES.labels(gateway.name, kind).set(left[kind])
    RECONCILED_AT.labels(gateway.name).set(context.now().timestamp())
    for difference in found:
        told = {"kind": difference.kind, "reference": difference.reference}
        if difference.is_mended:
            log.warning("provider_difference_mended", gateway=gateway.name, **told)
        else:
            log.error("provider_difference", gateway=gateway.name, **told)
    return len(found) - left.total()


JOBS = (
    Job("audit.check_invariants", 300, check_invariants),
    Job("audit.reconcile", 3_600, reconcile),
)
