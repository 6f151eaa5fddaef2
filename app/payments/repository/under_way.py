"""SQL over orders whose payment has no end yet."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import table
from app.payments.models import UNSETTLED_STATES, Payment

_payments = table(Payment)


async def being_paid(db: AsyncSession, order_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the orders that have an unsettled payment; no statement for none."""
    if not order_ids:
        return frozenset()
    mine = _payments.c.order_id.in_(order_ids)
    unsettled = sa.select(_payments.c.order_id).where(mine, _payments.c.state.in_(UNSETTLED_STATES))
    return frozenset((await db.execute(unsettled)).scalars())
