"""What happened to coupons; what became of one with an order is told by the order."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponClaimed(Event):
    """A member has a coupon in the purse."""

    kind: ClassVar[str] = "coupon.claimed"
    aggregate: ClassVar[str] = "coupon"

    coupon_id: UUID
    batch_id: UUID
    member_id: UUID


EVENTS: tuple[type[Event], ...] = (CouponClaimed,)
