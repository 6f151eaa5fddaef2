"""What members look at: running campaigns, a campaign's prices, groups and their own seats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.community import service as community
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.groupbuy.models import CampaignPhase, CampaignStatus, SeatStatus
from app.groupbuy.repository import campaigns
from app.groupbuy.repository import pages as repository
from app.groupbuy.rules import phase
from app.identity.service import names_of

_IN = (SeatStatus.PAID, SeatStatus.CONFIRMED)


@dataclass(frozen=True, slots=True)
class PriceView:
    """What one variant costs: as listed, bought alone, and together."""

    variant_id: UUID
    title: str
    list_amount: int
    solo_amount: int | None
    group_amount: int
    is_available: bool


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign as members see it."""

    campaign: sa.RowMapping
    phase: CampaignPhase
    currency: str
    prices: Sequence[PriceView]


@dataclass(frozen=True, slots=True)
class CampaignCard:
    """A running campaign in a list, with the least of its group prices."""

    campaign: sa.RowMapping
    currency: str
    lowest_group_amount: int


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group and who is in it: by name the viewer's fellows who agreed, the others as a number."""

    group: sa.RowMapping
    leader_name: str | None
    member_names: Sequence[str]
    others_count: int
    is_mine: bool


async def running_campaigns(
    db: AsyncSession, shop_id: UUID, paging: Paging, *, now: datetime
) -> Slice[CampaignCard]:
    """A page of a shop's campaigns in which groups can be opened now, the newest first."""
    shop = await catalog.shop(db, shop_id)
    running = CampaignPhase.RUNNING
    found = await campaigns.campaigns_of_shop(db, shop_id, running, paging, now=now)
    least: dict[UUID, int] = {}
    for row in await campaigns.prices_of(db, [row["id"] for row in found.rows]):
        amount = row["group_amount"]
        least[row["campaign_id"]] = min(amount, least.get(row["campaign_id"], amount))
    cards = [CampaignCard(row, shop.currency, least[row["id"]]) for row in found.rows]
    return Slice(cards, found.next_after)


async def campaign_page(db: AsyncSession, campaign_id: UUID, *, now: datetime) -> CampaignView:
    """A campaign with its prices for the variants still sold; `NotFound` for drafts."""
    row = await _public(db, campaign_id)
    shop = await catalog.shop(db, row["shop_id"])
    amounts = {
        price["variant_id"]: price["group_amount"]
        for price in await campaigns.prices_of(db, [campaign_id])
    }
    variants = await catalog.variants_of_product(db, row["product_id"])
    prices = [
        PriceView(v.id, v.title, v.list_amount, v.solo_amount, amounts[v.id], v.available > 0)
        for v in variants
        if v.id in amounts
    ]
    now_is = phase(row["status"], row["starts_at"], row["ends_at"], now)
    return CampaignView(row, now_is, shop.currency, prices)


async def open_groups(
    db: AsyncSession, campaign_id: UUID, paging: Paging, *, now: datetime
) -> Slice[sa.RowMapping]:
    """A page of the groups one may join, the most urgent first; they outlive their campaign."""
    await _public(db, campaign_id)
    return await repository.open_groups(db, campaign_id, paging, now=now)


async def group_page(db: AsyncSession, group_id: UUID, viewer_id: UUID | None) -> GroupView:
    """A group as this member, or nobody, sees it; who bought private goods is told to nobody."""
    group = await repository.group(db, group_id)
    if group is None:
        raise NotFound
    seats = await repository.live_seats(db, group_id)
    product = await catalog.product_of_shop(db, group["shop_id"], group["product_id"])
    inside = [seat["member_id"] for seat in seats if seat["status"] in _IN]
    names = {} if product.is_private else await _names(db, group["shop_id"], inside, viewer_id)
    leader_id = group["leader_member_id"]
    return GroupView(
        group=group,
        leader_name=names.get(leader_id),
        member_names=[names[m] for m in inside if m in names and m != leader_id],
        others_count=len(inside) - len(names),
        is_mine=viewer_id is not None and any(seat["member_id"] == viewer_id for seat in seats),
    )


async def _names(
    db: AsyncSession, shop_id: UUID, inside: Sequence[UUID], viewer_id: UUID | None
) -> Mapping[UUID, str]:
    """Names this viewer may read: its fellows' and its own, of those who agreed to be shown."""
    if viewer_id is None or not inside:
        return {}
    near = await community.fellows(db, viewer_id, shop_id, inside)
    return await names_of(db, [m for m in inside if m in near or m == viewer_id])


async def my_seats(db: AsyncSession, member_id: UUID, paging: Paging) -> Slice[sa.RowMapping]:
    """A page of a member's seats, given-up ones too, the newest first."""
    return await repository.seats_of_member(db, member_id, paging)


async def _public(db: AsyncSession, campaign_id: UUID) -> sa.RowMapping:
    row = await campaigns.campaign(db, campaign_id)
    if row is None or row["status"] is CampaignStatus.DRAFT:
        raise NotFound
    return row
