"""Stripe's signed messages: the signature is checked by the SDK, the time by our one clock."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import stripe
from pydantic import SecretStr

from app.payments.adapters.stripe.told import (
    Json,
    charge_told,
    dispute_told,
    instant,
    of_mode,
    refund_told,
)
from app.payments.gateway import HookEvent, HookNotGenuine, NotOurBusinessError, Told

TOLERANCE = timedelta(seconds=300)
HEADER = "stripe-signature"


def verified(
    body: bytes, headers: Mapping[str, str], secrets: Iterable[SecretStr], *, now: datetime
) -> HookEvent:
    """The message, if one of our secrets has signed these very bytes within five minutes of now.

    Several secrets hold while one takes over from another; of several `v1` signatures one has to
    fit; every other scheme is ignored. Raises `HookNotGenuine`.
    """
    header = next((v for k, v in headers.items() if k.lower() == HEADER), "")
    if not any(_signed(body, header, secret.get_secret_value()) for secret in secrets):
        raise HookNotGenuine
    if abs(now - _signed_at(header)) > TOLERANCE:
        raise HookNotGenuine
    try:
        told = json.loads(body)
        return HookEvent(
            id=_text(told["id"]),
            kind=_text(told["type"]),
            at=instant(told["created"]),
            body=body.decode(),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise HookNotGenuine from error


def _signed(body: bytes, header: str, secret: str) -> bool:
    try:
        # Without a tolerance, as the SDK would ask the machine's clock, not ours.
        stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        return False
    return True


def _signed_at(header: str) -> datetime:
    """The time that the signature covers: the SDK has read the same first `t`."""
    first = next(part for part in header.split(",") if part.startswith("t="))
    try:
        return instant(int(first.removeprefix("t=")))
    except (ValueError, OverflowError) as error:
        raise HookNotGenuine from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a text was expected")
    return value


def _charges(intent: Json, *, live: bool, at: datetime) -> Sequence[Told]:
    return (charge_told(intent, live=live, at=at),)


def _refunds(refund: Json, *, live: bool, at: datetime) -> Sequence[Told]:
    return (refund_told(refund, at=at),)


def _refunds_of_charge(charge: Json, *, live: bool, at: datetime) -> Sequence[Told]:
    """Newer versions leave the refunds out; each has an event of its own then."""
    of_mode(charge, live=live)
    listed = (charge.get("refunds") or {}).get("data") or ()
    told = ({"payment_intent": charge["payment_intent"], **refund} for refund in listed)
    return tuple(refund_told(refund, at=at) for refund in told)


def _disputes(dispute: Json, *, live: bool, at: datetime) -> Sequence[Told]:
    told = dispute_told(dispute, live=live, at=at)
    return () if told is None else (told,)


READERS: Mapping[str, Callable[..., Sequence[Told]]] = {
    "payment_intent.succeeded": _charges,
    "payment_intent.canceled": _charges,
    "payment_intent.payment_failed": _charges,
    "payment_intent.processing": _charges,
    "charge.refunded": _refunds_of_charge,
    "refund.created": _refunds,
    "refund.updated": _refunds,
    "refund.failed": _refunds,
    "charge.dispute.created": _disputes,
    "charge.dispute.updated": _disputes,
    "charge.dispute.closed": _disputes,
    "charge.dispute.funds_withdrawn": _disputes,
    "charge.dispute.funds_reinstated": _disputes,
}


def read(event: HookEvent, *, live: bool) -> Sequence[Told]:
    """What a message says in our words; nothing for kinds without a reader.

    Raises `NotOurBusinessError` for another mode, a connected account or somebody else's payment,
    and `ValueError` for a body that cannot be read.
    """
    reader = READERS.get(event.kind)
    if reader is None:
        return ()
    try:
        told = json.loads(event.body)
        of_mode(told, live=live)
        if told.get("account"):
            raise NotOurBusinessError("of a connected account")
        return reader(told["data"]["object"], live=live, at=event.at)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{event.kind} cannot be read: {type(error).__name__} {error}") from error
