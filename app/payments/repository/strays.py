"""All SQL of captures that were not as they were asked for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import changed, first_row, table, upsert
from app.payments.gateway import RefundState
from app.payments.models import StrayCapture, StrayRefund

_strays = table(StrayCapture)
_refunds = table(StrayRefund)


async def add(db: AsyncSession, values: Mapping[str, Any]) -> bool:
    """Keep a stray capture unless it is kept already; says whether it is new."""
    statement = upsert(db, _strays).values(**values)
    kept = statement.on_conflict_do_nothing(index_elements=["gateway", "reference"])
    return await changed(db, kept) > 0


async def named(db: AsyncSession, gateway: str, reference: str) -> sa.RowMapping | None:
    """The stray capture that a provider calls so, unless it has turned out to be none."""
    statement = sa.select(_strays).where(
        _strays.c.gateway == gateway, _strays.c.reference == reference, ~_strays.c.is_void
    )
    return await first_row(db, statement)


async def raise_fee(db: AsyncSession, stray_id: UUID, fee_amount: int) -> bool:
    """Note a provider's fee that is told later; the highest told is it."""
    statement = (
        sa.update(_strays)
        .where(_strays.c.id == stray_id, _strays.c.fee_amount < fee_amount)
        .values(fee_amount=fee_amount)
    )
    return await changed(db, statement) > 0


async def void(db: AsyncSession, stray_id: UUID) -> None:
    """It was no stray capture."""
    await db.execute(sa.update(_strays).where(_strays.c.id == stray_id).values(is_void=True))


async def refund(db: AsyncSession, stray_id: UUID, reference: str) -> sa.RowMapping | None:
    """The refund of a stray capture that a provider calls so."""
    statement = sa.select(_refunds).where(
        _refunds.c.stray_id == stray_id, _refunds.c.reference == reference
    )
    return await first_row(db, statement)


async def tell_refund(
    db: AsyncSession,
    stray_id: UUID,
    reference: str,
    amount: int,
    state: RefundState,
    at: datetime,
) -> None:
    """Keep the further word on a refund; whoever calls holds the payment."""
    told = {"state": state, "told_at": at}
    row = upsert(db, _refunds).values(stray_id=stray_id, reference=reference, amount=amount, **told)
    await db.execute(row.on_conflict_do_update(index_elements=["stray_id", "reference"], set_=told))
