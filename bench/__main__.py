"""`python -m bench`: one table with the goals beside the figures; it asserts no timing."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from app.core.clock import SystemClock
from app.main import create_app
from app.settings import Settings
from bench import ground, ledger, pricing
from bench.floor import Captured, Floor, capturing, replay
from bench.server import SECRET, Server, migrate, serving
from bench.shopping import STEPS, Ground, Shopper
from bench.wire import Wire
from tests.conftest import postgresql_url
from tests.lanes.world import scale
from tests.orders.group_costs import statements_by_step
from tests.orders.market import Market

# CPU ms and SQL statements, at most.
GOALS = {
    "list of 20": (2.0, 3),
    "product detail": (1.5, 4),
    "quote": (4.0, 6),
    "place": (None, None),
    "pay": (None, None),
    "whole checkout": (9.0, 30),
}
CHECKOUT = ("quote", "place", "pay")
# Statements of a seat, at most, whatever the size of its group; one for many rows is one.
SEAT_GOALS = {"open": 14, "join": 14, "count a payment": 8, "count the last": 8}
GROUPS = (3, 12, 48)
CLIENTS = 16


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything one run takes."""

    products: int
    operations: int
    replays: int
    checkouts: int
    baskets: int
    growth: tuple[int, ...]


SIZES = {
    "full": Size(1_000, 500, 1_000, 800, 200, (1, 4, 16)),
    "ci": Size(200, 90, 100, 96, 20, ()),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one operation costs."""

    cpu_ms: float
    wall_ms: float


def row(*cells: object) -> None:
    """One line of a table."""
    widths = (18, 15, 15, 14, 22, 10)
    cut = zip(cells, (*widths, 10, 10), strict=False)
    sys.stdout.write("  ".join(str(cell).ljust(width) for cell, width in cut).rstrip() + "\n")
    sys.stdout.flush()


def goal_of(name: str) -> tuple[str, str]:
    """Both goals as they are printed."""
    cpu, statements = GOALS.get(name, (None, None))
    return ("" if cpu is None else f" (≤ {cpu:g})"), ("" if cpu is None else f" (≤ {statements})")


@asynccontextmanager
async def market_at(url: str) -> AsyncIterator[Market]:
    """The application in this process, on the same settings as the server's."""
    settings = Settings(
        _env_file=None,
        app_env="development",
        database_url=url,
        token_secret=SECRET,
        access_token_ttl_seconds=86_400,
        log_level="error",
    )
    application = create_app(settings)
    transport = httpx2.ASGITransport(application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://bench") as client:
        market = Market(application, SystemClock(), client)  # type: ignore[arg-type]
        try:
            yield market
        finally:
            await application.state.database.dispose()


def within(market: Market) -> Callable[..., Awaitable[tuple[int, bytes]]]:
    """A sender that asks the application in this process."""

    async def send(method: str, path: str, headers: Any, body: Any = None) -> tuple[int, bytes]:
        answer = await market.client.request(method, path, headers=headers, json=body)
        return answer.status_code, answer.content

    return send


async def floors(
    market: Market, made: Ground, url: str, folder: Path, size: Size
) -> dict[str, tuple[Captured, Floor]]:
    """The statements of each operation and what they cost alone.

    The application runs in this process once, so that a hook of SQLAlchemy sees each statement
    with its values. The replay runs on a copy of the database from before the operation.
    """
    shopper = Shopper(within(market), made)
    for step in (s for _, s in STEPS):
        await step(shopper)
    found: dict[str, tuple[Captured, Floor]] = {}
    for name, step in STEPS:
        await market.database.dispose()
        async with ground.empty_database(url) as copy:
            with capturing(market.database) as captured:
                await step(shopper)
            floor = await asyncio.to_thread(replay, captured, copy, folder, times=size.replays)
        found[name] = (captured, floor)
    return found


async def costs(server: Server, made: Ground, size: Size) -> dict[str, Cost]:
    """CPU of the server process and wall time for each operation, one client."""
    shopper = Shopper(Wire(server.port), made)
    for _ in range(size.operations // 3):
        for _, step in STEPS:
            await step(shopper)
    found: dict[str, Cost] = {}
    for name, step in STEPS:
        cpu, wall = server.cpu_seconds(), time.perf_counter()
        for _ in range(size.operations):
            await step(shopper)
        per = 1_000 / size.operations
        found[name] = Cost((server.cpu_seconds() - cpu) * per, (time.perf_counter() - wall) * per)
    return found


async def checkouts_per_second(server: Server, made: Ground, count: int) -> tuple[float, float]:
    """Whole checkouts each second with 16 clients, and the server's CPU for each in ms."""
    # Nobody buys by two clients: a first order changes what the next one costs.
    shares = [replace(made, buyers=made.buyers[n::CLIENTS]) for n in range(CLIENTS)]
    clients = [Shopper(Wire(server.port), share) for share in shares]
    left = iter(range(count))

    async def shop(client: Shopper) -> None:
        for _ in left:
            await client.checkout()

    await asyncio.gather(*(client.checkout() for client in clients))
    cpu, began_at = server.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(shop(client) for client in clients))
    took = time.perf_counter() - began_at
    return count / took, (server.cpu_seconds() - cpu) * 1_000 / count


def report(found: dict[str, tuple[Captured, Floor]], spent: dict[str, Cost]) -> None:
    """The operations, one a line, and the checkout as their sum."""
    row("operation", "CPU ms (goal)", "SQL (goal)", "wall ms", "floor CPU (wall) ms", "ours/floor")
    lines = [(name, (name,)) for name, _ in STEPS] + [("whole checkout", CHECKOUT)]
    for name, parts in lines:
        cpu_goal, sql_goal = goal_of(name)
        cpu = sum(spent[p].cpu_ms for p in parts)
        captured, floor = zip(*(found[p] for p in parts), strict=True)
        floor_cpu = sum(f.cpu_ms for f in floor)
        row(
            name,
            f"{cpu:.2f}{cpu_goal}",
            f"{sum(c.count for c in captured)}{sql_goal} +{sum(c.brackets for c in captured)}",
            f"{sum(spent[p].wall_ms for p in parts):.2f}",
            f"{floor_cpu:.2f} ({sum(f.wall_ms for f in floor):.2f})",
            f"{cpu / floor_cpu:.1f}" if floor_cpu else "-",
        )
    row("SQL counts savepoints; +n are BEGIN, COMMIT and ROLLBACK. Floor: the same statements by")
    row("pgbench, prepared, in one transaction rolled back; CPU of pgbench and its backend.")


async def growth(url: str, folder: Path, size: Size) -> None:
    """CPU of list and quote as the catalogue grows, then as promotions do."""
    for factor in size.growth:
        await _grown(url, folder, size, size.products * factor, 50)
    if size.growth:
        await _grown(url, folder, size, size.products, 200)


async def _grown(url: str, folder: Path, size: Size, products: int, promoted: int) -> None:
    async with ground.empty_database(url) as copy:
        async with market_at(copy) as market:
            made = await ground.prepare(market, products=products, promoted=promoted)
        async with serving(copy, folder / "server.log") as server:
            shopper = Shopper(Wire(server.port), made)
            told = []
            for name, step in (STEPS[0], STEPS[1], STEPS[2]):
                for _ in range(size.operations // 3):
                    await step(shopper)
                cpu = server.cpu_seconds()
                for _ in range(size.operations):
                    await step(shopper)
                spent = (server.cpu_seconds() - cpu) * 1_000 / size.operations
                told.append(f"{name} {spent:.2f}")
    row(f"{products} products", f"{promoted} promotions", f"CPU ms: {', '.join(told)}")


def prices(size: Size) -> None:
    """The pricing core alone."""
    for now, growth in pricing.families(size.baskets):
        row(f"{now.title} CPU ms", *now.told, growth)


async def main() -> None:
    """Measure everything once and print it."""
    size = SIZES[scale()]
    if postgresql_url() is None:
        row("bench: no PostgreSQL answers; only the pricing core is measured")
        prices(size)
        return
    with TemporaryDirectory(prefix="quanpu-bench-") as name:
        folder = Path(name)
        async with ground.empty_database() as empty:
            schema_seconds = await asyncio.to_thread(migrate, empty, folder)
            async with ground.empty_database(empty) as url:
                await measure(url, folder, size, schema_seconds)
            await growth(empty, folder, size)
    prices(size)


async def measure(url: str, folder: Path, size: Size, schema_seconds: float) -> None:
    """The operations, the checkouts, and the start."""
    async with market_at(url) as market:
        made = await ground.prepare(market, products=size.products, promoted=50)
        row(f"{size.products} products × 2 variants, 50 active promotions, one server process")
        found = await floors(market, made, url, folder, size)
        posting = await ledger.cost(
            market.database, url, folder, operations=size.operations, replays=size.replays
        )
        by_group_size = [(members, await statements_by_step(market, members)) for members in GROUPS]
    async with serving(url, folder / "server.log") as server:
        idle_mb = server.resident_mb()
        spent = await costs(server, made, size)
        report(found, spent)
        row("ledger posting", *posting.told)
        for members, counted in by_group_size:
            told = (f"{name} {n} (≤ {SEAT_GOALS[name]})" for name, n in counted.items())
            row(f"group of {members}", f"SQL: {', '.join(told)}")
        rate, cpu_ms = await checkouts_per_second(server, made, size.checkouts)
        row("checkouts a second", f"{rate:.0f} (≥ 100)", "16 clients", f"CPU {cpu_ms:.2f} ms each")
        cpu = f"CPU {server.started_cpu_seconds:.2f} s"
        row("start to ready", f"{server.started_seconds:.2f} s (≤ 2)", cpu)
        row(
            "memory",
            f"{idle_mb:.0f} MB (≤ 150)",
            "idle",
            f"{server.resident_mb():.0f} MB after load",
        )
    row("schema", f"{schema_seconds:.2f} s (≤ 5)", "from an empty database")


if __name__ == "__main__":
    asyncio.run(main())
