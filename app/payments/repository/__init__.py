"""All SQL of payments and refunds; that of disputes and messages stands beside it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, changed, first_row, table, upsert
from app.payments.gateway import Charge
from app.payments.models import (
    HELD_STATES,
    LIVE_STATES,
    UNSETTLED_STATES,
    Payment,
    PaymentState,
    Refund,
    RefundRound,
    RefundStatus,
)
from app.payments.repository.disputes import is_called_back
from app.payments.rules import NOTHING_TAKEN, may_come_from

_payments = table(Payment)
_refunds = table(Refund)
_rounds = table(RefundRound)
_of_order = sa.bindparam("of_order", type_=sa.Uuid())
_payments_of = (
    sa.select(_payments).where(_payments.c.order_id == _of_order).order_by(_payments.c.id)
)
_refunds_of = sa.select(_refunds).where(_refunds.c.order_id == _of_order).order_by(_refunds.c.id)


async def add_payment(db: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert unless the order has a live payment or this attempt; says whether it did."""
    return await changed(db, upsert(db, _payments).on_conflict_do_nothing(), values) > 0


async def attempt_of(db: AsyncSession, order_id: UUID, attempt: str) -> sa.RowMapping | None:
    """The payment that an earlier run of this attempt has begun."""
    statement = sa.select(_payments).where(
        _payments.c.order_id == order_id, _payments.c.attempt == attempt
    )
    return await first_row(db, statement)


async def hold(db: AsyncSession, order_id: UUID) -> sa.RowMapping | None:
    """Take the lock of an order's captured payment by writing it."""
    statement = (
        sa.update(_payments)
        .where(_payments.c.order_id == order_id, _payments.c.state == PaymentState.CAPTURED)
        .values(refunded_amount=_payments.c.refunded_amount)
        .returning(_payments)
    )
    return await first_row(db, statement)


async def payment(db: AsyncSession, payment_id: UUID) -> sa.RowMapping | None:
    """One payment."""
    statement = sa.select(_payments).where(_payments.c.id == payment_id)
    return await first_row(db, statement)


async def live_payment(db: AsyncSession, order_id: UUID) -> sa.RowMapping | None:
    """The payment of an order that is under way or captured."""
    statement = sa.select(_payments).where(
        _payments.c.order_id == order_id, _payments.c.state.in_(LIVE_STATES)
    )
    return await first_row(db, statement)


async def payments_of_order(db: AsyncSession, order_id: UUID) -> Sequence[sa.RowMapping]:
    """All attempts to pay an order, oldest first."""
    return await all_rows(db, _payments_of, {"of_order": order_id})


async def move_payment(
    db: AsyncSession,
    charge: Charge,
    origins: Sequence[PaymentState],
    target: PaymentState,
    values: dict[str, Any],
) -> sa.RowMapping | None:
    """Move a payment if its state is among the origins and allows it.

    Of another amount it moves only where nothing was taken.
    """
    allowed = [state for state in may_come_from(target) if state in origins]
    statement = sa.update(_payments).where(
        _payments.c.id == charge.payment_id, _payments.c.state.in_(allowed)
    )
    if charge.state not in NOTHING_TAKEN:
        statement = statement.where(
            _payments.c.amount == charge.amount, _payments.c.currency == charge.currency
        )
    return await first_row(db, statement.values(state=target, **values).returning(_payments))


