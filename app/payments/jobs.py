"""What the worker does about money: send refunds, hear notices, ask about silent payments."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.jobs import Job, JobContext, each
from app.payments import repository, service
from app.payments.gateway import (
    Charge,
    Gateway,
    GatewayRefund,
    GatewayUnavailable,
    Notice,
    Notifier,
    RefundWish,
)


async def send_refunds(context: JobContext) -> int:
    """Send refunds that are due; the refund's id is the provider's idempotency key."""
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
    )
    now = context.now()
    try:
        answer = await gateway.refund(wish, now=now)
    except GatewayUnavailable:
        await context.database.transact(
            lambda db: service.postpone_refund(db, refund, "provider unavailable", now=now)
        )
        return
    await context.database.transact(_recording_refund(context, answer))


def _recording_refund(
    context: JobContext, answer: GatewayRefund
) -> Callable[[AsyncSession], Awaitable[None]]:
    return lambda db: service.record_refund(db, answer, now=context.now())


async def ask_about_silent(context: JobContext) -> int:
    """Ask the provider about payments whose call never came back, or that take their time."""
    now = context.now()
    again = now + service.ASK_AGAIN_AFTER
    rows = await context.database.transact(
        lambda db: repository.claim_unsettled(db, now, again, context.settings.sweep_batch_rows)
    )
    await each(rows, partial(_ask, context))
    return len(rows)


async def _ask(context: JobContext, row: sa.RowMapping) -> None:
    gateway: Gateway = context.gateways[row["gateway"]]
    wish = service.charge_wish(row)
    now = context.now()
    try:
        # A payment the provider never heard of is sealed there, so that it cannot begin late.
        charge = await gateway.find(wish, now=now) or await gateway.cancel(wish, now=now)
    except GatewayUnavailable:
        return
    await context.database.transact(_recording_charge(context, charge))


def _recording_charge(
    context: JobContext, charge: Charge
) -> Callable[[AsyncSession], Awaitable[None]]:
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
        await context.database.transact(_recording_charge(context, charge))
        await gateway.heard(notice, now=now)
    except GatewayUnavailable:
        return False
    return True


JOBS = (
    Job("payments.send_refunds", 1, send_refunds),
    Job("payments.hear_notices", 1, hear_notices),
    Job("payments.ask_about_silent", 5, ask_about_silent),
)
