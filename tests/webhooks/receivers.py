"""Receivers of webhooks on the loopback: one that is well, and every kind that is not."""

import asyncio
import contextlib
import gzip
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"
GIGABYTE = 1 << 30
Behaviour = Callable[["Receiver", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Message:
    """One request as it came from the wire."""

    line: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(slots=True)
class Receiver:
    """A listener that keeps what it was sent and answers as it was told to."""

    behaviour: Behaviour
    port: int = 0
    connections: int = 0
    open: int = 0
    open_max: int = 0
    bytes_sent: int = 0
    heard: list[Message] = field(default_factory=list)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hooks"

    def at(self, path: str) -> str:
        """The URL of a path of one's own."""
        return f"http://{HOST}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.open_max = max(self.open, self.open_max)
        self._writers.add(writer)
        try:
            while message := await read(reader):
                self.heard.append(message)
                await self.behaviour(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    async def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        self.bytes_sent += len(data)
        await writer.drain()

    def hang_up(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next request of a line; none where the line has ended."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        line, *rest = head.decode("ascii").rstrip("\r\n").split("\r\n")
        headers = {k.lower(): v for k, v in (each.split(": ", 1) for each in rest)}
        body = await reader.readexactly(int(headers["content-length"]))
        return Message(line, headers, body, time.time())
    return None


def answers(status: int, body: bytes = b"ok", **headers: str) -> Behaviour:
    """A whole answer, on a line that stays open."""
    lines = [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} X", *lines, f"content-length: {len(body)}"])

    async def behave(
        mine: Receiver, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await mine.send(writer, head.encode() + b"\r\n\r\n" + body)

    return behave


def sends(*parts: bytes, pause: float = 0.0, times: int = 1) -> Behaviour:
    """The first part once and the others again and again, with a pause between, then the end."""

    async def behave(
        mine: Receiver, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        first, *others = parts
        await mine.send(writer, first)
        for _ in range(times):
            for part in others:
                await asyncio.sleep(pause)
                await mine.send(writer, part)
        raise ConnectionAbortedError

    return behave


async def hangs(
    _mine: Receiver, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
) -> None:
    """Take the request and say nothing, for as long as the other side waits."""
    await reader.read(1)
    raise ConnectionAbortedError


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
PIECE = b"x" * 65_536
drips_headers = sends(OK_HEAD, b"x-drip: 1\r\n", pause=0.05, times=100_000)
drips_body = sends(OK_HEAD + b"content-length: 1000000\r\n\r\n", b"x", pause=0.05, times=100_000)
endless_body = sends(
    OK_HEAD + f"content-length: {GIGABYTE}\r\n\r\n".encode(), PIECE, times=GIGABYTE // len(PIECE)
)
endless_chunks = sends(
    OK_HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 4_096, times=100_000
)
endless_headers = sends(OK_HEAD, b"x-more: " + b"y" * 8_000 + b"\r\n", times=100_000)
endless_hints = sends(
    b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000,
    *[b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000],
    times=100_000,
)
_BOMB = gzip.compress(b"\0" * (1 << 24), 9)
gzip_bomb = answers(200, _BOMB, content_encoding="gzip")
closes_at_once = sends(b"")
closes_in_body = sends(OK_HEAD + b"content-length: 1000\r\n\r\nhalf")
speaks_otherwise = sends(b"220 mail.example.com ESMTP ready\r\n")


@asynccontextmanager
async def receiver(
    behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Receiver]:
    """A receiver that listens, gone afterwards with all its lines."""
    mine = Receiver(behaviour)
    server = await asyncio.start_server(mine.serve, HOST, port, ssl=tls)
    mine.port = server.sockets[0].getsockname()[1]
    try:
        yield mine
    finally:
        server.close()
        mine.hang_up()
        await server.wait_closed()