async def claim_unsettled(
    db: AsyncSession, now: datetime, ask_again_at: datetime, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Payments whose end we should ask for now; the next question about each is put off first."""
    due = (
        sa.select(_payments.c.id)
        .where(_payments.c.state.in_(UNSETTLED_STATES), _payments.c.ask_after <= now)
        .order_by(_payments.c.ask_after)
        .limit(rows_max)
        .with_for_update(skip_locked=True)
        # As a subquery of IN the planner may run it again for each row, past its limit.
        .cte("due")
    )
    claim = (
        sa.update(_payments)
        .where(_payments.c.id.in_(sa.select(due.c.id)))
        .values(ask_after=ask_again_at)
        .returning(_payments)
    )
    return await all_rows(db, claim)


async def unwant(db: AsyncSession, order_id: UUID) -> None:
    """Note that nobody wants an order's unsettled payment any more."""
    await db.execute(
        sa.update(_payments)
        .where(_payments.c.order_id == order_id, _payments.c.state.in_(UNSETTLED_STATES))
        .values(is_unwanted=True)
    )


async def quarantine(db: AsyncSession, payment_id: UUID, reason: str, ask_after: datetime) -> None:
    """Note what was told of a payment and not believed; of several reasons always the same one."""
    noted = _payments.c.quarantine_reason
    is_first = sa.or_(noted.is_(None), noted > reason)
    await db.execute(
        sa.update(_payments)
        .where(_payments.c.id == payment_id)
        .values(
            quarantine_reason=sa.case((is_first, reason), else_=noted),
            ask_after=sa.case(
                (_payments.c.state.in_(UNSETTLED_STATES), ask_after), else_=_payments.c.ask_after
            ),
        )
    )


async def payments_of_shop(
    db: AsyncSession,
    shop_id: UUID,
    after: UUID | None,
    limit: int,
    *,
    quarantined: bool | None,
) -> Sequence[sa.RowMapping]:
    """A shop's payments, newest first, from an id on; all, or (not) quarantined ones."""
    reason = _payments.c.quarantine_reason
    statement = sa.select(_payments).where(_payments.c.shop_id == shop_id)
    if quarantined is not None:
        statement = statement.where(reason.is_not(None) if quarantined else reason.is_(None))
    if after is not None:
        statement = statement.where(_payments.c.id < after)
    return await all_rows(db, statement.order_by(_payments.c.id.desc()).limit(limit))


async def payment_named(
    db: AsyncSession, reference: str, gateway: str | None
) -> sa.RowMapping | None:
    """The payment a provider calls so; `None` where that is not exactly one."""
    statement = sa.select(_payments).where(_payments.c.reference == reference)
    if gateway is not None:
        statement = statement.where(_payments.c.gateway == gateway)
    found = await all_rows(db, statement.limit(2))
    return found[0] if len(found) == 1 else None


async def set_aside(
    db: AsyncSession, payment_id: UUID, charge: Charge, reason: str
) -> sa.RowMapping | None:
    """Keep a second capture apart; all of it is owed back. `None` where it is not one any more."""
    statement = (
        sa.update(_payments)
        .where(
            _payments.c.id == payment_id,
            _payments.c.state.in_(may_come_from(PaymentState.SURPLUS)),
        )
        .values(
            state=PaymentState.SURPLUS,
            reference=charge.reference,
            reason=reason,
            captured_at=charge.at,
            fee_amount=charge.fee_amount,
            refund_owed_amount=_payments.c.amount,
        )
        .returning(_payments)
    )
    return await first_row(db, statement)


async def raise_fee(db: AsyncSession, payment_id: UUID, fee_amount: int) -> bool:
    """Note a provider's fee that is told after the capture; the highest told is it."""
    statement = (
        sa.update(_payments)
        .where(_payments.c.id == payment_id, _payments.c.fee_amount < fee_amount)
        .values(fee_amount=fee_amount)
    )
    return await changed(db, statement) > 0


async def owe(db: AsyncSession, order_id: UUID, amount: int | None) -> sa.RowMapping | None:
    """Set money of an order's captured payment aside for a refund; all that is left for `None`.

    Nothing is while a dispute is open, and nothing of what the buyer has won by one.
    """
    left = _payments.c.amount - _payments.c.refund_owed_amount - _payments.c.lost_amount
    wanted = left if amount is None else sa.literal(amount, sa.BigInteger)
    statement = (
        sa.update(_payments)
        .where(
            _payments.c.order_id == order_id,
            _payments.c.state == PaymentState.CAPTURED,
            _payments.c.disputed_amount == 0,
            wanted > 0,
            wanted <= left,
        )
        .values(refund_owed_amount=_payments.c.refund_owed_amount + wanted)
        .returning(_payments)
    )
    return await first_row(db, statement)


async def owe_told(db: AsyncSession, payment_id: UUID, amount: int) -> bool:
    """Set money aside for a refund that the provider has made already, whatever is disputed."""
    owed = _payments.c.refund_owed_amount + amount
    statement = (
        sa.update(_payments)
        .where(
            _payments.c.id == payment_id,
            _payments.c.state.in_(HELD_STATES),
            owed <= _payments.c.amount,
        )
        .values(refund_owed_amount=owed)
    )
    return await changed(db, statement) > 0


async def resize_refund(db: AsyncSession, refund_id: UUID, amount: int) -> None:
    """Let a refund be of another amount; what its payment owes is the caller's."""
    await db.execute(sa.update(_refunds).where(_refunds.c.id == refund_id).values(amount=amount))


async def settle_quarantine(db: AsyncSession, payment_id: UUID, reason: str) -> None:
    """What was kept apart for this reason has found its place."""
    statement = sa.update(_payments).where(
        _payments.c.id == payment_id, _payments.c.quarantine_reason == reason
    )
    await db.execute(statement.values(quarantine_reason=None))


async def add_refund(db: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert unless the shop has a refund of this reference or id; says whether it did."""
    wanted = upsert(db, _refunds).values(**values).on_conflict_do_nothing()
    return await changed(db, wanted) > 0


async def refunds_of_order(db: AsyncSession, order_id: UUID) -> Sequence[sa.RowMapping]:
    """All refunds of an order, oldest first."""
    return await all_rows(db, _refunds_of, {"of_order": order_id})


async def refunds_of_shop(
    db: AsyncSession, shop_id: UUID, state: RefundStatus | None, after: UUID | None, limit: int
) -> Sequence[sa.RowMapping]:
    """A shop's refunds in one state or all, newest first, from an id on."""
    statement = sa.select(_refunds).where(_refunds.c.shop_id == shop_id)
    if state is not None:
        statement = statement.where(_refunds.c.state == state)
    if after is not None:
        statement = statement.where(_refunds.c.id < after)
    return await all_rows(db, statement.order_by(_refunds.c.id.desc()).limit(limit))


async def refund_of_shop(db: AsyncSession, shop_id: UUID, refund_id: UUID) -> sa.RowMapping | None:
    """One refund of this shop."""
    statement = sa.select(_refunds).where(_refunds.c.id == refund_id, _refunds.c.shop_id == shop_id)
    return await first_row(db, statement)


async def refunds_of_payment(db: AsyncSession, payment_id: UUID) -> Sequence[sa.RowMapping]:
    """All refunds of one payment, oldest first."""
    statement = sa.select(_refunds).where(_refunds.c.payment_id == payment_id)
    return await all_rows(db, statement.order_by(_refunds.c.id))


async def send_now(db: AsyncSession, refund_id: UUID, at: datetime) -> sa.RowMapping | None:
    """Let a refund be sent again at once; `None` where it has succeeded."""
    statement = (
        sa.update(_refunds)
        .where(_refunds.c.id == refund_id, _refunds.c.state != RefundStatus.SUCCEEDED)
        .values(send_after=at)
        .returning(_refunds)
    )
    return await first_row(db, statement)


async def claim_refunds(
    db: AsyncSession, now: datetime, lease_until: datetime, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Lease refunds that are due to be sent; a rival worker gets others."""
    free = sa.or_(_refunds.c.lease_until.is_(None), _refunds.c.lease_until < now)
    due = (
        sa.select(_refunds.c.id)
        .where(
            _refunds.c.state != RefundStatus.SUCCEEDED,
            _refunds.c.send_after <= now,
            free,
            ~is_called_back(),
        )
        .order_by(_refunds.c.send_after)
        .limit(rows_max)
        .with_for_update(skip_locked=True, of=_refunds)
        # As a subquery of IN the planner may run it again for each row, past its limit.
        .cte("due")
    )
    claim = (
        sa.update(_refunds)
        .where(_refunds.c.id.in_(sa.select(due.c.id)))
        .values(lease_until=lease_until, attempts=_refunds.c.attempts + 1)
        .returning(_refunds)
    )
    return await all_rows(db, claim)


async def refund(db: AsyncSession, refund_id: UUID) -> sa.RowMapping | None:
    """One refund."""
    return await first_row(db, sa.select(_refunds).where(_refunds.c.id == refund_id))


async def refund_named(
    db: AsyncSession, reference: str, gateway: str | None
) -> sa.RowMapping | None:
    """The refund of which a provider has told a round of this name."""
    statement = (
        sa.select(_refunds)
        .join(_rounds, _rounds.c.refund_id == _refunds.c.id)
        .where(_rounds.c.reference == reference)
    )
    if gateway is not None:
        statement = statement.join(_payments, _payments.c.id == _refunds.c.payment_id)
        statement = statement.where(_payments.c.gateway == gateway)
    return await first_row(db, statement.limit(1))


async def resend_later(db: AsyncSession, refund_id: UUID, at: datetime, error: str) -> None:
    """Give back the lease of a refund and name the next try."""
    await db.execute(
        sa.update(_refunds)
        .where(_refunds.c.id == refund_id, _refunds.c.state != RefundStatus.SUCCEEDED)
        .values(lease_until=None, send_after=at, last_error=error)
    )


async def lock_payment(db: AsyncSession, payment_id: UUID) -> sa.RowMapping | None:
    """Take the payment's lock by writing it; the row as it then stands."""
    statement = (
        sa.update(_payments)
        .where(_payments.c.id == payment_id)
        .values(refunded_amount=_payments.c.refunded_amount)
        .returning(_payments)
    )
    return await first_row(db, statement)


async def move_refund(db: AsyncSession, refund_id: UUID, values: dict[str, Any]) -> None:
    """Write how a refund stands now and give its lease back; its payment is held."""
    await db.execute(
        sa.update(_refunds).where(_refunds.c.id == refund_id).values(lease_until=None, **values)
    )


async def add_refunded(db: AsyncSession, payment_id: UUID, amount: int) -> int:
    """Count money that came back to the buyer, or (below zero) bounced; the payment's total."""
    statement = (
        sa.update(_payments)
        .where(_payments.c.id == payment_id)
        .values(refunded_amount=_payments.c.refunded_amount + amount)
        .returning(_payments.c.refunded_amount)
    )
    return int((await db.execute(statement)).scalar_one())
