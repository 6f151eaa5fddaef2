"""Shapes of the board: a campaign's groups and their seats as operators see them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Self
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from app.core.http.schema import Shown
from app.groupbuy.models import GroupStatus, SeatStatus
from app.groupbuy.schemas.operators import ID
from app.promotions.schemas.mechanics import example

_SEAT = {
    "id": f"{ID}6",
    "order_id": f"{ID}7",
    "member_id": f"{ID}9",
    "variant_id": f"{ID}4",
    "quantity": 1,
    "unit_amount": 9_900,
    "status": "paid",
    "created_at": "2026-06-18T04:00:00Z",
    "paid_at": "2026-06-18T04:01:00Z",
}
_GROUP = {
    "id": f"{ID}5",
    "campaign_id": f"{ID}1",
    "community_id": f"{ID}8",
    "leader_member_id": f"{ID}9",
    "status": "open",
    "capacity": 3,
    "paid_min": 3,
    "taken": 2,
    "paid": 1,
    "opened_at": "2026-06-18T04:00:00Z",
    "deadline_at": "2026-06-19T04:00:00Z",
    "succeeded_at": None,
    "ended_at": None,
    "server_now": "2026-06-18T05:00:00Z",
}


class OperatorSeatShown(Shown):
    """A seat as operators see it; the order has its buyer's address and its refunds."""

    model_config = example(**_SEAT)

    id: UUID
    order_id: UUID
    member_id: UUID
    variant_id: UUID
    quantity: int
    unit_amount: int
    status: SeatStatus
    created_at: datetime
    paid_at: datetime | None


class OperatorGroupShown(Shown):
    """A group on the board: how far it is, until when, and how much money it holds."""

    model_config = example(**_GROUP)

    id: UUID
    campaign_id: UUID
    community_id: UUID | None
    leader_member_id: UUID
    status: GroupStatus
    capacity: int
    paid_min: int = Field(description="So many paid members are enough at the deadline.")
    taken: int
    paid: int
    opened_at: datetime | None
    deadline_at: datetime | None
    succeeded_at: datetime | None
    ended_at: datetime | None
    server_now: datetime

    @classmethod
    def of(cls, row: sa.RowMapping, now: datetime) -> Self:
        """As it stands."""
        return cls(**{n: row[n] for n in cls.model_fields if n in row}, server_now=now)


class OperatorGroupWhole(OperatorGroupShown):
    """A group with all its seats, given-up ones too, in the order they were taken."""

    model_config = example(**_GROUP, seats=[_SEAT])

    seats: list[OperatorSeatShown]

    @classmethod
    def whole(cls, row: sa.RowMapping, seats: Iterable[sa.RowMapping], now: datetime) -> Self:
        """As it stands, with who sits and sat in it."""
        shown = [OperatorSeatShown.model_validate(dict(seat)) for seat in seats]
        return cls(**OperatorGroupShown.of(row, now).model_dump(), seats=shown)
