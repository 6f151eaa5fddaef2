"""What money means for a seat and its group; hears of it as facts, and does not know payments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.community import service as community
from app.core import events
from app.groupbuy.errors import NewcomersOnly
from app.groupbuy.events import GroupOpened, SeatPaymentRefused
from app.groupbuy.models import GroupStatus, LatePayment, SeatStatus
from app.groupbuy.repository import campaigns as campaign_repository
from app.groupbuy.repository import groups as repository
from app.groupbuy.rules.gathering import (
    Gathering,
    completes,
    counts,
    may_sit_again,
    with_payment,
    with_place,
    without_unpaid,
)
from app.groupbuy.service.facts import fact_of
from app.groupbuy.service.quota import Draw, take_units
from app.groupbuy.service.settle import announce_success

_TOO_LATE = "paid_too_late"
_NOT_NEW = "not_a_newcomer"
_UNPAID = (SeatStatus.RESERVED, SeatStatus.RELEASED)


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


class Refunded(Protocol):
    """The part of a refund, sent or refused, that a seat needs."""

    @property
    def order_id(self) -> UUID:
        """Whose order."""

    @property
    def at(self) -> datetime:
        """When it was told."""


async def check_newcomer(db: AsyncSession, order_id: UUID, shop_id: UUID, member_id: UUID) -> None:
    """Refuse to take money for a newcomer's seat from somebody who has bought meanwhile."""
    seat = await repository.seat_of(db, order_id)
    if seat is not None and seat["is_newcomer"]:
        standing = await community.membership(db, member_id, shop_id)
        if standing.paid_orders > 0:
            raise NewcomersOnly


async def count_payment(db: AsyncSession, fact: Captured) -> None:
    """Reaction: the seat is paid and its group opens, grows or succeeds; or it came too late.

    The group's row is held by an earlier statement than the one that counts, so two last payers
    at once see one another.
    """
    group = await repository.hold_group_of(db, fact.order_id)
    if group is None:
        return
    before = Gathering.of(group)
    if not counts(before, fact.captured_at):
        await _refuse(db, group, fact, _TOO_LATE)
    elif group["newcomers_only"] and not await _is_new(db, group, fact):
        await _refuse(db, group, fact, _NOT_NEW)
    elif completes(before):
        await _complete(db, group, fact)
    else:
        await _grow(db, group, fact)


async def _is_new(db: AsyncSession, group: sa.RowMapping, fact: Captured) -> bool:
    """Whether a newcomer's seat is still one; leaders need not be new."""
    seat = await repository.seat_of(db, fact.order_id)
    assert seat is not None, "the group was found by it"
    if not seat["is_newcomer"] or seat["status"] not in _UNPAID:
        return True
    standing = await community.membership(db, seat["member_id"], group["shop_id"])
    return standing.paid_orders == 0


async def _grow(db: AsyncSession, group: sa.RowMapping, fact: Captured) -> None:
    seat = await repository.move_seat(
        db, fact.order_id, SeatStatus.RESERVED, SeatStatus.PAID, {"paid_at": fact.captured_at}
    )
    if seat is None:
        await _refuse(db, group, fact, _TOO_LATE)
        return
    before = Gathering.of(group)
    after = with_payment(before, fact.captured_at, fact.at)
    await repository.write(db, group, after)
    if before.status is GroupStatus.PENDING:
        await _announce_opened(db, group, after, fact.at)


async def _complete(db: AsyncSession, group: sa.RowMapping, fact: Captured) -> None:
    seats = await repository.confirm_seats(
        db, group["id"], fact.order_id, paid_at=fact.captured_at, now=fact.at
    )
    if not seats:
        await _refuse(db, group, fact, _TOO_LATE)
        return
    after = with_payment(Gathering.of(group), fact.captured_at, fact.at)
    await repository.write(db, group, after)
    await announce_success(db, group, after, seats, now=fact.at)


async def _refuse(db: AsyncSession, group: sa.RowMapping, fact: Captured, cause: str) -> None:
    """The money is owed back, and a place still held for it is free again.

    Whether late money may be seated again is seen by the order, which has to get its stock back
    as well; it says so by `sit_again` or `refuse_late`. A second payment of an order whose seat
    is paid already says nothing about the seat.
    """
    held = await repository.move_seat(
        db, fact.order_id, SeatStatus.RESERVED, SeatStatus.RELEASED, {"ended_at": fact.at}
    )
    if held is not None:
        await repository.write(db, group, without_unpaid(Gathering.of(group), fact.at))
    elif cause == _TOO_LATE and _may_sit_again(group, fact):
        return
    await _owe_back(db, group, fact, cause, units=held["quantity"] if held is not None else 0)


