"""Seats: offered, taken, released and given up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.ids import new_id
from app.groupbuy.errors import (
    AlreadyInGroup,
    CampaignNotRunning,
    GroupClosed,
    GroupFull,
    QuotaSoldOut,
    SeatNotLeavable,
    TooManyUnits,
    VariantNotInCampaign,
)
from app.groupbuy.events import GroupFailed, SeatPaidTooLate
from app.groupbuy.models import CampaignPhase, CampaignStatus, GroupStatus, SeatStatus
from app.groupbuy.repository import campaigns as campaign_repository
from app.groupbuy.repository import groups as repository
from app.groupbuy.rules import phase, seat_expiry
from app.groupbuy.service.settle import end_group


@dataclass(frozen=True, slots=True)
class GroupWish:
    """Open a group of a campaign, or join one: exactly one of the two is set."""

    campaign_id: UUID | None = None
    group_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class GroupOffer:
    """What a group order would get: the price and the rules it stands under."""

    campaign_id: UUID
    campaign_version: int
    group_id: UUID | None
    group_amounts: Mapping[UUID, int]
    capacity: int
    group_seconds: int
    deadline_at: datetime | None
    has_quota: bool


async def offer(
    db: AsyncSession,
    shop_id: UUID,
    wish: GroupWish,
    *,
    variant_id: UUID,
    quantity: int,
    now: datetime,
) -> GroupOffer:
    """The group price for a variant, or the reason why there is none now. One statement."""
    if wish.group_id is not None:
        row = await campaign_repository.offer_to_join(db, wish.group_id, variant_id)
    else:
        assert wish.campaign_id is not None
        row = await campaign_repository.offer_to_open(db, wish.campaign_id, variant_id)
    if row is None or row["shop_id"] != shop_id or row["status"] == CampaignStatus.DRAFT:
        raise NotFound
    if wish.group_id is not None:
        _refuse_closed(row, now)
    elif phase(row["status"], row["starts_at"], row["ends_at"], now) is not CampaignPhase.RUNNING:
        raise CampaignNotRunning
    if row["group_amount"] is None:
        raise VariantNotInCampaign
    most = row["units_per_order_max"]
    if most is not None and quantity > most:
        raise TooManyUnits(units_per_order_max=most)
    return GroupOffer(
        campaign_id=row["id"],
        campaign_version=row["version"],
        group_id=wish.group_id,
        group_amounts={variant_id: row["group_amount"]},
        capacity=row["size"],
        group_seconds=row["group_seconds"],
        deadline_at=row["group_deadline_at"] if wish.group_id is not None else None,
        has_quota=row["stock_quota"] is not None,
    )


def _refuse_closed(row: sa.RowMapping, now: datetime) -> None:
    if row["group_status"] != GroupStatus.OPEN or row["group_deadline_at"] <= now:
        raise GroupClosed(status=row["group_status"])
    if row["group_taken"] >= row["group_capacity"]:
        raise GroupFull


@dataclass(frozen=True, slots=True)
class SeatWish:
    """Who wants the seat, for which order and how long it is held unpaid."""

    shop_id: UUID
    member_id: UUID
    order_id: UUID
    community_id: UUID | None
    quantity: int
    ttl_seconds: int


@dataclass(frozen=True, slots=True)
class SeatTaken:
    """The group and until when the seat is held unpaid."""

    group_id: UUID
    expires_at: datetime


async def take_seat(
    db: AsyncSession, offered: GroupOffer, wish: SeatWish, *, now: datetime
) -> SeatTaken:
    """Take the seat that was offered; whether it is still there is decided here, not there."""
    if offered.group_id is None:
        group_id, deadline_at = await _open(db, offered, wish, now), None
    else:
        group_id = offered.group_id
        deadline_at = await _join(db, group_id, now)
    expires_at = seat_expiry(now, wish.ttl_seconds, deadline_at)
    added = await repository.add_seat(
        db,
        {
            "id": new_id(),
            "shop_id": wish.shop_id,
            "group_id": group_id,
            "campaign_id": offered.campaign_id,
            "member_id": wish.member_id,
            "order_id": wish.order_id,
            "quantity": wish.quantity,
            "status": SeatStatus.RESERVED,
            "created_at": now,
            "expires_at": expires_at,
        },
    )
    if not added:
        raise AlreadyInGroup
    return SeatTaken(group_id, expires_at)


async def _open(db: AsyncSession, offered: GroupOffer, wish: SeatWish, now: datetime) -> UUID:
    group_id = new_id()
    added = await repository.add_group(
        db,
        {
            "id": group_id,
            "shop_id": wish.shop_id,
            "campaign_id": offered.campaign_id,
            "community_id": wish.community_id,
            "leader_member_id": wish.member_id,
            "status": GroupStatus.PENDING,
            "capacity": offered.capacity,
            "group_seconds": offered.group_seconds,
            "taken": 1,
            "paid": 0,
            "created_at": now,
            "version": 1,
        },
        now=now,
    )
    if not added:
        raise CampaignNotRunning
    return group_id


async def _join(db: AsyncSession, group_id: UUID, now: datetime) -> datetime:
    taken = await repository.take_place(db, group_id, now=now)
    if taken is None:
        found = await repository.group(db, group_id)
        if found is None:
            raise NotFound
        still_open = found["status"] == GroupStatus.OPEN and found["deadline_at"] > now
        raise GroupFull if still_open else GroupClosed(status=found["status"])
    deadline_at: datetime = taken["deadline_at"]
    return deadline_at


async def take_quota(db: AsyncSession, offered: GroupOffer, units: int) -> None:
    """Take units of the campaign's quota; last in the lock order."""
    if offered.has_quota and not await campaign_repository.take_quota(
        db, offered.campaign_id, units
    ):
        raise QuotaSoldOut


