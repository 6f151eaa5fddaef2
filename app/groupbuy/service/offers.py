"""What a group order would get, or the reason why it would get nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound, Problem
from app.groupbuy.errors import (
    CampaignEnded,
    CampaignNotStarted,
    CampaignStopped,
    GroupClosed,
    GroupDidNotForm,
    GroupFull,
    MemberUnitsReached,
    NewcomersOnly,
    NotInCampaignAudience,
    TooManyUnits,
    VariantNotInCampaign,
)
from app.groupbuy.models import CampaignPhase, CampaignStatus, GroupStatus, LatePayment
from app.groupbuy.repository import campaigns as repository
from app.groupbuy.rules.campaigns import audience_of, capacity_of, ladder_of, phase
from app.groupbuy.rules.gathering import Gathering, has_room, is_over
from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.buyers import why_not
from app.promotions.pricing.conditions import NOTHING_ASKED


@dataclass(frozen=True, slots=True)
class GroupWish:
    """Open a group of a campaign, or join one: exactly one of the two is set."""

    campaign_id: UUID | None = None
    group_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class OfferWish:
    """Who wants how many of what; nothing is known of who has not signed in."""

    variant_id: UUID
    quantity: int
    buyer: Buyer
    member_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOffer:
    """What a group order would get: the price and the rules it stands under.

    `leader_amounts` only for who opens a group; `pays_back`: a success may pay some money back.
    """

    campaign_id: UUID
    campaign_version: int
    group_id: UUID | None
    group_amounts: Mapping[UUID, int]
    leader_amounts: Mapping[UUID, int] | None
    capacity: int
    paid_min: int
    group_seconds: int
    has_quota: bool
    member_units_max: int | None
    newcomers_only: bool
    late_payment: LatePayment
    pays_back: bool


async def offer(
    db: AsyncSession, shop_id: UUID, wish: GroupWish, wanted: OfferWish, *, now: datetime
) -> GroupOffer:
    """The group price for a variant, or the reason why there is none now. One statement."""
    asked = repository.Asked(wanted.variant_id, wanted.member_id)
    if wish.group_id is not None:
        row = await repository.offer_to_join(db, wish.group_id, asked)
    else:
        assert wish.campaign_id is not None
        row = await repository.offer_to_open(db, wish.campaign_id, asked)
    if row is None or row["shop_id"] != shop_id or row["status"] == CampaignStatus.DRAFT:
        raise NotFound
    if wish.group_id is None:
        refuse_not_running(row, now)
    else:
        _refuse_closed(row, now)
    _refuse_buyer(row, wanted, joins=wish.group_id is not None)
    _refuse_units(row, wanted)
    return _offer(row, wish, wanted.variant_id)


def refuse_not_running(row: sa.RowMapping, now: datetime) -> None:
    """Refuse to open a group of a campaign that does not run, and say why."""
    refusals: Mapping[CampaignPhase, type[Problem]] = {
        CampaignPhase.SCHEDULED: CampaignNotStarted,
        CampaignPhase.ENDED: CampaignEnded,
        CampaignPhase.STOPPED: CampaignStopped,
    }
    refusal = refusals.get(phase(row["status"], row["starts_at"], row["ends_at"], now))
    if refusal is not None:
        raise refusal


def _refuse_closed(row: sa.RowMapping, now: datetime) -> None:
    if row["stop_ends_groups"]:
        raise CampaignStopped
    group = {name.removeprefix("group_"): value for name, value in row.items()}
    # The group's own clock, which its campaign has under the same name.
    gathering = Gathering.of({**group, "group_seconds": row["group_group_seconds"]})
    if not has_room(gathering, now):
        raise_closed(gathering, now)


def raise_closed(group: Gathering, now: datetime) -> NoReturn:
    """The reason why nobody can join, as a refusal."""
    if group.status in (GroupStatus.FAILED, GroupStatus.CANCELLED):
        raise GroupDidNotForm(status=group.status)
    if group.status is GroupStatus.OPEN and not is_over(group, now):
        raise GroupFull
    raise GroupClosed(status=group.status)


def _refuse_buyer(row: sa.RowMapping, wanted: OfferWish, *, joins: bool) -> None:
    if joins and row["newcomers_only"] and wanted.buyer.paid_orders > 0:
        raise NewcomersOnly
    audience = audience_of(row["audience"])
    if audience is NOTHING_ASKED:
        return
    reason = why_not(audience, wanted.buyer)
    if reason is not None:
        params: dict[str, Any] = dict(reason.params)
        raise NotInCampaignAudience(reason=reason.code, **params)


def _refuse_units(row: sa.RowMapping, wanted: OfferWish) -> None:
    if row["group_amount"] is None:
        raise VariantNotInCampaign
    most = row["units_per_order_max"]
    if most is not None and wanted.quantity > most:
        raise TooManyUnits(units_per_order_max=most)
    in_all = row["member_units_max"]
    if in_all is not None and row["member_units"] + wanted.quantity > in_all:
        left = max(in_all - row["member_units"], 0)
        raise MemberUnitsReached(member_units_max=in_all, units_left=left)


def _offer(row: sa.RowMapping, wish: GroupWish, variant_id: UUID) -> GroupOffer:
    leads = wish.group_id is None and row["leader_amount"] is not None
    ladder = ladder_of(row["ladder"])
    return GroupOffer(
        campaign_id=row["id"],
        campaign_version=row["version"],
        group_id=wish.group_id,
        group_amounts={variant_id: row["group_amount"]},
        leader_amounts={variant_id: row["leader_amount"]} if leads else None,
        capacity=capacity_of(row["size"], ladder),
        paid_min=row["min_paid"] or row["size"],
        group_seconds=row["group_seconds"],
        has_quota=row["stock_quota"] is not None,
        member_units_max=row["member_units_max"],
        newcomers_only=row["newcomers_only"],
        late_payment=row["late_payment"],
        pays_back=bool(ladder) or row["leader_reward_amount"] is not None,
    )
