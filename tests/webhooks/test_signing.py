"""Our signatures, verified by the library that integrators use."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.webhooks.rules.signing import signature


def headers(signed: str, message_id: str, at: int) -> dict[str, str]:
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signed}


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@given(st.binary(min_size=24, max_size=64), st.text(max_size=40))
def test_the_independent_library_accepts_it(key: bytes, text: str) -> None:
    now, body = int(time.time()), text.encode()
    told = headers(signature([secret_of(key)], "msg_1", now, body), "msg_1", now)
    Webhook(secret_of(key)).verify(body, told, json_parse=False)


def test_a_changed_message_is_not_accepted() -> None:
    now, secret = int(time.time()), secret_of(b"k" * 32)
    told = headers(signature([secret], "msg_1", now, b"{}"), "msg_1", now)
    for changed, body in (
        (told, b"{ }"),
        ({**told, "webhook-id": "msg_2"}, b"{}"),
        ({**told, "webhook-timestamp": str(now - 1)}, b"{}"),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, changed)


def test_while_a_secret_is_replaced_either_verifies() -> None:
    now, old, new = int(time.time()), secret_of(b"o" * 32), secret_of(b"n" * 24)
    told = headers(signature([new, old], "msg_1", now, b"{}"), "msg_1", now)
    for secret in (old, new):
        Webhook(secret).verify(b"{}", told)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(b"x" * 32)).verify(b"{}", told)


def test_the_published_example() -> None:
    """The vector of the specification."""
    signed = signature(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
