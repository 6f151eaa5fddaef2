"""A double of Stripe on a port, and an application that pays there by the official SDK."""

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.payments.gateway import hang_up
from app.settings import Settings
from tests.conftest import make_app, make_settings
from tests.doubles.conftest import Handler, Inbox
from tests.doubles.stripe.remote import Remote
from tests.doubles.stripe.server import serving
from tests.fakes import FrozenClock

SECRET = "whsec_double"


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    handler = type("Handling", (Handler,), {"inbox": found})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def shared_double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    truth: Path = tmp_path_factory.mktemp("stripe") / "truth.jsonl"
    with serving(truth, [], [SECRET]) as double:
        yield double


@pytest.fixture
def double(shared_double: Remote, clock: FrozenClock) -> Iterator[Remote]:
    shared_double.clock(int(clock.now().timestamp()), frozen=True)
    yield shared_double
    shared_double.reset()
    shared_double.outage(0)
    shared_double.hooks([])


@pytest.fixture
def settings(database_url: str, double: Remote) -> Settings:
    return make_settings(
        database_url,
        access_token_ttl_seconds=86_400,
        gateway="stripe",
        gateway_timeout_seconds=3,
        stripe_secret_key="sk_test_double",
        stripe_publishable_key="pk_test_double",
        stripe_webhook_secrets=["whsec_new", SECRET],
        stripe_api_url=double.url,
    )


@pytest.fixture
async def application(settings: Settings, clock: FrozenClock) -> AsyncIterator[FastAPI]:
    application = make_app(settings, clock)
    yield application
    await hang_up(application.state.gateways)
    await application.state.database.dispose()
