"""Signatures as Standard Webhooks 1.0 wants them: HMAC-SHA256 over id, time and body."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

USER_AGENT = "Quanpu-Webhooks/1.0"
SECRET_PREFIX = "whsec_"  # noqa: S105


def signature(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one for each secret that holds now, by a space apart.

    `secrets` are `whsec_` and base64; a receiver that knows any of them can verify the message.
    """
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return " ".join(f"v1,{_one(secret, signed)}" for secret in secrets)


def headers_of(
    secrets: Sequence[str], message_id: str, timestamp: int, body: bytes
) -> Mapping[str, str]:
    """What a message is sent with: who sends, and what its receiver verifies."""
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secrets, message_id, timestamp, body),
    }


def _one(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
