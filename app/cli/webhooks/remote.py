"""A shop of a server over HTTP, as somebody with an API key sees it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2

from app.cli.shared import fail
from app.cli.texts import text

TIMEOUT_SECONDS = 30.0
PAUSE_SECONDS = 1.0
PAGE = 100


class AwayError(Exception):
    """The server could not be reached, or is not able to answer now."""


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop of a server; whatever the server refuses ends the command with its reason."""

    client: httpx2.Client
    path: str

    def get(self, path: str, **params: Any) -> httpx2.Response:
        """Read something."""
        return self._sent("GET", path, params=params)

    def post(self, path: str, body: Any = None) -> Any:
        """Do something once."""
        told = {} if body is None else {"json": body}
        return self._sent("POST", path, headers={"Idempotency-Key": uuid4().hex}, **told).json()

    def endpoints(self) -> Iterator[dict[str, Any]]:
        """Every endpoint of the shop."""
        params: dict[str, Any] = {"limit": PAGE}
        while True:
            page = self.get("/webhook-endpoints", **params).json()
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            params["cursor"] = page["next_cursor"]

    def _sent(self, method: str, path: str, **more: Any) -> httpx2.Response:
        try:
            answer = self.client.request(method, self.path + path, **more)
        except httpx2.TransportError as error:
            raise AwayError(str(error) or type(error).__name__) from error
        if answer.status_code in {429, 503}:
            raise AwayError(f"HTTP {answer.status_code}")
        if not answer.is_success:
            fail(text("api_refused", status=answer.status_code, reason=_reason(answer)))
        return answer


def _reason(answer: httpx2.Response) -> str:
    try:
        told = answer.json()
        return f"{told['code']}: {told['title']}"
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


@contextmanager
def shop_at(url: str, api_key: str, shop_id: str) -> Iterator[Shop]:
    """The shop, and one clear line where its server is away."""
    headers = {"Authorization": f"Bearer {api_key}", "Accept-Language": "en"}
    with httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
        try:
            yield Shop(client, f"/v1/operator/shops/{shop_id}")
        except AwayError as error:
            fail(text("api_away", url=url, reason=error))


def pause() -> None:
    """Let a second go by."""
    time.sleep(PAUSE_SECONDS)
