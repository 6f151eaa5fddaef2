"""Payments: opened here, moved by the provider's word, recorded once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.payments import repository
from app.payments.errors import (
    AlreadyPaid,
    PaymentInProgress,
)
from app.payments.events import PaymentCaptured, PaymentDeclined, SurplusCaptured
from app.payments.gateway import Charge, ChargeState, ChargeWish
from app.payments.models import (
    HELD_STATES,
    UNSETTLED_STATES,
    PaymentState,
)
from app.payments.repository import under_way
from app.payments.rules import NOTHING_TAKEN, STATE_OF_CHARGE, Verdict
from app.payments.service import postings
from app.payments.service.refunds import new_refund
from app.payments.service.strays import keep_stray, void_stray

# A payment whose call never came back is asked about after this long, then ever more rarely.
ASK_AFTER = timedelta(seconds=20)
ASK_AGAIN_AFTER = timedelta(seconds=30)
ASK_ABOUT_QUARANTINED_AFTER = timedelta(hours=1)
SECOND_CAPTURE = "second_capture"


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


async def being_paid(db: AsyncSession, order_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Which of these orders have a payment under way."""
    return await under_way.being_paid(db, order_ids)


async def unwant(db: AsyncSession, order_id: UUID) -> None:
    """Let a payment be stopped at its provider, whose order has ended without asking for that."""
    await repository.unwant(db, order_id)


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


async def record_charge(
    db: AsyncSession, charge: Charge, *, now: datetime, gateway: str | None = None
) -> Verdict:
    """Take over the provider's word; a capture or refusal becomes a fact exactly once.

    A charge of another amount or currency than asked for is never counted as a payment: it is
    kept with its reason for a person to look at, and what it took is posted as nobody's. A second
    capture of an order goes back at once.
    `gateway` is who tells, where that is not who was asked.
    """
    if gateway is None and await _settle(db, charge, UNSETTLED_STATES, now):
        return Verdict.APPLIED
    asked = await repository.lock_payment(db, charge.payment_id)
    if asked is None or gateway not in (None, asked["gateway"]):
        return Verdict.UNKNOWN
    if _is_of_another_try(asked, charge):
        return Verdict.UNCHANGED
    doubt = _doubt(asked, charge)
    if doubt is not None:
        if charge.state is ChargeState.CAPTURED:
            await keep_stray(db, asked, charge, now)
        return await quarantine(db, asked["id"], doubt, now=now)
    if charge.state is ChargeState.CAPTURED and asked["state"] not in UNSETTLED_STATES:
        return await _captured_late(db, asked, charge, now)
    moved = await _settle(db, charge, tuple(PaymentState), now)
    return Verdict.APPLIED if moved else Verdict.UNCHANGED


async def quarantine(db: AsyncSession, payment_id: UUID, reason: str, *, now: datetime) -> Verdict:
    """Keep what was told of a payment from counting, with the reason, for a person to look at."""
    await repository.quarantine(db, payment_id, reason, now + ASK_ABOUT_QUARANTINED_AFTER)
    return Verdict.QUARANTINED


async def _settle(
    db: AsyncSession, charge: Charge, origins: Sequence[PaymentState], now: datetime
) -> bool:
    target = STATE_OF_CHARGE[charge.state]
    values: dict[str, Any] = {"reference": charge.reference, "reason": charge.reason}
    values["ask_after"] = now + ASK_AGAIN_AFTER
    if target is PaymentState.CAPTURED:
        values |= {"captured_at": charge.at, "fee_amount": charge.fee_amount}
    moved = await repository.move_payment(db, charge, origins, target, values)
    if moved is not None:
        await _announce(db, moved, charge, now)
    return moved is not None


def _is_of_another_try(asked: sa.RowMapping, charge: Charge) -> bool:
    """It took nothing, and is not the one that the buyer was given to pay by."""
    others = charge.reference and asked["reference"] and charge.reference != asked["reference"]
    return charge.state in NOTHING_TAKEN and bool(others)


def _doubt(asked: sa.RowMapping, charge: Charge) -> str | None:
    if charge.state in NOTHING_TAKEN:
        return None  # whatever it was about
    if (asked["amount"], asked["currency"]) != (charge.amount, charge.currency):
        return "amount_mismatch"
    is_held = charge.state is ChargeState.CAPTURED and asked["state"] in HELD_STATES
    if is_held and charge.reference != asked["reference"]:
        return "captured_twice"
    return None


async def _captured_late(
    db: AsyncSession, asked: sa.RowMapping, charge: Charge, now: datetime
) -> Verdict:
    """The capture of a payment that was believed dead, or is known already."""
    if asked["state"] in HELD_STATES:
        # The fee alone may be told later than the capture.
        if not await repository.raise_fee(db, asked["id"], charge.fee_amount):
            return Verdict.UNCHANGED
        await postings.fee_told(db, asked, charge.fee_amount, at=now)
        return Verdict.APPLIED
    other = await repository.live_payment(db, asked["order_id"])
    if other is None:
        await _settle(db, charge, tuple(PaymentState), now)
        return Verdict.APPLIED
    if other["state"] in UNSETTLED_STATES:
        return Verdict.UNKNOWN  # which of the two pays the order is seen when the other has ended
    return await _set_aside(db, asked["id"], charge, now)


async def _set_aside(db: AsyncSession, payment_id: UUID, charge: Charge, now: datetime) -> Verdict:
    """Money came for an order that is paid: it is kept apart, and owed back once, all of it."""
    row = await repository.set_aside(db, payment_id, charge, SECOND_CAPTURE)
    if row is None:
        return Verdict.UNCHANGED
    reference = f"{SECOND_CAPTURE}:{row['id']}"
    refund = new_refund(row, row["amount"], SECOND_CAPTURE, reference, rule=SECOND_CAPTURE, now=now)
    added = await repository.add_refund(db, refund)
    assert added, "a payment is set aside once"
    if row["quarantine_reason"] is not None:
        await void_stray(db, row, charge.reference, now=now)
    await postings.captured(db, row, charge, at=now)
    await postings.refund_owed(db, row, refund, at=now)
    await events.record(
        db,
        SurplusCaptured(
            at=now,
            shop_id=row["shop_id"],
            aggregate_id=row["id"],
            payment_id=row["id"],
            order_id=row["order_id"],
            amount=row["amount"],
            currency=row["currency"],
        ),
    )
    return Verdict.APPLIED


async def _announce(db: AsyncSession, row: sa.RowMapping, charge: Charge, now: datetime) -> None:
    if row["state"] == PaymentState.CAPTURED:
        if row["quarantine_reason"] is not None:
            await void_stray(db, row, charge.reference, now=now)
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
        await postings.captured(db, row, charge, at=now)
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


async def payments_of_shop(
    db: AsyncSession, shop_id: UUID, paging: Paging, *, quarantined: bool | None
) -> Slice[sa.RowMapping]:
    """A page of a shop's payments, newest first; all, or (not) quarantined ones."""
    after = paging.after(UUID)
    rows = await repository.payments_of_shop(
        db, shop_id, after[0] if after else None, paging.limit + 1, quarantined=quarantined
    )
    return paging.cut(rows, lambda row: (row["id"],))
