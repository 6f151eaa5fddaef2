"""Objects as Stripe shows them, cut down to what is read of them."""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from app.payments.adapters.stripe import StripeAccount

SECRET = "whsec_CANARYnew"
OLD_SECRET = "whsec_CANARYold"
KEY = "sk_test_CANARY51abc"
PAYMENT_ID = UUID("0192f0c1-a5e8-7000-a000-000000000008")
ORDER_ID = UUID("0192f0c1-a5e8-7000-a000-000000000007")
REFUND_ID = UUID("0192f0c1-a5e8-7000-a000-00000000000a")
CREATED = 1_781_755_200
Json = dict[str, Any]


def account(**more: Any) -> StripeAccount:
    values: Json = {
        "secret_key": SecretStr(KEY),
        "publishable_key": "pk_test_abc",
        "webhook_secrets": (SecretStr(SECRET), SecretStr(OLD_SECRET)),
    }
    return StripeAccount(**{**values, **more})


def intent(**more: Any) -> Json:
    made: Json = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 9_900,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "client_secret": "pi_1_secret_CANARY",
        "created": CREATED,
        "currency": "cny",
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {"payment_id": str(PAYMENT_ID), "order_id": str(ORDER_ID)},
        "status": "requires_payment_method",
    }
    return {**made, **more}


def captured(**more: Any) -> Json:
    charge = {
        "id": "ch_1",
        "object": "charge",
        "created": CREATED + 60,
        "balance_transaction": {"id": "txn_1", "fee": 218, "currency": "cny"},
    }
    return intent(
        **{"status": "succeeded", "amount_received": 9_900, "latest_charge": charge, **more}
    )


def refund(**more: Any) -> Json:
    made: Json = {
        "id": "re_1",
        "object": "refund",
        "amount": 400,
        "charge": "ch_1",
        "created": CREATED,
        "currency": "cny",
        "metadata": {"refund_id": str(REFUND_ID), "payment_id": str(PAYMENT_ID), "round": "1"},
        "payment_intent": "pi_1",
        "status": "succeeded",
    }
    return {**made, **more}


def dispute(**more: Any) -> Json:
    made: Json = {
        "id": "dp_1",
        "object": "dispute",
        "amount": 9_900,
        "balance_transactions": [
            {"id": "txn_2", "amount": -9_900, "fee": 1_500, "currency": "cny"}
        ],
        "charge": "ch_1",
        "created": CREATED,
        "currency": "cny",
        "livemode": False,
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": "needs_response",
    }
    return {**made, **more}


def listed(*things: Json) -> Json:
    return {"object": "list", "data": list(things), "has_more": False, "url": "/v1/things"}


def event(kind: str, thing: Json, **more: Any) -> bytes:
    made: Json = {
        "id": "evt_1",
        "object": "event",
        "created": CREATED + 90,
        "data": {"object": thing},
        "livemode": False,
        "type": kind,
    }
    return json.dumps({**made, **more}, ensure_ascii=False).encode()


def scheme(body: bytes, at: datetime, secret: str = SECRET, name: str = "v1") -> str:
    signed = f"{int(at.timestamp())}.".encode() + body
    return f"{name}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def signature(body: bytes, at: datetime, secret: str = SECRET) -> dict[str, str]:
    return {"Stripe-Signature": f"t={int(at.timestamp())},{scheme(body, at, secret)}"}
