"""Pay an order: the provider is asked while nothing is held, and may be asked again safely."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Invalid, NotFound
from app.groupbuy import service as groupbuy
from app.orders.errors import OrderNotPayable
from app.orders.models import OrderStatus
from app.orders.repository import orders as repository
from app.orders.rules import is_payable
from app.orders.service.end import Doors, stop_payment
from app.payments import service as payments
from app.payments.errors import AlreadyPaid, GatewayUnknown
from app.payments.gateway import SANDBOX, ChargeState, ChargeWish
from app.payments.service import NewPayment


@dataclass(frozen=True, slots=True)
class PayWish:
    """How to pay; `attempt` tells one try of the client from another. A token is for the sandbox,
    whose payments are decided by it."""

    gateway: str
    token: str | None
    attempt: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A payment, and what the payer's device has to do for it while it is pending."""

    payment_id: UUID
    next_step: Mapping[str, str] | None


async def pay(
    db: AsyncSession,
    member_id: UUID,
    order_id: UUID,
    wish: PayWish,
    *,
    doors: Doors,
    now: datetime,
) -> Begun:
    """Take the money of an order; a try that was cut off is continued, never begun twice.

    A payment under way at another gateway is stopped there first.
    """
    row = await _own(db, member_id, order_id)
    wish = _accepted(wish, doors)
    if await _must_stop_another(db, row, wish, now):
        await stop_payment(db, order_id, doors, now)
        row = await _own(db, member_id, order_id)
        if row["status"] == OrderStatus.PAID:
            raise AlreadyPaid
    charge_wish = await _opened(db, row, wish, now)
    async with doors.outside():
        charge = await doors.gateways[wish.gateway].charge(charge_wish, now=now)
    await payments.record_charge(db, charge, now=now)
    is_pending = charge.state is ChargeState.PENDING
    return Begun(charge_wish.payment_id, charge.next_step if is_pending else None)


async def _own(db: AsyncSession, member_id: UUID, order_id: UUID) -> sa.RowMapping:
    row = await repository.order_of_member(db, member_id, order_id)
    if row is None:
        raise NotFound
    return row


def _accepted(wish: PayWish, doors: Doors) -> PayWish:
    if wish.gateway not in doors.offered:
        raise GatewayUnknown(gateways=sorted(doors.offered))
    if wish.gateway != SANDBOX:
        # Of no use elsewhere: it must not tell one payment from another there.
        return replace(wish, token=None)
    if wish.token is None:
        fault = {"pointer": "/token", "code": "missing", "detail": "The sandbox wants a token"}
        raise Invalid(errors=(fault,))
    return wish


async def _must_stop_another(
    db: AsyncSession, row: sa.RowMapping, wish: PayWish, now: datetime
) -> bool:
    under_way = await payments.live_charge_wish(db, row["id"])
    if under_way is None or under_way[0] == wish.gateway:
        return False
    # Not for an order that cannot be paid, nor by a try that came before the other payment.
    begun = await payments.attempt_of(db, row["id"], wish.attempt)
    return begun is None and is_payable(row["status"], row["expires_at"], now)


async def _opened(db: AsyncSession, row: sa.RowMapping, wish: PayWish, now: datetime) -> ChargeWish:
    if not is_payable(row["status"], row["expires_at"], now):
        begun = await payments.attempt_of(db, row["id"], wish.attempt)
        if begun is None:
            raise OrderNotPayable(status=row["status"])
        return begun
    if row["group_id"] is not None:
        await groupbuy.check_newcomer(db, row["id"], row["shop_id"], row["member_id"])
    new = NewPayment(
        shop_id=row["shop_id"],
        order_id=row["id"],
        amount=row["total_amount"],
        currency=row["currency"],
        gateway=wish.gateway,
        token=wish.token or "",
        attempt=wish.attempt,
    )
    opened = await payments.open_payment(db, new, now=now)
    # The order is held from here to the commit: a rival that ends it sees this payment, or we
    # see its end. A paid one has this very payment: another live one would have been refused.
    held = await repository.hold(db, row["id"])
    if held["status"] not in (OrderStatus.PLACED, OrderStatus.PAID):
        raise OrderNotPayable(status=held["status"])
    return opened
