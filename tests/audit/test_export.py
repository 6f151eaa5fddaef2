"""An export is whole or seen to be cut, of one moment, and holds nothing back when it ends.

The accident this prevents: books that an auditor takes for all of them, and are not.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel
from starlette.types import Message

from app.audit import service
from app.audit.repository import export
from app.audit.repository.export import THROUGH, WITHHELD, WITHHELD_COLUMNS
from app.core.db import Database
from app.core.rows import row_after_row
from app.identity.rules import ShopRole
from app.identity.service.api_keys import NewKey, create_key
from app.settings import Settings
from tests.conftest import make_settings
from tests.factories import Caller
from tests.orders.market import Market

PATH = "/v1/audit/export"
TABLES = SQLModel.metadata.tables
EXPORTED = [t for t in SQLModel.metadata.sorted_tables if t.name not in WITHHELD]


@pytest.fixture
def settings(database_url: str) -> Settings:
    """One that does not wait long for a connection."""
    return make_settings(database_url, access_token_ttl_seconds=86_400, db_pool_timeout_seconds=1)


def is_whole(text: str) -> bool:
    """What whoever gets an export has to look at, and all of it."""
    before, _, last = text.rstrip("\n").rpartition("\n")
    end = json.loads(last)
    if not end.get("end"):
        return False
    body = f"{before}\n".encode()
    return bool(end["sha256"] == hashlib.sha256(body).hexdigest())


async def exported(market: Market) -> str:
    owner = await market.as_owner(market.shop_id)
    answer = await owner.get(PATH, shop_id=str(market.shop_id))
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.fixture
async def sold(market: Market) -> Market:
    """A shop that has sold a little."""
    ann = await market.buyer("ann")
    for _ in range(3):
        await market.pay(ann, await market.place(ann))
    return market


async def test_a_cut_or_changed_export_is_seen(sold: Market) -> None:
    text = await exported(sold)
    lines = text.splitlines(keepends=True)
    end = json.loads(lines[-1])
    assert is_whole(text)
    assert end["shop_id"] == str(sold.shop_id)
    assert end["rows"] == sum(end["counts"].values()) == len(lines) - 1
    assert not is_whole("".join(lines[:-1]))
    assert not is_whole("".join([*lines[:2], *lines[3:]]))
    assert not is_whole("".join([*lines[:2], lines[3], lines[2], *lines[4:]]))
    assert not is_whole(text.replace('"captured"', '"declined"', 1))


async def test_what_happens_meanwhile_is_not_told(sold: Market) -> None:
    parts = service.export_lines(sold.database, sold.shop_id)
    text = (await anext(parts)).decode()
    late = await sold.place(await sold.buyer())
    async for part in parts:
        text += part.decode()
    assert is_whole(text)
    assert late["id"] not in text
    assert late["id"] in await exported(sold)


def indexes_of(table: sa.Table) -> list[tuple[str, ...]]:
    whole = [i for i in table.indexes if i.dialect_options["postgresql"]["where"] is None]
    unique = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    found = [table.primary_key, *whole, *unique]
    return [tuple(c.name for c in each.columns) for each in found]


@pytest.mark.parametrize("table", EXPORTED, ids=str)
def test_a_shops_rows_are_looked_up_in_their_order(table: sa.Table) -> None:
    """Without such an index a small shop pays for the rows of the large one beside it."""
    if table.name == "shops":
        return
    if "shop_id" in table.c:
        key = [c.name for c in table.primary_key if c.name != "shop_id"]
        wanted: tuple[str, ...] = ("shop_id", *key)
    else:
        wanted = (THROUGH[table.name][0],)
    assert any(i[: len(wanted)] == wanted for i in indexes_of(table)), (table.name, wanted)


async def test_no_table_is_sorted_or_read_as_a_whole(sold: Market, backend: str) -> None:
    """So the first rows of the largest shop come at once, and no time-out is met."""
    if backend == "sqlite":
        pytest.skip("the planner and its time-out are PostgreSQL's")
    slow = ("Sort  (", "Hash", "Seq Scan", "Bitmap", "Materialize", "Merge Join")
    async with sold.database.snapshot() as db:
        await row_after_row(db)
        for part in export.parts(sold.shop_id):
            said = part.query.compile(db.get_bind(), compile_kwargs={"literal_binds": True})
            plan = (await db.execute(sa.text(f"EXPLAIN {said}"))).scalars().all()
            # Rows of one parent may be put in order, as they are few.
            lines = [step.replace("Incremental Sort", "") for step in plan]
            assert not [s for s in lines for word in slow if word in s], (part.name, plan)


async def test_an_export_has_time_of_its_own(market: Market, backend: str) -> None:
    if backend == "sqlite":
        pytest.skip("SQLite has no time-out of statements")
    told = sa.text("SELECT current_setting('statement_timeout')")
    async with market.database.reading() as db:
        assert (await db.execute(told)).scalar() == "8s"
    async with market.database.snapshot() as db:
        assert (await db.execute(told)).scalar() == "2min"


async def test_many_exports_take_nothing_from_the_shop(sold: Market, backend: str) -> None:
    """They have connections of their own; too many of them are told to come again."""
    if backend == "sqlite":
        pytest.skip("SQLite reads from one pool")
    held = [service.export_lines(sold.database, sold.shop_id) for _ in range(2)]
    for parts in held:
        await anext(parts)
    owner = await sold.as_owner(sold.shop_id)
    answer = await owner.get(PATH, shop_id=str(sold.shop_id))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    await sold.place(await sold.buyer())
    for parts in held:
        await parts.aclose()
    assert is_whole(await exported(sold))


# A client that is gone is told by the next message from it, or by the next one to it, or never.
Left = Callable[[list[Message]], Awaitable[None]]


async def _hangs_up(sent: list[Message]) -> None:
    if len(sent) > 2:
        raise OSError("gone")


async def _says_nothing(sent: list[Message]) -> None:
    if len(sent) > 2:
        await asyncio.sleep(3_600)


async def _takes_it(_sent: list[Message]) -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("version", "takes"),
    [("2.3", _takes_it), ("2.4", _hangs_up), ("2.4", _says_nothing), ("2.3", _says_nothing)],
)
async def test_a_client_that_left_leaves_no_transaction(
    sold: Market, monkeypatch: pytest.MonkeyPatch, version: str, takes: Left
) -> None:
    monkeypatch.setattr("app.core.rows.ROWS_AT_ONCE", 1)
    monkeypatch.setattr("app.core.http.stream.STALL_SECONDS", 0.2)
    headers = (await sold.as_owner(sold.shop_id)).headers
    sent, gone = list[Message](), asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) > 3 and takes is _takes_it:
            gone.set()
        await takes(sent)

    async def receive() -> Message:
        # Until the test has seen enough, there is nothing to hear.
        await gone.wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": version},
        "http_version": "1.1",
        "method": "GET",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": f"shop_id={sold.shop_id}".encode(),
        "headers": [(b"authorization", headers["Authorization"].encode())],
        "client": ("10.0.0.1", 1),
        "server": ("shop.test", 80),
        "scheme": "http",
        "root_path": "",
    }
    await asyncio.wait_for(sold.application(scope, receive, send), 10)
    assert sent[0]["status"] == 200
    assert b'"end"' not in b"".join(m.get("body", b"") for m in sent)
    await nobody_reads(sold.database)


async def nobody_reads(database: Database) -> None:
    """All connections are back, and none of them is in a transaction."""
    for _ in range(100):
        engine = database._long_reader()
        if engine.pool.checkedout() == 0:  # type: ignore[attr-defined]
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail("a connection is still taken")
    if database.settings.is_sqlite:
        return
    busy = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND state LIKE 'idle in transaction%'"
    )
    async with database.reading() as db:
        assert (await db.execute(busy)).scalar() == 0


# Words of columns that hold who somebody is, what opens something, or what people write freely.
TELLING = ("phone", "openid", "recipient", "nickname", "email", "token", "hash", "secret", "note")


def test_no_exported_column_is_called_like_a_secret() -> None:
    """A column added in a hurry is seen here before it is seen by an auditor."""
    told = {
        f"{t.name}.{c.name}"
        for t in EXPORTED
        for c in t.c
        if c.name not in WITHHELD_COLUMNS.get(t.name, ())
        and any(word in c.name for word in TELLING)
    }
    assert told == set()


async def test_keys_and_roles_that_may_not_get_nothing(sold: Market) -> None:
    owner_id = await sold.operator(sold.shop_id)
    other = await sold.shop("other")

    async def key(shop_id: Any, *scopes: str) -> Caller:
        wanted = NewKey("books", list(scopes), None)
        made = await sold.database.transact(
            lambda db: create_key(db, shop_id, wanted, by=owner_id, now=sold.now)
        )
        return Caller(sold.client, {"Authorization": f"Bearer {made.text}"})

    staff = await sold.as_operator(await sold.operator(sold.shop_id, role=ShopRole.STAFF))
    answers: list[tuple[Caller, int]] = [
        (await key(sold.shop_id, "audit.read"), 200),
        (await key(sold.shop_id, "orders.read", "ledger.read"), 403),
        (await key(other.id, "audit.read"), 404),
        (await sold.as_owner(other.id), 404),
        (staff, 403),
        (await sold.buyer(), 403),
        (Caller(sold.client, {}), 401),
    ]
    for caller, status in answers:
        answer: httpx2.Response = await caller.get(PATH, shop_id=str(sold.shop_id))
        assert answer.status_code == status
        assert (str(sold.variant_id) in answer.text) is (status == 200)
