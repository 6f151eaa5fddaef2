"""One pure ASGI layer around everything: request id, time limit, security headers, log, metrics."""

import asyncio
import re
import time
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.context import SYSTEM, actor_var, request_id_var
from app.core.errors import InternalError, Unavailable
from app.core.http.problem import render
from app.core.metrics import REQUEST_SECONDS, REQUESTS
from app.settings import Settings

log = structlog.get_logger("http")
_REQUEST_ID = re.compile(r"^[A-Za-z0-9_.-]{8,64}$")

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
    """Wraps the application; the outermost layer, so that even its faults are answered in shape."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self.timeout_seconds = settings.request_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Exchange(self, scope, receive, send).run()


class _Exchange:
    """One request on its way through; remembers whether the answer has begun."""

    def __init__(self, envelope: Envelope, scope: Scope, receive: Receive, send: Send) -> None:
        self.envelope = envelope
        self.scope = scope
        self.receive = receive
        self.send_on = send
        self.status = 0
        self.began_at = time.perf_counter()
        self.request = Request(scope)
        told = self.request.headers.get("x-request-id", "")
        self.request_id = told if _REQUEST_ID.match(told) else uuid4().hex

    async def run(self) -> None:
        request_id_var.set(self.request_id)
        actor_var.set(SYSTEM)
        try:
            await self._limited()
        finally:
            self._account()

    async def _limited(self) -> None:
        try:
            async with asyncio.timeout(self.envelope.timeout_seconds) as limit:
                await self.envelope.app(self.scope, self.receive, self.send)
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning("request_timeout", path=self.scope["path"])
            await self._instead(Unavailable(reason="timeout"))
        except Exception:
            log.exception("request_failed", path=self.scope["path"], method=self.scope["method"])
            await self._instead(InternalError())

    async def _instead(self, problem: Unavailable | InternalError) -> None:
        if not self.status:
            await render(problem, self.request)(self.scope, self.receive, self.send)

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

    def _account(self) -> None:
        seconds = time.perf_counter() - self.began_at
        route: Any = self.scope.get("route")
        path = getattr(route, "path", "unmatched")
        REQUESTS.labels(self.scope["method"] if route else "-", path, str(self.status)).inc()
        REQUEST_SECONDS.labels(path).observe(seconds)
        if self.scope["path"] not in QUIET_PATHS:
            log.info(
                "request",
                method=self.scope["method"],
                path=self.scope["path"],
                status=self.status,
                ms=round(seconds * 1000, 1),
            )
