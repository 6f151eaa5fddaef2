"""The server that is measured: one process of its own, watched from outside."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.wire import Wire
from tests.lanes.process import ROOT, free_port

SECRET = "a-secret-of-the-benchmark-that-is-long-enough"  # noqa: S105
READY_SECONDS_MAX = 30


def environment(url: str) -> dict[str, str]:
    """The settings of a plain installation; only what warns is logged, as nobody reads it."""
    return {
        **{k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}},
        "PYTHONPATH": str(ROOT),
        "APP_ENV": "development",
        "DATABASE_URL": url,
        "TOKEN_SECRET": SECRET,
        "ACCESS_TOKEN_TTL_SECONDS": "86400",
    }


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process: psutil.Process
    port: int
    started_seconds: float
    started_cpu_seconds: float

    def cpu_seconds(self) -> float:
        """CPU time of the process so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def resident_mb(self) -> float:
        """Memory in use, in MB."""
        return self.process.memory_info().rss / 1e6


@asynccontextmanager
async def serving(url: str, log: Path) -> AsyncIterator[Server]:
    """One server process, as `quanpu serve` starts it, and how long it took to answer."""
    port = free_port()
    command = [sys.executable, "-m", "app", "serve", "--port", str(port)]
    with log.open("ab") as output:
        began_at = time.perf_counter()
        child = subprocess.Popen(  # noqa: ASYNC220
            command, env=environment(url), cwd=log.parent, stdout=output, stderr=output
        )
    try:
        await _ready(port, child, log)
        took, process = time.perf_counter() - began_at, psutil.Process(child.pid)
        times = process.cpu_times()
        yield Server(process, port, took, times.user + times.system)
    finally:
        child.terminate()
        await asyncio.to_thread(child.wait, 15)


async def _ready(port: int, child: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.perf_counter() + READY_SECONDS_MAX
    while time.perf_counter() < until:
        assert child.poll() is None, f"the server ended, see {log}"
        wire = Wire(port)
        try:
            status, _ = await wire("GET", "/readyz", {})
        except OSError:
            status = 0
        wire.close()
        if status == 200:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("the server is not ready")


def migrate(url: str, folder: Path) -> float:
    """From an empty database to the schema, in seconds."""
    began_at = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "app", "migrate"],
        env=environment(url),
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began_at
