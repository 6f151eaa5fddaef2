"""Two pure ASGI layers: Envelope outside, Shield inside CORS; together they end every request."""

import asyncio
import re
import time
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.context import SYSTEM, actor_var, request_id_var
from app.core.errors import BodyTooLarge, InternalError, Problem, Unavailable
from app.core.http.problem import render
from app.core.metrics import REQUEST_SECONDS, REQUESTS
from app.settings import Settings

log = structlog.get_logger("http")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-site",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class Envelope:
    """The outermost layer: request id, security headers, one log line, metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Request(scope).headers.get("x-request-id", "")
        request_id = told if _REQUEST_ID.fullmatch(told) else uuid4().hex
        request_id_var.set(request_id)
        actor_var.set(SYSTEM)
        answer = _Answer(send, request_id)
        try:
            await self.app(scope, receive, answer.send)
        finally:
            answer.account(scope)


class _Answer:
    """The answer on its way out; remembers its status for the log."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.send_on = send
        self.request_id = request_id
        self.status = 0
        self.began_at = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", API_POLICY)
            headers.setdefault("Cache-Control", "no-store")
        await self.send_on(message)

    def account(self, scope: Scope) -> None:
        seconds = time.perf_counter() - self.began_at
        route: Any = scope.get("route")
        path = getattr(route, "path", "unmatched")
        REQUESTS.labels(scope["method"] if route else "-", path, str(self.status)).inc()
        REQUEST_SECONDS.labels(path).observe(seconds)
        if scope["path"] not in QUIET_PATHS:
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=self.status,
                ms=round(seconds * 1000, 1),
            )


class Shield:
    """The layer inside CORS: time limit, body limit, and an answer in shape for every fault.

    It stands inside, so that a browser may read these answers too.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self.timeout_seconds = settings.request_timeout_seconds
        self.body_bytes_max = settings.body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whatever happens in it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        problem = await self._serve(scope, receive, watched)
        if problem is not None and not began:
            await render(problem, Request(scope))(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> Problem | None:
        if self._announces_too_much(scope):
            return BodyTooLarge()
        try:
            async with asyncio.timeout(self.timeout_seconds) as limit:

                async def in_time(message: Message) -> None:
                    # An answer that has begun may take as long as it streams.
                    limit.reschedule(None)
                    await send(message)

                await self.app(scope, self._counted(receive), in_time)
        except ClientDisconnect:
            log.info("client_left", path=scope["path"])
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                log.warning("request_timeout", path=scope["path"])
                return Unavailable(reason="timeout")
            log.exception("request_failed", path=scope["path"], method=scope["method"])
            return InternalError()
        return None

    def _announces_too_much(self, scope: Scope) -> bool:
        told = Request(scope).headers.get("content-length", "0")
        return told.isdecimal() and (len(told) > 15 or int(told) > self.body_bytes_max)

    def _counted(self, receive: Receive) -> Receive:
        """Count what comes in: a chunked body announces nothing."""
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.body_bytes_max:
                # The framework lets its own exception pass where it reads bodies.
                raise HTTPException(413)
            return message

        return counted
