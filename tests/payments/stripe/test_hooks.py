"""Stripe's messages: whose they are, how old they may be, and what they say."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.payments.adapters.stripe import StripeGateway
from app.payments.adapters.stripe.told import EPOCH
from app.payments.gateway import (
    Charge,
    ChargeState,
    Dispute,
    DisputeState,
    GatewayRefund,
    HookEvent,
    HookNotGenuine,
    NotOurBusinessError,
    RefundState,
)
from tests.payments.stripe.shapes import (
    CREATED,
    OLD_SECRET,
    PAYMENT_ID,
    REFUND_ID,
    SECRET,
    account,
    captured,
    dispute,
    event,
    intent,
    listed,
    refund,
    scheme,
    signature,
)

NOW = datetime(2026, 6, 18, 4, 0, tzinfo=UTC)
BODY = event("payment_intent.succeeded", captured(description="杨梅"))
TAKEN = EPOCH + timedelta(seconds=CREATED + 60)
HAPPENED = EPOCH + timedelta(seconds=CREATED + 90)


@pytest.fixture(scope="module")
def gateway() -> StripeGateway:
    return StripeGateway(account(), timeout_seconds=1)


def verified(gateway: StripeGateway, headers: Any, body: bytes = BODY) -> HookEvent:
    return gateway.verify(body, headers, now=NOW)


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
@pytest.mark.parametrize("age", [-300, 0, 300])
def test_either_secret_holds_within_five_minutes(
    gateway: StripeGateway, secret: str, age: int
) -> None:
    at = NOW - timedelta(seconds=age)
    told = verified(gateway, signature(BODY, at, secret))
    assert (told.id, told.kind, told.at) == ("evt_1", "payment_intent.succeeded", HAPPENED)
    assert told.body.encode() == BODY


def test_one_of_several_signatures_has_to_fit(gateway: StripeGateway) -> None:
    stamp = f"t={int(NOW.timestamp())}"
    wrong, right = scheme(BODY, NOW, "whsec_other"), scheme(BODY, NOW)
    for header in (f"{stamp},{wrong},{right}", f"{stamp},v0=abc,{right}"):
        assert verified(gateway, {"stripe-signature": header}).id == "evt_1"


T = f"t={int(NOW.timestamp())}"
V1 = scheme(BODY, NOW)
FORGED = {
    "no header": {},
    "another header": {"X-Signature": f"{T},{V1}"},
    "empty": {"Stripe-Signature": ""},
    "no time": {"Stripe-Signature": V1},
    "no signature": {"Stripe-Signature": T},
    "v0 only": {"Stripe-Signature": f"{T},{scheme(BODY, NOW, name='v0')}"},
    "another secret": signature(BODY, NOW, "whsec_CANARYother"),
    "empty secret": signature(BODY, NOW, ""),
    "301 s old": signature(BODY, NOW - timedelta(seconds=301)),
    "301 s ahead": signature(BODY, NOW + timedelta(seconds=301)),
    "another time": {"Stripe-Signature": f"t={int(NOW.timestamp()) + 1},{V1}"},
    "the fitting time second": {"Stripe-Signature": f"t=1,{T},{V1}"},
    "cut short": {"Stripe-Signature": f"{T},{V1[:-1]}"},
    "not ASCII": {"Stripe-Signature": f"{T},v1=签名"},
    "time in words": {"Stripe-Signature": f"t=now,{V1}"},
    "a huge time": {"Stripe-Signature": f"t={'9' * 40},{V1}"},
    "no pairs": {"Stripe-Signature": "t,v1"},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_what_stripe_has_not_signed_just_now_is_refused(
    gateway: StripeGateway, headers: dict[str, str]
) -> None:
    with pytest.raises(HookNotGenuine):
        verified(gateway, headers)


@pytest.mark.parametrize(
    "body",
    [
        BODY.replace(b"9900", b"9901"),
        BODY + b"\n",
        json.dumps(json.loads(BODY)).encode(),
        json.dumps(json.loads(BODY), separators=(",", ":"), ensure_ascii=False).encode(),
        b"",
        b"\xff\xfe",
    ],
)
def test_the_very_bytes_are_signed(gateway: StripeGateway, body: bytes) -> None:
    with pytest.raises(HookNotGenuine):
        verified(gateway, signature(BODY, NOW), body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"{}", b'"text"', b'{"id": 1, "type": "a", "created": 1}', b"\xff"]
)
def test_signed_nonsense_is_refused_too(gateway: StripeGateway, body: bytes) -> None:
    with pytest.raises(HookNotGenuine):
        verified(gateway, signature(body, NOW), body)


def test_without_a_secret_nothing_is_genuine() -> None:
    closed = StripeGateway(account(webhook_secrets=()), timeout_seconds=1)
    with pytest.raises(HookNotGenuine):
        verified(closed, signature(BODY, NOW))


def read(gateway: StripeGateway, kind: str, thing: dict[str, Any], **more: Any) -> Any:
    body = event(kind, thing, **more)
    return gateway.read(verified(gateway, signature(body, NOW), body))


def charge(state: ChargeState, at: datetime, **more: Any) -> Charge:
    return Charge(PAYMENT_ID, "pi_1", state, 9_900, "CNY", at, **more)


CANCELED = intent(status="canceled", canceled_at=CREATED + 5, cancellation_reason="abandoned")
FAILED = intent(last_payment_error={"type": "card_error", "code": "card_declined"})
CHARGES = {
    "payment_intent.succeeded": (
        captured(latest_charge="ch_1"),
        charge(ChargeState.CAPTURED, HAPPENED),
    ),
    "payment_intent.canceled": (
        CANCELED,
        charge(ChargeState.CANCELLED, EPOCH + timedelta(seconds=CREATED + 5), reason="abandoned"),
    ),
    "payment_intent.payment_failed": (
        FAILED,
        charge(ChargeState.PENDING, HAPPENED, reason="card_declined"),
    ),
    "payment_intent.processing": (
        intent(status="processing"),
        charge(ChargeState.PENDING, HAPPENED),
    ),
}


@pytest.mark.parametrize("kind", CHARGES)
def test_a_payment_is_told(gateway: StripeGateway, kind: str) -> None:
    thing, expected = CHARGES[kind]
    [told] = read(gateway, kind, thing)
    assert told == expected
    assert told.next_step is None


def test_a_whole_capture_tells_time_and_fee(gateway: StripeGateway) -> None:
    [told] = read(gateway, "payment_intent.succeeded", captured())
    assert told == charge(ChargeState.CAPTURED, TAKEN, fee_amount=218)
    entry = {"fee": 31, "currency": "usd"}
    thing = captured(latest_charge={"created": CREATED + 60, "balance_transaction": entry})
    [told] = read(gateway, "payment_intent.succeeded", thing)
    assert told.fee_amount == 0, "a fee in another currency is no fen"


def test_the_amount_of_a_capture_is_what_was_received(gateway: StripeGateway) -> None:
    [told] = read(gateway, "payment_intent.succeeded", captured(amount_received=9_899))
    assert told.amount == 9_899
    [told] = read(gateway, "payment_intent.succeeded", captured(currency="usd"))
    assert told.currency == "USD"


REFUND = GatewayRefund(
    REFUND_ID,
    "re_1",
    RefundState.SUCCEEDED,
    HAPPENED,
    payment_id=PAYMENT_ID,
    charge_reference="pi_1",
    amount=400,
    currency="CNY",
)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", RefundState.PENDING),
        ("requires_action", RefundState.PENDING),
        ("succeeded", RefundState.SUCCEEDED),
        ("failed", RefundState.FAILED),
        ("canceled", RefundState.FAILED),
    ],
)
@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "refund.failed"])
def test_a_refund_is_told(
    gateway: StripeGateway, kind: str, status: str, state: RefundState
) -> None:
    [told] = read(gateway, kind, refund(status=status, failure_reason="expired_or_canceled_card"))
    assert (told.state, told.reason) == (state, "expired_or_canceled_card")
    [told] = read(gateway, kind, refund())
    assert told == REFUND


def test_a_refund_by_hand_has_no_id_of_ours(gateway: StripeGateway) -> None:
    for metadata in ({}, None, {"refund_id": "of my own"}):
        [told] = read(gateway, "refund.created", refund(metadata=metadata))
        assert (told.refund_id, told.payment_id) == (None, None)
        assert (told.charge_reference, told.amount) == ("pi_1", 400)


def test_a_refunded_charge_tells_the_refunds_it_lists(gateway: StripeGateway) -> None:
    thing = {"id": "ch_1", "livemode": False, "payment_intent": "pi_1", "refunds": listed(refund())}
    assert read(gateway, "charge.refunded", thing) == (REFUND,)
    assert read(gateway, "charge.refunded", {**thing, "refunds": None}) == ()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("needs_response", DisputeState.OPEN),
        ("under_review", DisputeState.OPEN),
        ("won", DisputeState.WON),
        ("lost", DisputeState.LOST),
    ],
)
@pytest.mark.parametrize(
    "verb", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"]
)
def test_a_dispute_is_told_with_its_fee(
    gateway: StripeGateway, verb: str, status: str, state: DisputeState
) -> None:
    [told] = read(gateway, f"charge.dispute.{verb}", dispute(status=status))
    assert told == Dispute(
        "dp_1", None, "pi_1", 9_900, "CNY", state, HAPPENED, "fraudulent", fee_amount=1_500
    )


@pytest.mark.parametrize(("fee", "returned"), [(-1_500, 1_500), (-500, 500), (0, 0)])
def test_of_the_fee_that_comes_back_as_much_is_told_as_does(
    gateway: StripeGateway, fee: int, returned: int
) -> None:
    taken = {"id": "txn_2", "amount": -9_900, "fee": 1_500, "currency": "cny"}
    back = {"id": "txn_3", "amount": 9_900, "fee": fee, "currency": "cny"}
    won = dispute(status="won", balance_transactions=[taken, back])
    [told] = read(gateway, "charge.dispute.funds_reinstated", won)
    assert isinstance(told, Dispute)
    assert (told.fee_amount, told.fee_returned_amount) == (1_500, returned)


@pytest.mark.parametrize(
    "status", ["warning_needs_response", "warning_under_review", "warning_closed", "prevented"]
)
def test_an_inquiry_has_moved_no_money(gateway: StripeGateway, status: str) -> None:
    assert read(gateway, "charge.dispute.created", dispute(status=status)) == ()


@pytest.mark.parametrize("kind", ["payment_intent.created", "charge.succeeded", "payout.paid", "x"])
def test_other_kinds_say_nothing(gateway: StripeGateway, kind: str) -> None:
    assert read(gateway, kind, {"livemode": True}, livemode=True) == ()


@pytest.mark.parametrize(
    ("thing", "more"),
    [
        (captured(), {"livemode": True}),
        (captured(livemode=True), {}),
        (captured(), {"account": "acct_other"}),
        (captured(metadata={}), {}),
        (captured(metadata={"payment_id": "7"}), {}),
    ],
)
def test_what_is_of_others_is_not_our_business(
    gateway: StripeGateway, thing: dict[str, Any], more: dict[str, Any]
) -> None:
    with pytest.raises(NotOurBusinessError):
        read(gateway, "payment_intent.succeeded", thing, **more)


@pytest.mark.parametrize("missing", ["status", "amount_received", "currency", "livemode", "id"])
def test_a_message_with_a_hole_cannot_be_read(gateway: StripeGateway, missing: str) -> None:
    thing = {k: v for k, v in captured().items() if k != missing}
    with pytest.raises(ValueError, match=missing):
        read(gateway, "payment_intent.succeeded", thing)


@pytest.mark.parametrize(
    "thing",
    [captured(amount_received="9900"), captured(amount_received=True), captured(status="new"), []],
)
def test_a_message_of_another_shape_cannot_be_read(gateway: StripeGateway, thing: Any) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read(gateway, "payment_intent.succeeded", thing)
