"""Answers that are made while they are sent."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

# Whoever takes nothing for so long has gone, or might as well have.
STALL_SECONDS = 30


class Streamed(StreamingResponse):
    """Bytes from a generator, which is closed with the answer, however that ends.

    A client that has gone would otherwise leave the generator, and the transaction it reads in, to
    the garbage collector.
    """

    def __init__(self, parts: AsyncGenerator[bytes], **kwargs: Any) -> None:
        self._parts = parts
        super().__init__(parts, **kwargs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, or as much as the client takes."""
        async with aclosing(self._parts):
            await super().__call__(scope, receive, _patiently(send))


def _patiently(send: Send) -> Send:
    async def sent(message: Message) -> None:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await send(message)
        except TimeoutError as error:
            raise ClientDisconnect from error

    return sent


async def begun(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same parts, of which the first is there already: what is refused is refused by then.

    Once an answer has begun its status cannot be taken back.
    """
    first = await anext(parts)
    return _after(first, parts)


async def _after(first: bytes, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    try:
        yield first
        async for part in parts:
            yield part
    finally:
        close = getattr(parts, "aclose", None)
        if close is not None:
            await close()
