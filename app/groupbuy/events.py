"""What happened to groups and seats."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEvent(Event):
    """A fact about a group or one of its seats."""

    aggregate: ClassVar[str] = "group"

    group_id: UUID
    campaign_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOpened(GroupEvent):
    """The leader has paid: the clock runs and others may join."""

    kind: ClassVar[str] = "group.opened"

    leader_member_id: UUID
    capacity: int
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class PaidBack:
    """What a member gets back of an order at success: so much a unit, and a leader's reward."""

    order_id: UUID
    unit_amount: int
    reward_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSucceeded(GroupEvent):
    """Enough members have paid; `order_ids` may be fulfilled now.

    `is_short`: by its deadline, with room left for more. `paid_back` has the orders that get some
    of their money back, for the tier that the group has reached or for leading it.
    """

    kind: ClassVar[str] = "group.succeeded"

    order_ids: tuple[UUID, ...]
    paid: int
    is_short: bool
    paid_back: tuple[PaidBack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFailed(GroupEvent):
    """The deadline passed, nobody is left, or the shop stopped it; `cause` says which.

    Every paid order gets its money back, every unpaid one is void; `units` go back to the quota.
    `left_order_ids` has the order whose end left nobody: its money is on the way already.
    """

    kind: ClassVar[str] = "group.failed"

    cause: str
    paid_order_ids: tuple[UUID, ...]
    unpaid_order_ids: tuple[UUID, ...]
    left_order_ids: tuple[UUID, ...] = ()
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatPaymentRefused(GroupEvent):
    """Money came for a seat that cannot be paid any more: it is owed back.

    `cause`: `paid_too_late` (it was given up, or its group had ended), or `not_a_newcomer`.
    `units` go back to the quota; none when the seat had been given up before.
    """

    kind: ClassVar[str] = "seat.payment_refused"

    order_id: UUID
    cause: str
    units: int


EVENTS: tuple[type[Event], ...] = (GroupOpened, GroupSucceeded, GroupFailed, SeatPaymentRefused)
