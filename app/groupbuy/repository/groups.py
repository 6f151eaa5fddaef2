"""Groups and seats.

A seat changes only while its group's row is held by the same writer, with one exception: a seat
that is owed its money becomes refunded without it, since no count of the group depends on which
of these two it is.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import beyond
from app.core.sql import all_rows, changed, first_row, table, upsert
from app.groupbuy.models import Campaign, CampaignStatus, Group, GroupStatus, Seat, SeatStatus
from app.groupbuy.rules import SEAT_MOVES

_campaigns = table(Campaign)
_groups = table(Group)
_seats = table(Seat)


async def add_group(db: AsyncSession, values: dict[str, Any], *, now: datetime) -> bool:
    """Insert a group if its campaign runs, which is decided here: a stop may have come between."""
    running = sa.select(*(sa.literal(v, _groups.c[k].type) for k, v in values.items())).where(
        _campaigns.c.id == values["campaign_id"],
        _campaigns.c.status == CampaignStatus.SCHEDULED,
        _campaigns.c.starts_at <= now,
        _campaigns.c.ends_at > now,
    )
    return await changed(db, sa.insert(_groups).from_select(list(values), running)) > 0


async def take_place(db: AsyncSession, group_id: UUID, *, now: datetime) -> sa.RowMapping | None:
    """Take one place if the group is open, not over and not full; decided in this statement."""
    statement = (
        sa.update(_groups)
        .where(
            _groups.c.id == group_id,
            _groups.c.status == GroupStatus.OPEN,
            _groups.c.taken < _groups.c.capacity,
            _groups.c.deadline_at > now,
        )
        .values(taken=_groups.c.taken + 1)
        .returning(_groups)
    )
    return await first_row(db, statement)


async def add_seat(db: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert a seat unless the member has a live one in the group or campaign."""
    return await changed(db, upsert(db, _seats).on_conflict_do_nothing(), values) > 0


async def hold_group_of(db: AsyncSession, order_id: UUID) -> sa.RowMapping | None:
    """Take the lock of an order's group by writing it; `None` for an order without a seat.

    What follows in the same transaction sees every seat as it now is.
    """
    of_order = sa.select(_seats.c.group_id).where(_seats.c.order_id == order_id)
    return await _hold(db, _groups.c.id == of_order.scalar_subquery())


async def _hold(db: AsyncSession, which: Any) -> sa.RowMapping | None:
    statement = (
        sa.update(_groups).where(which).values(version=_groups.c.version + 1).returning(_groups)
    )
    return await first_row(db, statement)


async def move_seat(
    db: AsyncSession,
    order_id: UUID,
    origin: SeatStatus,
    target: SeatStatus,
    values: dict[str, Any],
) -> sa.RowMapping | None:
    """Move an order's seat from one state to another; `None` where it is not in the former.

    The caller names the state it comes from: what is counted for the group depends on it.
    """
    assert target in SEAT_MOVES[origin], "the table of moves has it"
    statement = (
        sa.update(_seats)
        .where(_seats.c.order_id == order_id, _seats.c.status == origin)
        .values(status=target, **values)
        .returning(_seats)
    )
    return await first_row(db, statement)


async def move_seats(
    db: AsyncSession, group_id: UUID, origin: SeatStatus, target: SeatStatus, at: datetime
) -> Sequence[sa.RowMapping]:
    """Move all seats of a group that are in one state to another."""
    statement = (
        sa.update(_seats)
        .where(_seats.c.group_id == group_id, _seats.c.status == origin)
        .values(status=target, ended_at=at)
        .returning(_seats)
    )
    return await all_rows(db, statement)


async def count_paid(
    db: AsyncSession, group_id: UUID, *, at: datetime, deadline_at: datetime, now: datetime
) -> sa.RowMapping | None:
    """Count one payment and decide success in the same statement.

    `at` is when the money was captured; a payment captured by the deadline counts, whenever its
    news comes, as long as the group still gathers. The first payment starts the clock.
    """
    full = _groups.c.paid + 1 >= _groups.c.capacity
    statement = (
        sa.update(_groups)
        .where(
            _groups.c.id == group_id,
            _groups.c.status.in_((GroupStatus.PENDING, GroupStatus.OPEN)),
            sa.or_(_groups.c.deadline_at.is_(None), _groups.c.deadline_at >= at),
        )
        .values(
            paid=_groups.c.paid + 1,
            status=sa.case((full, GroupStatus.SUCCEEDED.value), else_=GroupStatus.OPEN.value),
            opened_at=sa.func.coalesce(_groups.c.opened_at, at),
            deadline_at=sa.func.coalesce(_groups.c.deadline_at, deadline_at),
            succeeded_at=sa.case((full, sa.literal(now, _groups.c.succeeded_at.type))),
            ended_at=sa.case((full, sa.literal(now, _groups.c.ended_at.type))),
        )
        .returning(_groups)
    )
    return await first_row(db, statement)


async def give_place_back(
    db: AsyncSession, group_id: UUID, *, was_paid: bool, ends: GroupStatus | None, now: datetime
) -> None:
    """Count one live seat less; end the group when nobody is left in it."""
    values: dict[str, Any] = {"taken": _groups.c.taken - 1}
    if was_paid:
        values["paid"] = _groups.c.paid - 1
    if ends is not None:
        values |= {"status": ends, "ended_at": now}
    await db.execute(sa.update(_groups).where(_groups.c.id == group_id).values(**values))


async def clear_places(db: AsyncSession, group_id: UUID) -> None:
    """An ended group has no live seats."""
    await db.execute(sa.update(_groups).where(_groups.c.id == group_id).values(taken=0, paid=0))


async def set_leader(db: AsyncSession, group_id: UUID, member_id: UUID) -> None:
    """Pass the lead on."""
    await db.execute(
        sa.update(_groups).where(_groups.c.id == group_id).values(leader_member_id=member_id)
    )


async def earliest_paid(db: AsyncSession, group_id: UUID) -> sa.RowMapping | None:
    """The member who paid first among those who are in."""
    statement = (
        sa.select(_seats)
        .where(_seats.c.group_id == group_id, _seats.c.status == SeatStatus.PAID)
        .order_by(_seats.c.paid_at, _seats.c.id)
        .limit(1)
    )
    return await first_row(db, statement)


async def fail_if_due(
    db: AsyncSession, group_id: UUID, *, deadline_before: datetime, now: datetime
) -> sa.RowMapping | None:
    """End an open group whose deadline and grace have passed; one writer wins."""
    statement = (
        sa.update(_groups)
        .where(
            _groups.c.id == group_id,
            _groups.c.status == GroupStatus.OPEN,
            _groups.c.deadline_at <= deadline_before,
        )
        .values(status=GroupStatus.FAILED, ended_at=now)
        .returning(_groups)
    )
    return await first_row(db, statement)


async def due_groups(
    db: AsyncSession,
    deadline_before: datetime,
    *,
    after: tuple[datetime, UUID] | None,
    rows_max: int,
) -> Sequence[sa.RowMapping]:
    """Open groups whose deadline and grace have passed, oldest first, from a place on."""
    key = (_groups.c.deadline_at, _groups.c.id)
    statement = sa.select(*key).where(
        _groups.c.status == GroupStatus.OPEN, _groups.c.deadline_at <= deadline_before
    )
    if after is not None:
        statement = statement.where(beyond(key, after, descending=False))
    return await all_rows(db, statement.order_by(*key).limit(rows_max))


async def group(db: AsyncSession, group_id: UUID) -> sa.RowMapping | None:
    """One group."""
    return await first_row(db, sa.select(_groups).where(_groups.c.id == group_id))
