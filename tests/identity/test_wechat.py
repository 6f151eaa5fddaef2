"""The WeChat doors: the sandbox, and the real client against a double on a port."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog

from app.identity.adapters.wechat import (
    SandboxWechat,
    WechatApi,
    WechatIdentity,
    sandbox_openid,
    wechat_door,
)
from app.identity.errors import WechatCodeRefused, WechatUnavailable
from app.settings import Settings
from tests.conftest import make_settings

SECRET = "canary-app-secret"
SESSION_KEY = "canary-session-key"
ANSWER = {"openid": "oABC", "unionid": "uABC", "session_key": SESSION_KEY}


class Double:
    """A server that answers every request alike and remembers what it was asked."""

    def __init__(self) -> None:
        self.body = json.dumps(ANSWER).encode()
        self.status = "200 OK"
        self.delay_seconds = self.drip_seconds = 0.0
        self.asked: list[str] = []
        self.url = ""
        self.over = asyncio.Event()
        self.tasks: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head.split(" ")[1])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), self.delay_seconds)
            start = f"HTTP/1.1 {self.status}\r\nContent-Type: text/plain\r\n"
            writer.write(f"{start}Content-Length: {len(self.body)}\r\n\r\n".encode())
            for byte in self.body:
                writer.write(bytes([byte]))
                if self.drip_seconds:
                    await writer.drain()
                    await asyncio.sleep(self.drip_seconds)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    double = Double()
    server = await asyncio.start_server(double.serve, "127.0.0.1", 0)
    double.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield double
    double.over.set()
    await asyncio.gather(*(task for task in double.tasks if task))
    server.close()
    await server.wait_closed()


def settings_for(url: str) -> Settings:
    return make_settings(
        "sqlite://",
        wechat_app_id="wx1",
        wechat_app_secret=SECRET,
        wechat_api_url=url,
        gateway_timeout_seconds=0.3,
    )


@contextlib.asynccontextmanager
async def door_to(url: str) -> AsyncIterator[WechatApi]:
    door = wechat_door(settings_for(url))
    assert isinstance(door, WechatApi)
    yield door
    await door.close()


async def test_the_exchange(double: Double) -> None:
    async with door_to(double.url) as door:
        assert await door.exchange("c&de=1") == WechatIdentity("oABC", "uABC", "wx1")
        double.body = json.dumps({"openid": "oABC", "errcode": 0}).encode()
        assert await door.exchange("c2") == WechatIdentity("oABC", None, "wx1")
    address = urlsplit(double.asked[0])
    assert address.path == "/sns/jscode2session"
    assert parse_qs(address.query) == {
        "appid": ["wx1"],
        "secret": [SECRET],
        "js_code": ["c&de=1"],
        "grant_type": ["authorization_code"],
    }


@pytest.mark.parametrize("errcode", [40029, 40163, 40226])
async def test_refused_codes(errcode: int, double: Double) -> None:
    double.body = json.dumps({"errcode": errcode, "errmsg": "no"}).encode()
    async with door_to(double.url) as door:
        with pytest.raises(WechatCodeRefused):
            await door.exchange("c")


UNUSABLE: list[Any] = [
    {"errcode": -1},
    {"errcode": 45011},
    {"errcode": 40125},
    {"errcode": [40029]},
    {"errcode": "0", "openid": "o"},
    {},
    {"openid": ""},
    {"openid": 7},
    {"openid": "a\x00b"},
    {"openid": "x" * 129},
    [ANSWER],
    "openid",
    None,
]


@pytest.mark.parametrize("answer", UNUSABLE, ids=[json.dumps(a)[:30] for a in UNUSABLE])
async def test_unusable_answers(answer: Any, double: Double) -> None:
    double.body = json.dumps(answer).encode()
    async with door_to(double.url) as door:
        with pytest.raises(WechatUnavailable):
            await door.exchange("c")


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b'{"openid": "o', b"\xff\xfe"])
async def test_what_is_no_json(body: bytes, double: Double) -> None:
    double.body = body
    async with door_to(double.url) as door:
        with pytest.raises(WechatUnavailable):
            await door.exchange("c")


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad", "302 Found", "404 Not Found"])
async def test_other_statuses(status: str, double: Double) -> None:
    double.status = status
    async with door_to(double.url) as door:
        with pytest.raises(WechatUnavailable):
            await door.exchange("c")


@pytest.mark.parametrize(("delay", "drip"), [(5.0, 0.0), (0.0, 0.1)])
async def test_slow_answers_end_in_time(delay: float, drip: float, double: Double) -> None:
    double.delay_seconds, double.drip_seconds = delay, drip
    async with door_to(double.url) as door, asyncio.timeout(2):
        with pytest.raises(WechatUnavailable):
            await door.exchange("c")


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with door_to(url) as door:
        with pytest.raises(WechatUnavailable):
            await door.exchange("c")


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Whatever anybody logs, at every level, before anything is redacted."""
    handler, root, before = Lines(), logging.getLogger(), structlog.get_config()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    structlog.reset_defaults()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    yield handler.lines
    structlog.configure(**before)
    root.setLevel(level)
    root.removeHandler(handler)


async def test_secrets_are_not_logged(double: Double, logged: list[str]) -> None:
    async with door_to(double.url) as door:
        await door.exchange("canary-code")
        for status, body in (("200 OK", b'{"errcode": 40125}'), ("500 Oops", b"canary-body")):
            double.status, double.body = status, body
            with pytest.raises(WechatUnavailable) as refusal:
                await door.exchange("canary-code")
            assert "canary" not in repr(refusal.value.params)
    assert len(double.asked) == 3
    assert len([line for line in logged if "wechat_answer_unusable" in line]) == 2
    assert "canary" not in "".join(logged)
    assert SECRET not in repr(vars(door))


async def test_the_sandbox() -> None:
    door = wechat_door(make_settings("sqlite://"))
    assert isinstance(door, SandboxWechat)
    one, again, other = [await door.exchange(f"sandbox-{n}") for n in ("lin", "lin", "wang")]
    assert one == again == WechatIdentity(sandbox_openid("lin"), None, "sandbox")
    assert one != other
    for code in ("lin", "sandbox-", "", "xsandbox-lin"):
        with pytest.raises(WechatCodeRefused):
            await door.exchange(code)
    await door.close()
