"""One message to real listeners on the loopback: those that are well, and all the others."""

import asyncio
import resource
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.webhooks.adapters import dial
from app.webhooks.adapters.dial import Answer, Dialler
from app.webhooks.adapters.resolving import Resolver
from app.webhooks.rules.urls import Target
from tests.webhooks import receivers
from tests.webhooks.receivers import HOST, Behaviour, Receiver, answers, receiver

HEADERS = {"content-type": "application/json", "webhook-id": "m1"}
SECONDS = 1.0
Dial = Callable[..., Dialler]


@pytest.fixture
async def dialler() -> AsyncIterator[Dial]:
    """Diallers that may reach the loopback, closed in the end."""
    made: list[Dialler] = []

    def build(**more: object) -> Dialler:
        told: dict[str, object] = {"seconds": SECONDS, "lines_max": 8, "allow_loopback": True}
        made.append(Dialler(**{**told, **more}))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for each in made:
        await each.close()


def target(mine: Receiver, host: str = HOST, scheme: str = "http") -> Target:
    return Target(scheme, host, mine.port, "/hooks?x=1")


def told(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda _host, _port: addresses


async def post(dialler: Dialler, mine: Receiver) -> Answer:
    return await dialler.post(target(mine), HEADERS, b'{"a": 1}')


async def test_a_message_arrives_as_it_was_sent(dialler: Dial) -> None:
    async with receiver(answers(202, b'{"thanks": true}')) as mine:
        answer = await post(dialler(), mine)
    assert (answer.status, answer.error, answer.told) == (202, None, '{"thanks": true}')
    (heard,) = mine.heard
    assert heard.line == "POST /hooks?x=1 HTTP/1.1"
    assert heard.body == b'{"a": 1}'
    assert heard.headers == {
        **HEADERS,
        "host": f"{HOST}:{mine.port}",
        "content-length": "8",
    }


async def test_a_line_is_used_again(dialler: Dial) -> None:
    one = dialler()
    async with receiver(answers(200)) as mine:
        for _ in range(5):
            assert (await post(one, mine)).status == 200
    assert (len(mine.heard), mine.connections) == (5, 1)


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        (answers(500), 500, None),
        (answers(410), 410, None),
        (answers(429, retry_after="7"), 429, None),
        (receivers.hangs, None, "timeout"),
        (receivers.drips_headers, None, "timeout"),
        (receivers.closes_at_once, None, "not_http"),
        (receivers.speaks_otherwise, None, "not_http"),
        (receivers.endless_headers, None, "too_large"),
        (receivers.endless_hints, None, "too_large"),
        (receivers.closes_in_body, 200, None),
        (receivers.drips_body, 200, None),
        (receivers.endless_body, 200, None),
        (receivers.endless_chunks, 200, None),
        (receivers.gzip_bomb, 200, None),
    ],
    ids=[
        "500", "410", "429", "hang", "drip_headers", "close", "smtp", "endless_headers",
        "endless_hints", "close_in_body", "drip_body", "endless_body", "endless_chunks", "bomb",
    ],
)  # fmt: skip
async def test_every_bad_answer_ends_soon_and_small(
    dialler: Dial, behaviour: Behaviour, status: int | None, error: str | None
) -> None:
    async with receiver(behaviour) as mine:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = await post(dialler(), mine)
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (answer.status, answer.error) == (status, error)
    assert answer.retry_after == ("7" if status == 429 else None)
    assert len(answer.told) <= 1_000
    # What the kernel holds for both sides of a line is all that was sent for nothing.
    assert mine.bytes_sent < 32 << 20
    assert grown_kb < 64 << 10
    assert answer.duration_ms < 60_000


async def test_a_redirect_is_an_answer_and_is_not_followed(dialler: Dial) -> None:
    async with receiver(answers(200)) as inner:
        for status in (301, 302, 303, 307, 308):
            async with receiver(answers(status, location=inner.url)) as mine:
                assert (await post(dialler(), mine)).status == status
        assert inner.connections == 0


async def test_nobody_listens(dialler: Dial) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        mine = Receiver(receivers.hangs, port=taken.getsockname()[1])
        answer = await post(dialler(), mine)
    assert (answer.status, answer.error) == (None, "connect_failed")


async def test_what_is_kept_of_an_answer_is_safe_to_store_and_show(dialler: Dial) -> None:
    body = b"\x00a\x1b[31mb\xed\xa0\x80\xff\n" + "圈".encode() * 2_000
    async with receiver(answers(200, body)) as mine:
        answer = await post(dialler(), mine)
    assert len(answer.told) == 1_000
    assert answer.told.startswith("\ufffda\ufffd[31mb")
    answer.told.encode("utf-8")
    assert "\x00" not in answer.told


