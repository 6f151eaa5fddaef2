"""WeChat Pay's messages: nothing is read of one that it has not signed, for us, just now."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.payments.gateway import (
    GatewayRefund,
    HookEvent,
    HookNotGenuine,
    NotOurBusinessError,
    RefundState,
)
from tests.doubles.wechatpay import Merchant, Message, PlatformKey
from tests.payments.wechatpay import NOTIFY_URL, NOW, Till

Keys = tuple[Merchant, PlatformKey, PlatformKey]


async def paid_message(till: Till) -> Message:
    paid = await till.paid()
    return till.double.paid_message(paid.payment_id.hex)


async def test_a_genuine_message(till: Till) -> None:
    message = await paid_message(till)
    for headers in (message.headers, {k.lower(): v for k, v in message.headers.items()}):
        event = till.gateway.verify(message.body, headers, now=NOW)
        body = json.loads(message.body)
        assert event == HookEvent(body["id"], "TRANSACTION.SUCCESS", NOW, message.body.decode())
    assert "o-buyer" not in event.body, "the payer is told to us alone"


async def test_it_is_genuine_as_it_comes_over_the_wire(till: Till) -> None:
    seen: list[HookEvent] = []

    def heard(request: httpx2.Request) -> httpx2.Response:
        assert str(request.url) == NOTIFY_URL
        seen.append(till.gateway.verify(request.content, request.headers, now=NOW))
        return httpx2.Response(204)

    message = await paid_message(till)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(heard)) as client:
        assert await till.double.deliver(message, client) == 204
    assert len(seen) == 1


def with_headers(**more: str) -> Callable[[Message], Message]:
    def change(message: Message) -> Message:
        told = {f"Wechatpay-{name}": value for name, value in more.items()}
        return replace(message, headers={**message.headers, **told})

    return change


def with_body(change: Callable[[bytes], bytes]) -> Callable[[Message], Message]:
    return lambda message: replace(message, body=change(message.body))


@pytest.mark.parametrize(
    "change",
    [
        with_body(lambda body: body.replace(b"TRANSACTION.SUCCESS", b"TRANSACTION.SUCCES5")),
        with_body(lambda body: json.dumps(json.loads(body)).encode()),
        with_body(lambda body: body + b"\n"),
        with_body(lambda body: b"\xff" + body),
        with_body(lambda body: b""),
        with_headers(Signature="WECHATPAY/SIGNTEST/AAAA"),
        with_headers(Signature=""),
        with_headers(Signature="签名"),
        with_headers(Nonce="other"),
        with_headers(Serial="PUB_KEY_ID_0"),
        with_headers(Serial=""),
        with_headers(Timestamp=str(int(NOW.timestamp()) + 1)),
        with_headers(Timestamp=""),
        with_headers(Timestamp="now"),
        with_headers(**{"Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}),
        lambda message: replace(message, headers={}),
    ],
)
async def test_forged_messages(change: Callable[[Message], Message], till: Till) -> None:
    message = change(await paid_message(till))
    with pytest.raises(HookNotGenuine):
        till.gateway.verify(message.body, message.headers, now=NOW)


@pytest.mark.parametrize(
    ("seconds", "good"), [(-301, False), (-300, True), (300, True), (301, False)]
)
async def test_messages_hold_five_minutes(seconds: int, good: bool, till: Till) -> None:
    message = await paid_message(till)
    now = NOW + timedelta(seconds=seconds)
    if good:
        till.gateway.verify(message.body, message.headers, now=now)
    else:
        with pytest.raises(HookNotGenuine):
            till.gateway.verify(message.body, message.headers, now=now)


async def test_a_strangers_key_under_a_known_name(till: Till, wechatpay_keys: Keys) -> None:
    message = await paid_message(till)
    _, known, other = wechatpay_keys
    strange = replace(known, key=other.key)
    headers = till.double.signed_headers(message.body.decode(), strange)
    with pytest.raises(HookNotGenuine):
        till.gateway.verify(message.body, headers, now=NOW)


async def test_the_next_key_is_known_and_an_unknown_one_is_not(
    till: Till, wechatpay_keys: Keys
) -> None:
    message, (_, _, following) = await paid_message(till), wechatpay_keys
    text = message.body.decode()
    till.gateway.verify(message.body, till.double.signed_headers(text, following), now=NOW)
    unknown = till.double.signed_headers(text, replace(following, serial="PUB_KEY_ID_9"))
    with pytest.raises(HookNotGenuine):
        till.gateway.verify(message.body, unknown, now=NOW)


@pytest.mark.parametrize("body", ["[]", "{}", "null", '{"id": "1", "event_type": "A"}', "{"])
def test_signed_nonsense(body: str, till: Till) -> None:
    with pytest.raises(HookNotGenuine):
        till.gateway.verify(body.encode(), till.double.signed_headers(body), now=NOW)


def opened(till: Till, message: Message) -> Any:
    event = till.gateway.verify(message.body, message.headers, now=NOW)
    return till.gateway.read(event)


@pytest.mark.parametrize(
    "change", [{"mchid": "1900000000"}, {"appid": "wx0"}, {"out_trade_no": "POS-20260618-1"}]
)
async def test_messages_about_the_business_of_others(change: dict[str, str], till: Till) -> None:
    paid = await till.paid()
    told = {**till.double.books.order(paid.payment_id.hex), **change}
    with pytest.raises(NotOurBusinessError):
        opened(till, till.double.message("TRANSACTION.SUCCESS", told))


def test_kinds_that_do_not_matter(till: Till) -> None:
    assert opened(till, till.double.message("COUPON.USE", {"mchid": "1900000000"})) == ()


async def test_a_refund_made_by_hand_has_no_number_of_ours(till: Till) -> None:
    paid = await till.paid()
    told = {
        "mchid": till.double.merchant.mch_id,
        "transaction_id": paid.reference,
        "out_trade_no": paid.payment_id.hex,
        "refund_id": "50000000001",
        "out_refund_no": "by-hand-1",
        "refund_status": "SUCCESS",
        "success_time": "2026-06-18T12:00:00+08:00",
        "amount": {"total": 15_900, "refund": 100, "payer_total": 15_900, "payer_refund": 100},
    }
    assert opened(till, till.double.message("REFUND.SUCCESS", told)) == (
        GatewayRefund(
            refund_id=None,
            reference="50000000001",
            state=RefundState.SUCCEEDED,
            at=NOW,
            payment_id=paid.payment_id,
            charge_reference=paid.reference,
            amount=100,
            currency="CNY",
        ),
    )


async def test_what_cannot_be_read_is_said_so(till: Till) -> None:
    paid = await till.paid()
    told = till.double.books.order(paid.payment_id.hex)
    good = json.loads(till.double.message("TRANSACTION.SUCCESS", told).body)
    sealed = good["resource"]
    foreign = Merchant(key=till.double.merchant.key).sealed("{}", "transaction")
    for resource in (
        None,
        {},
        {**sealed, "algorithm": "AES"},
        {**sealed, "associated_data": "refund"},
        {**sealed, "ciphertext": sealed["ciphertext"][:-8] + "AAAAAAA="},
        {**sealed, "ciphertext": 1},
        {**sealed, "nonce": ""},
        foreign,
    ):
        body = json.dumps({**good, "resource": resource})
        event = HookEvent("1", "TRANSACTION.SUCCESS", NOW, body)
        with pytest.raises(ValueError, match="o"):
            till.gateway.read(event)
    for wrong in ({"trade_state": "NOTPAY"}, {"amount": None}, {"success_time": None}):
        with pytest.raises(ValueError, match="o"):
            opened(till, till.double.message("TRANSACTION.SUCCESS", {**told, **wrong}))
