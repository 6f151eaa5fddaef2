"""Our side of a provider's books: payments, refunds and disputes, by their names or by time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.repository.tables import disputes, payments, refunds, stray_refunds, strays
from app.core.sql import all_rows, ids_in
from app.payments.service import MADE_AT_PROVIDER

_OWN = (payments.c.id, payments.c.state, payments.c.amount, payments.c.currency)
PAYMENT = (*_OWN, payments.c.reference, payments.c.captured_at, payments.c.fee_amount)
REFUND = (
    refunds.c.id,
    refunds.c.state,
    refunds.c.amount,
    refunds.c.currency,
    refunds.c.reference,
    refunds.c.gateway_reference,
    refunds.c.done_at,
)


async def payments_by_id(
    db: AsyncSession, gateway: str, ids: Sequence[UUID]
) -> Sequence[sa.RowMapping]:
    """Our payments of these ids at a provider."""
    statement = sa.select(*PAYMENT).where(
        payments.c.gateway == gateway, ids_in(db, payments.c.id, ids)
    )
    return await all_rows(db, statement)


async def refunds_by_name(
    db: AsyncSession, gateway: str, ids: Sequence[UUID], references: Sequence[str]
) -> Sequence[sa.RowMapping]:
    """Our refunds of these ids, or of these names at the provider."""
    joined = refunds.join(payments, payments.c.id == refunds.c.payment_id)
    named = sa.or_(ids_in(db, refunds.c.id, ids), refunds.c.gateway_reference.in_(references))
    statement = sa.select(*REFUND).select_from(joined).where(payments.c.gateway == gateway, named)
    return await all_rows(db, statement)


async def stray_refunds_by_name(
    db: AsyncSession, gateway: str, references: Sequence[str]
) -> Sequence[sa.RowMapping]:
    """Refunds of these names that were made at the provider of captures that are nobody's."""
    joined = stray_refunds.join(strays, strays.c.id == stray_refunds.c.stray_id)
    back = stray_refunds.c
    told = (back.state, back.amount, back.reference, back.reference.label("gateway_reference"))
    statement = (
        sa.select(back.stray_id.label("id"), strays.c.currency, *told)
        .select_from(joined)
        .where(strays.c.gateway == gateway, back.reference.in_(references))
    )
    return await all_rows(db, statement)


async def disputes_by_name(
    db: AsyncSession, gateway: str, references: Sequence[str]
) -> Sequence[sa.RowMapping]:
    """Our disputes of these names at the provider."""
    names = ("reference", "state", "fee_amount", "fee_returned_amount")
    statement = sa.select(*(disputes.c[name] for name in names)).where(
        disputes.c.gateway == gateway, disputes.c.reference.in_(references)
    )
    return await all_rows(db, statement)


async def captured_since(
    db: AsyncSession, gateway: str, since: datetime, after: UUID | None, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Payments made since then whose money we count, by id, from an id on."""
    statement = sa.select(*PAYMENT).where(
        payments.c.gateway == gateway,
        payments.c.state.in_(("captured", "surplus")),
        payments.c.created_at >= since,
    )
    if after is not None:
        statement = statement.where(payments.c.id > after)
    return await all_rows(db, statement.order_by(payments.c.id).limit(rows_max))


async def refunded_since(
    db: AsyncSession, gateway: str, since: datetime, after: UUID | None, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Refunds decided since then that we count as sent, by id, from an id on.

    What was adopted from the provider's own word may have been made there long before.
    """
    joined = refunds.join(payments, payments.c.id == refunds.c.payment_id)
    statement = (
        sa.select(*REFUND)
        .select_from(joined)
        .where(
            payments.c.gateway == gateway,
            refunds.c.state == "succeeded",
            refunds.c.reason != MADE_AT_PROVIDER,
            refunds.c.created_at >= since,
        )
    )
    if after is not None:
        statement = statement.where(refunds.c.id > after)
    return await all_rows(db, statement.order_by(refunds.c.id).limit(rows_max))
