"""What servers, workers and their database connections spend, watched from outside."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil

from tests.lanes.process import Process
from tests.lanes.world import World

EVERY_SECONDS = 2.0
# How often PostgreSQL's own autovacuum looks, by default.
TEND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds so far."""

    servers: float
    workers: float
    backends: float

    def __sub__(self, before: "Spent") -> "Spent":
        return Spent(
            self.servers - before.servers,
            self.workers - before.workers,
            self.backends - before.backends,
        )


@dataclass
class Watch:
    """Looks at every process now and then; what a backend spent is kept when it has gone."""

    world: World
    peaks_mb: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _backends: dict[int, float] = field(default_factory=dict)

    def spent(self) -> Spent:
        """CPU time of all processes until now."""
        self.look()
        servers = sum(_cpu_seconds(_of(p)) for p in self.world.servers)
        workers = sum(_cpu_seconds(_of(p)) for p in self.world.workers)
        return Spent(servers, workers, sum(self._backends.values()))

    def resident_mb(self) -> dict[str, float]:
        """Memory in use, by process."""
        return {p.name: _of(p).memory_info().rss / 1e6 for p in self.world.processes}

    def look(self) -> None:
        """Note memory and the database's side of every connection."""
        for name, used in self.resident_mb().items():
            self.peaks_mb[name] = max(self.peaks_mb[name], used)
        ports = self._ports()
        for process in psutil.process_iter(["name", "cmdline"]):
            told = " ".join(process.info["cmdline"] or ())
            if process.info["name"] == "postgres" and any(f"({port})" in told for port in ports):
                with contextlib.suppress(psutil.Error):
                    self._backends[process.pid] = _cpu_seconds(process)

    def _ports(self) -> set[int]:
        """The ports from which our processes speak to the database."""
        found = set()
        for each in self.world.processes:
            for connection in _of(each).net_connections("tcp"):
                if connection.status == "ESTABLISHED" and connection.laddr.port != each.port:
                    found.add(connection.laddr.port)
        return found

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look every other second meanwhile."""
        task = asyncio.create_task(self._keep_looking())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(EVERY_SECONDS)


# The tables that autovacuum would look after by now, by its own thresholds.
_UNTIDY = """
    SELECT relname FROM pg_stat_user_tables
    WHERE n_dead_tup > 50 + n_live_tup / 5 OR n_mod_since_analyze > 50 + n_live_tup / 10
        OR n_ins_since_vacuum > 1000 + n_live_tup / 5
"""


async def tend(world: World) -> None:
    """Clean up and count, as autovacuum would: without, plans are made for empty tables."""
    async with world.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        if world.backend == "sqlite":
            await plain.exec_driver_sql("ANALYZE")
            return
        for name in (await plain.exec_driver_sql(_UNTIDY)).scalars().all():
            await plain.exec_driver_sql(f'VACUUM ANALYZE "{name}"')


async def tends_itself(world: World) -> bool:
    """Whether the database does that by itself."""
    if world.backend == "sqlite":
        return True
    (row,) = await world.rows("SELECT current_setting('autovacuum') AS autovacuum")
    return bool(row["autovacuum"] == "on")


@asynccontextmanager
async def tended(world: World) -> AsyncIterator[None]:
    """See to it every minute where the server's autovacuum is off."""
    if await tends_itself(world):
        yield
        return
    task = asyncio.create_task(_keep_tending(world))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _keep_tending(world: World) -> None:
    while True:
        await asyncio.sleep(TEND_SECONDS)
        await tend(world)


def _of(process: Process) -> psutil.Process:
    return psutil.Process(process.pid)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
