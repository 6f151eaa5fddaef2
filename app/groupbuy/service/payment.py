"""What money means for a seat and its group; hears of it as facts, and does not know payments."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.groupbuy.events import GroupOpened, GroupSucceeded, SeatPaidTooLate
from app.groupbuy.models import GroupStatus, SeatStatus
from app.groupbuy.repository import groups as repository
from app.groupbuy.service.seats import deadline_after


class Captured(Protocol):
    """The part of a captured payment that a group needs."""

    @property
    def order_id(self) -> UUID:
        """Whose order."""

    @property
    def captured_at(self) -> datetime:
        """When the money was taken, by the provider's time."""

    @property
    def at(self) -> datetime:
        """When we learnt of it."""


class PaidBack(Protocol):
    """The part of a refund that a seat needs."""

    @property
    def order_id(self) -> UUID:
        """Whose order."""

    @property
    def at(self) -> datetime:
        """When the money was back."""


async def count_payment(db: AsyncSession, fact: Captured) -> None:
    """Reaction: the seat is paid and its group opens, grows or succeeds; or it came too late.

    The group's row is held by an earlier statement than the one that counts, so two last payers
    at once see one another.
    """
    group = await repository.hold_group_of(db, fact.order_id)
    if group is None:
        return
    if not (_gathers(group, fact) and await _count(db, group, fact)):
        await _refuse(db, group, fact)


async def _count(db: AsyncSession, group: sa.RowMapping, fact: Captured) -> bool:
    seat = await repository.move_seat(
        db, fact.order_id, SeatStatus.RESERVED, SeatStatus.PAID, {"paid_at": fact.captured_at}
    )
    if seat is None:
        return False
    now_paid = await repository.count_paid(
        db,
        group["id"],
        at=fact.captured_at,
        deadline_at=deadline_after(fact.captured_at, group["group_seconds"]),
        now=fact.at,
    )
    assert now_paid is not None, "the group is held and was seen to gather"
    await _announce(db, group, now_paid, fact)
    return True


async def _refuse(db: AsyncSession, group: sa.RowMapping, fact: Captured) -> None:
    """The money came too late: it is owed back, and a place still held for it is free again.

    A second payment of an order whose seat is paid already says nothing about the seat.
    """
    units = await _free_the_place(db, group, fact)
    late = await repository.move_seat(
        db, fact.order_id, SeatStatus.RELEASED, SeatStatus.REFUND_DUE, {"ended_at": fact.at}
    )
    if late is None:
        return
    await events.record(
        db,
        SeatPaidTooLate(
            at=fact.at,
            shop_id=group["shop_id"],
            aggregate_id=group["id"],
            group_id=group["id"],
            campaign_id=group["campaign_id"],
            order_id=fact.order_id,
            units=units,
        ),
    )


def _gathers(group: sa.RowMapping, fact: Captured) -> bool:
    deadline_at = group["deadline_at"]
    alive = group["status"] in (GroupStatus.PENDING, GroupStatus.OPEN)
    return alive and (deadline_at is None or fact.captured_at <= deadline_at)


async def _free_the_place(db: AsyncSession, group: sa.RowMapping, fact: Captured) -> int:
    """Give a place back that is held unpaid; says how many units of the quota go with it."""
    seat = await repository.move_seat(
        db, fact.order_id, SeatStatus.RESERVED, SeatStatus.RELEASED, {"ended_at": fact.at}
    )
    if seat is None:
        return 0
    await repository.give_place_back(db, group["id"], was_paid=False, ends=None, now=fact.at)
    units: int = seat["quantity"]
    return units


async def _announce(
    db: AsyncSession, before: sa.RowMapping, after: sa.RowMapping, fact: Captured
) -> None:
    if before["status"] == GroupStatus.PENDING:
        await events.record(
            db,
            GroupOpened(
                at=fact.at,
                shop_id=after["shop_id"],
                aggregate_id=after["id"],
                group_id=after["id"],
                campaign_id=after["campaign_id"],
                leader_member_id=after["leader_member_id"],
                capacity=after["capacity"],
                deadline_at=after["deadline_at"],
            ),
        )
    if after["status"] == GroupStatus.SUCCEEDED:
        seats = await repository.move_seats(
            db, after["id"], SeatStatus.PAID, SeatStatus.CONFIRMED, fact.at
        )
        await events.record(
            db,
            GroupSucceeded(
                at=fact.at,
                shop_id=after["shop_id"],
                aggregate_id=after["id"],
                group_id=after["id"],
                campaign_id=after["campaign_id"],
                order_ids=tuple(sorted(seat["order_id"] for seat in seats)),
            ),
        )


async def note_refund(db: AsyncSession, fact: PaidBack) -> None:
    """Reaction: the money of a given-up seat is back with its member."""
    await repository.move_seat(
        db, fact.order_id, SeatStatus.REFUND_DUE, SeatStatus.REFUNDED, {"ended_at": fact.at}
    )
