"""`quanpu webhooks` against a server process: events come here, tests go out."""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.cli.webhooks.listening import Listener, Receiver, forwarded
from app.cli.webhooks.remote import Shop
from tests.cli.conftest import Quanpu
from tests.conftest import TOKEN_SECRET

ROOT = Path(__file__).parents[2]
EMAIL, PASSWORD = "ann@shop.example", "a quiet lake at dawn"
PATIENCE_SECONDS = 60


@dataclass
class Inbox:
    """A receiver on a port of this machine, and what it was sent."""

    status: int = 200
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.heard]


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, str]]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            inbox.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(inbox.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield inbox, f"http://127.0.0.1:{server.server_port}/hooks"
    server.shutdown()
    server.server_close()


@dataclass
class Served:
    """A server with a worker, one shop of it, and an API key to that shop."""

    url: str
    shop_id: str
    key: str
    owner: httpx2.Client

    @property
    def environment(self) -> dict[str, str]:
        return {"QUANPU_URL": self.url, "QUANPU_API_KEY": self.key, "QUANPU_SHOP": self.shop_id}

    @property
    def path(self) -> str:
        return f"/v1/operator/shops/{self.shop_id}"

    def does(self, path: str, body: Any = None) -> Any:
        headers = {"Idempotency-Key": uuid4().hex}
        answer = self.owner.post(self.path + path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Starting a server takes longer than all that is asked of it: one serves all the tests."""
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('served')}/served.db",
        "ACCESS_TOKEN_TTL_SECONDS": "86400",
        "QUANPU_OPERATOR_PASSWORD": PASSWORD,
        "TOKEN_SECRET": TOKEN_SECRET,
        "WORKER_EMBEDDED": "true",
        "WEBHOOK_ALLOW_LOOPBACK": "true",
        "LOG_LEVEL": "error",
        "LANG": "en_US.UTF-8",
    }
    around = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
    for words in (("migrate",), ("operator", "create", "--email", EMAIL, "--admin")):
        done = [sys.executable, "-m", "app", *words]
        subprocess.run(done, env=around, cwd=ROOT, check=True, capture_output=True)
    serve = [sys.executable, "-m", "app", "serve", "--port", "0", "--json"]
    with subprocess.Popen(serve, env=around, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            url = json.loads(server.stdout.readline())["url"]
            with httpx2.Client(base_url=url, timeout=30) as client:
                yield _furnished(url, client)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=20)


def _furnished(url: str, client: httpx2.Client) -> Served:
    form = {"grant_type": "password", "username": EMAIL, "password": PASSWORD}
    token = client.post("/v1/operator/auth/sign-in", data=form).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    body = {"slug": "hill", "name": "杨梅山", "currency": "CNY"}
    shop = client.post("/v1/operator/shops", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert shop.status_code == 201, shop.text
    served = Served(url, shop.json()["id"], "", client)
    scopes = ["webhooks.read", "webhooks.write"]
    served.key = served.does("/api-keys", {"name": "dev", "scopes": scopes})["key"]
    return served


def wait_for(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := what()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
    return found


def signed(secret: str, headers: dict[str, str], body: bytes) -> str:
    """The signature as a receiver reckons it, from the standard's own words."""
    told = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()


def test_events_come_to_ones_own_machine_signed(
    served: Served, inbox: tuple[Inbox, str], tmp_path: Path
) -> None:
    """And tests and messages sent again go out through the server's own sender."""
    box, url = inbox
    made = served.does("/webhook-endpoints", {"url": url, "kinds": ["order.paid"]})
    words = [sys.executable, "-m", "app", "webhooks", "listen", "--forward-to", url, "--json"]
    around = {**os.environ, **served.environment, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, env=around, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as listening:
        assert listening.stdout
        secret = json.loads(listening.stdout.readline())["secret"]
        served.does(f"/webhook-endpoints/{made['endpoint_id']}/disable")
        told = json.loads(listening.stdout.readline())
        time.sleep(2.5)  # two more rounds tell the same event again
        listening.send_signal(signal.SIGINT)
        assert listening.wait(timeout=20) == 0
    assert (told["type"], told["outcome"]) == ("webhook.endpoint_disabled", "200")
    [(headers, body)] = box.heard
    assert headers["webhook-signature"] == signed(secret, headers, body)
    assert headers["webhook-id"] == told["id"] == json.loads(body)["id"]
    assert "test" not in json.loads(body)


def test_tests_and_messages_go_out_when_asked(
    served: Served, inbox: tuple[Inbox, str], quanpu: Quanpu
) -> None:
    box, url = inbox
    made = served.does("/webhook-endpoints", {"url": url, "kinds": ["order.paid"]})
    sent = quanpu("webhooks", "trigger", "group.succeeded", "--json", **served.environment)
    assert sent.exit_code == 0, sent.output
    delivery_id = json.loads(sent.stdout)["delivery_id"]
    wait_for(lambda: box.heard)
    headers, body = box.heard[0]
    assert json.loads(body)["test"] is True
    assert headers["webhook-id"] == delivery_id
    assert headers["webhook-signature"] == signed(made["secret"], headers, body)

    def state() -> Any:
        answer = served.owner.get(f"{served.path}/webhook-deliveries/{delivery_id}")
        return answer.json()["state"]

    wait_for(lambda: state() == "delivered")
    again = quanpu("webhooks", "resend", delivery_id, **served.environment)
    assert again.exit_code == 0, again.output
    assert again.stdout.strip() == f"group.succeeded is sent again: {delivery_id}"
    wait_for(lambda: len(box.heard) == 2)
    assert box.heard[1][0]["webhook-id"] == delivery_id
    one = ("--endpoint", made["endpoint_id"])
    wrong = quanpu("webhooks", "trigger", "order.eaten", *one, **served.environment)
    assert wrong.exit_code == 1
    assert "webhook_event_unknown" in wrong.stderr
    served.does(f"/webhook-endpoints/{made['endpoint_id']}/disable")
    none = quanpu("webhooks", "trigger", "order.paid", **served.environment)
    assert (none.exit_code, none.stdout) == (1, "")
    assert none.stderr.strip() == "there is no endpoint that is enabled"


def test_a_server_that_is_away_is_one_clear_line(quanpu: Quanpu) -> None:
    environment = {
        "QUANPU_URL": "http://127.0.0.1:9",
        "QUANPU_API_KEY": "qpk_CANARY",
        "QUANPU_SHOP": str(uuid4()),
    }
    for words in (
        ("listen", "--forward-to", "http://127.0.0.1:1/"),
        ("trigger", "order.paid"),
        ("resend", str(uuid4())),
    ):
        told = quanpu("webhooks", *words, **environment)
        assert (told.exit_code, told.stdout) == (1, "")
        assert len(told.stderr.strip().splitlines()) == 1
        assert "http://127.0.0.1:9 does not answer" in told.stderr
        assert "CANARY" not in told.stderr


def test_misuse_is_told_before_anything_is_asked(quanpu: Quanpu) -> None:
    environment = {"QUANPU_URL": "http://127.0.0.1:9", "QUANPU_API_KEY": "k", "QUANPU_SHOP": "s"}
    told = quanpu("webhooks", "listen", "--forward-to", "localhost:3000", **environment)
    assert told.exit_code == 2
    assert "must begin with http" in told.stderr
    assert quanpu("webhooks", "trigger", "order.paid").exit_code == 2


class Tape:
    """A server that answers from a tape; an integer is a refusal, an exception is none at all."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[httpx2.QueryParams] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.params)
        told = self.answers.pop(0)
        if isinstance(told, Exception):
            raise told
        if isinstance(told, int):
            return httpx2.Response(told)
        return httpx2.Response(200, json=told, headers={"date": "Thu, 18 Jun 2026 04:00:00 GMT"})

    @property
    def shop(self) -> Shop:
        return Shop(httpx2.Client(transport=httpx2.MockTransport(self), base_url="http://s"), "/s")


def page(*ids: str, after: str | None = None, more: bool = False) -> dict[str, Any]:
    events = [{"id": i, "type": "order.paid", "test": False} for i in ids]
    return {"events": events, "next_after": after, "has_more": more}


def test_a_listener_tells_each_event_once_and_survives_a_server_that_is_away() -> None:
    tape = Tape(
        page(),
        page("a", "b", after="p1", more=True),
        page("b", "c", after="p2"),
        httpx2.ConnectError("away"),
        503,
        page("c", "d", after=None),
        page("e"),
    )
    listener = Listener.from_now_on(tape.shop, ["*"])
    events = listener.events()
    heard = [next(events) for _ in range(9)]
    assert [event and event["id"] for event in heard] == [
        "a", "b", "c", None, None, None, "d", None, "e",
    ]  # fmt: skip
    assert {asked["since"] for asked in tape.asked[1:]} == {"2026-06-18T04:00:00+00:00"}
    assert [asked.get("after") for asked in tape.asked[2:]] == ["p1", "p2", "p2", "p2", "p2"]


def test_what_a_receiver_does_not_take_is_told_and_the_next_is_sent(
    inbox: tuple[Inbox, str],
) -> None:
    box, url = inbox
    box.status = 500
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    with httpx2.Client(trust_env=False) as client:
        for place, outcome in ((url, "500"), ("http://127.0.0.1:9/", "ConnectError")):
            tape = Tape(page(), page("a"))
            listener = Listener.from_now_on(tape.shop, ["*"])
            [(event, told)] = [
                next(forwarded(listener, Receiver(client, place, secret))),
            ]
            assert (event["id"], told) == ("a", outcome)
    assert box.kinds == ["order.paid"]
