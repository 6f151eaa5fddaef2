"""What members look at: running campaigns, a campaign's prices, groups and their own seats."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.rules import VariantCard
from app.community import service as community
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.groupbuy.models import CampaignPhase, CampaignStatus, GroupStatus, SeatStatus
from app.groupbuy.repository import campaigns
from app.groupbuy.repository import pages as repository
from app.groupbuy.rules.campaigns import audience_of, phase
from app.groupbuy.rules.gathering import Gathering
from app.identity.service import names_of
from app.promotions.pricing.conditions import Conditions

PROOFS_KEPT = timedelta(days=180)
_IN = (SeatStatus.PAID, SeatStatus.CONFIRMED)


@dataclass(frozen=True, slots=True)
class PriceView:
    """What one variant costs: as listed, bought alone, together, and for who opens a group."""

    variant_id: UUID
    title: str
    list_amount: int
    solo_amount: int | None
    group_amount: int
    leader_amount: int | None
    is_available: bool


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign as members see it."""

    campaign: sa.RowMapping
    phase: CampaignPhase
    currency: str
    audience: Conditions
    prices: Sequence[PriceView]


@dataclass(frozen=True, slots=True)
class CampaignCard:
    """A running campaign in a list, with the least of its group prices."""

    campaign: sa.RowMapping
    currency: str
    lowest_group_amount: int


class FillEstimate(Protocol):
    """Whoever can estimate how likely a group comes together in time; given from outside."""

    async def __call__(self, db: AsyncSession, group: sa.RowMapping) -> int | None:
        """The chance in basis points; `None` where too little is known."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group and who is in it: by name the viewer's fellows who agreed, the others as a number.

    `fellows_count` is how many of its paid members share a community with the viewer; `None` for
    private goods, of which nobody is told.
    """

    group: sa.RowMapping
    leader_name: str | None
    member_names: Sequence[str]
    others_count: int
    fellows_count: int | None
    fill_chance_bp: int | None
    is_mine: bool

    @property
    def is_short(self) -> bool:
        """Whether it succeeded with places left."""
        return Gathering.of(self.group).is_short


@dataclass(frozen=True, slots=True)
class ShareView:
    """What a link to a group needs: its name in few characters, and the least it may cost."""

    group: sa.RowMapping
    scene: str
    currency: str
    lowest_amount: int


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
    own = {price["variant_id"]: price for price in await campaigns.prices_of(db, [campaign_id])}
    variants = await catalog.variants_of_product(db, row["product_id"])
    prices = [_price(v, own[v.id]) for v in variants if v.id in own]
    now_is = phase(row["status"], row["starts_at"], row["ends_at"], now)
    return CampaignView(row, now_is, shop.currency, audience_of(row["audience"]), prices)


def _price(variant: VariantCard, own: sa.RowMapping) -> PriceView:
    return PriceView(
        variant.id,
        variant.title,
        variant.list_amount,
        variant.solo_amount,
        own["group_amount"],
        own["leader_amount"],
        variant.available > 0,
    )


async def open_groups(
    db: AsyncSession, campaign_id: UUID, viewer_id: UUID | None, paging: Paging, *, now: datetime
) -> Slice[sa.RowMapping]:
    """A page of the groups one may join: those of the viewer's own communities come first.

    Then the most urgent. Groups outlive their campaign, unless it was stopped with them.
    """
    row = await _public(db, campaign_id)
    if row["stop_ends_groups"]:
        return Slice([], None)
    near: frozenset[UUID] = frozenset()
    if viewer_id is not None:
        near = (await community.membership(db, viewer_id, row["shop_id"])).community_ids
    return await repository.open_groups(db, campaign_id, near, paging, now=now)


async def group_page(
    db: AsyncSession,
    group_id: UUID,
    viewer_id: UUID | None,
    *,
    estimate: FillEstimate | None = None,
) -> GroupView:
    """A group as this member, or nobody, sees it; who bought private goods is told to nobody."""
    group = await repository.group(db, group_id)
    if group is None:
        raise NotFound
    seats = await repository.live_seats(db, group_id)
    product = await catalog.product_of_shop(db, group["shop_id"], group["product_id"])
    inside = [seat["member_id"] for seat in seats if seat["status"] in _IN]
    near = await _near(db, group["shop_id"], inside, viewer_id)
    told = [m for m in inside if m in near or m == viewer_id]
    names = {} if product.is_private or not told else await names_of(db, told)
    leader_id = group["leader_member_id"]
    return GroupView(
        group=group,
        leader_name=names.get(leader_id),
        member_names=[names[m] for m in inside if m in names and m != leader_id],
        others_count=len(inside) - len(names),
        fellows_count=None if product.is_private else len(near),
        fill_chance_bp=await estimate(db, group) if estimate and _gathers(group) else None,
        is_mine=viewer_id is not None and any(seat["member_id"] == viewer_id for seat in seats),
    )


def _gathers(group: sa.RowMapping) -> bool:
    return bool(group["status"] == GroupStatus.OPEN)


async def _near(
    db: AsyncSession, shop_id: UUID, inside: Sequence[UUID], viewer_id: UUID | None
) -> frozenset[UUID]:
    if viewer_id is None or not inside:
        return frozenset()
    return await community.fellows(db, viewer_id, shop_id, inside)


async def note_proof(
    db: AsyncSession, view: GroupView, viewer_id: UUID | None, *, now: datetime
) -> None:
    """Keep how many fellows this viewer was shown, so that what came of it can be reported."""
    await repository.add_proof(
        db,
        {
            "id": new_id(),
            "at": now,
            "shop_id": view.group["shop_id"],
            "group_id": view.group["id"],
            "member_id": viewer_id,
            "fellows_count": view.fellows_count,
            "paid_count": view.group["paid"],
        },
    )


async def forget_proofs(db: AsyncSession, *, now: datetime, rows_max: int) -> int:
    """Delete what was shown longer ago than anybody reports on; how many rows went."""
    return await repository.forget_proofs(db, now - PROOFS_KEPT, rows_max)


async def share(db: AsyncSession, group_id: UUID) -> ShareView:
    """What a link to a group needs."""
    group = await repository.group(db, group_id)
    if group is None:
        raise NotFound
    shop = await catalog.shop(db, group["shop_id"])
    prices = await campaigns.prices_of(db, [group["campaign_id"]])
    scene = urlsafe_b64encode(group_id.bytes).rstrip(b"=").decode()
    return ShareView(group, scene, shop.currency, min(row["group_amount"] for row in prices))


async def my_seats(db: AsyncSession, member_id: UUID, paging: Paging) -> Slice[sa.RowMapping]:
    """A page of a member's seats, given-up ones too, the newest first."""
    return await repository.seats_of_member(db, member_id, paging)


async def _public(db: AsyncSession, campaign_id: UUID) -> sa.RowMapping:
    row = await campaigns.campaign(db, campaign_id)
    if row is None or row["status"] is CampaignStatus.DRAFT:
        raise NotFound
    return row
