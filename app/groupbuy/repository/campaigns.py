"""Campaigns, their prices and their quota."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import Paging, Slice
from app.core.sql import all_rows, changed, first_row, ids_in, table, upsert
from app.groupbuy.models import (
    Campaign,
    CampaignMember,
    CampaignPhase,
    CampaignPrice,
    CampaignStatus,
    Group,
    Seat,
)

_campaigns = table(Campaign)
_prices = table(CampaignPrice)
_members = table(CampaignMember)
_groups = table(Group)
_seats = table(Seat)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose price of which variant is asked for; nobody's is for who has not signed in."""

    variant_id: UUID
    member_id: UUID | None


def _offered(wanted: Asked) -> tuple[list[sa.ColumnElement[Any]], sa.FromClause]:
    """A campaign with its price for a variant, and the units of it that a member holds."""
    price = (_prices.c.campaign_id == _campaigns.c.id) & (_prices.c.variant_id == wanted.variant_id)
    member = (_members.c.campaign_id == _campaigns.c.id) & (
        _members.c.member_id == wanted.member_id
    )
    columns = [
        *_campaigns.c,
        _prices.c.group_amount,
        _prices.c.leader_amount,
        sa.func.coalesce(_members.c.units, 0).label("member_units"),
    ]
    return columns, _campaigns.outerjoin(_prices, price).outerjoin(_members, member)


async def offer_to_open(db: AsyncSession, campaign_id: UUID, wanted: Asked) -> sa.RowMapping | None:
    """A campaign and its price for a variant (`group_amount` NULL when it has none)."""
    columns, offered = _offered(wanted)
    statement = sa.select(*columns).select_from(offered).where(_campaigns.c.id == campaign_id)
    return await first_row(db, statement)


async def offer_to_join(db: AsyncSession, group_id: UUID, wanted: Asked) -> sa.RowMapping | None:
    """A group with its campaign and the price for a variant."""
    group = [c.label(f"group_{c.name}") for c in _groups.c]
    columns, offered = _offered(wanted)
    statement = (
        sa.select(*columns, *group)
        .select_from(offered.join(_groups, _groups.c.campaign_id == _campaigns.c.id))
        .where(_groups.c.id == group_id)
    )
    return await first_row(db, statement)


async def take_quota(db: AsyncSession, campaign_id: UUID, units: int) -> bool:
    """Take units of the campaign's quota if there are as many; an unlimited one is not touched."""
    statement = (
        sa.update(_campaigns)
        .where(
            _campaigns.c.id == campaign_id,
            _campaigns.c.quota_taken + units <= _campaigns.c.stock_quota,
        )
        .values(quota_taken=_campaigns.c.quota_taken + units)
    )
    return await changed(db, statement) > 0


async def take_member_units(
    db: AsyncSession, campaign_id: UUID, member_id: UUID, units: int, *, most: int
) -> bool:
    """Count units of one member if the campaign allows so many; the first ones make the counter."""
    taken = _members.c.units + units
    first = {"campaign_id": campaign_id, "member_id": member_id, "units": units}
    statement = (
        upsert(db, _members)
        .values(**first)
        .on_conflict_do_update(
            index_elements=["campaign_id", "member_id"], set_={"units": taken}, where=taken <= most
        )
    )
    return units <= most and await changed(db, statement) > 0


async def give_back(db: AsyncSession, campaign_id: UUID, order_ids: Sequence[UUID]) -> None:
    """Return what given-up seats held: to a limited campaign's quota, and to their members."""
    given_up = sa.select(_seats.c.member_id, _seats.c.quantity).where(
        _seats.c.campaign_id == campaign_id, ids_in(db, _seats.c.order_id, order_ids)
    )
    units = sa.select(sa.func.sum(given_up.subquery().c.quantity)).scalar_subquery()
    await db.execute(
        sa.update(_campaigns)
        .where(_campaigns.c.id == campaign_id, _campaigns.c.stock_quota.is_not(None))
        .values(quota_taken=_campaigns.c.quota_taken - units)
    )
    by_member = given_up.subquery()
    of_member = (
        sa.select(by_member.c.member_id, sa.func.sum(by_member.c.quantity).label("units"))
        .group_by(by_member.c.member_id)
        .subquery()
    )
    await db.execute(
        sa.update(_members)
        .where(_members.c.campaign_id == campaign_id, _members.c.member_id == of_member.c.member_id)
        .values(units=_members.c.units - of_member.c.units)
    )


