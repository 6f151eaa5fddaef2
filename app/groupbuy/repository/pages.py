"""What members and operators look at: open groups, who sits in them, and figures."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import Paging, Slice, beyond
from app.core.sql import all_rows, changed, first_row, ids_in, table
from app.groupbuy.models import LIVE_SEATS, Campaign, Group, GroupStatus, ProofShown, Seat

_campaigns = table(Campaign)
_groups = table(Group)
_seats = table(Seat)
_proofs = table(ProofShown)


async def open_groups(
    db: AsyncSession,
    campaign_id: UUID,
    near: Collection[UUID],
    paging: Paging,
    *,
    now: datetime,
) -> Slice[sa.RowMapping]:
    """A page of the groups of a campaign that have a free place.

    Those of communities that are near come first, then the most urgent.
    """
    is_near = sa.func.coalesce(ids_in(db, _groups.c.community_id, sorted(near)), sa.false())
    far = sa.case((is_near, 0), else_=1)
    key = (far, _groups.c.deadline_at, _groups.c.id)
    statement = sa.select(_groups, far.label("far")).where(
        _groups.c.campaign_id == campaign_id,
        _groups.c.status == GroupStatus.OPEN,
        _groups.c.taken < _groups.c.capacity,
        _groups.c.deadline_at > now,
    )
    after = paging.after(int, datetime.fromisoformat, UUID)
    if after is not None:
        statement = statement.where(beyond(key, after, descending=False))
    rows = await all_rows(db, statement.order_by(*key).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["far"], row["deadline_at"].isoformat(), row["id"]))


async def groups_of_campaign(
    db: AsyncSession, campaign_id: UUID, wanted: GroupStatus | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a campaign's groups in one status or all, the newest first."""
    statement = sa.select(_groups).where(_groups.c.campaign_id == campaign_id)
    if wanted is not None:
        statement = statement.where(_groups.c.status == wanted)
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(_groups.c.id < after[0])
    rows = await all_rows(db, statement.order_by(_groups.c.id.desc()).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["id"],))


async def group(db: AsyncSession, group_id: UUID) -> sa.RowMapping | None:
    """One group with what its campaign says of it."""
    campaign = (
        _campaigns.c.product_id,
        _campaigns.c.name.label("campaign_name"),
        _campaigns.c.size,
        _campaigns.c.ladder,
        _campaigns.c.min_paid,
    )
    statement = (
        sa.select(_groups, *campaign)
        .join(_campaigns, _campaigns.c.id == _groups.c.campaign_id)
        .where(_groups.c.id == group_id)
    )
    return await first_row(db, statement)


async def live_seats(db: AsyncSession, group_id: UUID) -> Sequence[sa.RowMapping]:
    """The seats that count, in the order they were taken."""
    statement = (
        sa.select(_seats)
        .where(_seats.c.group_id == group_id, _seats.c.status.in_(LIVE_SEATS))
        .order_by(_seats.c.id)
    )
    return await all_rows(db, statement)


async def seats_of_group(db: AsyncSession, group_id: UUID) -> Sequence[sa.RowMapping]:
    """All seats of a group, given-up ones too, in the order they were taken."""
    statement = sa.select(_seats).where(_seats.c.group_id == group_id).order_by(_seats.c.id)
    return await all_rows(db, statement)


async def add_proof(db: AsyncSession, values: dict[str, Any]) -> None:
    """Keep how many fellows somebody was shown."""
    await db.execute(sa.insert(_proofs).values(**values))


async def forget_proofs(db: AsyncSession, before: datetime, rows_max: int) -> int:
    """Delete what is older than anybody reports on."""
    old = sa.select(_proofs.c.id).where(_proofs.c.at < before).limit(rows_max)
    return await changed(db, sa.delete(_proofs).where(_proofs.c.id.in_(old)))


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


async def group_figures(db: AsyncSession, campaign_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """How many groups of campaigns are in each status."""
    statement = (
        sa.select(_groups.c.campaign_id, _groups.c.status, sa.func.count().label("groups"))
        .where(ids_in(db, _groups.c.campaign_id, campaign_ids))
        .group_by(_groups.c.campaign_id, _groups.c.status)
    )
    return await all_rows(db, statement)


async def seat_figures(db: AsyncSession, campaign_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """How many seats of campaigns are in each status, with their units and what these cost."""
    cost = _seats.c.unit_amount * _seats.c.quantity
    statement = (
        sa.select(
            _seats.c.campaign_id,
            _seats.c.status,
            sa.func.count().label("seats"),
            sa.func.sum(_seats.c.quantity).label("units"),
            sa.cast(sa.func.sum(cost), sa.BigInteger).label("goods_amount"),
        )
        .where(ids_in(db, _seats.c.campaign_id, campaign_ids))
        .group_by(_seats.c.campaign_id, _seats.c.status)
    )
    return await all_rows(db, statement)
