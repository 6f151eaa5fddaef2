"""API keys: secret ones and publishable ones, of the test mode and the live mode."""

import base64
from collections.abc import Iterable, Mapping

from tests.doubles.stripe.errors import RefusalError

DEFAULT_KEYS = ("sk_test_double", "pk_test_double", "sk_live_double", "pk_live_double")


def key_of(headers: Mapping[str, str]) -> str | None:
    """The key of a request: as bearer, or as the user's name."""
    scheme, _, told = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return told.strip() or None
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(told).decode().partition(":")[0] or None
        except ValueError:
            return None
    return None


class Keyring:
    """The keys that are known; `_live_` in one means real money."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(keys)

    def look_up(self, key: str | None) -> tuple[bool, bool]:
        """Whether a key is of the live mode, and whether it is a publishable one."""
        if key is None:
            raise RefusalError("You did not provide an API key.", status=401)
        if key not in self._keys:
            hidden = key[:8] + "*" * max(0, len(key) - 12) + key[-4:]
            raise RefusalError(f"Invalid API Key provided: {hidden}", status=401)
        return "_live_" in key, key.startswith("pk_")
