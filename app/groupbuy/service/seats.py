"""Seats: taken, released and given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.ids import new_id
from app.groupbuy.errors import (
    AlreadyInGroup,
    CampaignEnded,
    CampaignStopped,
    GroupFull,
    NewcomersOnly,
    SeatNotLeavable,
)
from app.groupbuy.events import GroupFailed, SeatPaymentRefused
from app.groupbuy.models import SeatStatus
from app.groupbuy.repository import campaigns as campaign_repository
from app.groupbuy.repository import groups as repository
from app.groupbuy.rules.gathering import (
    Gathering,
    has_room,
    may_be_left,
    opened,
    seat_expiry,
    without_paid,
    without_unpaid,
)
from app.groupbuy.service.offers import GroupOffer, raise_closed, refuse_not_running
from app.groupbuy.service.quota import Draw, take_units
from app.groupbuy.service.settle import GivenUp, announce_failure, void_unpaid


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatWish:
    """Who wants the seat, for which order and goods, and how long it is held unpaid."""

    shop_id: UUID
    member_id: UUID
    order_id: UUID
    community_id: UUID | None
    variant_id: UUID
    unit_amount: int
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
            "variant_id": wish.variant_id,
            "unit_amount": wish.unit_amount,
            "quantity": wish.quantity,
            "is_newcomer": offered.newcomers_only and offered.group_id is not None,
            "status": SeatStatus.RESERVED,
            "created_at": now,
            "expires_at": expires_at,
        },
    )
    if not added:
        await _refuse_second(db, offered, wish)
    return SeatTaken(group_id, expires_at)


async def _refuse_second(db: AsyncSession, offered: GroupOffer, wish: SeatWish) -> None:
    """Say which of a member's other seats is in the way: one here, or one that makes it new."""
    if await repository.sits_in(db, offered.campaign_id, offered.group_id, wish.member_id):
        raise AlreadyInGroup
    raise NewcomersOnly


async def _open(db: AsyncSession, offered: GroupOffer, wish: SeatWish, now: datetime) -> UUID:
    group_id = new_id()
    fresh = opened(
        capacity=offered.capacity, paid_min=offered.paid_min, group_seconds=offered.group_seconds
    )
    added = await repository.add_group(
        db,
        {
            "id": group_id,
            "shop_id": wish.shop_id,
            "campaign_id": offered.campaign_id,
            "community_id": wish.community_id,
            "leader_member_id": wish.member_id,
            "status": fresh.status,
            "capacity": fresh.capacity,
            "paid_min": fresh.paid_min,
            "group_seconds": fresh.group_seconds,
            "late_payment": offered.late_payment,
            "newcomers_only": offered.newcomers_only,
            "pays_back": offered.pays_back,
            "taken": fresh.taken,
            "paid": fresh.paid,
            "created_at": now,
            "version": 1,
        },
        now=now,
    )
    if not added:
        # It ran when it was offered: it was stopped, or it ended, between there and here.
        row = await campaign_repository.campaign(db, offered.campaign_id)
        assert row is not None, "a campaign is never deleted"
        refuse_not_running(row, now)
        raise CampaignEnded
    return group_id


async def _join(db: AsyncSession, group_id: UUID, now: datetime) -> datetime:
    taken = await repository.take_place(db, group_id, now=now)
    if taken is None:
        found = await repository.group(db, group_id)
        if found is None:
            raise NotFound
        group = Gathering.of(found)
        if has_room(group, now):
            # Its campaign was stopped with it, or a place has come free just after the refusal.
            campaign = await campaign_repository.campaign(db, found["campaign_id"])
            assert campaign is not None, "a campaign is never deleted"
            raise CampaignStopped if campaign["stop_ends_groups"] else GroupFull
        raise_closed(group, now)
    deadline_at: datetime = taken["deadline_at"]
    return deadline_at


async def take_quota(db: AsyncSession, offered: GroupOffer, wish: SeatWish) -> None:
    """Take units of the campaign's quota and of the member's own; last in the lock order."""
    draw = Draw(
        campaign_id=offered.campaign_id,
        member_id=wish.member_id,
        units=wish.quantity,
        has_quota=offered.has_quota,
        member_units_max=offered.member_units_max,
    )
    await take_units(db, draw)


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
    if seat is not None:
        await repository.write(db, group, without_unpaid(Gathering.of(group), now))
    return seat


@dataclass(frozen=True, slots=True)
class SeatLeft:
    """A paid seat that was given up; with its group and the unpaid seats there, if nobody stays."""

    seat: sa.RowMapping
    emptied: sa.RowMapping | None = None
    unpaid: Sequence[sa.RowMapping] = ()


async def leave(db: AsyncSession, order_id: UUID, *, now: datetime) -> SeatLeft:
    """Give up a paid seat of a group that still gathers; the lead passes on, or the group ends.

    The caller ends the order and then says `after_leaving`, in the lock order. Raises
    `SeatNotLeavable` from the group's success, end or deadline on.
    """
    group = await repository.hold_group_of(db, order_id)
    if group is None or not may_be_left(Gathering.of(group), now):
        raise SeatNotLeavable
    seat = await repository.move_seat(
        db, order_id, SeatStatus.PAID, SeatStatus.REFUND_DUE, {"ended_at": now}
    )
    if seat is None:
        raise SeatNotLeavable
    after = without_paid(Gathering.of(group), now)
    await repository.write(db, group, after)
    if not after.is_alive:
        return SeatLeft(seat, group, await void_unpaid(db, group, now=now))
    if group["leader_member_id"] == seat["member_id"]:
        heir = await repository.earliest_paid(db, group["id"])
        assert heir is not None, "somebody who paid is left"
        await repository.set_leader(db, group["id"], heir["member_id"])
    return SeatLeft(seat)


async def after_leaving(db: AsyncSession, left: SeatLeft, *, now: datetime) -> None:
    """Return the quota of a seat that was left; all together where its group ended with it."""
    if left.emptied is None:
        await return_seat_quota(db, left.seat)
    else:
        seats = GivenUp(unpaid=left.unpaid, left=[left.seat])
        await announce_failure(db, left.emptied, "nobody_left", seats, now=now)


async def order_in_group(db: AsyncSession, group_id: UUID, member_id: UUID) -> UUID:
    """The order of the member's live seat in a group; `NotFound` for who has none there."""
    seat = await repository.live_seat(db, group_id, member_id)
    if seat is None:
        raise NotFound
    order_id: UUID = seat["order_id"]
    return order_id


async def return_quota(db: AsyncSession, fact: GroupFailed | SeatPaymentRefused) -> None:
    """Reaction: the units of seats that came to nothing are for sale again."""
    if fact.units:
        await campaign_repository.give_back(db, fact.campaign_id, _given_up(fact))


def _given_up(fact: GroupFailed | SeatPaymentRefused) -> Sequence[UUID]:
    if isinstance(fact, SeatPaymentRefused):
        return [fact.order_id]
    return [*fact.paid_order_ids, *fact.unpaid_order_ids, *fact.left_order_ids]


async def return_seat_quota(db: AsyncSession, seat: sa.RowMapping) -> None:
    """The units of one given-up seat are for sale again."""
    await campaign_repository.give_back(db, seat["campaign_id"], [seat["order_id"]])
