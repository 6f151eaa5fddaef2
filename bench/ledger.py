"""A posting to the ledger by itself, in this process: its cost beside that of its statement."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from app.core.clock import SystemClock
from app.core.db import Database
from app.core.ids import new_id
from app.ledger import service as ledger
from app.ledger.models import Account
from app.ledger.rules import Posting, Side, moved
from bench import ground
from bench.floor import Captured, Floor, capturing, replay


@dataclass(frozen=True, slots=True)
class PostingCost:
    """CPU of this process and wall time of one posting in a transaction of its own."""

    cpu_ms: float
    wall_ms: float
    captured: Captured
    floor: Floor

    @property
    def told(self) -> tuple[str, ...]:
        """The cells of its line, as those of the operations."""
        floor, sent = self.floor, self.captured
        return (
            f"{self.cpu_ms:.2f}",
            f"{sent.count} (≤ 1) +{sent.brackets}",
            f"{self.wall_ms:.2f}",
            f"{floor.cpu_ms:.2f} ({floor.wall_ms:.2f})",
            f"{self.cpu_ms / floor.cpu_ms:.1f}" if floor.cpu_ms else "-",
        )


async def cost(
    database: Database, url: str, folder: Path, *, operations: int, replays: int
) -> PostingCost:
    """Post so many times; the floor is replayed on a copy from before."""
    await _post(database)
    await database.dispose()
    async with ground.empty_database(url) as copy:
        with capturing(database) as captured:
            await _post(database)
        floor = await asyncio.to_thread(replay, captured, copy, folder, times=replays)
    cpu, began_at = time.process_time(), time.perf_counter()
    for _ in range(operations):
        await _post(database)
    per = 1_000 / operations
    wall_ms = (time.perf_counter() - began_at) * per
    return PostingCost((time.process_time() - cpu) * per, wall_ms, captured, floor)


async def _post(database: Database) -> None:
    subject_id = new_id()
    posting = Posting(
        shop_id=subject_id,
        kind="bench.captured",
        reference=str(subject_id),
        subject_id=subject_id,
        currency="CNY",
        at=SystemClock().now(),
        entries=moved(
            9_900, "CNY", debit=Side(Account.PSP_CLEARING), credit=Side(Account.SHOP_PAYABLE)
        ),
    )
    assert await database.transact(lambda db: ledger.post(db, posting))
