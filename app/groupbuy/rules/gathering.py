"""How a group comes together, decided without any I/O: places, payments, leaving and the end.

The services hold a group's row, ask here what becomes of it, and write the answer back against
the version they hold; the one statement that takes a place says the same in SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from app.groupbuy.models import GroupStatus, SeatStatus

GROUP_MOVES: Mapping[GroupStatus, frozenset[GroupStatus]] = {
    GroupStatus.PENDING: frozenset({GroupStatus.OPEN, GroupStatus.CANCELLED}),
    GroupStatus.OPEN: frozenset({GroupStatus.SUCCEEDED, GroupStatus.FAILED, GroupStatus.CANCELLED}),
    GroupStatus.SUCCEEDED: frozenset(),
    GroupStatus.FAILED: frozenset(),
    GroupStatus.CANCELLED: frozenset(),
}
assert GROUP_MOVES.keys() == set(GroupStatus), "every state has a row"

SEAT_MOVES: Mapping[SeatStatus, frozenset[SeatStatus]] = {
    SeatStatus.RESERVED: frozenset({SeatStatus.PAID, SeatStatus.RELEASED}),
    SeatStatus.PAID: frozenset({SeatStatus.CONFIRMED, SeatStatus.REFUND_DUE}),
    SeatStatus.CONFIRMED: frozenset(),
    # Money may come for a seat that was given up: it is seated again, or the money goes back.
    SeatStatus.RELEASED: frozenset({SeatStatus.PAID, SeatStatus.REFUND_DUE}),
    SeatStatus.REFUND_DUE: frozenset({SeatStatus.REFUNDED, SeatStatus.REFUND_FAILED}),
    # A refund that the provider refused is tried again until it is through.
    SeatStatus.REFUND_FAILED: frozenset({SeatStatus.REFUNDED}),
    # A bank may send money back that had arrived.
    SeatStatus.REFUNDED: frozenset({SeatStatus.REFUND_FAILED}),
}
assert SEAT_MOVES.keys() == set(SeatStatus), "every state has a row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """What of a group decides: how many it has room for, wants, holds and has been paid by.

    `paid_min` paid members are enough at the deadline, `capacity` at once.
    """

    status: GroupStatus
    capacity: int
    paid_min: int
    group_seconds: int
    taken: int
    paid: int
    opened_at: datetime | None = None
    deadline_at: datetime | None = None
    succeeded_at: datetime | None = None
    ended_at: datetime | None = None

    @staticmethod
    def of(row: Mapping[Any, Any]) -> "Gathering":
        """The part of a stored group that decides."""
        return Gathering(**{name: row[name] for name in FIELDS})

    @property
    def is_alive(self) -> bool:
        """Whether anything can still become of it."""
        return self.status in (GroupStatus.PENDING, GroupStatus.OPEN)

    @property
    def is_short(self) -> bool:
        """Whether it succeeded though there was room for more."""
        return self.status is GroupStatus.SUCCEEDED and self.paid < self.capacity


FIELDS = tuple(field.name for field in fields(Gathering))


def opened(*, capacity: int, paid_min: int, group_seconds: int) -> Gathering:
    """A group whose leader holds a place and has not paid."""
    return Gathering(
        status=GroupStatus.PENDING,
        capacity=capacity,
        paid_min=paid_min,
        group_seconds=group_seconds,
        taken=1,
        paid=0,
    )


def is_over(group: Gathering, now: datetime) -> bool:
    """Whether its time to join is over; news of payments is heard a little longer."""
    return group.deadline_at is not None and group.deadline_at <= now


def has_room(group: Gathering, now: datetime) -> bool:
    """Whether somebody may take a place now."""
    is_open = group.status is GroupStatus.OPEN and not is_over(group, now)
    return is_open and group.taken < group.capacity


def may_be_left(group: Gathering, now: datetime) -> bool:
    """Whether a paid seat may be given up: at its deadline the group is what it has become."""
    return group.status is GroupStatus.OPEN and not is_over(group, now)


def seat_expiry(now: datetime, ttl_seconds: int, deadline_at: datetime | None) -> datetime:
    """How long a seat is held unpaid: never past its group's deadline.

    Money taken after the deadline would have to go back, so no payment may begin then; the grace
    is for news of money that was taken before.
    """
    until = now + timedelta(seconds=ttl_seconds)
    return until if deadline_at is None else min(until, deadline_at)


def with_place(group: Gathering) -> Gathering:
    """One more live seat; the caller has seen that there is room."""
    return replace(group, taken=group.taken + 1)


def counts(group: Gathering, captured_at: datetime) -> bool:
    """Whether money captured then is in time, whenever its news comes."""
    in_time = group.deadline_at is None or captured_at <= group.deadline_at
    return group.is_alive and in_time


def completes(group: Gathering) -> bool:
    """Whether one more payment makes it full and paid."""
    return group.paid + 1 >= group.capacity


def with_payment(group: Gathering, captured_at: datetime, now: datetime) -> Gathering:
    """One more paid seat: the first opens the group, the last of a full one makes it succeed."""
    opened_at = group.opened_at or captured_at
    grown = replace(
        group,
        status=GroupStatus.OPEN,
        paid=group.paid + 1,
        opened_at=opened_at,
        deadline_at=group.deadline_at or opened_at + timedelta(seconds=group.group_seconds),
    )
    return _succeeded(grown, now) if completes(group) else grown


def without_unpaid(group: Gathering, now: datetime) -> Gathering:
    """One held place less; a group whose leader never paid ends with it."""
    left = replace(group, taken=group.taken - 1)
    if group.status is GroupStatus.PENDING:
        return replace(left, status=GroupStatus.CANCELLED, ended_at=now)
    return left


def without_paid(group: Gathering, now: datetime) -> Gathering:
    """One paid seat less; the group ends when nobody who paid is left in it."""
    left = replace(group, taken=group.taken - 1, paid=group.paid - 1)
    if left.paid:
        return left
    return replace(left, status=GroupStatus.CANCELLED, taken=0, ended_at=now)


def settled(group: Gathering, overdue_before: datetime, now: datetime) -> Gathering | None:
    """What a group becomes whose deadline and grace have passed; `None` where it is not due."""
    due = group.deadline_at is not None and group.deadline_at <= overdue_before
    if group.status is not GroupStatus.OPEN or not due:
        return None
    if group.paid >= group.paid_min:
        return _succeeded(group, now)
    return ended(group, now)


def ended(group: Gathering, now: datetime) -> Gathering:
    """A group that came to nothing: nobody is in it any more."""
    status = GroupStatus.CANCELLED if group.status is GroupStatus.PENDING else GroupStatus.FAILED
    return replace(group, status=status, taken=0, paid=0, ended_at=now)


def _succeeded(group: Gathering, now: datetime) -> Gathering:
    return replace(group, status=GroupStatus.SUCCEEDED, succeeded_at=now, ended_at=now)


def may_sit_again(group: Gathering, captured_at: datetime) -> bool:
    """Whether money for a place that was given up finds one free once more."""
    free = group.status is GroupStatus.OPEN and group.taken < group.capacity
    return free and counts(group, captured_at)
