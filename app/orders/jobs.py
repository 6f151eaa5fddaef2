"""What the worker does about orders: expire the unpaid after asking the provider, close the old."""

from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.jobs import Job, JobContext, each
from app.orders import service
from app.orders.models import OrderStatus
from app.payments import service as payments
from app.payments.errors import PaymentInProgress
from app.payments.gateway import Charge, Gateway, GatewayUnavailable, Patience

BATCHES_MAX = 20
# How long a run waits for each provider in all.
ASKING_SECONDS_MAX = 60


async def expire_unpaid(context: JobContext) -> int:
    """End overdue orders, one transaction each; a rival's work is not done twice.

    Orders that cannot end now, because their provider is silent, do not hide those behind them,
    nor keep them waiting for longer than a bounded time.
    """
    now = context.now()
    rows_max = context.settings.sweep_batch_rows
    expire = partial(_expire, context, Patience(seconds=ASKING_SECONDS_MAX), now)
    ended, after = 0, None
    for _ in range(BATCHES_MAX):
        async with context.database.reading() as db:
            rows = await service.overdue(db, now=now, after=after, rows_max=rows_max)
        ended += await each(rows, expire)
        if len(rows) < rows_max or ended >= rows_max:
            break
        after = (rows[-1]["expires_at"], rows[-1]["id"])
    return ended


async def _expire(
    context: JobContext, patience: Patience, now: datetime, row: sa.RowMapping
) -> bool:
    """Stop a payment under way at the provider, then end the order unless it was paid after all."""
    try:
        charge = await _stopped(context, patience, row, now)
    except GatewayUnavailable:
        return False

    async def end(db: AsyncSession) -> bool:
        if charge is not None:
            await payments.record_charge(db, charge, now=now)
        stopped = charge.payment_id if charge else None
        return await service.end_unpaid(db, row, OrderStatus.EXPIRED, stopped=stopped, now=now)

    try:
        return await context.database.transact(end)
    except PaymentInProgress:
        return False  # it began just now; the next run stops it first


async def _stopped(
    context: JobContext, patience: Patience, row: sa.RowMapping, now: datetime
) -> Charge | None:
    async with context.database.reading() as db:
        under_way = await payments.live_charge_wish(db, row["id"])
    if under_way is None:
        return None
    name, wish = under_way
    gateway: Gateway = context.gateways[name]
    return await patience.ask(name, lambda: gateway.cancel(wish, now=now))


async def close_received(context: JobContext) -> int:
    """Close orders whose time for returns is over, a batch a transaction."""
    now = context.now()
    rows_max = context.settings.sweep_batch_rows
    close = partial(
        service.close_received,
        close_after=timedelta(seconds=context.settings.order_close_seconds),
        rows_max=rows_max,
        now=now,
    )
    total = 0
    for _ in range(BATCHES_MAX):
        closed = await context.database.transact(close)
        total += closed
        if closed < rows_max:
            break
    return total


JOBS = (
    Job("orders.expire_unpaid", 1, expire_unpaid),
    Job("orders.close_received", 60, close_received),
)
