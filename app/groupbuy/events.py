"""What happened to groups and seats."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOpened(Event):
    """The leader has paid: the clock runs and others may join."""

    kind: ClassVar[str] = "group.opened"
    aggregate: ClassVar[str] = "group"

    group_id: UUID
    campaign_id: UUID
    leader_member_id: UUID
    capacity: int
    deadline_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSucceeded(Event):
    """Enough members have paid; `order_ids` may be fulfilled now."""

    kind: ClassVar[str] = "group.succeeded"
    aggregate: ClassVar[str] = "group"

    group_id: UUID
    campaign_id: UUID
    order_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFailed(Event):
    """The deadline passed or nobody is left; `cause` says which.

    Every paid order gets its money back, every unpaid one is void; `units` go back to the quota.
    """

    kind: ClassVar[str] = "group.failed"
    aggregate: ClassVar[str] = "group"

    group_id: UUID
    campaign_id: UUID
    cause: str
    paid_order_ids: tuple[UUID, ...]
    unpaid_order_ids: tuple[UUID, ...]
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatPaidTooLate(Event):
    """Money came for a seat that was given up or whose group had ended: it is owed back.

    `units` go back to the quota; none when the seat had been given up before.
    """

    kind: ClassVar[str] = "seat.paid_too_late"
    aggregate: ClassVar[str] = "group"

    group_id: UUID
    campaign_id: UUID
    order_id: UUID
    units: int


EVENTS: tuple[type[Event], ...] = (GroupOpened, GroupSucceeded, GroupFailed, SeatPaidTooLate)
