"""The sender: takes what is due, sends it side by side, and writes down what came of it.

Any number may work on one database. What one has taken when it dies is sent again when its lease
has ended: at least once, and under the same id.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Database, is_outage, log_fault
from app.core.metrics import WEBHOOK_LAG_SECONDS
from app.webhooks.adapters.dial import Answer, Dialler
from app.webhooks.models import DisabledReason
from app.webhooks.repository import sending as repository
from app.webhooks.rules.schedule import Outcome
from app.webhooks.rules.signing import headers_of
from app.webhooks.rules.slots import Slots, Standing
from app.webhooks.service.endpoints import switch_off
from app.webhooks.service.sealing import Sealer
from app.webhooks.service.sending import Ended, Letter, count, letters, to_switch_off, write_down

log = structlog.get_logger("webhooks")
# Beyond the time of an attempt: for what stands before it and for writing it down.
LEASE_MARGIN = timedelta(seconds=30)
# How long those in flight may go on when the sender is told to stop.
STOP_SECONDS = 4.0
FIRST = UUID(int=0)

Taken = tuple[UUID, Standing, int]


class Sender:
    """A companion of the worker; holds no more messages than it has places in flight."""

    def __init__(
        self,
        database: Database,
        dialler: Dialler,
        sealer: Sealer,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        settings = database.settings
        self._database, self._dialler, self._sealer = database, dialler, sealer
        self._jitter = jitter
        self._poll_seconds = settings.worker_poll_seconds
        self._allow_loopback = settings.webhook_allow_loopback
        self._lease = timedelta(seconds=settings.webhook_timeout_seconds) + LEASE_MARGIN
        self._slots = Slots(settings.webhook_concurrency)
        self._after = dict.fromkeys(Standing, FIRST)
        self._flying: dict[asyncio.Task[None], tuple[Letter, Standing]] = {}
        self._ended: list[tuple[Ended, Standing]] = []
        self._news = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; then what is in flight may end, for a moment."""
        waiting = asyncio.create_task(self._wake_at(stop))
        try:
            while not stop.is_set():
                if not await self._round():
                    await self._rest()
            await self._wind_up()
        finally:
            waiting.cancel()
            await self._dialler.close()

    async def run_once(self) -> int:
        """Send all that is due now, and write down what came of it; how many were sent."""
        sent = 0
        while True:
            took = await self._take()
            sent += took
            if self._flying:
                await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            await self._write()
            if not took and not self._flying and not self._has_more():
                return sent

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._news.set()

    async def _round(self) -> bool:
        """Write and take once; true when there may be more to do at once."""
        self._news.clear()
        try:
            await self._write()
            took = await self._take()
        except Exception as error:  # noqa: BLE001 - logged, and done again in the next round
            log_fault(log, "sending", error)
            # Else what has ended meanwhile would wake us at once, as often as the fault lasts.
            await asyncio.sleep(self._poll_seconds)
            return False
        return took > 0 or self._has_more()

    def _has_more(self) -> bool:
        """Whether there are endpoints behind those that were looked at, and room for them."""
        return any(
            after != FIRST and self._slots.room(standing) > 0
            for standing, after in self._after.items()
        )

    async def _rest(self) -> None:
        """Wait until an attempt has ended, or for as long as an idle worker waits."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds):
                await self._news.wait()

    async def _take(self) -> int:
        """Claim what there is room for and send it; how many messages that are."""
        wanted = await self._wanted()
        if not wanted:
            return 0
        try:
            claimed = await self._claim(wanted)
        except BaseException:
            for endpoint, standing, size in wanted:
                self._slots.give_back(endpoint, standing, size)
            raise
        standings = {endpoint: standing for endpoint, standing, _ in wanted}
        for endpoint, standing, size in wanted:
            unused = size - sum(row["endpoint_id"] == endpoint for row in claimed)
            if unused:
                self._slots.give_back(endpoint, standing, unused)
        await self._send_off(claimed, standings)
        return len(claimed)

    async def _wanted(self) -> list[Taken]:
        """Whose turn it is, and how many messages each may have now."""
        room = {standing: self._slots.room(standing) for standing in Standing}
        busy = [each for each in self._slots.full() if isinstance(each, UUID)]
        async with self._database.reading() as db:
            # Leases are judged by one time; the worker's own rounds may just have begun.
            await self._database.clock.sync(db)
            rows = await repository.ready(
                db, room, self._after, busy, now=self._database.clock.now()
            )
        wanted: list[Taken] = []
        for standing in repository.ORDER:
            mine = [row["id"] for row in rows if row["standing"] == standing]
            sizes = [(endpoint, self._slots.take(endpoint, standing)) for endpoint in mine]
            given = [(endpoint, standing, size) for endpoint, size in sizes if size]
            if given:
                self._after[standing] = given[-1][0]
            if len(given) == len(mine) < room[standing]:
                # These were the last; the first have their turn.
                self._after[standing] = FIRST
            wanted += given
        return wanted

    async def _claim(self, wanted: Sequence[Taken]) -> list[sa.RowMapping]:
        now = self._database.clock.now()
        until = now + self._lease

        async def work(db: AsyncSession) -> list[sa.RowMapping]:
            claimed: list[sa.RowMapping] = []
            for endpoint, _, size in wanted:
                claimed += await repository.claim(db, endpoint, size, now=now, lease_until=until)
            return claimed

        return await self._database.transact(work)

    async def _send_off(
        self, claimed: Sequence[sa.RowMapping], standings: dict[UUID, Standing]
    ) -> None:
        try:
            made = await self._letters(claimed)
        except BaseException:
            for row in claimed:
                self._slots.give_back(row["endpoint_id"], standings[row["endpoint_id"]])
            raise
        for letter in made:
            standing = standings[letter.delivery["endpoint_id"]]
            task = asyncio.create_task(self._attempt(letter, standing))
            self._flying[task] = (letter, standing)
            task.add_done_callback(lambda done: self._flying.pop(done, None))

    async def _letters(self, claimed: Sequence[sa.RowMapping]) -> list[Letter]:
        if not claimed:
            return []
        now = self._database.clock.now()
        async with self._database.reading() as db:
            return await letters(
                db, claimed, self._sealer, now=now, allow_loopback=self._allow_loopback
            )

    async def _attempt(self, letter: Letter, standing: Standing) -> None:
        at = self._database.clock.now()
        WEBHOOK_LAG_SECONDS.observe(max((at - letter.delivery["due_at"]).total_seconds(), 0))
        try:
            answer = await self._answer(letter, int(at.timestamp()))
        except Exception:
            log.exception("attempt_failed", delivery_id=str(letter.delivery["id"]))
            answer = _no_answer("internal")
        self._ended.append((Ended(letter.delivery, letter.read_at, at, answer), standing))
        self._news.set()

    async def _answer(self, letter: Letter, timestamp: int) -> Answer:
        if letter.target is None:
            return _no_answer(letter.fault)
        headers = headers_of(letter.secrets, letter.id, timestamp, letter.body)
        return await self._dialler.post(letter.target, headers, letter.body)

    async def _write(self) -> None:
        """Write down what has ended; only then are its places free for others."""
        batch, self._ended = self._ended, []
        if not batch:
            return
        try:
            await self._write_batch([ended for ended, _ in batch])
        except BaseException:
            self._ended = [*batch, *self._ended]
            raise
        for ended, standing in batch:
            endpoint = ended.delivery["endpoint_id"]
            delivered = ended.outcome is Outcome.DELIVERED
            seconds = ended.answer.duration_ms / 1_000
            self._slots.learn(endpoint, delivered=delivered, seconds=seconds)
            self._slots.give_back(endpoint, standing)

    async def _write_batch(self, batch: Sequence[Ended]) -> None:
        try:
            await self._write_all(batch)
        except Exception as error:
            if is_outage(error):
                raise
            log_fault(log, "writing", error, attempts=len(batch))
            # One that cannot be written must not keep the others; it is sent again later.
            for each in batch:
                await self._write_alone(each)

    async def _write_alone(self, ended: Ended) -> None:
        try:
            await self._write_all([ended])
        except Exception as error:
            if is_outage(error):
                raise
            log_fault(log, "writing", error, delivery_id=str(ended.delivery["id"]))

    async def _write_all(self, batch: Sequence[Ended]) -> None:
        now = self._database.clock.now()
        await self._database.transact(
            lambda db: write_down(db, batch, now=now, jitter=self._jitter)
        )
        count(batch)
        async with self._database.reading() as db:
            given_up = await to_switch_off(db, batch, now=now)
        for shop_id, endpoint_id, reason in given_up:
            await self._switch_off(shop_id, endpoint_id, reason)

    async def _switch_off(self, shop_id: UUID, endpoint_id: UUID, reason: DisabledReason) -> None:
        now = self._database.clock.now()
        await self._database.transact(
            lambda db: switch_off(db, shop_id, endpoint_id, reason, now=now)
        )

    async def _wind_up(self) -> None:
        """Let those in flight end for a moment, then let go of the others."""
        if self._flying:
            await asyncio.wait(self._flying, timeout=STOP_SECONDS)
        left = list(self._flying)
        cut_off = [self._flying[task][0].delivery for task in left]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if cut_off:
            await self._database.transact(lambda db: repository.release(db, cut_off))
        await self._write()


def _no_answer(fault: str | None) -> Answer:
    return Answer(None, fault, "", None, 0)
