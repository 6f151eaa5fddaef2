"""Idempotency keys as Stripe keeps them."""

from typing import Any

from tests.doubles.stripe.books import Books
from tests.doubles.stripe.errors import RefusalError

KEY_CHARS_MAX = 255
KEPT_SECONDS = 24 * 3_600


class Keys:
    """Answers by key and mode, and the keys of requests that are being worked on."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._busy: set[str] = set()

    def answered(self, key: str, fingerprint: str, now: int) -> dict[str, Any] | None:
        """The first answer to this key, or None; after a day it is forgotten."""
        if len(key) > KEY_CHARS_MAX:
            raise RefusalError(
                f"Keys for idempotent requests can be up to {KEY_CHARS_MAX} characters.",
                kind="idempotency_error",
            )
        if key in self._busy:
            raise RefusalError(
                "There is currently another in-progress request using this Idempotent Key (that "
                "probably means you submitted twice, and the other request is still going "
                "through). Please try again later.",
                status=409,
                code="idempotency_key_in_use",
                kind="idempotency_error",
            )
        kept = self._books.answers.get(key)
        if kept is None or now - kept["at"] >= KEPT_SECONDS:
            return None
        if kept["fingerprint"] != fingerprint:
            raise RefusalError(
                "Keys for idempotent requests can only be used with the same parameters they were "
                "first used with. Try using a key other than this one if you meant to execute a "
                "different request.",
                kind="idempotency_error",
            )
        return kept

    def begin(self, key: str) -> None:
        self._busy.add(key)

    def end(self, key: str) -> None:
        self._busy.discard(key)
