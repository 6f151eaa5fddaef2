"""WeChat Pay, paying: the real library against a double that checks every signature."""

import json
from typing import Any

import pytest

from app.payments.gateway import Bookkeeper, Charge, ChargeState, GatewayUnavailable, Hooked
from tests.doubles.wechatpay import Fault, Merchant, PlatformKey, WechatPayDouble
from tests.payments.wechatpay import NOTIFY_URL, NOW, Till, charge_wish, logging_everything

Keys = tuple[Merchant, PlatformKey, PlatformKey]


def test_what_it_can_do(till: Till) -> None:
    assert isinstance(till.gateway, Hooked)
    assert not isinstance(till.gateway, Bookkeeper)
    assert till.gateway.payer_app_id == till.double.merchant.app_id


async def test_a_payment_from_announcement_to_capture(till: Till) -> None:
    wish = charge_wish()
    assert await till.find(wish) is None
    begun = await till.charge(wish)
    assert (begun.state, begun.amount, begun.currency) == (ChargeState.PENDING, 15_900, "CNY")
    step = dict(begun.next_step or {})
    assert step.pop("kind") == "wechat_jsapi"
    assert set(step) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert step["timeStamp"] == str(int(NOW.timestamp()))
    sent = json.loads(till.double.requests[-1].body)
    assert sent.pop("description").startswith("圈铺订单 ")
    assert sent == {
        "appid": till.double.merchant.app_id,
        "mchid": till.double.merchant.mch_id,
        "out_trade_no": wish.payment_id.hex,
        "notify_url": NOTIFY_URL,
        "attach": str(wish.order_id),
        "amount": {"total": 15_900, "currency": "CNY"},
        "payer": {"openid": "o-buyer"},
    }
    waiting = await till.find(wish)
    assert waiting is not None
    assert waiting.state is ChargeState.PENDING
    told = till.told(till.double.pay(step))
    found = await till.find(wish)
    assert found == told
    assert found == Charge(
        wish.payment_id,
        till.double.books.orders[wish.payment_id.hex]["transaction_id"],
        ChargeState.CAPTURED,
        15_900,
        "CNY",
        NOW,
    )


async def test_repeated_wishes_are_one_order(till: Till) -> None:
    wish = charge_wish()
    first, second = await till.charge(wish), await till.charge(wish)
    assert first.next_step is not None
    assert second.next_step is not None
    assert first.next_step["package"] == second.next_step["package"]
    till.double.pay(dict(first.next_step))
    after = await till.charge(wish)
    assert (after.state, after.next_step) == (ChargeState.CAPTURED, None)
    assert till.double.books.money() == [("paid", 15_900)]


@pytest.mark.parametrize(
    ("theirs", "ours", "reason"),
    [
        ("NOTPAY", ChargeState.PENDING, None),
        ("USERPAYING", ChargeState.PENDING, None),
        ("CLOSED", ChargeState.CANCELLED, None),
        ("REVOKED", ChargeState.CANCELLED, None),
        ("PAYERROR", ChargeState.DECLINED, "payment_failed"),
    ],
)
async def test_what_their_states_mean(
    theirs: str, ours: ChargeState, reason: str | None, till: Till
) -> None:
    wish = charge_wish()
    await till.charge(wish)
    till.double.books.orders[wish.payment_id.hex]["trade_state"] = theirs
    found = await till.find(wish)
    assert found is not None
    assert (found.state, found.reason, found.amount) == (ours, reason, wish.amount)


async def test_money_given_back_was_taken_all_the_same(till: Till) -> None:
    paid = await till.paid()
    till.double.books.orders[paid.payment_id.hex]["trade_state"] = "REFUND"
    assert await till.find(charge_wish(payment_id=paid.payment_id)) == paid


@pytest.mark.parametrize(
    "change",
    [
        {"trade_state": "NEW"},
        {"paid": "15900"},
        {"paid": True},
        {"paid": -1},
        {"success_time": "2026-06-18T12:00:00"},
        {"success_time": "soon"},
        {"transaction_id": ""},
        {"currency": None},
    ],
)
async def test_an_answer_that_cannot_be_read_tells_nothing(
    change: dict[str, Any], till: Till
) -> None:
    paid = await till.paid()
    till.double.books.orders[paid.payment_id.hex].update(change)
    with pytest.raises(GatewayUnavailable):
        await till.find(charge_wish(payment_id=paid.payment_id))


