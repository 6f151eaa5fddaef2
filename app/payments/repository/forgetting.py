"""What payments and their providers' messages hold of a payer."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import ids_in, table
from app.payments.models import UNSETTLED_STATES, HookEventRow, HookState, Payment

_payments = table(Payment)
_hooks = table(HookEventRow)
NOTHING = "{}"


async def forget(db: AsyncSession, order_ids: Sequence[UUID]) -> None:
    """Empty what the payer paid with, and what a provider has told of the payer."""
    mine = ids_in(db, _payments.c.order_id, order_ids)
    told = sa.select(_payments.c.id).where(mine)
    settled = _payments.c.state.not_in(UNSETTLED_STATES)
    await db.execute(sa.update(_payments).where(mine, settled).values(token=""))
    await db.execute(
        sa.update(_hooks)
        .where(_hooks.c.payment_id.in_(told), _hooks.c.state != HookState.WAITING)
        .values(body=NOTHING)
    )
