"""Pay an order: the provider is asked while nothing is held, and may be asked again safely."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.groupbuy import service as groupbuy
from app.identity import service as identity
from app.orders.errors import OrderNotPayable
from app.orders.models import OrderStatus
from app.orders.repository import orders as repository
from app.orders.rules import is_payable
from app.orders.service.end import Doors
from app.payments import service as payments
from app.payments.errors import PayerUnknown
from app.payments.gateway import ChargeWish, Gateway, payer_app_id
from app.payments.service import NewPayment


@dataclass(frozen=True, slots=True)
class PayWish:
    """How to pay; `attempt` tells one try of the client from another."""

    gateway: str
    token: str
    attempt: str


async def pay(
    db: AsyncSession,
    member_id: UUID,
    order_id: UUID,
    wish: PayWish,
    *,
    doors: Doors,
    now: datetime,
) -> UUID:
    """Take the money of an order; a try that was cut off is continued, never begun twice."""
    row = await repository.order_of_member(db, member_id, order_id)
    if row is None:
        raise NotFound
    payer = await _payer(db, member_id, doors.gateways[wish.gateway])
    charge_wish = replace(await _opened(db, row, wish, now), payer=payer)
    async with doors.outside():
        charge = await doors.gateways[wish.gateway].charge(charge_wish, now=now)
    await payments.record_charge(db, charge, now=now)
    return charge_wish.payment_id


async def _payer(db: AsyncSession, member_id: UUID, gateway: Gateway) -> str | None:
    app_id = payer_app_id(gateway)
    if app_id is None:
        return None
    payer = await identity.openid_of(db, member_id, app_id)
    if payer is None:
        raise PayerUnknown
    return payer


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
        token=wish.token,
        attempt=wish.attempt,
    )
    opened = await payments.open_payment(db, new, now=now)
    # The order is held from here to the commit: a rival that ends it sees this payment, or we
    # see its end. A paid one has this very payment: another live one would have been refused.
    held = await repository.hold(db, row["id"])
    if held["status"] not in (OrderStatus.PLACED, OrderStatus.PAID):
        raise OrderNotPayable(status=held["status"])
    return opened
