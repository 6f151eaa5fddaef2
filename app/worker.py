"""The worker: delivers the outbox and runs due jobs; any number of them on PostgreSQL."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from prometheus_client import start_http_server

from app.core.clock import SharedTestClock, SystemClock
from app.core.context import SYSTEM, actor_var, request_id_var
from app.core.db import Database, log_fault
from app.core.ids import new_id
from app.core.jobs import Companion, Job, JobContext, beat
from app.core.logging import configure_logging
from app.core.metrics import JOB_ROWS, JOB_RUNS
from app.core.outbox import Deliverer
from app.payments.gateway import hang_up
from app.settings import Settings
from app.wiring import JOBS, WIRING, companions_of, gateways_of

log = structlog.get_logger("worker")
BEAT_EVERY_SECONDS = 5.0
# What is cut off then is as after a crash: rolled back, or its lease ends and it is done again.
STOP_GRACE_SECONDS = 7.0


class Worker:
    """One loop: deliver what is due, run what is due, rest; it stops between two pieces of work."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        gateways: Mapping[str, Any],
        jobs: Sequence[Job] = JOBS,
        companions: Sequence[Companion] = (),
    ) -> None:
        self.settings = settings
        self.database = database
        self.context = JobContext(settings, database, gateways)
        self.deliverer = Deliverer(database, WIRING)
        self.jobs = jobs
        self.companions = companions
        self.worker_id = new_id()
        self._stop = asyncio.Event()
        self._due_at: dict[str, float] = {}
        self._beside: dict[str, asyncio.Task[bool]] = {}

    def stop(self) -> None:
        """Finish the piece of work at hand, if that does not take long, then end."""
        self._stop.set()

    async def run(self) -> None:
        """Work until stopped; no fault of one piece of work ends the loop."""
        actor_var.set(SYSTEM)
        works = [self._rounds(), *(self._keep(each) for each in self.companions)]
        work = asyncio.gather(*works)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait_for(work, STOP_GRACE_SECONDS)
        except TimeoutError:
            log.warning("cut_off", seconds=STOP_GRACE_SECONDS)
        finally:
            tasks: list[asyncio.Future[Any]] = [work, stopped, *self._beside.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _rounds(self) -> None:
        while not self._stop.is_set():
            busy = await self._round()
            if not busy:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), self.settings.worker_poll_seconds)

    async def _keep(self, companion: Companion) -> None:
        while not self._stop.is_set():
            try:
                await companion.run(self._stop)
            except Exception as error:  # noqa: BLE001 - logged, and begun anew
                log_fault(log, "companion", error)
                await asyncio.sleep(self.settings.worker_poll_seconds)

    async def run_once(self) -> None:
        """Everything that is due now, once; for tests and the command line."""
        self._due_at.clear()
        while await self._round() or await self._companions_once():
            self._due_at.clear()
        await asyncio.gather(*self._beside.values())

    async def _companions_once(self) -> bool:
        return any([await each.run_once() for each in self.companions])

    async def _round(self) -> bool:
        busy = False
        try:
            async with self.database.reading() as db:
                await self.database.clock.sync(db)
            await self._beat_if_due()
            busy = await self.deliverer.run_once() > 0
        except Exception as error:  # noqa: BLE001 - logged, and done again in the next round
            log_fault(log, "delivery", error)
        for job in self.jobs:
            if self._stop.is_set():
                return False
            if self._is_due(job.name, job.every_seconds):
                busy = await self._start(job) or busy
        return busy

    async def _start(self, job: Job) -> bool:
        if not job.is_long:
            return await self._run(job)
        running = self._beside.get(job.name)
        if running is None or running.done():
            self._beside[job.name] = asyncio.create_task(self._run(job))
        return False

    async def _beat_if_due(self) -> None:
        if self._is_due("beat", BEAT_EVERY_SECONDS):
            now = self.context.now()
            await self.database.transact(lambda db: beat(db, self.worker_id, now))

    def _is_due(self, name: str, every_seconds: float) -> bool:
        now = time.monotonic()
        if self._due_at.get(name, 0.0) > now:
            return False
        self._due_at[name] = now + every_seconds
        return True

    async def _run(self, job: Job) -> bool:
        request_id_var.set(f"job-{job.name}-{new_id().hex[:12]}"[:64])
        try:
            moved = await job.run(self.context)
        except Exception as error:  # noqa: BLE001 - logged, and run again when it is due
            log_fault(log, "job", error, job=job.name)
            JOB_RUNS.labels(job.name, "failed").inc()
            return False
        JOB_RUNS.labels(job.name, "done").inc()
        JOB_ROWS.labels(job.name).inc(moved)
        if moved >= self.settings.sweep_batch_rows:
            # There is more of it, but the others have their turn first.
            self._due_at[job.name] = 0.0
        return moved > 0


def show_metrics(settings: Settings) -> None:
    """Serve the metrics of this process where it is told to; a worker has no other door."""
    host, _, port = settings.worker_metrics_address.rpartition(":")
    if port:
        start_http_server(int(port), host)


async def serve_worker(settings: Settings) -> None:
    """Run a worker process until SIGTERM or SIGINT."""
    configure_logging(settings.log_level)
    show_metrics(settings)
    clock = SharedTestClock() if settings.app_env == "test" else SystemClock()
    database = Database(settings, wiring=WIRING, clock=clock)
    gateways = gateways_of(settings, database)
    worker = Worker(settings, database, gateways, companions=companions_of(database))
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, worker.stop)
    try:
        await worker.run()
    finally:
        await hang_up(gateways)
        await database.dispose()
