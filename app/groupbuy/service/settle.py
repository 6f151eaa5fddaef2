"""How a group ends: with success, at its deadline, or because the shop stops it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.groupbuy.events import GroupFailed, GroupSucceeded, PaidBack
from app.groupbuy.models import GroupStatus, SeatStatus
from app.groupbuy.repository import campaigns as campaign_repository
from app.groupbuy.repository import groups as repository
from app.groupbuy.rules.campaigns import ladder_of, rebate_per_unit
from app.groupbuy.rules.gathering import Gathering, ended, is_over, settled
from app.groupbuy.service.facts import fact_of


async def settle_group(
    db: AsyncSession, group_id: UUID, *, grace_seconds: int, now: datetime
) -> bool:
    """End a group whose deadline and grace have passed; says whether this call did it.

    It succeeds with as many paid members as are enough, and fails with fewer. A place that is
    still held unpaid when it succeeds goes back when its order expires, which is about now.
    """
    group = await repository.hold_living(db, group_id)
    if group is None:
        return False
    after = settled(Gathering.of(group), now - timedelta(seconds=grace_seconds), now)
    if after is None:
        return False
    if after.status is GroupStatus.SUCCEEDED:
        await _succeed_at_deadline(db, group, after, now)
    else:
        await repository.write(db, group, after)
        await empty(db, group, "deadline", now=now)
    return True


async def stop_group(db: AsyncSession, group_id: UUID, *, now: datetime) -> bool:
    """End a group that lives because its campaign was stopped; says whether this call did it.

    One whose deadline has passed is what it has become: it is settled after its grace.
    """
    group = await repository.hold_living(db, group_id)
    if group is None or is_over(Gathering.of(group), now):
        return False
    await repository.write(db, group, ended(Gathering.of(group), now))
    await empty(db, group, "campaign_stopped", now=now)
    return True


async def _succeed_at_deadline(
    db: AsyncSession, group: sa.RowMapping, after: Gathering, now: datetime
) -> None:
    paid = await repository.move_seats(db, group["id"], SeatStatus.PAID, SeatStatus.CONFIRMED, now)
    await repository.write(db, group, after)
    await announce_success(db, group, after, paid, now=now)


async def announce_success(
    db: AsyncSession,
    group: sa.RowMapping,
    after: Gathering,
    seats: Sequence[sa.RowMapping],
    *,
    now: datetime,
) -> None:
    """State that a group has come together, with what of their money its members get back."""
    await events.record(
        db,
        fact_of(
            GroupSucceeded,
            group,
            now,
            order_ids=_orders(seats),
            paid=after.paid,
            is_short=after.is_short,
            paid_back=await _paid_back(db, group, seats) if group["pays_back"] else (),
        ),
    )


async def _paid_back(
    db: AsyncSession, group: sa.RowMapping, seats: Sequence[sa.RowMapping]
) -> tuple[PaidBack, ...]:
    campaign = await campaign_repository.campaign(db, group["campaign_id"])
    assert campaign is not None, "a campaign is never deleted"
    ladder, reward = ladder_of(campaign["ladder"]), campaign["leader_reward_amount"] or 0
    found = []
    for seat in sorted(seats, key=lambda seat: seat["order_id"]):
        unit = rebate_per_unit(seat["unit_amount"], seat["variant_id"], ladder, len(seats))
        leads = seat["member_id"] == group["leader_member_id"]
        if unit or (leads and reward):
            found.append(PaidBack(seat["order_id"], unit, reward if leads else 0))
    return tuple(found)


async def empty(db: AsyncSession, group: sa.RowMapping, cause: str, *, now: datetime) -> None:
    """Empty a group that came to nothing: paid seats are owed their money, unpaid ones are void."""
    paid = await repository.move_seats(db, group["id"], SeatStatus.PAID, SeatStatus.REFUND_DUE, now)
    unpaid = await void_unpaid(db, group, now=now)
    await announce_failure(db, group, cause, GivenUp(paid, unpaid), now=now)


async def void_unpaid(
    db: AsyncSession, group: sa.RowMapping, *, now: datetime
) -> Sequence[sa.RowMapping]:
    """Release the unpaid seats of a group that came to nothing."""
    return await repository.move_seats(
        db, group["id"], SeatStatus.RESERVED, SeatStatus.RELEASED, now
    )


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The seats that a failure ends, and the one whose leaving has brought it about."""

    paid: Sequence[sa.RowMapping] = ()
    unpaid: Sequence[sa.RowMapping] = ()
    left: Sequence[sa.RowMapping] = ()


async def announce_failure(
    db: AsyncSession, group: sa.RowMapping, cause: str, seats: GivenUp, *, now: datetime
) -> None:
    """State that a group came to nothing, with the seats that were given up."""
    await events.record(
        db,
        fact_of(
            GroupFailed,
            group,
            now,
            cause=cause,
            paid_order_ids=_orders(seats.paid),
            unpaid_order_ids=_orders(seats.unpaid),
            left_order_ids=_orders(seats.left),
            units=sum(seat["quantity"] for seat in (*seats.paid, *seats.unpaid, *seats.left)),
        ),
    )


def _orders(seats: Sequence[sa.RowMapping]) -> tuple[UUID, ...]:
    return tuple(sorted(seat["order_id"] for seat in seats))


async def due_to_settle(
    db: AsyncSession,
    *,
    grace_seconds: int,
    now: datetime,
    after: tuple[datetime, UUID] | None,
    rows_max: int,
) -> Sequence[sa.RowMapping]:
    """Groups that are due to end, the longest overdue first, from a place on."""
    overdue_before = now - timedelta(seconds=grace_seconds)
    return await repository.due_groups(db, overdue_before, after=after, rows_max=rows_max)


async def stopped_groups(
    db: AsyncSession, *, after: UUID | None, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Groups that live though their campaign was stopped with them, from a place on."""
    return await repository.stopped_groups(db, after=after, rows_max=rows_max)
