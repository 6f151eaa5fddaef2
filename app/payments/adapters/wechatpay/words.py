"""WeChat Pay's words in ours: what an order or refund of theirs means, as told and unchanged."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.payments.gateway import (
    Charge,
    ChargeState,
    ChargeWish,
    GatewayRefund,
    NotOurBusinessError,
    RefundState,
)

CURRENCY = "CNY"
CLOSED, ABNORMAL = "CLOSED", "ABNORMAL"

# Money that was given back later was taken all the same; each refund speaks for itself.
STATE_OF_TRADE: Mapping[str, ChargeState] = {
    "SUCCESS": ChargeState.CAPTURED,
    "REFUND": ChargeState.CAPTURED,
    "NOTPAY": ChargeState.PENDING,
    "USERPAYING": ChargeState.PENDING,
    "ACCEPT": ChargeState.PENDING,
    "CLOSED": ChargeState.CANCELLED,
    "REVOKED": ChargeState.CANCELLED,
    "PAYERROR": ChargeState.DECLINED,
}
# An abnormal refund lies with WeChat until the merchant says where to, as the buyer's card is gone:
# it has not failed, for it succeeds then, under the same name.
STATE_OF_REFUND: Mapping[str, RefundState] = {
    "PROCESSING": RefundState.PENDING,
    "SUCCESS": RefundState.SUCCEEDED,
    CLOSED: RefundState.FAILED,
    ABNORMAL: RefundState.PENDING,
}
_TRADE_NUMBER = re.compile(r"[0-9a-f]{32}")
_REFUND_NUMBER = re.compile(r"([0-9a-f]{32})\d{2,8}")


def refund_number(refund_id: UUID, number: int) -> str:
    """`out_refund_no`: the refund and which of its tries, in at most 40 of their 64 characters."""
    return f"{refund_id.hex}{number:02d}"


def prepay_id(told: Mapping[str, Any]) -> str:
    """The name of an announced payment, by which the buyer's WeChat finds it."""
    return _text(told, "prepay_id")


def charge(told: Mapping[str, Any], wish: ChargeWish, *, now: datetime) -> Charge:
    """The answer to a question about a payment; amounts are told of paid ones only."""
    state = _of(STATE_OF_TRADE, told, "trade_state")
    if state is ChargeState.CAPTURED:
        made = captured(told)
        if made.payment_id != wish.payment_id:
            raise ValueError("an answer about another payment")
        return made
    reason = "payment_failed" if state is ChargeState.DECLINED else None
    return asked(wish, state, now, reason)


def asked(wish: ChargeWish, state: ChargeState, now: datetime, reason: str | None = None) -> Charge:
    """A payment as we asked for it, no money having moved."""
    return Charge(
        payment_id=wish.payment_id,
        reference=wish.payment_id.hex,
        state=state,
        amount=wish.amount,
        currency=wish.currency,
        at=now,
        reason=reason,
    )


def captured(told: Mapping[str, Any]) -> Charge:
    """A payment that was made; `NotOurBusinessError` where its number is none of ours.

    What WeChat keeps of it stands in its bills only.
    """
    if _of(STATE_OF_TRADE, told, "trade_state") is not ChargeState.CAPTURED:
        raise ValueError("not captured")
    number = _text(told, "out_trade_no")
    if not _TRADE_NUMBER.fullmatch(number):
        raise NotOurBusinessError
    amount = an_object(told.get("amount"))
    return Charge(
        payment_id=UUID(number),
        reference=_text(told, "transaction_id"),
        state=ChargeState.CAPTURED,
        amount=_fen(amount, "total"),
        currency=_text(amount, "currency"),
        at=moment(_text(told, "success_time")),
    )


def refund(told: Mapping[str, Any], status: str, *, at: datetime) -> GatewayRefund:
    """A refund; one made by hand has a number that is none of ours. `at` where no time is told.

    Messages tell no currency: domestic refunds are in CNY.
    """
    state = STATE_OF_REFUND.get(status)
    if state is None:
        raise ValueError("an unknown state of a refund")
    ours = _REFUND_NUMBER.fullmatch(_text(told, "out_refund_no"))
    paid = _TRADE_NUMBER.fullmatch(_text(told, "out_trade_no"))
    amount = an_object(told.get("amount"))
    return GatewayRefund(
        refund_id=UUID(ours[1]) if ours else None,
        reference=_text(told, "refund_id"),
        state=state,
        at=moment(told["success_time"]) if told.get("success_time") else at,
        reason=status.lower() if status in (CLOSED, ABNORMAL) else None,
        payment_id=UUID(paid[0]) if paid else None,
        charge_reference=_text(told, "transaction_id"),
        amount=_fen(amount, "refund"),
        currency=_text(amount, "currency") if "currency" in amount else CURRENCY,
    )


def moment(told: object) -> datetime:
    """A time as they write it, with its zone, in UTC."""
    at = datetime.fromisoformat(told) if isinstance(told, str) else None
    if at is None or at.tzinfo is None:
        raise ValueError("not a time with its zone")
    return at.astimezone(UTC)


def _of(states: Mapping[str, ChargeState], told: Mapping[str, Any], name: str) -> ChargeState:
    state = states.get(_text(told, name))
    if state is None:
        raise ValueError(f"an unknown {name}")
    return state


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= 64:
        raise ValueError(f"no {name}")
    return found


def _fen(told: Mapping[str, Any], name: str) -> int:
    found = told.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError(f"no {name}")
    return found


def an_object(told: object) -> Mapping[str, Any]:
    """What must be a JSON object; `ValueError` for anything else."""
    if isinstance(told, dict):
        return told
    raise ValueError("not an object")