async def release_seat(db: AsyncSession, order_id: UUID, *, now: datetime) -> sa.RowMapping | None:
    """Give up an unpaid order's seat; the seat, or `None` where there is none to release.

    A group whose leader never paid ends with this. The caller returns the quota afterwards, in
    the lock order.
    """
    group = await repository.hold_group_of(db, order_id)
    if group is None:
        return None
    seat = await repository.move_seat(
        db, order_id, SeatStatus.RESERVED, SeatStatus.RELEASED, {"ended_at": now}
    )
    if seat is None:
        return None
    ends = GroupStatus.CANCELLED if group["status"] == GroupStatus.PENDING else None
    await repository.give_place_back(db, group["id"], was_paid=False, ends=ends, now=now)
    return seat


async def leave(db: AsyncSession, order_id: UUID, *, now: datetime) -> sa.RowMapping:
    """Give up a paid seat of a group that still gathers; the lead passes on, or the group ends.

    Raises `SeatNotLeavable` once the group has succeeded or ended.
    """
    group = await repository.hold_group_of(db, order_id)
    if group is None or group["status"] != GroupStatus.OPEN:
        raise SeatNotLeavable
    seat = await repository.move_seat(
        db, order_id, SeatStatus.PAID, SeatStatus.REFUND_DUE, {"ended_at": now}
    )
    if seat is None:
        raise SeatNotLeavable
    heir = await repository.earliest_paid(db, group["id"])
    ends = None if heir else GroupStatus.CANCELLED
    await repository.give_place_back(db, group["id"], was_paid=True, ends=ends, now=now)
    if heir is None:
        await end_group(db, group, "nobody_left", now=now)
    elif group["leader_member_id"] == seat["member_id"]:
        await repository.set_leader(db, group["id"], heir["member_id"])
    return seat


async def return_quota(db: AsyncSession, fact: GroupFailed | SeatPaidTooLate) -> None:
    """Reaction: the units of seats that came to nothing are for sale again."""
    if fact.units:
        await campaign_repository.give_quota_back(db, fact.campaign_id, fact.units)


async def return_seat_quota(db: AsyncSession, seat: sa.RowMapping) -> None:
    """The units of one given-up seat are for sale again."""
    await campaign_repository.give_quota_back(db, seat["campaign_id"], seat["quantity"])


def deadline_after(opened_at: datetime, group_seconds: int) -> datetime:
    """When a group that opened then must be complete."""
    return opened_at + timedelta(seconds=group_seconds)
