"""Units of a campaign: its quota, and what one member may have of it; last in the lock order."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.groupbuy.errors import MemberUnitsReached, QuotaSoldOut
from app.groupbuy.repository import campaigns as repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Units that a member takes of a campaign, and what the campaign limits of them."""

    campaign_id: UUID
    member_id: UUID
    units: int
    has_quota: bool
    member_units_max: int | None


async def take_units(db: AsyncSession, draw: Draw) -> None:
    """Take units of the campaign's quota and of the member's own; raises where they are gone."""
    if draw.has_quota and not await repository.take_quota(db, draw.campaign_id, draw.units):
        raise QuotaSoldOut
    most = draw.member_units_max
    if most is not None and not await repository.take_member_units(
        db, draw.campaign_id, draw.member_id, draw.units, most=most
    ):
        raise MemberUnitsReached(member_units_max=most)
