"""Nothing secret and nobody's data is read in a log, wherever in it it stands."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from app.core.context import SYSTEM, Actor, actor_var, request_id_var
from app.core.db import Database
from app.core.ids import new_id
from app.core.logging import configure_logging, redact
from tests.core.little import things
from tests.fakes import FrozenClock

CANARIES = {
    "url": ("postgresql+asyncpg://quanpu:CANARY-pw@db.example:5432/quanpu", "CANARY-pw"),
    "url_odd": ("postgresql://quanpu:CANARY-p@ss@db.example/quanpu", "ss@db"),
    "redis": ("redis://:CANARY-redis@cache:6379/0", "CANARY-redis"),
    "bearer": ("Authorization: Bearer CANARY.opaque-token", "CANARY"),
    "jwt": ("got eyJhbGciOi.eyJzdWIiOiIx.CANARYsig", "CANARYsig"),
    "key": ("key qpk_CANARY-abc was used", "CANARY"),
    "stripe": ("sk_test_CANARYabc", "CANARY"),
    "stripe_restricted": ("rk_live_CANARYabc", "CANARY"),
    "client_secret": ("confirm pi_3abc_secret_CANARYabc", "CANARY"),
    "webhook": ("whsec_CANARYabc", "CANARY"),
    "phone": ("call 13800138000 now", "13800138000"),
    "phone_cc": ("call +8613800138000 now", "13800138000"),
    "card": ("paid with 4242424242424242", "4242424242424242"),
    "mail": ("to canary.person+tag@mail.example", "canary.person"),
}


@pytest.fixture
def written() -> Iterator[Any]:
    """Log at level info; returns the lines written so far, parsed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("info")
    (ours,) = root.handlers
    assert isinstance(ours, logging.StreamHandler)
    assert ours.stream is sys.stderr
    sink = io.StringIO()
    ours.setStream(sink)
    yield lambda: [json.loads(line) for line in sink.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(text: str) -> None:
    raise RuntimeError(text)


@pytest.mark.parametrize("name", CANARIES)
def test_secrets_are_blackened_wherever_they_stand(name: str, written: Any) -> None:
    text, secret = CANARIES[name]
    log = structlog.get_logger("test")
    log.info(text, shown=text, nested={"deep": [{"x": text}, (text,)]}, odd={text}, k=text)
    log.info("by key", nested={text: 1})
    logging.getLogger("library").warning("said %s", text)
    try:
        fail(text)
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("library").exception("failed too")
    entries = written()
    assert len(entries) == 5
    assert secret not in json.dumps(entries, ensure_ascii=False)
    assert "RuntimeError" in entries[3]["exception"]
    assert "RuntimeError" in entries[4]["exception"]


@dataclass
class Holder:
    phone: str


@pytest.mark.parametrize("secret", ["CANARY", 13800138000])
@pytest.mark.parametrize(
    "key", ["password", "token_secret", "Authorization", "api_key", "phone", "openid", "email"]
)
def test_values_under_telling_names_are_blackened(key: str, secret: object) -> None:
    assert redact({"outer": {key: secret}}) == {"outer": {key: "[redacted]"}}


def test_objects_are_blackened_by_their_text() -> None:
    assert "13800138000" not in redact(Holder("13800138000"))
    assert "CANARY" not in redact(ValueError("Bearer CANARY"))


@pytest.mark.parametrize(
    "text",
    [
        "0192f0c1-a5e8-7000-a000-000000000001",
        "order placed in 12.5 ms",
        "2026-06-18T04:00:00Z",
        "price 12345678",
    ],
)
def test_plain_facts_stay_readable(text: str) -> None:
    assert redact(text) == text
    assert redact({"ms": 12.5, "count": 3, "ok": True, "none": None}) == {
        "ms": 12.5, "count": 3, "ok": True, "none": None,
    }  # fmt: skip


async def test_what_the_database_says_of_a_row_is_blackened(
    database: Database, clock: FrozenClock
) -> None:
    row = {"id": new_id(), "name": "CANARY-name", "made_at": clock.now(), "version": 1}
    texts = []
    for broken in ([row, row], [{**row, "made_at": None}]):
        with pytest.raises(sa.exc.DBAPIError) as failed:
            await database.transact(lambda db, rows=broken: db.execute(sa.insert(things), rows))
        texts.append(str(failed.value))
        texts.append(str(failed.value.__cause__))
    assert "CANARY" not in redact("\n".join(texts))
    assert "little_things" in redact("\n".join(texts))


def test_a_line_tells_request_and_actor_and_stays_one_line(written: Any) -> None:
    request, actor = request_id_var.set("request-1234"), actor_var.set(Actor("member", new_id()))
    structlog.get_logger("test").info("line\nbreak \x1b[31mred", more="a\r\nb")
    actor_var.reset(actor)
    request_id_var.reset(request)
    (entry,) = written()
    assert entry["request_id"] == "request-1234"
    assert entry["actor"].startswith("member:")
    assert entry["event"] == "line\nbreak \x1b[31mred"
    assert entry["level"] == "info"
    assert entry["timestamp"].endswith("Z")


def test_levels_are_kept_and_context_may_be_absent(written: Any) -> None:
    assert actor_var.get() is SYSTEM
    structlog.get_logger("test").debug("too quiet")
    logging.getLogger("library").info("heard")
    logging.getLogger("uvicorn.access").warning("GET /secret?token=CANARY")
    (entry,) = written()
    assert entry["event"] == "heard"
    assert "actor" not in entry


async def test_context_belongs_to_one_task(written: Any) -> None:
    async def one(name: str) -> None:
        request_id_var.set(name)
        await asyncio.sleep(0)
        structlog.get_logger("test").info("here", name=name)

    await asyncio.gather(*(one(f"request-{n}") for n in range(5)))
    assert all(entry["request_id"] == entry["name"] for entry in written())


async def test_no_statement_is_written_with_its_parameters(
    database: Database, written: Any
) -> None:
    """Even where somebody asks for all there is to know: they are names, phones and digests."""
    configure_logging("debug")
    [ours] = logging.getLogger().handlers
    assert isinstance(ours, logging.StreamHandler)
    sink = io.StringIO()
    ours.setStream(sink)
    async with database.writing() as db:
        await db.execute(sa.select(sa.literal("CANARY-parameter")))
        logging.getLogger("of-the-test").debug("heard")
    assert "heard" in sink.getvalue()
    assert "CANARY" not in sink.getvalue()