def _may_sit_again(group: sa.RowMapping, fact: Captured) -> bool:
    reseats = group["late_payment"] == LatePayment.RESEAT
    return reseats and may_sit_again(Gathering.of(group), fact.captured_at)


async def _owe_back(
    db: AsyncSession, group: sa.RowMapping, fact: Captured, cause: str, *, units: int
) -> None:
    late = await repository.move_seat(
        db, fact.order_id, SeatStatus.RELEASED, SeatStatus.REFUND_DUE, {"ended_at": fact.at}
    )
    if late is None:
        return
    await events.record(
        db,
        fact_of(
            SeatPaymentRefused,
            group,
            fact.at,
            order_id=fact.order_id,
            cause=cause,
            units=units,
        ),
    )


@dataclass(frozen=True, slots=True)
class SeatedAgain:
    """A late seat that is paid after all, and all confirmed ones where that completes the group."""

    group: sa.RowMapping
    after: Gathering
    seat: sa.RowMapping
    confirmed: Sequence[sa.RowMapping]


async def sit_again(db: AsyncSession, fact: Captured) -> SeatedAgain | None:
    """Give late money the place it was for, if that is still free; `None` where it is not.

    Nothing is announced yet: the caller takes stock and quota again, and undoes this if it can't.
    """
    group = await repository.hold_group_of(db, fact.order_id)
    assert group is not None, "the order has a seat"
    if not _may_sit_again(group, fact):
        return None
    seat = await repository.sit_again(db, fact.order_id, fact.captured_at)
    if seat is None:
        return None
    after = with_payment(with_place(Gathering.of(group)), fact.captured_at, fact.at)
    await repository.write(db, group, after)
    seats = []
    if after.status is GroupStatus.SUCCEEDED:
        seats = list(
            await repository.move_seats(
                db, group["id"], SeatStatus.PAID, SeatStatus.CONFIRMED, fact.at
            )
        )
    return SeatedAgain(group, after, seat, seats)


async def retake_quota(db: AsyncSession, seated: SeatedAgain) -> None:
    """Take the campaign's and the member's units once more; raises where they are gone."""
    campaign = await campaign_repository.campaign(db, seated.group["campaign_id"])
    assert campaign is not None, "a campaign is never deleted"
    draw = Draw(
        campaign_id=campaign["id"],
        member_id=seated.seat["member_id"],
        units=seated.seat["quantity"],
        has_quota=campaign["stock_quota"] is not None,
        member_units_max=campaign["member_units_max"],
    )
    await take_units(db, draw)


async def announce_seated(db: AsyncSession, seated: SeatedAgain, *, now: datetime) -> None:
    """State what a late seat has completed."""
    if seated.confirmed:
        await announce_success(db, seated.group, seated.after, seated.confirmed, now=now)


async def refuse_late(db: AsyncSession, fact: Captured) -> None:
    """The late money could not be seated again: it is owed back."""
    group = await repository.hold_group_of(db, fact.order_id)
    assert group is not None, "the order has a seat"
    await _owe_back(db, group, fact, _TOO_LATE, units=0)


async def _announce_opened(
    db: AsyncSession, group: sa.RowMapping, after: Gathering, at: datetime
) -> None:
    assert after.deadline_at is not None, "the first payment has started the clock"
    await events.record(
        db,
        fact_of(
            GroupOpened,
            group,
            at,
            leader_member_id=group["leader_member_id"],
            capacity=group["capacity"],
            deadline_at=after.deadline_at,
        ),
    )


async def note_refund(db: AsyncSession, fact: Refunded) -> None:
    """Reaction: the money of a given-up seat is back with its member."""
    await repository.note_refunded(db, fact.order_id, fact.at)


async def note_failed_refund(db: AsyncSession, fact: Refunded) -> None:
    """Reaction: the provider has not sent the money of a given-up seat back, for now."""
    await repository.move_seat(
        db, fact.order_id, SeatStatus.REFUND_DUE, SeatStatus.REFUND_FAILED, {}
    )


async def note_returned_refund(db: AsyncSession, fact: Refunded) -> None:
    """Reaction: the money of a given-up seat was back with its member and has bounced."""
    await repository.move_seat(db, fact.order_id, SeatStatus.REFUNDED, SeatStatus.REFUND_FAILED, {})
