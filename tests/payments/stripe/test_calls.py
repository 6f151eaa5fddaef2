"""What is sent to Stripe, and what its answers and refusals mean; a stub stands on the wire."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import httpx
import pytest
import stripe
from structlog.testing import capture_logs

from app.core.logging import configure_logging
from app.payments.adapters.stripe import StripeGateway
from app.payments.adapters.stripe.calls import API_VERSION
from app.payments.gateway import (
    ChargeState,
    ChargeWish,
    GatewayUnavailable,
    RefundState,
    RefundWish,
)
from tests.payments.stripe.shapes import (
    CREATED,
    KEY,
    ORDER_ID,
    PAYMENT_ID,
    account,
    captured,
    dispute,
    intent,
    listed,
    refund,
)

NOW = datetime(2026, 6, 18, 4, 0, tzinfo=UTC)
WISH = ChargeWish(PAYMENT_ID, ORDER_ID, 9_900, "CNY", "")
KNOWN = replace(WISH, reference="pi_1")
# Made just now: its first 48 bits are milliseconds.
FRESH = UUID(int=int(NOW.timestamp() * 1_000) << 80 | 7 << 76 | 2 << 62 | 10)
BACK = RefundWish(FRESH, PAYMENT_ID, "pi_1", 400, "CNY")
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | Exception


@pytest.fixture(autouse=True)
def warnings_are_heard() -> Iterator[None]:
    """Other tests want errors alone."""
    configure_logging("warning")
    yield
    configure_logging("error")


class Wire:
    """Answers in turn, and keeps what was asked."""

    def __init__(self, *answers: Answer, **account_more: Any) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.http = stripe.HTTPXClient(timeout=1)
        self.http._client_async = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.gateway = StripeGateway(account(**account_more), timeout_seconds=1, http=self.http)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = (*answer, {})[:3]
        return httpx.Response(status, json=body, headers=headers)

    @property
    def lines(self) -> list[str]:
        return [f"{r.method} {r.url.path}" for r in self.asked]

    @property
    def keys(self) -> list[str | None]:
        return [r.headers.get("idempotency-key") for r in self.asked]

    def form(self, number: int = 0) -> dict[str, Any]:
        return {k: v[0] for k, v in parse_qs(self.asked[number].content.decode()).items()}


def error(status: int, kind: str = "api_error", **more: Any) -> tuple[int, Any, dict[str, str]]:
    headers = more.pop("headers", {})
    told = {"type": kind, "message": f"Invalid API Key provided: {KEY}", **more}
    return status, {"error": told}, headers


def refused(code: str | None = None, status: int = 400, **more: Any) -> Any:
    return error(status, "invalid_request_error", **({"code": code} if code else {}), **more)


REPLAYED = {"Idempotent-Replayed": "true"}
UNEXPECTED = refused("payment_intent_unexpected_state")


async def test_an_intent_is_made_of_our_ids() -> None:
    wire = Wire((200, intent()))
    told = await wire.gateway.charge(WISH, now=NOW)
    assert wire.lines == ["POST /v1/payment_intents"]
    assert wire.keys == [str(PAYMENT_ID)]
    assert wire.form() == {
        "amount": "9900",
        "currency": "cny",
        "payment_method_types[0]": "card",
        "payment_method_types[1]": "alipay",
        "payment_method_types[2]": "wechat_pay",
        "payment_method_options[wechat_pay][client]": "web",
        "metadata[payment_id]": str(PAYMENT_ID),
        "metadata[order_id]": str(ORDER_ID),
        "expand[0]": "latest_charge.balance_transaction",
    }
    headers = wire.asked[0].headers
    assert headers["stripe-version"] == API_VERSION
    assert "x-stripe-client-telemetry" not in headers
    assert (told.state, told.reference) == (ChargeState.PENDING, "pi_1")
    assert told.next_step == {
        "kind": "stripe",
        "client_secret": "pi_1_secret_CANARY",
        "publishable_key": "pk_test_abc",
    }
    assert "CANARY" not in repr(told)


@pytest.mark.parametrize(
    ("currency", "methods"),
    [("THB", ["card"]), ("MYR", ["card", "alipay"]), ("CHF", ["card", "wechat_pay"])],
)
async def test_a_wallet_is_offered_where_the_currency_allows_it(
    currency: str, methods: list[str]
) -> None:
    wire = Wire((200, intent(currency=currency.lower())))
    await wire.gateway.charge(replace(WISH, currency=currency), now=NOW)
    form = wire.form()
    assert [v for k, v in form.items() if k.startswith("payment_method_types")] == methods
    assert ("payment_method_options[wechat_pay][client]" in form) == ("wechat_pay" in methods)


async def test_without_a_method_for_the_currency_stripe_is_not_asked() -> None:
    wire = Wire(methods=("alipay",))
    told = await wire.gateway.charge(replace(WISH, currency="THB"), now=NOW)
    assert (told.state, told.reason) == (ChargeState.DECLINED, "no_method_for_currency")
    assert wire.asked == []


@pytest.mark.parametrize("currency", ["ISK", "UGX", "MGA", "KWD"])
async def test_a_currency_that_stripe_counts_in_other_units_is_declined(currency: str) -> None:
    """A hundred times too much would be taken, or too little; or no share could go back."""
    wire = Wire(methods=("card",))
    told = await wire.gateway.charge(replace(WISH, currency=currency), now=NOW)
    assert (told.state, told.reason) == (ChargeState.DECLINED, "no_method_for_currency")
    assert wire.asked == []


async def test_yen_have_no_minor_units_there_either() -> None:
    wire = Wire((200, intent(currency="jpy")))
    told = await wire.gateway.charge(replace(WISH, currency="JPY"), now=NOW)
    assert (wire.form()["amount"], told.amount, told.currency) == ("9900", 9_900, "JPY")


async def test_a_known_intent_is_read_and_not_made_again() -> None:
    wire = Wire((200, captured()), (200, captured()))
    charged = await wire.gateway.charge(KNOWN, now=NOW)
    assert wire.lines == ["GET /v1/payment_intents/pi_1"]
    assert (charged.state, charged.fee_amount, charged.next_step) == (
        ChargeState.CAPTURED,
        218,
        None,
    )
    assert await wire.gateway.find(KNOWN, now=NOW) == charged


async def test_finding_completes_what_was_cut_off_and_tells_no_secret() -> None:
    wire = Wire((200, intent()))
    told = await wire.gateway.find(WISH, now=NOW)
    assert told is not None
    assert (told.reference, told.next_step, wire.keys) == ("pi_1", None, [str(PAYMENT_ID)])


@pytest.mark.parametrize(
    "spoilt",
    [error(500, headers=REPLAYED), error(400, "idempotency_error")],
    ids=["a kept failure", "other parameters"],
)
async def test_a_spoilt_key_is_followed_by_the_next(spoilt: Any) -> None:
    wire = Wire(spoilt, spoilt, (200, intent()))
    assert (await wire.gateway.charge(WISH, now=NOW)).reference == "pi_1"
    assert wire.keys == [str(PAYMENT_ID), f"{PAYMENT_ID}:2", f"{PAYMENT_ID}:3"]
    hopeless = Wire(spoilt, spoilt, spoilt)
    with pytest.raises(GatewayUnavailable):
        await hopeless.gateway.charge(WISH, now=NOW)


UNKNOWN = {
    "no connection": httpx.ConnectError("no"),
    "too slow": httpx.ReadTimeout("slow"),
    "cut": httpx.RemoteProtocolError("cut"),
    "500": error(500),
    "503": error(503),
    "429": error(429),
    "in use": error(409, "idempotency_error", code="idempotency_key_in_use"),
    "wrong key": error(401, "invalid_request_error"),
    "forbidden": error(403, "invalid_request_error"),
    "a list": (200, ["no object"]),
    "no id": (200, {"object": "payment_intent"}),
    "no JSON": (502, None),
}


@pytest.mark.parametrize("answer", UNKNOWN.values(), ids=UNKNOWN)
@pytest.mark.parametrize("call", ["charge", "find", "cancel", "refund"])
async def test_where_nothing_is_known_that_is_said(answer: Answer, call: str) -> None:
    wire = Wire(answer)
    with capture_logs() as lines, pytest.raises(GatewayUnavailable) as refusal:
        await getattr(wire.gateway, call)(BACK if call == "refund" else WISH, now=NOW)
    assert (refusal.value.headers or {})["Retry-After"] == "2"
    assert len(wire.asked) == 1, "whoever asks again does so under the same key"
    assert lines
    assert "CANARY" not in str(lines)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", "7"), ("0", "1"), ("99999", "600"), ("soon", "2"), ("-1", "2"), ("9" * 40, "2")],
)
async def test_stripe_says_when_to_come_again(told: str, seconds: str) -> None:
    wire = Wire(error(429, headers={"Retry-After": told}))
    with pytest.raises(GatewayUnavailable) as refusal:
        await wire.gateway.charge(WISH, now=NOW)
    assert (refusal.value.headers or {})["Retry-After"] == seconds


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refused("amount_too_small", param="amount"), "amount_too_small"),
        (refused(param="currency"), "invalid_currency"),
        (refused(), "invalid_request"),
        (error(402, "card_error", code="card_declined"), "card_declined"),
    ],
)
@pytest.mark.parametrize("call", ["charge", "find", "cancel"])
async def test_what_stripe_does_not_open_is_declined(answer: Any, reason: str, call: str) -> None:
    wire = Wire(answer)
    told = await getattr(wire.gateway, call)(WISH, now=NOW)
    assert (told.state, told.reason, told.reference) == (ChargeState.DECLINED, reason, "")
    assert (told.amount, told.currency) == (9_900, "CNY")


async def test_an_intent_stripe_does_not_know_is_never_given_up() -> None:
    """It may hold money where another key looks: nothing may begin in its place."""
    wire = Wire(refused("resource_missing", status=404))
    with capture_logs() as lines, pytest.raises(GatewayUnavailable):
        await wire.gateway.charge(KNOWN, now=NOW)
    assert ("stripe_does_not_know", "error") in [(x["event"], x["log_level"]) for x in lines]


OTHERS = {
    "the other mode": intent(livemode=True),
    "another payment": intent(metadata={"payment_id": str(ORDER_ID), "order_id": str(ORDER_ID)}),
    "another order": intent(metadata={"payment_id": str(PAYMENT_ID), "order_id": str(PAYMENT_ID)}),
    "nobody's": intent(metadata={}),
    "an unknown state": intent(status="new"),
    "no amount": intent(amount=None),
}


@pytest.mark.parametrize("answer", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("wish", [WISH, KNOWN])
async def test_an_answer_about_something_else_is_not_believed(
    answer: Any, wish: ChargeWish
) -> None:
    wire = Wire((200, answer))
    with capture_logs() as lines, pytest.raises(GatewayUnavailable):
        await wire.gateway.charge(wish, now=NOW)
    assert [(x["event"], x["log_level"]) for x in lines] == [
        ("stripe_answer_not_believed", "error")
    ]


@pytest.mark.parametrize("more", [{"amount": 9_899}, {"currency": "usd"}])
async def test_another_amount_is_told_and_not_paid(more: dict[str, Any]) -> None:
    wire = Wire((200, intent(**more)))
    told = await wire.gateway.charge(WISH, now=NOW)
    assert (told.amount, told.currency) != (9_900, "CNY")
    assert told.next_step is None


async def test_a_cancelled_intent_and_one_too_late() -> None:
    gone = intent(status="canceled", canceled_at=CREATED + 5)
    wire = Wire((200, gone))
    assert (await wire.gateway.cancel(KNOWN, now=NOW)).state is ChargeState.CANCELLED
    assert wire.form() == {"cancellation_reason": "abandoned"}
    assert wire.keys == [f"{PAYMENT_ID}:cancel:{int(NOW.timestamp())}"]
    for answer, state in (
        (captured(), ChargeState.CAPTURED),
        (gone, ChargeState.CANCELLED),
        (intent(status="processing"), ChargeState.PENDING),
    ):
        late = Wire(UNEXPECTED, (200, answer))
        assert (await late.gateway.cancel(KNOWN, now=NOW)).state is state
        assert late.lines[-1] == "GET /v1/payment_intents/pi_1"


async def test_to_cancel_what_was_cut_off_it_is_found_first() -> None:
    wire = Wire((200, intent()), (200, intent(status="canceled")))
    assert (await wire.gateway.cancel(WISH, now=NOW)).state is ChargeState.CANCELLED
    assert wire.lines == ["POST /v1/payment_intents", "POST /v1/payment_intents/pi_1/cancel"]


def our_refund(**more: Any) -> Any:
    ids = {"refund_id": str(FRESH), "payment_id": str(PAYMENT_ID), "round": "1"}
    return refund(**{"metadata": ids, **more})


async def test_a_refund_has_a_key_for_each_round() -> None:
    wire = Wire((200, our_refund()), (200, our_refund()))
    told = await wire.gateway.refund(BACK, now=NOW)
    assert (told.refund_id, told.state, told.reference, told.at) == (
        FRESH,
        RefundState.SUCCEEDED,
        "re_1",
        NOW,
    )
    assert (told.amount, told.currency, told.charge_reference) == (400, "CNY", "pi_1")
    await wire.gateway.refund(replace(BACK, round=2), now=NOW)
    assert wire.keys == [f"{FRESH}:1", f"{FRESH}:2"]
    assert wire.form() == {
        "payment_intent": "pi_1",
        "amount": "400",
        "metadata[refund_id]": str(FRESH),
        "metadata[payment_id]": str(PAYMENT_ID),
        "metadata[round]": "1",
    }


async def test_a_known_refund_is_read() -> None:
    wire = Wire((200, our_refund(status="failed", failure_reason="lost_or_stolen_card")))
    told = await wire.gateway.refund(replace(BACK, reference="re_1"), now=NOW)
    assert wire.lines == ["GET /v1/refunds/re_1"]
    assert (told.state, told.reason) == (RefundState.FAILED, "lost_or_stolen_card")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refused("charge_already_refunded"), "charge_already_refunded"),
        (
            refused(
                param="amount",
                message="Refund amount (¥6) is greater than unrefunded amount on charge (¥4)",
            ),
            "exceeds_the_charge",
        ),
        (refused("charge_disputed"), "charge_disputed"),
    ],
)
async def test_a_refund_that_cannot_be_has_failed(answer: Any, reason: str) -> None:
    told = await Wire(answer).gateway.refund(BACK, now=NOW)
    assert (told.refund_id, told.state, told.reason) == (FRESH, RefundState.FAILED, reason)


@pytest.mark.parametrize("wish", [BACK, replace(BACK, reference="re_1")])
async def test_a_refund_of_what_stripe_does_not_know_has_not_failed(wish: RefundWish) -> None:
    """The key is another account's by mistake. A failure would begin a round with a new key, and
    the money of this one, already on its way, would go out twice once the right key is back."""
    wire = Wire(refused("resource_missing", 404))
    with capture_logs() as lines, pytest.raises(GatewayUnavailable):
        await wire.gateway.refund(wish, now=NOW)
    assert ("stripe_does_not_know", "error") in [(x["event"], x["log_level"]) for x in lines]


async def test_a_refund_under_a_spoilt_key_is_looked_for_and_never_made_under_another() -> None:
    spoilt = error(500, headers=REPLAYED)
    other_round = our_refund(metadata={"refund_id": str(FRESH), "round": "2"})
    wire = Wire(spoilt, (200, listed(refund(metadata={}), other_round, our_refund())))
    assert (await wire.gateway.refund(BACK, now=NOW)).state is RefundState.SUCCEEDED
    assert wire.lines == ["POST /v1/refunds", "GET /v1/refunds"]
    wire = Wire(spoilt, (200, listed(other_round)))
    with pytest.raises(GatewayUnavailable):
        await wire.gateway.refund(BACK, now=NOW)


async def test_an_old_refund_is_looked_for_before_its_key_may_be_forgotten() -> None:
    later = NOW + timedelta(hours=13)
    wire = Wire((200, listed(our_refund())))
    assert (await wire.gateway.refund(BACK, now=later)).state is RefundState.SUCCEEDED
    assert wire.lines == ["GET /v1/refunds"]
    wire = Wire((200, listed()), (200, our_refund()))
    assert (await wire.gateway.refund(BACK, now=later)).state is RefundState.SUCCEEDED
    assert wire.lines == ["GET /v1/refunds", "POST /v1/refunds"]


async def test_another_refund_is_not_believed() -> None:
    with pytest.raises(GatewayUnavailable):
        await Wire((200, refund())).gateway.refund(BACK, now=NOW)


async def test_the_books_are_read_to_the_last_page() -> None:
    first = {**listed(captured(), intent(metadata={})), "has_more": True}
    wire = Wire(
        (200, first),
        (200, listed(intent(id="pi_2"))),
        (200, listed(refund(), refund(payment_intent=None))),
        (200, listed(dispute(), dispute(status="warning_closed"))),
    )
    told = [one async for one in wire.gateway.statement(NOW)]
    assert [one.reference for one in told] == ["pi_1", "pi_2", "re_1", "dp_1"]
    assert all(r.url.params["created[gte]"] == str(int(NOW.timestamp())) for r in wire.asked)
    broken = Wire((200, first), error(500))
    with pytest.raises(GatewayUnavailable):
        _ = [one async for one in broken.gateway.statement(NOW)]


async def test_what_cannot_be_read_in_the_books_hides_nothing_else() -> None:
    wire = Wire(
        (200, listed(captured(status="of_another_version"), captured(id="pi_2"))),
        (200, listed(refund(amount="much"), refund(id="re_2"))),
        (200, listed(dispute(livemode=None), dispute(id="dp_2"))),
    )
    with capture_logs() as lines:
        told = [one.reference async for one in wire.gateway.statement(NOW)]
    assert told == ["pi_2", "re_2", "dp_2"]
    said = [(x["of"], x["log_level"]) for x in lines if x["event"] == "stripe_books_not_understood"]
    assert said == [("pi_1", "error"), ("re_1", "error")]


async def test_no_log_tells_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    root: Callable[..., None] = logging.getLogger().setLevel
    before = logging.getLogger().level
    root(logging.DEBUG)
    try:
        await Wire((200, intent())).gateway.charge(WISH, now=NOW)
        with pytest.raises(GatewayUnavailable):
            await Wire(error(401)).gateway.charge(WISH, now=NOW)
    finally:
        root(before)
    assert "CANARY" not in caplog.text
    assert "CANARY" not in repr(account())
