"""A small client of our own API: JSON in, JSON out, a fresh Idempotency-Key for every intent."""

from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx2

TIMEOUT_SECONDS = 30.0


class UnexpectedAnswerError(Exception):
    """The API answered with another status than the story counts on."""


class Api:
    """One API and, after signing in, one caller."""

    def __init__(self, url: str, client: httpx2.Client | None = None, token: str = "") -> None:
        self._client = client or httpx2.Client(base_url=url, timeout=TIMEOUT_SECONDS)
        self._url = url
        self._token = token

    def __enter__(self) -> Self:
        """Use it in a `with` block, so that connections are closed."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._client.close()

    def as_member(self, code: str, nickname: str) -> "Api":
        """The same API for a member, signed in with a sandbox WeChat code."""
        told = self.post("/v1/auth/wechat", {"code": code, "nickname": nickname})
        return Api(self._url, self._client, told["access_token"])

    def as_operator(self, email: str, password: str) -> "Api":
        """The same API for an operator."""
        form = {"grant_type": "password", "username": email, "password": password}
        told = self._told(self._client.post("/v1/operator/auth/sign-in", data=form))
        return Api(self._url, self._client, told["access_token"])

    def get(self, path: str) -> Any:
        """Read something."""
        return self._told(self._client.get(path, headers=self._headers()))

    def post(self, path: str, body: Any = None, *, version: int | None = None) -> Any:
        """Do something once; `version` is what an edit was made on."""
        return self._told(self._sent(path, body, version))

    def refused(self, path: str, body: Any) -> tuple[int, str]:
        """Status and code of a refusal; `UnexpectedAnswerError` where it was not refused."""
        answer = self._sent(path, body, None)
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            raise UnexpectedAnswerError(f"POST {path} was not refused: {answer.status_code}")
        return answer.status_code, str(answer.json()["code"])

    def _sent(self, path: str, body: Any, version: int | None) -> httpx2.Response:
        headers = {**self._headers(), "Idempotency-Key": str(uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self._client.post(path, json=body, headers=headers)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _told(self, answer: httpx2.Response) -> Any:
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            path = answer.request.url.path
            raise UnexpectedAnswerError(
                f"{answer.request.method} {path}: {answer.status_code} {answer.text[:300]}"
            )
        return answer.json()
