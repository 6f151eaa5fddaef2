"""The end of a group that did not come together."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.groupbuy.events import GroupFailed
from app.groupbuy.models import SeatStatus
from app.groupbuy.repository import groups as repository


async def fail_group(
    db: AsyncSession, group_id: UUID, *, grace_seconds: int, now: datetime
) -> bool:
    """Fail a group whose deadline and grace have passed; says whether this call did it."""
    deadline_before = now - timedelta(seconds=grace_seconds)
    group = await repository.fail_if_due(db, group_id, deadline_before=deadline_before, now=now)
    if group is None:
        return False
    await end_group(db, group, "deadline", now=now)
    return True


async def end_group(db: AsyncSession, group: sa.RowMapping, cause: str, *, now: datetime) -> None:
    """Empty an ended group: paid seats are owed their money, unpaid ones are void."""
    paid = await repository.move_seats(db, group["id"], SeatStatus.PAID, SeatStatus.REFUND_DUE, now)
    unpaid = await repository.move_seats(
        db, group["id"], SeatStatus.RESERVED, SeatStatus.RELEASED, now
    )
    await repository.clear_places(db, group["id"])
    await events.record(
        db,
        GroupFailed(
            at=now,
            shop_id=group["shop_id"],
            aggregate_id=group["id"],
            group_id=group["id"],
            campaign_id=group["campaign_id"],
            cause=cause,
            paid_order_ids=_orders(paid),
            unpaid_order_ids=_orders(unpaid),
            units=sum(seat["quantity"] for seat in (*paid, *unpaid)),
        ),
    )


def _orders(seats: Sequence[sa.RowMapping]) -> tuple[UUID, ...]:
    return tuple(sorted(seat["order_id"] for seat in seats))


async def due_to_fail(
    db: AsyncSession,
    *,
    grace_seconds: int,
    now: datetime,
    after: tuple[datetime, UUID] | None,
    rows_max: int,
) -> Sequence[sa.RowMapping]:
    """Groups that are due to fail, the longest overdue first, from a place on."""
    deadline_before = now - timedelta(seconds=grace_seconds)
    return await repository.due_groups(db, deadline_before, after=after, rows_max=rows_max)
