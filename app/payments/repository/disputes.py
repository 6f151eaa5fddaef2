"""All SQL of disputes."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, first_row, table
from app.payments.gateway import DisputeState
from app.payments.models import Payment, PaymentDispute, PaymentState, Refund

_payments = table(Payment)
_refunds = table(Refund)
_disputes = table(PaymentDispute)


async def named(db: AsyncSession, gateway: str, reference: str) -> sa.RowMapping | None:
    """The dispute that a provider calls so."""
    statement = sa.select(_disputes).where(
        _disputes.c.gateway == gateway, _disputes.c.reference == reference
    )
    return await first_row(db, statement)


async def add(db: AsyncSession, values: dict[str, Any]) -> sa.RowMapping:
    """Insert a dispute that nobody has told of before."""
    statement = sa.insert(_disputes).values(**values).returning(_disputes)
    row: sa.RowMapping = (await db.execute(statement)).mappings().one()
    return row


async def move(db: AsyncSession, dispute_id: UUID, values: dict[str, Any]) -> sa.RowMapping:
    """Write the further word on a dispute; its payment is held."""
    statement = (
        sa.update(_disputes)
        .where(_disputes.c.id == dispute_id)
        .values(**values)
        .returning(_disputes)
    )
    row: sa.RowMapping = (await db.execute(statement)).mappings().one()
    return row


async def count_on_payment(db: AsyncSession, payment_id: UUID) -> None:
    """Add up anew what is open and what is lost of a payment."""

    def total(state: DisputeState) -> Any:
        amounts = sa.select(sa.func.coalesce(sa.func.sum(_disputes.c.amount), 0)).where(
            _disputes.c.payment_id == _payments.c.id, _disputes.c.state == state
        )
        return amounts.correlate(_payments).scalar_subquery()

    await db.execute(
        sa.update(_payments)
        .where(_payments.c.id == payment_id)
        .values(disputed_amount=total(DisputeState.OPEN), lost_amount=total(DisputeState.LOST))
    )


async def states_of_order(db: AsyncSession, order_id: UUID) -> frozenset[DisputeState]:
    """The states of all disputes about the payment that counts for an order."""
    statement = (
        sa.select(_disputes.c.state)
        .join(_payments, _payments.c.id == _disputes.c.payment_id)
        .where(_disputes.c.order_id == order_id, _payments.c.state == PaymentState.CAPTURED)
    )
    return frozenset((await db.execute(statement)).scalars())


async def of_shop(
    db: AsyncSession, shop_id: UUID, state: DisputeState | None, after: UUID | None, limit: int
) -> Sequence[sa.RowMapping]:
    """A shop's disputes in one state or all, newest first, from an id on."""
    statement = sa.select(_disputes).where(_disputes.c.shop_id == shop_id)
    if state is not None:
        statement = statement.where(_disputes.c.state == state)
    if after is not None:
        statement = statement.where(_disputes.c.id < after)
    return await all_rows(db, statement.order_by(_disputes.c.id.desc()).limit(limit))


def is_called_back() -> sa.ColumnElement[bool]:
    """Whether a refund's money may be gone while a bank decides, or is by a bank's decision.

    It must not go twice. Where not all refunds fit beside what was lost, the earlier ones do; and
    what has been sent already is asked about all the same.
    """
    earlier = _refunds.alias("earlier")
    decided = sa.select(sa.func.sum(earlier.c.amount)).where(
        earlier.c.payment_id == _refunds.c.payment_id, earlier.c.id <= _refunds.c.id
    )
    beyond = decided.correlate(_refunds).scalar_subquery() + _payments.c.lost_amount
    is_lost = sa.and_(
        _payments.c.lost_amount > 0,
        beyond > _payments.c.amount,
        _refunds.c.gateway_reference.is_(None),
    )
    return sa.exists().where(
        _payments.c.id == _refunds.c.payment_id,
        sa.or_(_payments.c.disputed_amount > 0, is_lost),
    )
