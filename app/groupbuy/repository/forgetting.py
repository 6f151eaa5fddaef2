"""What group buys know of one member beyond its seats."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import table
from app.groupbuy.models import ProofShown

_proofs = table(ProofShown)


async def forget(db: AsyncSession, member_id: UUID) -> None:
    """Forget who looked; that somebody did is counted on."""
    mine = _proofs.c.member_id == member_id
    await db.execute(sa.update(_proofs).where(mine).values(member_id=None))
