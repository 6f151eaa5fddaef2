"""One message to one receiver: dialled at an address that was judged, and read no further than
needed.

Nothing here follows a redirect, unpacks an answer, or takes a proxy from the environment.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore2

from app.webhooks.adapters.lines import Lines
from app.webhooks.adapters.resolving import Resolve, Resolver, address_fault, public_addresses
from app.webhooks.rules.urls import Target

__all__ = ["Answer", "Dialler", "address_fault"]

# What is read of one answer: its body, and all of it with headers, as it came from the wire.
BODY_BYTES_MAX = 16 * 1024
WIRE_BYTES_MAX = 64 * 1024
# Bodies in tiny pieces cost as much as large ones.
CHUNKS_MAX = 256
# The status has decided by then; the body is read for people, and for using the line again.
BODY_SECONDS_MAX = 2.0
CONNECT_SECONDS_MAX = 5.0
# What is kept of an answer, for people to look at.
TOLD_CHARACTERS_MAX = 1_000


class AddressRefused(httpcore2.ConnectError):
    """The host has no address, or one that no message is sent to."""


class TlsFailed(httpcore2.ConnectError):
    """No TLS came about: a certificate that does not hold, or a receiver that speaks none."""


class TooMuch(httpcore2.ReadError):
    """More bytes came than any answer of a receiver has."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said, or the stable word for why it said nothing.

    `error` is one of `timeout`, `address_refused`, `tls_failed`, `connect_failed`, `too_large`,
    `closed`, `not_http`.
    """

    status: int | None
    error: str | None
    told: str
    retry_after: str | None
    duration_ms: int


# The first that fits names the fault.
_FAULTS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "timeout"),
    (httpcore2.TimeoutException, "timeout"),
    (AddressRefused, "address_refused"),
    (TlsFailed, "tls_failed"),
    (TooMuch, "too_large"),
    (httpcore2.ConnectError, "connect_failed"),
    (httpcore2.NetworkError, "closed"),
    (httpcore2.ProtocolError, "not_http"),
)
_CAUGHT = tuple(kind for kind, _ in _FAULTS)


class _Metered(httpcore2.AsyncNetworkStream):
    """A stream that ends when an answer is longer than any; what is sent next begins anew."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._read = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        data = await self._stream.read(max_bytes, timeout)
        self._read += len(data)
        if self._read > WIRE_BYTES_MAX:
            raise TooMuch
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._read = 0
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except httpcore2.ConnectError as error:
            raise TlsFailed from error
        return _Metered(stream)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Guarded(httpcore2.AsyncNetworkBackend):
    """Connects to the address it has judged, so that no second look-up can tell another."""

    def __init__(self, resolve: Resolve, *, allow_loopback: bool) -> None:
        self._resolve = resolve
        self._allow_loopback = allow_loopback
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        found = await public_addresses(
            host, port, self._resolve, allow_loopback=self._allow_loopback
        )
        failed: Exception = AddressRefused()
        for address in found:
            try:
                stream = await self._network.connect_tcp(
                    address, port, CONNECT_SECONDS_MAX, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
            else:
                return _Metered(stream)
        raise failed


class Dialler:
    """Sends messages; lines are kept open for a moment, each to the address it was opened to."""

    def __init__(
        self,
        *,
        seconds: float,
        lines_max: int,
        allow_loopback: bool = False,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._seconds = seconds
        network = _Guarded(resolve or Resolver(), allow_loopback=allow_loopback)
        self._lines = Lines(network, tls or ssl.create_default_context(), lines_max)

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one message and hear what becomes of it; all of it within the time there is."""
        began_at = time.monotonic()
        told = bytearray()
        status, error, later = None, None, None
        request = _request(target, headers, body)
        line = await self._lines.take(request)
        try:
            async with asyncio.timeout(self._seconds):
                response = await line.handle_async_request(request)
                status, later = response.status, _header(response, b"retry-after")
                await _read(response, told)
        except _CAUGHT as caught:
            # Once there is a status it has decided; a body that breaks off changes nothing.
            error = None if status else _fault(caught)
        finally:
            await self._lines.give_back(request, line)
        duration_ms = round((time.monotonic() - began_at) * 1_000)
        return Answer(status, error, _as_text(bytes(told)), later, duration_ms)

    async def close(self) -> None:
        """Close every line that is not in use."""
        await self._lines.close()


def _fault(caught: BaseException) -> str:
    return next(word for kind, word in _FAULTS if isinstance(caught, kind))


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> httpcore2.Request:
    return httpcore2.Request(
        "POST",
        httpcore2.URL(
            scheme=target.scheme.encode(),
            host=target.name.encode(),
            port=target.port,
            target=target.path.encode(),
        ),
        headers=[
            ("Host", target.authority),
            *headers.items(),
            ("Content-Length", str(len(body))),
        ],
        content=body,
    )


def _header(response: httpcore2.Response, name: bytes) -> str | None:
    found = (value for key, value in response.headers if key.lower() == name)
    value = next(found, None)
    return value.decode("latin-1") if value is not None else None


async def _read(response: httpcore2.Response, told: bytearray) -> None:
    """Take the beginning of a body; a line that has more to say is closed."""
    try:
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(BODY_SECONDS_MAX),
                contextlib.aclosing(response.aiter_stream()) as chunks,
            ):
                count = 0
                async for chunk in chunks:
                    told += chunk[: BODY_BYTES_MAX - len(told)]
                    count += 1
                    if len(told) >= BODY_BYTES_MAX or count >= CHUNKS_MAX:
                        break
    finally:
        await response.aclose()


def _as_text(told: bytes) -> str:
    """What can be stored and shown: no broken bytes, and nothing that steers a terminal."""
    text = told[: TOLD_CHARACTERS_MAX * 4].decode("utf-8", "replace")[:TOLD_CHARACTERS_MAX]
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
