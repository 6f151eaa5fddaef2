"""The product checks itself on a timer, and nothing that goes wrong in that stays unseen.

The accident this prevents: an alarm that is silent because its check has died.
"""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.audit.jobs import check_invariants
from app.audit.repository import INVARIANTS
from app.audit.repository.breach import Moment, Query
from app.core.jobs import Job, JobContext
from app.core.logging import configure_logging
from app.settings import Settings
from app.worker import Worker
from tests.conftest import TOKEN_SECRET, make_settings
from tests.lanes.process import ROOT, free_port
from tests.orders.market import Market


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(
        database_url, access_token_ttl_seconds=86_400, db_long_statement_timeout_ms=300
    )


def context_of(market: Market) -> JobContext:
    state = market.application.state
    return JobContext(state.settings, market.database, state.gateways)


def metric(name: str, invariant: str) -> float:
    return REGISTRY.get_sample_value(f"quanpu_invariant_{name}", {"invariant": invariant}) or 0.0


def _nonsense(_: Moment) -> Query:
    """A check that the database does not understand."""
    told = [sa.literal_column(f"no_such_{name}").label(name) for name in ("a", "b", "c", "d")]
    return sa.select(*told)  # type: ignore[return-value]


def _slow(_: Moment) -> Query:
    """A check that does not come to an end in time."""
    asleep = sa.cast(sa.func.pg_sleep(30), sa.String)
    told = [asleep.label(n) for n in ("shop_id", "subject_id", "found", "expected")]
    return sa.select(*told)  # type: ignore[return-value]


async def oversell(market: Market) -> None:
    fault = sa.text("UPDATE stock SET sold = sold + 1")
    await market.database.transact(lambda db: db.execute(fault))


@pytest.mark.parametrize("check", [_nonsense, _slow])
async def test_one_that_fails_hides_no_other(
    market: Market, monkeypatch: pytest.MonkeyPatch, backend: str, check: object
) -> None:
    if check is _slow and backend == "sqlite":
        pytest.skip("SQLite has no time-out of statements")
    # The first of all, so that the rest come after it.
    monkeypatch.setattr(
        "app.audit.service.INVARIANTS", {"stuck": check, **INVARIANTS}, raising=True
    )
    monkeypatch.setattr("app.audit.service.books.INVARIANTS", {"stuck": check, **INVARIANTS})
    configure_logging("warning")
    await oversell(market)
    failures = metric("failures_total", "stuck")
    with capture_logs() as lines:
        await check_invariants(context_of(market))
    assert metric("failures_total", "stuck") == failures + 1
    assert metric("checked_timestamp_seconds", "stuck") == 0
    for name in INVARIANTS:
        at = metric("checked_timestamp_seconds", name)
        assert at == market.now.timestamp(), name
    assert metric("violations", "stock_sold") == 1
    assert metric("violations", "stock_reserved") == 0
    said = [(e["event"], e.get("invariant")) for e in lines]
    assert ("invariant_broken", "stock_sold") in said
    assert any(invariant == "stuck" for _, invariant in said)


async def test_what_is_right_again_is_told(market: Market) -> None:
    await oversell(market)
    await check_invariants(context_of(market))
    assert metric("violations", "stock_sold") == 1
    mend = sa.text("UPDATE stock SET sold = 0")
    await market.database.transact(lambda db: db.execute(mend))
    await check_invariants(context_of(market))
    assert metric("violations", "stock_sold") == 0


async def test_a_long_job_keeps_nobody_waiting(market: Market) -> None:
    """Else the facts wait for as long as everything is being checked."""
    ends, thrice, over, ran = asyncio.Event(), asyncio.Event(), asyncio.Event(), list[str]()

    async def long(_context: JobContext) -> int:
        ran.append("long begins")
        await ends.wait()
        over.set()
        return 0

    async def short(_context: JobContext) -> int:
        ran.append("short")
        if ran.count("short") == 3:
            thrice.set()
        return 0

    jobs = (Job("long", 0, long, is_long=True), Job("short", 0, short))
    context = context_of(market)
    worker = Worker(context.settings, market.database, context.gateways, jobs)
    working = asyncio.create_task(worker.run())
    await thrice.wait()
    assert ran.count("long begins") == 1, "never twice at once"
    ends.set()
    await over.wait()
    worker.stop()
    await working


async def test_a_worker_that_stops_waits_for_no_long_job(market: Market) -> None:
    begun, broken = asyncio.Event(), asyncio.Event()

    async def endless(_context: JobContext) -> int:
        begun.set()
        try:
            await asyncio.sleep(3_600)
        finally:
            broken.set()
        return 0

    context = context_of(market)
    jobs = (Job("endless", 0, endless, is_long=True),)
    worker = Worker(context.settings, market.database, context.gateways, jobs)
    working = asyncio.create_task(worker.run())
    await begun.wait()
    worker.stop()
    await asyncio.wait_for(working, 5)
    assert broken.is_set()


async def test_the_worker_process_tells_what_it_found(
    market: Market, database_url: str, tmp_path: Path
) -> None:
    """The whole chain: a fault in the data, the process, its log, and what Prometheus reads."""
    await oversell(market)
    port, log = free_port(), tmp_path / "worker.log"
    environment = {
        **{k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}},
        "PYTHONPATH": str(ROOT),
        "APP_ENV": "test",
        "DATABASE_URL": database_url,
        "TOKEN_SECRET": TOKEN_SECRET,
        "WORKER_METRICS_ADDRESS": f"127.0.0.1:{port}",
    }
    with log.open("wb") as output:
        worker = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "app", "worker"],
            env=environment,
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
    try:
        told = await asyncio.to_thread(found, port, worker)
    finally:
        worker.terminate()
        await asyncio.to_thread(worker.wait, 15)
    assert 'quanpu_invariant_violations{invariant="stock_sold"} 1.0' in told
    assert told.count("quanpu_invariant_checked_timestamp_seconds{") == len(INVARIANTS)
    assert '"invariant_broken"' in log.read_text()


def found(port: int, worker: "subprocess.Popen[bytes]") -> str:
    """The metrics of the worker once it has checked everything."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert worker.poll() is None, "the worker has ended"
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                told: str = answer.read().decode()
        except (URLError, ConnectionError):
            told = ""
        if told.count("quanpu_invariant_checked_timestamp_seconds{") >= len(INVARIANTS):
            return told
        time.sleep(0.2)
    raise TimeoutError("not everything was checked")
