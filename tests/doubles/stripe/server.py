"""The double listening on a port: in a thread of this process, or as a process."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from tests.doubles.stripe.access import DEFAULT_KEYS, Keyring
from tests.doubles.stripe.app import StripeDouble
from tests.doubles.stripe.remote import Remote
from tests.doubles.stripe.wire import CutProtocol

HOST = "127.0.0.1"
START_SECONDS_MAX = 20


def double_command(
    port: int, truth: Path, webhooks: Sequence[str] = (), secrets: Sequence[str] = ()
) -> list[str]:
    """The double as a command; its first line of output is its address."""
    words = ["--port", str(port), "--truth", str(truth)]
    for url in webhooks:
        words += ["--webhook", url]
    for secret in secrets:
        words += ["--secret", secret]
    return [sys.executable, "-m", "tests.doubles.stripe", *words]


def listen(port: int = 0) -> socket.socket:
    """A socket on a free port, or on one that a double has just left."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(256)
    return listener


def make_server(double: StripeDouble) -> uvicorn.Server:
    config = uvicorn.Config(
        double,
        http=CutProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=60,
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def serving(
    truth: Path,
    webhooks: Sequence[str] = (),
    secrets: Sequence[str] = ("whsec_double",),
    keys: Sequence[str] = DEFAULT_KEYS,
    port: int = 0,
) -> Iterator[Remote]:
    """A double in a thread of its own, so that callers that block do not stop it."""
    double = StripeDouble(truth, Keyring(keys), list(webhooks), list(secrets))
    server = make_server(double)
    with listen(port) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        until = time.monotonic() + START_SECONDS_MAX
        while not server.started:
            assert thread.is_alive(), "the double did not start"
            assert time.monotonic() < until, "the double did not start in time"
            time.sleep(0.01)
        try:
            with Remote(f"http://{HOST}:{listener.getsockname()[1]}") as remote:
                yield remote
        finally:
            server.should_exit = True
            thread.join(START_SECONDS_MAX)
