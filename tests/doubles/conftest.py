"""A double, somebody who takes its messages, and the official SDK."""

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.doubles.stripe.remote import Remote
from tests.doubles.stripe.server import serving

SECRET = "whsec_double"
WAIT_SECONDS_MAX = 10


@dataclass
class Inbox:
    """An address for messages: what came, and what to answer."""

    port: int = 0
    came: list[tuple[bytes, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    on_message: Callable[[], None] | None = None
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def events(self, kind: str | None = None) -> list[stripe.Event]:
        """What came, each checked against its signature."""
        told = [
            stripe.Webhook.construct_event(body, mark, SECRET, None) for body, mark in self.came
        ]
        return [event for event in told if kind in (None, event.type)]

    def kinds(self) -> list[str]:
        return [event.type for event in self.events()]

    def wait_for(self, kind: str, count: int = 1) -> list[stripe.Event]:
        """Events of a kind, as soon as so many have come."""
        with self.news:
            done = self.news.wait_for(lambda: len(self.events(kind)) >= count, WAIT_SECONDS_MAX)
        assert done, self.kinds()
        return self.events(kind)

    def take(self, body: bytes, mark: str) -> int:
        """Keep a message; the status to answer."""
        with self.news:
            self.came.append((body, mark))
            self.news.notify_all()
            return self.answers.pop(0) if self.answers else 200

    def clear(self) -> None:
        self.came.clear()
        self.answers.clear()
        self.on_message = None


class Handler(http.server.BaseHTTPRequestHandler):
    inbox: Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.inbox.on_message is not None:
            self.inbox.on_message()
        self.send_response(self.inbox.take(body, self.headers["Stripe-Signature"]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is said of it."""


@pytest.fixture(scope="session")
def shared_inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    handler = type("Handling", (Handler,), {"inbox": inbox})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        inbox.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield inbox
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def truth_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("double") / "truth.jsonl"


@pytest.fixture(scope="session")
def shared_double(truth_path: Path, shared_inbox: Inbox) -> Iterator[Remote]:
    with serving(truth_path, [shared_inbox.url], [SECRET]) as double:
        yield double


@pytest.fixture
def inbox(shared_inbox: Inbox) -> Inbox:
    shared_inbox.clear()
    return shared_inbox


@pytest.fixture
def double(shared_double: Remote, inbox: Inbox) -> Iterator[Remote]:
    """One double for all, in good order before and after."""
    shared_double.hooks([inbox.url], [SECRET])
    yield shared_double
    shared_double.reset()
    shared_double.clock(None)
    shared_double.idle()


@dataclass
class Shop:
    """The official SDK with a key, and the calls that most tests make."""

    client: stripe.StripeClient

    def intent(self, **more: Any) -> stripe.PaymentIntent:
        wish = {"amount": 10_000, "currency": "cny", "payment_method_types": ["card"], **more}
        return self.client.v1.payment_intents.create(wish)

    def paid(self, **more: Any) -> stripe.PaymentIntent:
        """An intent that a card has paid."""
        return self.intent(confirm=True, payment_method="pm_card_visa", **more)

    def waiting(self, kind: str = "alipay", **more: Any) -> stripe.PaymentIntent:
        """An intent whose buyer has to pay in their app."""
        return self.intent(
            confirm=True,
            payment_method_types=[kind],
            payment_method_data={"type": kind},
            payment_method_options={"wechat_pay": {"client": "web"}},
            return_url="https://shop.test/back",
            **more,
        )

    def charge(self, intent_id: str) -> stripe.Charge:
        wish = {"expand": ["latest_charge.balance_transaction"]}
        return self.client.v1.payment_intents.retrieve(intent_id, wish).latest_charge


@pytest.fixture
def shops(double: Remote) -> Iterator[Callable[[str], Shop]]:
    """Shops by key; their connections are closed in the end."""
    http_client = stripe.RequestsClient(timeout=5)

    def make(key: str = "sk_test_double") -> Shop:
        return Shop(
            stripe.StripeClient(key, base_addresses={"api": double.url}, http_client=http_client)
        )

    yield make
    http_client.close()


@pytest.fixture
def shop(shops: Callable[..., Shop]) -> Shop:
    return shops()
