"""The port: requests are checked as WeChat Pay checks them, answers and messages are signed."""

import asyncio
import contextlib
import json
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from tests.doubles.wechatpay.books import Books, RefusedError
from tests.doubles.wechatpay.keys import Merchant, PlatformKey, sign

CHINA = timezone(timedelta(hours=8))
SCHEME = "WECHATPAY2-SHA256-RSA2048"
TRADE = "/v3/pay/transactions/out-trade-no/"
REFUNDS = "/v3/refund/domestic/refunds"
REASONS = {200: "OK", 204: "No Content"}


class Fault(Enum):
    """What goes wrong with a request; those waiting are taken one a request, `None` is none."""

    CUT = "does the work, then cuts the connection"
    BROKEN = "500 before any work"
    BROKEN_AFTER = "500 after the work"
    LIMITED = "429"
    UNSIGNED = "does the work, and a stranger signs the answer"


@dataclass(frozen=True)
class Message:
    """What is sent to `url`; the body is the very bytes that were signed."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def asked(self, name: str) -> str:
        return parse_qs(urlsplit(self.target).query).get(name, [""])[0]


class WechatPayDouble:
    """One merchant's WeChat Pay. `keys` are those it signs with by turns: the last is in use."""

    def __init__(
        self,
        truth: Path,
        *,
        merchant: Merchant | None = None,
        key: PlatformKey | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        self.merchant = merchant or Merchant()
        self.keys = [key or PlatformKey.public_key()]
        self.books = Books(self.merchant, truth)
        self.faults: deque[Fault | None] = deque()
        self.requests: list[Request] = []
        self.url = ""
        self.clock = clock
        self._nonces: set[str] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        """Take a port; 0 is any free one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Let go of the port and of all connections."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()

    def rotate(self, key: PlatformKey) -> None:
        """Sign with another key from now on."""
        self.keys.append(key)

    # What buyers and banks do; each returns the message that follows.

    def pay(self, step: dict[str, str], *, short: int = 0, currency: str = "CNY") -> Message:
        """The buyer's WeChat takes the next step as `wx.requestPayment` would, and pays."""
        lines = (step["appId"], step["timeStamp"], step["nonceStr"], step["package"])
        assert step["signType"] == "RSA"
        assert self.merchant.has_signed(step["paySign"], *lines), "paySign does not fit"
        prepay_id = step["package"].removeprefix("prepay_id=")
        number = next(n for n, o in self.books.orders.items() if o["prepay_id"] == prepay_id)
        self.books.pay(number, self._now(), short=short, currency=currency)
        return self.paid_message(number)

    def paid_message(self, number: str) -> Message:
        """The message about a paid order, as often as wanted: each under an id of its own."""
        url = self.books.orders[number]["wish"]["notify_url"]
        return self.message("TRANSACTION.SUCCESS", self.books.order(number), url)

    def settle(self, number: str, status: str) -> Message:
        """A refund comes to an end: SUCCESS, ABNORMAL or CLOSED."""
        self.books.settle(number, status, self._now())
        told = self.books.refund(number)
        told["refund_status"] = told.pop("status")
        del told["channel"], told["create_time"], told["amount"]["currency"]
        told["mchid"] = self.merchant.mch_id
        url = self.books.refunds[number]["wish"]["notify_url"]
        return self.message(f"REFUND.{status}", told, url)

    def message(self, kind: str, told: dict[str, Any], url: str = "") -> Message:
        """Any message, encrypted and signed."""
        group = kind.split(".", maxsplit=1)[0].lower()
        whole = {
            "id": secrets.token_hex(16),
            "create_time": self._now().isoformat(),
            "resource_type": "encrypt-resource",
            "event_type": kind,
            "summary": "…",
            "resource": self.merchant.sealed(json.dumps(told, ensure_ascii=False), group),
        }
        body = json.dumps(whole, ensure_ascii=False)
        return Message(url, self.signed_headers(body), body.encode())

    async def deliver(self, message: Message, client: httpx2.AsyncClient) -> int:
        """Send a message to where it belongs; says how it was answered."""
        answer = await client.post(message.url, content=message.body, headers=message.headers)
        return answer.status_code

    def signed_headers(self, body: str, key: PlatformKey | None = None) -> dict[str, str]:
        """The headers that prove where a body comes from."""
        key = key or self.keys[-1]
        stamp, nonce = str(int(self._now().timestamp())), secrets.token_hex(16)
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": sign(key.key, stamp, nonce, body),
            "Wechatpay-Signature-Type": SCHEME,
            "Wechatpay-Serial": key.serial,
            "Content-Type": "application/json; charset=utf-8",
        }

    def _now(self) -> datetime:
        return self.clock().astimezone(CHINA)

    # The port.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, target, headers, body.decode())
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else None
        status, text = self._outcome(request, fault)
        if fault is Fault.CUT:
            writer.transport.abort()
            return False
        stranger = PlatformKey.public_key() if fault is Fault.UNSIGNED else None
        if stranger:
            stranger.serial = self.keys[-1].serial
        told = {**self.signed_headers(text, stranger), "Content-Length": str(len(text.encode()))}
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, '-')}", *map(": ".join, told.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
        await writer.drain()
        return True

    def _outcome(self, request: Request, fault: Fault | None) -> tuple[int, str]:
        if fault is Fault.BROKEN:
            return _refusal(RefusedError(500, "SYSTEM_ERROR"))
        if fault is Fault.LIMITED:
            return _refusal(RefusedError(429, "FREQUENCY_LIMITED"))
        done = self._done(request)
        if fault is Fault.BROKEN_AFTER:
            return _refusal(RefusedError(500, "SYSTEM_ERROR"))
        return done

    def _done(self, request: Request) -> tuple[int, str]:
        try:
            self._check_signature(request)
            told = self._answer(request)
        except RefusedError as refused:
            return _refusal(refused)
        return (204, "") if told is None else (200, json.dumps(told, ensure_ascii=False))

    def _check_signature(self, request: Request) -> None:
        """The merchant's signature over exactly this request, fresh and used once."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        told = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        stamp, nonce = told.get("timestamp", "0"), told.get("nonce_str", "")
        lines = (request.method, request.target, stamp, nonce, request.body)
        good = (
            scheme == SCHEME
            and told.get("mchid") == self.merchant.mch_id
            and told.get("serial_no") == self.merchant.cert_serial
            and abs(int(stamp) - time.time()) <= 300
            and nonce not in self._nonces
            and self.merchant.has_signed(told.get("signature", ""), *lines)
        )
        if not good:
            raise RefusedError(401, "SIGN_ERROR")
        self._nonces.add(nonce)

    def _answer(self, request: Request) -> dict[str, Any] | None:
        told = json.loads(request.body) if request.body else {}
        path, verb = request.path, request.method
        if (verb, path) == ("POST", "/v3/pay/transactions/jsapi"):
            return self.books.announce(told)
        if (verb, path) == ("POST", REFUNDS):
            return self.books.give_back(told, self._now().isoformat())
        if verb == "GET" and path.startswith(f"{REFUNDS}/"):
            return self.books.refund(path.removeprefix(f"{REFUNDS}/"))
        if not path.startswith(TRADE):
            raise RefusedError(404, "NOT_FOUND")
        if (told.get("mchid") or request.asked("mchid")) != self.merchant.mch_id:
            raise RefusedError(400, "PARAM_ERROR")
        number = path.removeprefix(TRADE)
        if verb == "GET":
            return self.books.order(number)
        self.books.close(number.removesuffix("/close"))
        return None


def _refusal(refused: RefusedError) -> tuple[int, str]:
    told = {"code": refused.code, "message": refused.message or refused.code}
    return refused.status, json.dumps(told, ensure_ascii=False)