async def test_a_name_that_flips_to_the_loopback_is_never_connected_to(dialler: Dial) -> None:
    """Registered with a public address; when the time comes it is ours."""
    now = ["93.184.216.34"]
    resolve = Resolver(lambda _host, _port: now)
    async with receiver(answers(200)) as mine:
        port = mine.port
        fault = await dial.address_fault("h.example.com", allow_loopback=False, resolve=resolve)
        assert fault is None
        now[:] = [HOST]
        for flipped in ([HOST], ["93.184.216.34", HOST], ["::ffff:127.0.0.1"], ["0.1.2.3"], []):
            now[:] = flipped
            one = dialler(allow_loopback=False, resolve=resolve)
            for scheme in ("http", "https"):
                answer = await one.post(Target(scheme, "h.example.com", port, "/"), HEADERS, b"{}")
                assert (answer.status, answer.error) == (None, "address_refused")
        await asyncio.sleep(0.05)
        assert mine.connections == 0
        # The listener would have seen it.
        assert (await post(dialler(), mine)).status == 200
        assert mine.connections == 1


async def test_the_address_that_was_judged_is_the_one_dialled(dialler: Dial) -> None:
    """A second look-up tells another address: there must be none."""
    asked: list[str] = []

    def look_up(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return [HOST] if len(asked) == 1 else ["10.0.0.1"]

    async with receiver(answers(200)) as mine:
        one = dialler(resolve=Resolver(look_up))
        answer = await one.post(target(mine, "hooks.example.com"), HEADERS, b"{}")
    assert (answer.status, asked) == (200, ["hooks.example.com"])
    assert mine.heard[0].headers["host"] == f"hooks.example.com:{mine.port}"


async def test_the_next_address_is_tried_where_one_does_not_answer(dialler: Dial) -> None:
    async with receiver(answers(200)) as mine:
        one = dialler(resolve=Resolver(told("127.0.0.2", HOST)))
        answer = await one.post(target(mine, "hooks.example.com"), HEADERS, b"{}")
    assert answer.status == 200


async def test_no_proxy_of_the_environment_is_used(
    dialler: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver(answers(200)) as proxy, receiver(answers(204)) as mine:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await post(dialler(), mine)).status == 204
        assert proxy.connections == 0


async def test_names_that_hang_hold_neither_others_nor_the_loop(dialler: Dial) -> None:
    """Forty names whose servers never answer, beside one that is known and one that is new."""
    free = threading.Event()

    def look_up(host: str, _port: int) -> Sequence[str]:
        if host.startswith("dead"):
            free.wait(30)
        return [HOST]

    resolve = Resolver(look_up, threads=8)
    one = dialler(resolve=resolve, lines_max=64)
    try:
        async with receiver(answers(200, connection="close")) as mine:
            known = target(mine, "known.example.com")
            assert (await one.post(known, HEADERS, b"{}")).status == 200
            dead = [
                asyncio.create_task(one.post(target(mine, f"dead{n}.example.com"), HEADERS, b"{}"))
                for n in range(40)
            ]
            await asyncio.sleep(0.05)
            for _ in range(3):
                assert (await one.post(known, HEADERS, b"{}")).status == 200
            assert {a.error for a in await asyncio.gather(*dead)} == {"timeout"}
            assert threading.active_count() < 30
    finally:
        free.set()


async def test_callers_at_once_ask_once() -> None:
    asked: list[str] = []

    def look_up(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        time.sleep(0.05)
        return ["8.8.8.8"]

    resolve = Resolver(look_up)
    found = await asyncio.gather(*(resolve("a.example.com", 443) for _ in range(20)))
    assert found == [["8.8.8.8"]] * 20
    assert asked == ["a.example.com"]


async def test_a_look_up_that_fails_is_no_address() -> None:
    def look_up(_host: str, _port: int) -> Sequence[str]:
        raise RuntimeError("of the system's")

    assert await Resolver(look_up)("a.example.com", 443) == ()


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for one name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "cert.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, secret


async def test_the_certificate_must_be_for_the_name_though_an_address_is_dialled(
    dialler: Dial, tmp_path: Path
) -> None:
    chain, secret = certificate(tmp_path, "hooks.example.com")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(chain, secret)
    asked: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(chain))
    resolve = Resolver(told(HOST))
    async with receiver(answers(200), tls=serving) as mine:
        one = dialler(resolve=resolve, tls=trusting)
        for name, status, error in (
            ("hooks.example.com", 200, None),
            ("other.example.com", None, "tls_failed"),
        ):
            answer = await one.post(target(mine, name, "https"), HEADERS, b"{}")
            assert (answer.status, answer.error) == (status, error)
        # A certificate that nobody vouches for.
        answer = await dialler(resolve=resolve).post(
            target(mine, "hooks.example.com", "https"), HEADERS, b"{}"
        )
        assert (answer.status, answer.error) == (None, "tls_failed")
    assert asked == ["hooks.example.com", "other.example.com", "hooks.example.com"]
    assert len(mine.heard) == 1


async def test_a_receiver_without_tls_is_told_apart(dialler: Dial) -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await dialler().post(Target("https", HOST, port, "/"), HEADERS, b"{}")
    assert (answer.status, answer.error) == (None, "tls_failed")
