"""Secrets at rest: sealed with a key of the installation, which can be changed."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from app.settings import Settings

_PURPOSE = b"quanpu:webhook-secrets"
NAME_CHARS = 16


class SealBrokenError(Exception):
    """A secret was sealed with a key that this installation no longer has, or was changed."""


class Sealer:
    """Seals with the first of the keys and opens what any of them has sealed.

    The keys are derived from `webhook_seal_keys`, or from the token secret where none is set.
    """

    def __init__(self, settings: Settings) -> None:
        texts = settings.webhook_seal_keys or [settings.token_secret]
        keys = [_derived(text.get_secret_value()) for text in texts]
        self._keys: Mapping[str, bytes] = {_name(key): key for key in keys}
        self.name = _name(keys[0])

    def seal(self, secret: str) -> str:
        """The secret as it is stored, under the key called `name`."""
        sealed: bytes = self._fernet(self.name).encrypt(secret.encode())
        return sealed.decode()

    def open(self, sealed: str, sealed_with: str) -> str:
        """The secret again; `SealBrokenError` where its key is not among ours."""
        from cryptography.fernet import InvalidToken

        try:
            told: bytes = self._fernet(sealed_with).decrypt(sealed.encode())
        except (KeyError, InvalidToken) as error:
            raise SealBrokenError(sealed_with) from error
        return told.decode()

    def _fernet(self, name: str) -> Any:
        # It is heavy, and only who signs or makes secrets waits for it.
        from cryptography.fernet import Fernet

        return Fernet(base64.urlsafe_b64encode(self._keys[name]))


def _derived(text: str) -> bytes:
    return hmac.digest(text.encode(), _PURPOSE, "sha256")


def _name(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:NAME_CHARS]
