"""Ways of paying: which currencies they take, and what the buyer has to do for them."""

from typing import Any

from tests.doubles.stripe import shapes
from tests.doubles.stripe.charges import DECLINES
from tests.doubles.stripe.errors import RefusalError, required
from tests.doubles.stripe.form import Params
from tests.doubles.stripe.work import Object, Work

WALLETS = frozenset({"alipay", "wechat_pay"})
KINDS = ("card", "alipay", "wechat_pay")
_COMMON = {"cny", "aud", "cad", "eur", "gbp", "hkd", "jpy", "sgd", "usd"}
CURRENCIES = {
    "card": _COMMON | {"chf", "dkk", "myr", "nok", "nzd", "sek", "thb", "twd", "krw", "mop"},
    "alipay": _COMMON | {"myr", "nzd"},
    "wechat_pay": _COMMON | {"chf", "dkk", "nok", "sek"},
}
# About half a US dollar.
AMOUNTS_MIN = {"cny": 350, "hkd": 400, "jpy": 50, "krw": 500, "twd": 1_500, "thb": 1_000}
AMOUNT_MIN_ELSEWHERE = 50
AMOUNT_MAX = 99_999_999
SPECIAL = {
    "pm_card_visa", "pm_card_mastercard", "pm_card_unionpay", "pm_card_createDispute",
    "pm_card_refundFail", "pm_card_pendingRefund", "pm_card_authenticationRequired",
}  # fmt: skip


def check_amount(amount: int, currency: str) -> None:
    if currency not in CURRENCIES["card"]:
        raise RefusalError(
            f"Invalid currency: {currency}. Stripe currently supports these currencies: "
            f"{', '.join(sorted(CURRENCIES['card']))}",
            param="currency",
        )
    if amount < 1:
        raise RefusalError(
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param="amount",
        )
    if amount > AMOUNT_MAX:
        raise RefusalError(
            f"Amount must be no more than {AMOUNT_MAX} in the smallest unit of {currency}",
            code="amount_too_large",
            param="amount",
        )
    if amount < AMOUNTS_MIN.get(currency, AMOUNT_MIN_ELSEWHERE):
        raise RefusalError(
            "Amount must convert to at least 50 cents.", code="amount_too_small", param="amount"
        )


def kinds_for(params: Params, currency: str) -> list[str]:
    """The ways of paying that an intent allows: those named, or all that the currency allows."""
    named = params.items("payment_method_types")
    if named is None:
        return [kind for kind in KINDS if currency in CURRENCIES[kind]]
    for kind in named:
        if kind not in KINDS:
            raise RefusalError(
                f'The payment method type "{kind}" is invalid.', param="payment_method_types"
            )
        if currency not in CURRENCIES[kind]:
            raise RefusalError(
                f"The currency provided ({currency}) is invalid for one or more payment method "
                f"types on this PaymentIntent: {kind}.",
                param="currency",
            )
    return named


def make(work: Work, params: Params) -> Object:
    """A payment method of a frontend: `type`, and for cards `card[token]`."""
    kind = params.chosen("type", KINDS)
    if kind is None:
        raise required("type")
    token = params.tree("card").get("token", "tok_visa").replace("tok_", "pm_card_", 1)
    return work.put(
        shapes.payment_method(work.now, livemode=work.caller.livemode, kind=kind, token=token)
    )


def resolve(work: Work, intent: Object, params: Params) -> Object | None:
    """The way of paying that is meant now, if any."""
    data = params.tree("payment_method_data")
    if data:
        return make(work, Params(data))
    named = params.text("payment_method")
    if named is None:
        known = intent["payment_method"]
        return work.get("payment_method", known) if known else None
    if named in SPECIAL or named in DECLINES:
        return work.put(
            shapes.payment_method(work.now, livemode=work.caller.livemode, kind="card", token=named)
        )
    return work.get("payment_method", named, "payment_method")


def next_action(intent: Object, params: Params, kind: str) -> Object:
    """What the buyer has to do."""
    here = f"https://pay.stripe.test/{intent['id']}"
    if kind == "wechat_pay":
        return _wechat(intent, here)
    return_url = params.text("return_url")
    if return_url is None:
        raise RefusalError(
            "A return_url must be specified when confirming with this payment method.",
            code="parameter_missing",
            param="return_url",
        )
    if kind == "alipay":
        handled = {"native_data": None, "native_url": None, "return_url": return_url, "url": here}
        return {"type": "alipay_handle_redirect", "alipay_handle_redirect": handled}
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"return_url": return_url, "url": here},
    }


def _wechat(intent: Object, here: str) -> Object:
    client = intent["payment_method_options"].get("wechat_pay", {}).get("client")
    if client is None:
        raise RefusalError(
            "payment_method_options[wechat_pay][client] is required for wechat_pay.",
            code="parameter_missing",
            param="payment_method_options[wechat_pay][client]",
        )
    if client == "ios":
        url = {"native_url": f"weixin://app/wx0/pay/?prepayId={intent['id']}"}
        return {"type": "wechat_pay_redirect_to_ios_app", "wechat_pay_redirect_to_ios_app": url}
    if client == "android":
        names = ("app_id", "nonce_str", "package", "partner_id", "prepay_id", "sign", "timestamp")
        said: dict[str, Any] = dict.fromkeys(names, intent["id"])
        kind = "wechat_pay_redirect_to_android_app"
        return {"type": kind, kind: said}
    return {
        "type": "wechat_pay_display_qr_code",
        "wechat_pay_display_qr_code": {
            "data": f"weixin://wxpay/bizpayurl?pr={intent['id']}",
            "hosted_instructions_url": here,
            "image_data_url": "data:image/png;base64,iVBORw0KGgo=",
            "image_url_png": f"{here}/qr.png",
            "image_url_svg": f"{here}/qr.svg",
        },
    }
