"""All SQL of what was told of each try to send a refund."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, table, upsert
from app.payments.gateway import RefundState
from app.payments.models import RefundRound

_rounds = table(RefundRound)


async def rounds_of(db: AsyncSession, refund_id: UUID) -> dict[str, RefundState]:
    """The furthest word on each round of a refund."""
    statement = sa.select(_rounds).where(_rounds.c.refund_id == refund_id)
    return {row["reference"]: row["state"] for row in await all_rows(db, statement)}


async def tell_round(
    db: AsyncSession, refund_id: UUID, reference: str, state: RefundState, at: datetime
) -> None:
    """Keep the word on a round; whoever calls holds the payment, so nobody tells it at once."""
    told = {"state": state, "told_at": at}
    row = upsert(db, _rounds).values(refund_id=refund_id, reference=reference, **told)
    await db.execute(
        row.on_conflict_do_update(index_elements=["refund_id", "reference"], set_=told)
    )
