"""Payments: opened here, moved by the provider's word, recorded once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.ids import new_id
from app.payments import repository
from app.payments.errors import (
    AlreadyPaid,
    PaymentInProgress,
)
from app.payments.events import PaymentCaptured, PaymentDeclined
from app.payments.gateway import Charge, ChargeState, ChargeWish
from app.payments.models import LIVE_STATES, UNSETTLED_STATES, PaymentState
from app.payments.rules import STATE_OF_CHARGE

# A payment whose call never came back is asked about after this long, then ever more rarely.
ASK_AFTER = timedelta(seconds=20)
ASK_AGAIN_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class NewPayment:
    """What is to be paid, how, and for which order."""

    shop_id: UUID
    order_id: UUID
    amount: int
    currency: str
    gateway: str
    token: str
    attempt: str


async def open_payment(db: AsyncSession, wish: NewPayment, *, now: datetime) -> ChargeWish:
    """Begin a payment, or continue the one this order has under way with the same token.

    Raises `AlreadyPaid` or `PaymentInProgress`.
    """
    payment_id = new_id()
    added = await repository.add_payment(
        db,
        {
            "id": payment_id,
            "shop_id": wish.shop_id,
            "order_id": wish.order_id,
            "amount": wish.amount,
            "currency": wish.currency,
            "gateway": wish.gateway,
            "token": wish.token,
            "attempt": wish.attempt,
            "state": PaymentState.CREATED,
            "created_at": now,
            "ask_after": now + ASK_AFTER,
            "refund_owed_amount": 0,
            "refunded_amount": 0,
        },
    )
    if not added:
        return await _continued(db, wish)
    return ChargeWish(payment_id, wish.order_id, wish.amount, wish.currency, wish.token)


async def _continued(db: AsyncSession, wish: NewPayment) -> ChargeWish:
    same = await repository.attempt_of(db, wish.order_id, wish.attempt)
    live = same or await repository.live_payment(db, wish.order_id)
    if live is None or (live["gateway"], live["token"]) != (wish.gateway, wish.token):
        raise PaymentInProgress
    if same is None and live["state"] == PaymentState.CAPTURED:
        raise AlreadyPaid
    return charge_wish(live)


async def attempt_of(db: AsyncSession, order_id: UUID, attempt: str) -> ChargeWish | None:
    """The wish of a payment that an earlier run of this attempt has begun."""
    row = await repository.attempt_of(db, order_id, attempt)
    return None if row is None else charge_wish(row)


async def live_charge_wish(db: AsyncSession, order_id: UUID) -> tuple[str, ChargeWish] | None:
    """The gateway and wish of an order's unsettled payment, for asking the provider about it."""
    live = await repository.live_payment(db, order_id)
    if live is None or live["state"] == PaymentState.CAPTURED:
        return None
    return live["gateway"], charge_wish(live)


def charge_wish(row: sa.RowMapping) -> ChargeWish:
    """The wish of a stored payment, as it was first sent."""
    return ChargeWish(
        row["id"],
        row["order_id"],
        row["amount"],
        row["currency"],
        row["token"],
        reference=row["reference"],
    )


async def record_charge(db: AsyncSession, charge: Charge, *, now: datetime) -> None:
    """Take over the provider's word; a capture or refusal becomes a fact exactly once.

    A charge of another amount or currency than asked for is never counted as a payment, nor is
    one of a payment believed dead whose order has another by now: it is kept with its reason for
    a person to look at.
    """
    moved = await _moved(db, charge, UNSETTLED_STATES, now)
    if moved is None and await _is_believed(db, charge, now):
        moved = await _moved(db, charge, tuple(PaymentState), now)
    if moved is not None:
        await _announce(db, moved, charge, now)


async def _moved(
    db: AsyncSession, charge: Charge, origins: Sequence[PaymentState], now: datetime
) -> sa.RowMapping | None:
    target = STATE_OF_CHARGE[charge.state]
    values = {
        "reference": charge.reference,
        "reason": charge.reason,
        "captured_at": charge.at if target is PaymentState.CAPTURED else None,
        "ask_after": now + ASK_AGAIN_AFTER,
    }
    return await repository.move_payment(db, charge, origins, target, values)


async def _is_believed(db: AsyncSession, charge: Charge, now: datetime) -> bool:
    asked = await repository.payment(db, charge.payment_id)
    if asked is None:
        raise LookupError("the provider speaks of a payment that was never made")
    doubt = await _doubt(db, asked, charge)
    if doubt is None:
        return True
    await repository.quarantine(db, charge.payment_id, doubt, now + timedelta(hours=1))
    return False


async def _doubt(db: AsyncSession, asked: sa.RowMapping, charge: Charge) -> str | None:
    if (asked["amount"], asked["currency"]) != (charge.amount, charge.currency):
        return "amount_mismatch"
    if charge.state is ChargeState.CAPTURED and asked["state"] not in LIVE_STATES:
        other = await repository.live_payment(db, asked["order_id"])
        return "second_capture" if other is not None else None
    return None


async def _announce(db: AsyncSession, row: sa.RowMapping, charge: Charge, now: datetime) -> None:
    if row["state"] == PaymentState.CAPTURED:
        await events.record(
            db,
            PaymentCaptured(
                at=now,
                shop_id=row["shop_id"],
                aggregate_id=row["id"],
                payment_id=row["id"],
                order_id=row["order_id"],
                amount=row["amount"],
                currency=row["currency"],
                captured_at=charge.at,
            ),
        )
    elif row["state"] == PaymentState.DECLINED:
        await events.record(
            db,
            PaymentDeclined(
                at=now,
                shop_id=row["shop_id"],
                aggregate_id=row["id"],
                payment_id=row["id"],
                order_id=row["order_id"],
                reason=charge.reason or "declined",
            ),
        )


async def payments_of_order(db: AsyncSession, order_id: UUID) -> Sequence[sa.RowMapping]:
    """All attempts to pay an order, oldest first."""
    return await repository.payments_of_order(db, order_id)
