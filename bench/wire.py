"""A client that costs as little as one can: HTTP/1.1 on one kept connection, bodies by length."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any


class Wire:
    """One connection; one request at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __call__(
        self, method: str, path: str, headers: Mapping[str, str], body: Any = None
    ) -> tuple[int, bytes]:
        """Status and body of one request."""
        reader, writer = await self._open()
        content = b"" if body is None else json.dumps(body).encode()
        told = {"Host": "bench", "Content-Length": str(len(content)), **headers}
        if content:
            told["Content-Type"] = "application/json"
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        return int(head.split(" ", 2)[1]), await reader.readexactly(int(length or 0))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        return self._streams

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