async def add_campaign(
    db: AsyncSession, values: dict[str, Any], prices: Sequence[dict[str, Any]]
) -> None:
    """Insert a campaign with its prices."""
    await db.execute(sa.insert(_campaigns).values(**values))
    await db.execute(sa.insert(_prices), list(prices))


async def replace_prices(
    db: AsyncSession, campaign_id: UUID, prices: Sequence[dict[str, Any]]
) -> None:
    """Give a campaign exactly these prices."""
    await db.execute(sa.delete(_prices).where(_prices.c.campaign_id == campaign_id))
    await db.execute(sa.insert(_prices), list(prices))


async def campaign(db: AsyncSession, campaign_id: UUID) -> sa.RowMapping | None:
    """One campaign."""
    return await first_row(db, sa.select(_campaigns).where(_campaigns.c.id == campaign_id))


async def prices_of(db: AsyncSession, campaign_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """The group prices of campaigns."""
    statement = (
        sa.select(_prices)
        .where(ids_in(db, _prices.c.campaign_id, campaign_ids))
        .order_by(_prices.c.campaign_id, _prices.c.variant_id)
    )
    return await all_rows(db, statement)


async def change(
    db: AsyncSession, row: sa.RowMapping, values: Mapping[str, Any], *, now: datetime
) -> sa.RowMapping | None:
    """Change a campaign that has not begun and that nobody has changed since it was read."""
    statement = (
        sa.update(_campaigns)
        .where(
            _campaigns.c.id == row["id"],
            _campaigns.c.version == row["version"],
            sa.or_(
                _campaigns.c.status == CampaignStatus.DRAFT,
                (_campaigns.c.status == CampaignStatus.SCHEDULED) & (_campaigns.c.starts_at > now),
            ),
        )
        .values(**values, version=_campaigns.c.version + 1)
        .returning(_campaigns)
    )
    return await first_row(db, statement)


async def change_status(
    db: AsyncSession, row: sa.RowMapping, target: CampaignStatus, **values: Any
) -> sa.RowMapping | None:
    """Move a campaign that nobody has changed since it was read to another state."""
    statement = (
        sa.update(_campaigns)
        .where(
            _campaigns.c.id == row["id"],
            _campaigns.c.status == row["status"],
            _campaigns.c.version == row["version"],
        )
        .values(status=target, version=_campaigns.c.version + 1, **values)
        .returning(_campaigns)
    )
    return await first_row(db, statement)


def _in_phase(phase: CampaignPhase, now: datetime) -> sa.ColumnElement[bool]:
    """What `rules.phase` says, as a condition."""
    scheduled = _campaigns.c.status == CampaignStatus.SCHEDULED
    within = {
        CampaignPhase.SCHEDULED: _campaigns.c.starts_at > now,
        CampaignPhase.RUNNING: (_campaigns.c.starts_at <= now) & (_campaigns.c.ends_at > now),
        CampaignPhase.ENDED: _campaigns.c.ends_at <= now,
    }
    if phase in within:
        return scheduled & within[phase]
    return _campaigns.c.status == CampaignStatus(phase.value)


async def campaigns_of_shop(
    db: AsyncSession, shop_id: UUID, phase: CampaignPhase | None, paging: Paging, *, now: datetime
) -> Slice[sa.RowMapping]:
    """A page of a shop's campaigns in one phase or all, the newest first."""
    statement = sa.select(_campaigns).where(_campaigns.c.shop_id == shop_id)
    if phase is not None:
        statement = statement.where(_in_phase(phase, now))
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(_campaigns.c.id < after[0])
    rows = await all_rows(db, statement.order_by(_campaigns.c.id.desc()).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["id"],))
