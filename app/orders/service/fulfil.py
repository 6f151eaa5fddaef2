"""From a confirmed order to goods in the buyer's hands."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.audit_log import note
from app.core.errors import NotFound, Problem
from app.orders.errors import NothingToShip, OrderNotConfirmed, WrongFulfilment
from app.orders.events import OrderReceived, OrderShipped
from app.orders.models import Fulfilment, OrderDispute, OrderStatus
from app.orders.repository import orders as repository
from app.orders.service.facts import fact
from app.payments.errors import OrderDisputed


async def ship(
    db: AsyncSession,
    shop_id: UUID,
    order_id: UUID,
    *,
    carrier: str,
    tracking_number: str,
    now: datetime,
) -> None:
    """Say that the goods are on their way; refused before the order is confirmed.

    While a dispute is open too: the money is gone already, the goods need not follow it.
    """
    which = {"id": order_id, "shop_id": shop_id}
    # Held first, so that a refund of everything and the parcel cannot pass one another.
    if await repository.hold_with_kept(db, which) == 0:
        raise NothingToShip
    moved = await repository.move_fulfilment(
        db,
        which,
        origin=Fulfilment.FULFILLING,
        target=Fulfilment.SHIPPED,
        values={"carrier": carrier, "tracking_number": tracking_number, "shipped_at": now},
    )
    if moved is None:
        raise _why_not(await repository.order_of_shop(db, shop_id, order_id))
    # Facts and the log outlive an erasure: the parcel's number stands in the order alone.
    await events.record(db, fact(OrderShipped, moved, now, carrier=carrier))
    await note(
        db,
        "order.shipped",
        ("order", order_id),
        at=now,
        shop_id=shop_id,
        change=(None, {"carrier": carrier}),
    )


async def receive(db: AsyncSession, member_id: UUID, order_id: UUID, *, now: datetime) -> None:
    """The buyer says that the goods have arrived."""
    moved = await repository.move_fulfilment(
        db,
        {"id": order_id, "member_id": member_id},
        origin=Fulfilment.SHIPPED,
        target=Fulfilment.RECEIVED,
        values={"received_at": now},
    )
    if moved is None:
        raise _why_not(await repository.order_of_member(db, member_id, order_id))
    await events.record(db, fact(OrderReceived, moved, now))


def _why_not(row: sa.RowMapping | None) -> Problem:
    if row is None:
        return NotFound()
    if row["status"] != OrderStatus.PAID or row["confirmed_at"] is None:
        return OrderNotConfirmed(status=row["status"])
    if row["dispute"] == OrderDispute.OPEN and row["fulfilment"] == Fulfilment.FULFILLING:
        return OrderDisputed()
    return WrongFulfilment(fulfilment=row["fulfilment"])
