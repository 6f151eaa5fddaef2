"""What members and operators look at: open groups, who sits in them, and figures."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import Paging, Slice, beyond
from app.core.sql import all_rows, first_row, ids_in, table
from app.groupbuy.models import Campaign, Group, GroupStatus, Seat, SeatStatus

_campaigns = table(Campaign)
_groups = table(Group)
_seats = table(Seat)

_LIVE = (SeatStatus.RESERVED, SeatStatus.PAID, SeatStatus.CONFIRMED)


async def open_groups(
    db: AsyncSession, campaign_id: UUID, paging: Paging, *, now: datetime
) -> Slice[sa.RowMapping]:
    """A page of the groups of a campaign that have a free place, the most urgent first."""
    key = (_groups.c.deadline_at, _groups.c.id)
    statement = sa.select(_groups).where(
        _groups.c.campaign_id == campaign_id,
        _groups.c.status == GroupStatus.OPEN,
        _groups.c.taken < _groups.c.capacity,
        _groups.c.deadline_at > now,
    )
    after = paging.after(datetime.fromisoformat, UUID)
    if after is not None:
        statement = statement.where(beyond(key, after, descending=False))
    rows = await all_rows(db, statement.order_by(*key).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["deadline_at"].isoformat(), row["id"]))


async def group(db: AsyncSession, group_id: UUID) -> sa.RowMapping | None:
    """One group with the name and the product of its campaign."""
    statement = (
        sa.select(_groups, _campaigns.c.product_id, _campaigns.c.name.label("campaign_name"))
        .join(_campaigns, _campaigns.c.id == _groups.c.campaign_id)
        .where(_groups.c.id == group_id)
    )
    return await first_row(db, statement)


async def live_seats(db: AsyncSession, group_id: UUID) -> Sequence[sa.RowMapping]:
    """The seats that count, in the order they were taken."""
    statement = (
        sa.select(_seats)
        .where(_seats.c.group_id == group_id, _seats.c.status.in_(_LIVE))
        .order_by(_seats.c.id)
    )
    return await all_rows(db, statement)


async def seats_of_member(
    db: AsyncSession, member_id: UUID, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a member's seats with their groups, the newest first."""
    statement = (
        sa.select(
            _seats.c.id,
            _seats.c.order_id,
            _seats.c.quantity,
            _seats.c.status,
            _seats.c.created_at,
            _seats.c.expires_at,
            _groups.c.id.label("group_id"),
            _groups.c.shop_id,
            _groups.c.campaign_id,
            _campaigns.c.product_id,
            _campaigns.c.name.label("campaign_name"),
            _groups.c.status.label("group_status"),
            _groups.c.capacity.label("size"),
            _groups.c.paid,
            (_groups.c.capacity - _groups.c.taken).label("seats_left"),
            _groups.c.deadline_at,
        )
        .join(_groups, _groups.c.id == _seats.c.group_id)
        .join(_campaigns, _campaigns.c.id == _groups.c.campaign_id)
        .where(_seats.c.member_id == member_id)
    )
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(_seats.c.id < after[0])
    rows = await all_rows(db, statement.order_by(_seats.c.id.desc()).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["id"],))


async def figures(db: AsyncSession, campaign_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """How many groups of campaigns are in each status, with their seats taken and paid."""
    statement = (
        sa.select(
            _groups.c.campaign_id,
            _groups.c.status,
            sa.func.count().label("groups"),
            sa.func.sum(_groups.c.taken).label("taken"),
            sa.func.sum(_groups.c.paid).label("paid"),
        )
        .where(ids_in(db, _groups.c.campaign_id, campaign_ids))
        .group_by(_groups.c.campaign_id, _groups.c.status)
    )
    return await all_rows(db, statement)