@pytest.mark.parametrize(
    ("more", "amount", "currency"),
    [({"short": 1}, 15_899, "CNY"), ({"currency": "HKD"}, 15_900, "HKD")],
)
async def test_amounts_are_told_as_they_are(
    more: dict[str, Any], amount: int, currency: str, till: Till
) -> None:
    wish = charge_wish()
    begun = await till.charge(wish)
    told = till.told(till.double.pay(dict(begun.next_step or {}), **more))
    assert (told.amount, told.currency) == (amount, currency)
    assert await till.find(wish) == told


async def test_a_closed_payment_stays_closed(till: Till) -> None:
    wish = charge_wish()
    await till.charge(wish)
    assert (await till.cancel(wish)).state is ChargeState.CANCELLED
    assert (await till.cancel(wish)).state is ChargeState.CANCELLED
    again = await till.charge(wish)
    assert (again.state, again.next_step) == (ChargeState.CANCELLED, None)


async def test_a_payment_they_never_heard_of_is_cancelled(till: Till) -> None:
    assert (await till.cancel(charge_wish())).state is ChargeState.CANCELLED
    assert till.double.books.truth() == []


async def test_too_late_to_cancel(till: Till) -> None:
    paid = await till.paid()
    assert await till.cancel(charge_wish(payment_id=paid.payment_id)) == paid


async def test_other_currencies_are_declined_unasked(till: Till) -> None:
    declined = await till.charge(charge_wish(currency="USD"))
    assert (declined.state, declined.reason) == (ChargeState.DECLINED, "currency_not_supported")
    assert till.double.requests == []


async def test_a_refused_payer_is_declined_and_named_nowhere(till: Till) -> None:
    wish = charge_wish(payer="o-canary")
    with logging_everything() as written:
        declined = await till.charge(wish)
        nobody = await till.charge(charge_wish(payer=None))
    assert (declined.state, declined.reason) == (ChargeState.DECLINED, "param_error")
    assert (nobody.state, nobody.reason) == (ChargeState.DECLINED, "payer_unknown")
    said = f"{written.getvalue()} {wish} {declined}"
    assert '"refusal": "PARAM_ERROR"' in said
    assert "o-canary" not in said
    assert "WECHATPAY2-" not in said, "a signed request"
    assert till.double.books.truth() == []


@pytest.mark.parametrize("fault", Fault)
async def test_after_a_fault_a_repeated_charge_is_one_order(fault: Fault, till: Till) -> None:
    wish = charge_wish()
    till.double.faults.append(fault)
    with pytest.raises(GatewayUnavailable):
        await till.charge(wish)
    begun = await till.charge(wish)
    till.double.pay(dict(begun.next_step or {}))
    # Of a paid order the others are refused, and refusals need no signature.
    calls = [till.find] if fault is Fault.UNSIGNED else [till.find, till.cancel, till.charge]
    for call in calls:
        till.double.faults.append(fault)
        with pytest.raises(GatewayUnavailable):
            await call(wish)
        assert (await call(wish) or begun).state is ChargeState.CAPTURED
    announced = [e for e in till.double.books.truth() if e["kind"] == "announced"]
    assert len(announced) == 1
    assert till.double.books.money() == [("paid", 15_900)]


async def test_nobody_there(till: Till) -> None:
    await till.double.stop()
    with pytest.raises(GatewayUnavailable):
        await till.find(charge_wish())
    await till.double.start()


async def test_a_wrong_key_of_ours_is_no_word_about_the_payment(
    wechatpay: WechatPayDouble, wechatpay_keys: Keys
) -> None:
    wechatpay.merchant.cert_serial, kept = "OTHER", wechatpay.merchant.cert_serial
    till = Till.opened(wechatpay, wechatpay_keys[1:])
    wechatpay.merchant.cert_serial = kept
    with pytest.raises(GatewayUnavailable):
        await till.charge(charge_wish())
    await till.gateway.close()


async def test_their_keys_may_change(till: Till, wechatpay_keys: Keys) -> None:
    _, certificate, public_key = wechatpay_keys
    wish = charge_wish()
    await till.charge(wish)
    till.double.rotate(public_key)
    assert await till.find(wish) is not None
    assert till.double.requests[-1].headers["wechatpay-serial"] == public_key.serial
    # A key that nobody has told us of.
    till.double.rotate(PlatformKey("PUB_KEY_ID_1", public_key.pem, certificate.key))
    with pytest.raises(GatewayUnavailable):
        await till.find(wish)
