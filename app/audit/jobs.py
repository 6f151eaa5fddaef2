"""The product checks itself on a timer: what must hold, and the providers' books against ours."""

import time
from collections import Counter
from datetime import timedelta

import structlog

from app.audit import service
from app.audit.rules import Kind
from app.core.db import log_fault
from app.core.jobs import Job, JobContext
from app.core.metrics import (
    INVARIANT_CHECKED_AT,
    INVARIANT_FAILURES,
    INVARIANT_SECONDS,
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
    """Check every invariant over all shops; each breach is logged as an error.

    One that fails, or takes too long, says so for itself, and the others are checked all the same.
    """
    for name in service.INVARIANTS:
        try:
            await _check(context, name)
        except Exception as error:  # noqa: BLE001 - logged and counted, and checked again next time
            INVARIANT_FAILURES.labels(name).inc()
            log_fault(log, "invariant", error, invariant=name)
    async with context.database.reading() as db:
        OUTBOX_PENDING.set(await pending_facts(db))
    return 0


async def _check(context: JobContext, name: str) -> None:
    moment = service.Moment(context.now(), context.settings.group_grace_seconds)
    began_at = time.perf_counter()
    async with context.database.patient() as db:
        finding = await service.invariant(db, name, moment)
    INVARIANT_SECONDS.labels(name).set(time.perf_counter() - began_at)
    INVARIANT_VIOLATIONS.labels(name).set(finding.count)
    INVARIANT_CHECKED_AT.labels(name).set(moment.now.timestamp())
    if finding.count:
        log.error("invariant_broken", invariant=name, count=finding.count, samples=finding.samples)


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
    Job("audit.check_invariants", 300, check_invariants, is_long=True),
    Job("audit.reconcile", 3_600, reconcile),
)
