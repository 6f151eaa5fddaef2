"""Signatures as Standard Webhooks 1.0 wants them: HMAC-SHA256 over id, time and body."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105


def signature(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one for each secret that holds now, by a space apart.

    `secrets` are `whsec_` and base64; a receiver that knows any of them can verify the message.
    """
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return " ".join(f"v1,{_one(secret, signed)}" for secret in secrets)


def _one(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
