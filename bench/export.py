"""`python -m bench.export`: what an export costs as a shop grows; it asserts no timing.

A few orders are made through the services, and then multiplied in the tables with all that hangs
on them. Beside the shop that grows stands one that does not: its export must not become dearer.
"""

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx2
import psutil
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlmodel import SQLModel

from app.audit.repository import INVARIANTS
from app.audit.repository.breach import Moment
from app.audit.repository.judge import breaches
from app.settings import Settings
from bench.__main__ import market_at
from bench.ground import UNITS, empty_database
from bench.server import SECRET, Server, migrate, serving
from tests.lanes.world import backends, say, scale
from tests.orders.market import LIST_AMOUNT, SOLO_AMOUNT, Market

SIZES = {"full": (10_000, 40_000, 100_000), "ci": (200, 800)}
COPIES_AT_ONCE = 1_000
# What comes with an order, and the columns that must differ in each copy.
FAMILY: dict[str, tuple[str, ...]] = {
    "groups": (),
    "orders": (),
    "order_lines": (),
    "order_addresses": (),
    "seats": (),
    "payments": (),
    "sandbox_entries": ("slot",),
    "refunds": ("reference",),
    "refund_rounds": (),
    "order_refund_parts": (),
    "after_sales": (),
    "after_sales_lines": (),
    "promotion_uses": (),
    "ledger_transactions": ("reference",),
    "ledger_entries": (),
    "outbox_events": (),
    "outbox_handled": (),
    "audit_log": (),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One export as its client saw it."""

    rows: int
    size_bytes: int
    first_seconds: float
    seconds: float


async def story(market: Market, slug: str) -> UUID:
    """A shop and orders of each sort: alone, in a group, discounted, refunded, asked back."""
    shop = await market.shop(slug, shipping_flat_amount=600)
    market.shop_id = shop.id
    goods = await market.goods(
        shop.id, units=UNITS, list_amount=LIST_AMOUNT, solo_amount=SOLO_AMOUNT
    )
    market.variant_id, market.product_id = goods.id, goods.product_id
    market.campaign_id = await market.campaign(size=2)
    await market.percent_off(1_000)
    owner = await market.as_owner(shop.id)
    ann, bob = await market.buyer(f"{slug}-ann"), await market.buyer(f"{slug}-bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    await market.pay(bob, await market.join(bob, first["group_id"]))
    for quantity in (1, 1, 2, 3, 1, 2):
        await market.pay(ann, await market.place(ann, quantity=quantity))
    refunded = await market.place(bob, quantity=2)
    await market.pay(bob, refunded)
    await market.refund(owner, refunded, amount=500)
    asked = await market.place(bob)
    await market.pay(bob, asked)
    body = {"carrier": "SF Express", "tracking_number": "SF1234567890"}
    await market.shop_does(owner, asked, "ship", body)
    await bob.post(
        f"/v1/orders/{asked['id']}/after-sales", {"kind": "refund_only", "reason": "damaged"}
    )
    await market.place(ann)
    await market.work()
    return shop.id


def copied_id(dialect: str, column: str) -> str:
    """The id of a copy: the original's beginning, and the copy's number."""
    if dialect == "sqlite":
        return f"substr({column}, 1, 20) || printf('%012x', copy.n)"
    plain = f"substr(replace({column}::text, '-', ''), 1, 20)"
    return f"({plain} || lpad(to_hex(copy.n), 12, '0'))::uuid"


def copying(dialect: str, of: sa.Table, once: tuple[str, ...]) -> str:
    """The statement that copies this table's rows of the family, so many times at once."""
    told = []
    for column in of.c:
        name = f'o."{column.name}"'
        if isinstance(column.type, sa.Uuid):
            new = copied_id(dialect, name)
            told.append(
                f"CASE WHEN {name} IN (SELECT id FROM bench_ids) THEN {new} ELSE {name} END"
            )
        else:
            told.append(f"{name} || '-' || copy.n" if column.name in once else name)
    names = ", ".join(f'"{column.name}"' for column in of.c)
    keys = " OR ".join(
        f'o."{c.name}" IN (SELECT id FROM bench_ids)'
        for c in of.primary_key
        if isinstance(c.type, sa.Uuid)
    )
    return (
        f'INSERT INTO "{of.name}" ({names}) SELECT {", ".join(told)} FROM "{of.name}" o'
        f" CROSS JOIN bench_copies copy WHERE {keys}"
    )


def family(metadata: sa.MetaData) -> list[tuple[sa.Table, tuple[str, ...]]]:
    return [(t, FAMILY[t.name]) for t in metadata.sorted_tables if t.name in FAMILY]


async def note_family(connection: AsyncConnection, shop_id: UUID) -> int:
    """Remember the ids of everything that is multiplied; how many orders that is."""
    kind = "CHAR(32)" if connection.dialect.name == "sqlite" else "UUID"
    await connection.execute(sa.text(f"CREATE TABLE bench_ids (id {kind} PRIMARY KEY)"))
    await connection.execute(sa.text("CREATE TABLE bench_copies (n BIGINT PRIMARY KEY)"))
    # Of the log only what is about orders: a shop is edited as often whatever it sells.
    about = {"audit_log": " AND subject = 'order'"}
    through = {
        "order_lines": "orders",
        "order_refund_parts": "orders",
        "sandbox_entries": "payments",
    }
    for name in FAMILY:
        of = SQLModel.metadata.tables[name]
        if "id" not in of.c:
            continue
        mine = "shop_id = :shop" + about.get(name, "")
        if name in through:
            link = f"{through[name].removesuffix('s')}_id"
            mine = f"{link} IN (SELECT id FROM {through[name]} WHERE shop_id = :shop)"
        noted = sa.text(f'INSERT INTO bench_ids SELECT id FROM "{name}" WHERE {mine}')
        await connection.execute(noted.bindparams(sa.bindparam("shop", shop_id, sa.Uuid())))
    counted = sa.text("SELECT count(*) FROM orders WHERE id IN (SELECT id FROM bench_ids)")
    return int((await connection.execute(counted)).scalar_one())


async def multiply(connection: AsyncConnection, copies: range) -> None:
    """So many further copies of the family."""
    if connection.dialect.name == "postgresql":
        await connection.execute(sa.text("SET session_replication_role = replica"))
    statements = [
        sa.text(copying(connection.dialect.name, of, once).replace(":", r"\:"))
        for of, once in family(SQLModel.metadata)
    ]
    for begin in range(copies.start, copies.stop, COPIES_AT_ONCE):
        await connection.execute(sa.text("DELETE FROM bench_copies"))
        numbers = range(begin, min(begin + COPIES_AT_ONCE, copies.stop))
        add = sa.text("INSERT INTO bench_copies VALUES (:n)")
        await connection.execute(add, [{"n": n} for n in numbers])
        for statement in statements:
            await connection.execute(statement)


async def take(server: Server, shop_id: UUID, headers: dict[str, str]) -> Told:
    """Take an export as a client does that keeps nothing of it, and see that it is whole."""
    digest, size, last = hashlib.sha256(), 0, b""
    began_at = time.perf_counter()
    first = 0.0
    url = f"http://127.0.0.1:{server.port}/v1/audit/export?shop_id={shop_id}"
    async with (
        httpx2.AsyncClient(timeout=600) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.status_code
        async for chunk in answer.aiter_bytes():
            first = first or time.perf_counter() - began_at
            size += len(chunk)
            # The last line is not part of what it seals.
            whole = last + chunk
            cut = whole.rstrip(b"\n").rfind(b"\n") + 1
            digest.update(whole[:cut])
            last = whole[cut:]
    took = time.perf_counter() - began_at
    end = json.loads(last)
    assert end["sha256"] == digest.hexdigest(), "the export is not whole"
    return Told(end["rows"], size, first, took)


def peak_mb(process: psutil.Process) -> float:
    """The most memory that the process has had in use."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1_024


async def invariants(engine: AsyncEngine, now: Any) -> tuple[float, str]:
    """The time that all invariants take over all shops, and which takes longest."""
    spent = {}
    async with AsyncSession(engine) as db:
        for name, check in INVARIANTS.items():
            began_at = time.perf_counter()
            await breaches(db, check, Moment(now, 60), None)
            spent[name] = time.perf_counter() - began_at
    slow = sorted(spent, key=lambda name: -spent[name])[:3]
    return sum(spent.values()), ", ".join(f"{name} {spent[name]:.2f}" for name in slow)


@asynccontextmanager
async def empty(backend: str, folder: Path) -> AsyncIterator[str]:
    """The address of an empty database."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'bench.db'}"
        return
    async with empty_database() as url:
        yield url


def report(orders: int, told: Told, beside: Told) -> None:
    """One size in a line."""
    say(
        f"  {orders:>7} orders  {told.rows:>9} rows  {told.size_bytes / 1e6:>8.1f} MB"
        f"  {told.seconds:>7.2f} s  {told.seconds / told.rows * 1e6:>6.1f} µs a row"
        f"  first byte {told.first_seconds * 1e3:.0f} ms"
        f"  the shop beside {beside.seconds * 1e3:.0f} ms"
    )


def sizes() -> tuple[int, ...]:
    """Orders of the shop that grows: those named (`python -m bench.export 2500 10000`), or all."""
    return tuple(sorted(map(int, sys.argv[1:]))) or SIZES[scale()]


async def measure(backend: str, url: str, folder: Path) -> None:
    """The shop at each of its sizes."""
    await asyncio.to_thread(migrate, url, folder)
    async with market_at(url) as market:
        beside, grows = [
            (shop_id, dict((await market.as_owner(shop_id)).headers))
            for shop_id in [await story(market, slug) for slug in ("beside", "grows")]
        ]
        now = market.now
    settings = Settings(_env_file=None, database_url=url, token_secret=SECRET)  # type: ignore[arg-type]
    engine = create_async_engine(settings.sqlalchemy_url)
    async with engine.begin() as connection:
        each = await note_family(connection, grows[0])
    copies = 0
    say(f"export on {backend}, one server process, a client that keeps nothing")
    for orders in sizes():
        wanted = -(-orders // each) - 1
        async with engine.begin() as connection:
            await multiply(connection, range(copies + 1, wanted + 1))
        copies = wanted
        # What the planner has learnt is taken back with a transaction that is.
        async with engine.begin() as connection:
            await connection.execute(sa.text("ANALYZE"))
        async with serving(url, folder / "server.log") as server:
            idle = server.resident_mb() * 1e6 / 1_048_576
            small = await take(server, *beside)
            cpu = server.cpu_seconds()
            told = await take(server, *grows)
            cpu = server.cpu_seconds() - cpu
            peak = peak_mb(server.process)
        report((copies + 1) * each, told, small)
        say(f"    CPU {cpu / told.rows * 1e6:.1f} µs a row, peak {peak:.0f} MiB (idle {idle:.0f})")
        seconds, slow = await invariants(engine, now)
        say(f"    all invariants {seconds:.2f} s; slowest: {slow}")
    await engine.dispose()


async def main() -> None:
    """Each database in turn."""
    for backend in backends() if scale() == "full" else backends()[-1:]:
        with TemporaryDirectory(prefix="quanpu-export-") as name:
            folder = Path(name)
            async with empty(backend, folder) as url:
                await measure(backend, url, folder)


if __name__ == "__main__":
    asyncio.run(main())
