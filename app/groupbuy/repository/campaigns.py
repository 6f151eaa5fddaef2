"""Campaigns, their prices and their quota."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import Paging, Slice
from app.core.sql import all_rows, changed, first_row, ids_in, table
from app.groupbuy.models import Campaign, CampaignPhase, CampaignPrice, CampaignStatus, Group

_campaigns = table(Campaign)
_prices = table(CampaignPrice)
_groups = table(Group)


async def offer_to_open(
    db: AsyncSession, campaign_id: UUID, variant_id: UUID
) -> sa.RowMapping | None:
    """A campaign and its price for a variant (`group_amount` NULL when it has none)."""
    statement = (
        sa.select(_campaigns, _prices.c.group_amount)
        .outerjoin(
            _prices,
            (_prices.c.campaign_id == _campaigns.c.id) & (_prices.c.variant_id == variant_id),
        )
        .where(_campaigns.c.id == campaign_id)
    )
    return await first_row(db, statement)


async def offer_to_join(db: AsyncSession, group_id: UUID, variant_id: UUID) -> sa.RowMapping | None:
    """A group with its campaign and the price for a variant."""
    group = [c.label(f"group_{c.name}") for c in _groups.c]
    statement = (
        sa.select(_campaigns, _prices.c.group_amount, *group)
        .join(_groups, _groups.c.campaign_id == _campaigns.c.id)
        .outerjoin(
            _prices,
            (_prices.c.campaign_id == _campaigns.c.id) & (_prices.c.variant_id == variant_id),
        )
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


async def give_quota_back(db: AsyncSession, campaign_id: UUID, units: int) -> None:
    """Return units to a limited campaign's quota."""
    await db.execute(
        sa.update(_campaigns)
        .where(_campaigns.c.id == campaign_id, _campaigns.c.stock_quota.is_not(None))
        .values(quota_taken=_campaigns.c.quota_taken - units)
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
    db: AsyncSession, row: sa.RowMapping, target: CampaignStatus
) -> sa.RowMapping | None:
    """Move a campaign that nobody has changed since it was read to another state."""
    statement = (
        sa.update(_campaigns)
        .where(
            _campaigns.c.id == row["id"],
            _campaigns.c.status == row["status"],
            _campaigns.c.version == row["version"],
        )
        .values(status=target, version=_campaigns.c.version + 1)
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
