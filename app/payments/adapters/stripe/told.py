"""Stripe's objects, as plain JSON, in our words. Pure: nothing here asks or writes.

`live` is the mode of our own key. What is of the other mode, or does not name a payment of ours,
is `NotOurBusinessError`; what lacks a field is `KeyError`, `TypeError` or `ValueError`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.payments.gateway import (
    Charge,
    ChargeState,
    Dispute,
    DisputeState,
    GatewayRefund,
    NotOurBusinessError,
    RefundState,
)

Json = Mapping[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STATES: Mapping[str, ChargeState] = {
    # A declined card leads back here: the buyer may try another one on the same intent.
    "requires_payment_method": ChargeState.PENDING,
    "requires_confirmation": ChargeState.PENDING,
    "requires_action": ChargeState.PENDING,
    "requires_capture": ChargeState.PENDING,
    "processing": ChargeState.PENDING,
    "succeeded": ChargeState.CAPTURED,
    "canceled": ChargeState.CANCELLED,
}
REFUND_STATES: Mapping[str, RefundState] = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}
# Inquiries (`warning_…`) and prevented disputes have moved no money: they are not told at all.
DISPUTE_STATES: Mapping[str, DisputeState] = {
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}


def instant(seconds: Any) -> datetime:
    """The time that a number of seconds since 1970 means."""
    if type(seconds) is not int:
        raise TypeError("a time is a whole number of seconds")
    return EPOCH + timedelta(seconds=seconds)


def of_mode(thing: Json, *, live: bool) -> None:
    """Refuse what belongs to the other mode."""
    if thing["livemode"] is not live:
        raise NotOurBusinessError("of another mode")


def charge_told(intent: Json, *, live: bool, at: datetime | None = None) -> Charge:
    """What a PaymentIntent says of our payment; `at` is the time of the event it came in.

    Of a capture, the amount is what was received.
    """
    of_mode(intent, live=live)
    payment_id = our_id(intent, "payment_id")
    if payment_id is None:
        raise NotOurBusinessError("not a payment of ours")
    state = STATES[intent["status"]]
    captured = state is ChargeState.CAPTURED
    currency = intent["currency"].upper()
    return Charge(
        payment_id=payment_id,
        reference=intent["id"],
        state=state,
        amount=_whole(intent["amount_received" if captured else "amount"]),
        currency=currency,
        at=_charged_at(intent, state, at),
        reason=_reason(intent, state),
        fee_amount=_fee(intent, currency) if captured else 0,
    )


def _charged_at(intent: Json, state: ChargeState, at: datetime | None) -> datetime:
    charge = intent.get("latest_charge")
    if state is ChargeState.CAPTURED and isinstance(charge, Mapping):
        return instant(charge["created"])
    if state is ChargeState.CANCELLED and intent.get("canceled_at") is not None:
        return instant(intent["canceled_at"])
    return at or instant(intent["created"])


def _reason(intent: Json, state: ChargeState) -> str | None:
    if state is ChargeState.CAPTURED:
        return None
    if state is ChargeState.CANCELLED:
        return intent.get("cancellation_reason")
    error = intent.get("last_payment_error") or {}
    return error.get("code") or error.get("type")


def _fee(intent: Json, currency: str) -> int:
    """What Stripe keeps, where it is told along and in the currency that was paid."""
    charge = intent.get("latest_charge")
    entry = charge.get("balance_transaction") if isinstance(charge, Mapping) else None
    if not isinstance(entry, Mapping) or entry["currency"].upper() != currency:
        return 0
    return _whole(entry["fee"])


def refund_told(refund: Json, *, at: datetime | None = None) -> GatewayRefund:
    """What a Refund says; one made by hand at Stripe carries no id of ours."""
    return GatewayRefund(
        refund_id=our_id(refund, "refund_id"),
        reference=refund["id"],
        state=REFUND_STATES[refund["status"]],
        at=at or instant(refund["created"]),
        reason=refund.get("failure_reason"),
        payment_id=our_id(refund, "payment_id"),
        charge_reference=refund["payment_intent"],
        amount=_whole(refund["amount"]),
        currency=refund["currency"].upper(),
    )


def dispute_told(dispute: Json, *, live: bool, at: datetime | None = None) -> Dispute | None:
    """What a Dispute says, once it has moved money; its fee in the currency in dispute only."""
    of_mode(dispute, live=live)
    state = DISPUTE_STATES.get(dispute["status"])
    if state is None:
        return None
    currency = dispute["currency"].upper()
    entries = dispute.get("balance_transactions") or ()
    fees = [_whole(e["fee"]) for e in entries if e["currency"].upper() == currency]
    return Dispute(
        reference=dispute["id"],
        payment_id=None,
        charge_reference=dispute["payment_intent"] or dispute["charge"],
        amount=_whole(dispute["amount"]),
        currency=currency,
        state=state,
        at=at or instant(dispute["created"]),
        reason=dispute.get("reason"),
        # Where Stripe gives a fee back, it books it with the opposite sign; often it keeps it.
        fee_amount=sum(fee for fee in fees if fee > 0),
        fee_returned_amount=-sum(fee for fee in fees if fee < 0),
    )


def our_id(thing: Json, name: str) -> UUID | None:
    """An id of ours in the metadata; `None` where somebody else wrote them."""
    try:
        return UUID(thing["metadata"][name])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _whole(amount: Any) -> int:
    if type(amount) is not int:
        raise TypeError("an amount is a whole number of minor units")
    return amount
