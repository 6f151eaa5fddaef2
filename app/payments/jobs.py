"""What the worker does about money: send refunds, work on messages, ask about silent payments."""

import traceback
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import PurePath

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import is_outage
from app.core.jobs import Job, JobContext, each
from app.core.metrics import HOOK_EVENTS
from app.payments import repository, service
from app.payments.gateway import (
    Charge,
    Gateway,
    GatewayRefund,
    GatewayUnavailable,
    Hooked,
    Notice,
    Notifier,
    NotOurBusinessError,
    Patience,
    RefundWish,
    Told,
)
from app.payments.repository import hooks
from app.payments.service import Verdict

HOOK_LEASE = timedelta(seconds=60)
# How long a run waits for each provider in all; what is left over is asked about by the next.
ASKING_SECONDS_MAX = 60
log = structlog.get_logger("payments")


async def send_refunds(context: JobContext) -> int:
    """Send refunds that are due, or ask about those under way.

    The refund's id and round are the provider's idempotency key.
    """
    now, settings = context.now(), context.settings
    lease_until = now + timedelta(seconds=settings.refund_lease_seconds)
    claimed = await context.database.transact(
        lambda db: repository.claim_refunds(db, now, lease_until, settings.sweep_batch_rows)
    )
    await each(claimed, partial(_send, context))
    return len(claimed)


async def _send(context: JobContext, refund: sa.RowMapping) -> None:
    async with context.database.reading() as db:
        paid = await repository.payment(db, refund["payment_id"])
    assert paid is not None
    gateway: Gateway = context.gateways[paid["gateway"]]
    wish = RefundWish(
        refund_id=refund["id"],
        payment_id=paid["id"],
        charge_reference=paid["reference"],
        amount=refund["amount"],
        currency=refund["currency"],
        round=refund["round"],
        reference=refund["gateway_reference"],
    )
    now = context.now()
    try:
        answer = await gateway.refund(wish, now=now)
    except GatewayUnavailable:
        await context.database.transact(
            lambda db: service.postpone_refund(db, refund, "provider unavailable", now=now)
        )
        return
    await context.database.transact(_recording_refund(context, answer, wish.round))


def _recording_refund(
    context: JobContext, answer: GatewayRefund, round_: int
) -> Callable[[AsyncSession], Awaitable[Verdict]]:
    return lambda db: service.record_refund(db, answer, now=context.now(), round_=round_)


async def ask_about_silent(context: JobContext) -> int:
    """Ask the provider about payments whose call never came back, or that take their time."""
    now = context.now()
    again = now + service.ASK_AGAIN_AFTER
    rows = await context.database.transact(
        lambda db: repository.claim_unsettled(db, now, again, context.settings.sweep_batch_rows)
    )
    await each(rows, partial(_ask, context, Patience(seconds=ASKING_SECONDS_MAX)))
    return len(rows)


async def _ask(context: JobContext, patience: Patience, row: sa.RowMapping) -> None:
    gateway: Gateway = context.gateways[row["gateway"]]
    wish = service.charge_wish(row)
    now = context.now()

    async def ask() -> Charge:
        charge = None if row["is_unwanted"] else await gateway.find(wish, now=now)
        # A payment the provider never heard of is sealed there, so that it cannot begin late.
        return charge or await gateway.cancel(wish, now=now)

    try:
        charge = await patience.ask(row["gateway"], ask)
    except GatewayUnavailable:
        return
    await context.database.transact(_recording_charge(context, charge))


def _recording_charge(
    context: JobContext, charge: Charge
) -> Callable[[AsyncSession], Awaitable[Verdict]]:
    return lambda db: service.record_charge(db, charge, now=context.now())


async def hear_notices(context: JobContext) -> int:
    """Fetch the notices of providers that do not send them, as a webhook would receive them."""
    heard = 0
    for gateway in context.gateways.values():
        if isinstance(gateway, Notifier):
            heard += await _hear_from(context, gateway)
    return heard


async def _hear_from(context: JobContext, gateway: Notifier) -> int:
    try:
        notices = await gateway.notices(context.now(), context.settings.sweep_batch_rows)
    except GatewayUnavailable:
        return 0
    return await each(notices, partial(_hear, context, gateway))


async def _hear(context: JobContext, gateway: Notifier, notice: Notice) -> bool:
    """Take over what the notice is about; what is not said to be heard is sent again."""
    now = context.now()
    async with context.database.reading() as db:
        row = await repository.payment(db, notice.payment_id)
    assert row is not None, "notices are about our payments"
    try:
        charge = await gateway.find(service.charge_wish(row), now=now)
        assert charge is not None, "notices are about charges"
        verdict = await context.database.transact(_recording_charge(context, charge))
        if verdict is Verdict.UNKNOWN:
            return False
        await gateway.heard(notice, now=now)
    except GatewayUnavailable:
        return False
    return True


async def work_hooks(context: JobContext) -> int:
    """Take over what providers have sent, in the order it came; no message keeps another back."""
    now = context.now()
    claimed = await context.database.transact(
        lambda db: hooks.claim(db, now, now + HOOK_LEASE, context.settings.sweep_batch_rows)
    )
    await each(claimed, partial(_work_hook, context))
    return len(claimed)


async def _work_hook(context: JobContext, row: sa.RowMapping) -> None:
    database = context.database
    outcome: str
    try:
        told = _read(context, row)
        outcome = await database.transact(
            lambda db: service.work_hook(db, row, told, now=context.now())
        )
    except NotOurBusinessError as refusal:
        reason, outcome = str(refusal) or "not our business", "foreign"
        await database.transact(lambda db: service.give_up_hook(db, row, reason, now=context.now()))
    except Exception as error:
        if is_outage(error):
            raise  # no fault of the message; its lease ends, and it is tried again
        place = _place_of(error)
        log.warning("hook_event_fault", event_id=str(row["id"]), kind=row["kind"], error=place)
        outcome = await database.transact(
            lambda db: service.note_fault(db, row, place, now=context.now())
        )
    HOOK_EVENTS.labels(row["gateway"], outcome).inc()


def _read(context: JobContext, row: sa.RowMapping) -> Sequence[Told]:
    gateway = context.gateways.get(row["gateway"])
    if not isinstance(gateway, Hooked):
        raise NotOurBusinessError(f"no provider {row['gateway']} is set up")
    return gateway.read(service.told_by(row))


def _place_of(error: Exception) -> str:
    """What went wrong and where; an error's own text may repeat what stands in the message."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {PurePath(last.filename).name}:{last.lineno} {last.name}"


async def forget_hooks(context: JobContext) -> int:
    """Drop a bounded number of messages that were finished long ago."""
    settings = context.settings
    before = context.now() - timedelta(days=settings.hook_events_kept_days)
    return await context.database.transact(
        lambda db: hooks.prune(db, before=before, rows_max=settings.sweep_batch_rows)
    )


JOBS = (
    Job("payments.work_hooks", 0.5, work_hooks),
    Job("payments.send_refunds", 1, send_refunds),
    Job("payments.hear_notices", 1, hear_notices),
    Job("payments.ask_about_silent", 5, ask_about_silent),
    Job("payments.forget_hooks", 3_600, forget_hooks),
)
