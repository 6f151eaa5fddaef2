"""A member is erased, as soon as nothing is owed any more.

Every feature forgets for itself. This stands above them all, as the decision needs all of them.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.community import service as community
from app.core.audit_log import note
from app.core.events import record
from app.groupbuy import service as groupbuy
from app.identity import service as identity
from app.orders import service as orders
from app.privacy.errors import ErasureWaits
from app.privacy.events import MemberErased
from app.privacy.repository.waiting import shops_of, waiting


@dataclass(frozen=True, slots=True)
class Erasure:
    """Who was erased, and when."""

    member_id: UUID
    erased_at: datetime


async def erase(
    db: AsyncSession, member_id: UUID, *, now: datetime, reference: str | None = None
) -> Erasure:
    """Forget who a member is; `reference` is that of a request by mail, with nothing personal.

    Raises `ErasureWaits` with what is not over. Idempotent: the first time counts.
    """
    erased_at = await identity.hold_for_erasure(db, member_id)
    if erased_at is not None:
        return Erasure(member_id, erased_at)
    if unended := await waiting(db, member_id):
        raise ErasureWaits(waiting=unended)
    await forget(db, member_id, now=now)
    await identity.mark_erased(db, member_id, now=now)
    change = (None, {"reference": reference})
    await note(db, "member.erased", ("member", member_id), at=now, change=change)
    # Each shop is told by a fact of its own: what belongs to no shop is heard by none.
    for shop_id in await shops_of(db, member_id):
        fact = MemberErased(at=now, shop_id=shop_id, aggregate_id=member_id, member_id=member_id)
        await record(db, fact)
    return Erasure(member_id, erased_at=now)


async def forget(db: AsyncSession, member_id: UUID, *, now: datetime) -> None:
    """Have every feature forget a member. Idempotent; what has not ended is left as it is."""
    await groupbuy.forget_member(db, member_id)
    await orders.forget_member(db, member_id)
    await community.forget_member(db, member_id, now=now)
    await identity.forget_member(db, member_id)
