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
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import beyond
from app.core.sql import all_rows, changed, first_row, table, upsert
from app.groupbuy.models import (
    LIVE_SEATS,
    Campaign,
    CampaignStatus,
    Group,
    GroupStatus,
    Seat,
    SeatStatus,
)
from app.groupbuy.rules.gathering import FIELDS, SEAT_MOVES, Gathering

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
    """Take one place if there is room (`rules.gathering.has_room`); decided in this statement.

    A campaign that was stopped with its groups gives no more places.
    """
    stopped = (
        sa.select(sa.literal(1))
        .where(_campaigns.c.id == _groups.c.campaign_id, _campaigns.c.stop_ends_groups)
        .exists()
    )
    statement = (
        sa.update(_groups)
        .where(
            _groups.c.id == group_id,
            _groups.c.status == GroupStatus.OPEN,
            _groups.c.taken < _groups.c.capacity,
            _groups.c.deadline_at > now,
            ~stopped,
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


async def hold_living(db: AsyncSession, group_id: UUID) -> sa.RowMapping | None:
    """Take the lock of a group that has not ended by writing it; nothing is written otherwise."""
    alive = _groups.c.status.in_((GroupStatus.PENDING, GroupStatus.OPEN))
    return await _hold(db, (_groups.c.id == group_id) & alive)


async def _hold(db: AsyncSession, which: Any) -> sa.RowMapping | None:
    statement = (
        sa.update(_groups).where(which).values(version=_groups.c.version + 1).returning(_groups)
    )
    return await first_row(db, statement)


async def write(db: AsyncSession, held: sa.RowMapping, after: Gathering) -> None:
    """Write what becomes of a group that this transaction holds.

    The version is compared as well: a decision about another state than the one that is stored
    would be a fault in the program, and must not be kept.
    """
    statement = (
        sa.update(_groups)
        .where(_groups.c.id == held["id"], _groups.c.version == held["version"])
        .values({name: getattr(after, name) for name in FIELDS})
    )
    if not await changed(db, statement):
        raise RuntimeError("a group was written that was not held")


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


async def confirm_seats(
    db: AsyncSession, group_id: UUID, order_id: UUID, *, paid_at: datetime, now: datetime
) -> Sequence[sa.RowMapping]:
    """Pay the last seat and confirm all paid ones with it; none where it is not held any more."""
    own = (_seats.c.order_id == order_id) & (_seats.c.status == SeatStatus.RESERVED)
    other = _seats.alias("other")
    held = sa.select(other.c.id).where(
        other.c.order_id == order_id, other.c.status == SeatStatus.RESERVED
    )
    statement = (
        sa.update(_seats)
        .where(
            _seats.c.group_id == group_id,
            sa.or_(own, _seats.c.status == SeatStatus.PAID),
            held.exists(),
        )
        .values(
            status=SeatStatus.CONFIRMED,
            paid_at=sa.case(
                (own, sa.literal(paid_at, _seats.c.paid_at.type)), else_=_seats.c.paid_at
            ),
            ended_at=now,
        )
        .returning(_seats)
    )
    return await all_rows(db, statement)


async def sit_again(db: AsyncSession, order_id: UUID, paid_at: datetime) -> sa.RowMapping | None:
    """Pay a seat that was given up, unless its member has another live one by now."""
    statement = (
        sa.update(_seats)
        .where(_seats.c.order_id == order_id, _seats.c.status == SeatStatus.RELEASED)
        .values(status=SeatStatus.PAID, paid_at=paid_at, ended_at=None)
        .returning(_seats)
    )
    try:
        async with db.begin_nested():
            return await first_row(db, statement)
    except IntegrityError:
        return None


async def note_refunded(db: AsyncSession, order_id: UUID, at: datetime) -> None:
    """The money of a given-up seat is back, whether or not an earlier try had failed."""
    owed = (SeatStatus.REFUND_DUE, SeatStatus.REFUND_FAILED)
    await db.execute(
        sa.update(_seats)
        .where(_seats.c.order_id == order_id, _seats.c.status.in_(owed))
        .values(status=SeatStatus.REFUNDED, ended_at=at)
    )


async def sits_in(
    db: AsyncSession, campaign_id: UUID, group_id: UUID | None, member_id: UUID
) -> bool:
    """Whether a member has a seat that gathers in a campaign, or a live one in a group."""
    gathers = (_seats.c.campaign_id == campaign_id) & _seats.c.status.in_(
        (SeatStatus.RESERVED, SeatStatus.PAID)
    )
    here = (_seats.c.group_id == group_id) & _seats.c.status.in_(LIVE_SEATS)
    statement = sa.select(_seats.c.id).where(_seats.c.member_id == member_id, sa.or_(gathers, here))
    return await first_row(db, statement.limit(1)) is not None


async def live_seat(db: AsyncSession, group_id: UUID, member_id: UUID) -> sa.RowMapping | None:
    """The live seat of a member in a group."""
    statement = sa.select(_seats).where(
        _seats.c.group_id == group_id,
        _seats.c.member_id == member_id,
        _seats.c.status.in_(LIVE_SEATS),
    )
    return await first_row(db, statement)


async def seat_of(db: AsyncSession, order_id: UUID) -> sa.RowMapping | None:
    """The seat of an order, if it has one."""
    return await first_row(db, sa.select(_seats).where(_seats.c.order_id == order_id))


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


async def stopped_groups(
    db: AsyncSession, *, after: UUID | None, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Groups that live though their campaign was stopped with its groups, from a place on."""
    statement = (
        sa.select(_groups.c.id)
        .join(_campaigns, _campaigns.c.id == _groups.c.campaign_id)
        .where(
            _campaigns.c.status == CampaignStatus.STOPPED,
            _campaigns.c.stop_ends_groups,
            _groups.c.status.in_((GroupStatus.PENDING, GroupStatus.OPEN)),
        )
    )
    if after is not None:
        statement = statement.where(_groups.c.id > after)
    return await all_rows(db, statement.order_by(_groups.c.id).limit(rows_max))


async def group(db: AsyncSession, group_id: UUID) -> sa.RowMapping | None:
    """One group."""
    return await first_row(db, sa.select(_groups).where(_groups.c.id == group_id))
