"""How long after the last blow it takes until nothing that is due is left undone."""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.lanes.checks import ident
from tests.lanes.report import Report
from tests.lanes.world import GRACE_SECONDS, World

# The promise: an ended lease, a few tries that are further and further apart, and a slow machine.
HEAL_SECONDS_MAX = 45
LOOK_EVERY_SECONDS = 0.25

# What is due and not done, and since when.
DUE: Mapping[str, str] = {
    "group": """
        SELECT id, deadline_at AS due_at FROM "groups"
        WHERE status = 'open' AND deadline_at <= :overdue
    """,
    "order": """
        SELECT id, expires_at AS due_at FROM orders WHERE status = 'placed' AND expires_at <= :now
    """,
    "refund": "SELECT id, created_at AS due_at FROM refunds WHERE state <> 'succeeded'",
    "fact": "SELECT id, at AS due_at FROM outbox_events WHERE done_at IS NULL",
    "notice": """
        SELECT id, due_at FROM sandbox_notices WHERE heard_at IS NULL AND due_at <= :now
    """,
    "seat": "SELECT id, ended_at AS due_at FROM seats WHERE status = 'refund_due'",
}
# What will be due some day: the watch goes on until there is none of it.
LEFT = """
    SELECT (SELECT COUNT(*) FROM "groups" WHERE status IN ('pending', 'open'))
        + (SELECT COUNT(*) FROM orders WHERE status = 'placed')
        + (SELECT COUNT(*) FROM payments WHERE state IN ('created', 'pending'))
"""


@dataclass
class Healing:
    """Watches what is due from the moment on at which everything is up again."""

    made: World
    healed_at: datetime
    waited: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    waiting: dict[tuple[str, str], datetime] = field(default_factory=dict)

    @property
    def seen(self) -> Counter[str]:
        """How many of each kind were seen to be due and then done."""
        return Counter({kind: len(seconds) for kind, seconds in self.waited.items()})

    async def look(self) -> None:
        """Note what is due, and how long what is gone had to wait at most."""
        now = await self.made.now()
        found = await self._due(now)
        for key in self.waiting.keys() - found.keys():
            self.waited[key[0]].append((now - self.waiting.pop(key)).total_seconds())
        for key, due_at in found.items():
            self.waiting.setdefault(key, max(due_at, self.healed_at))

    async def _due(self, now: datetime) -> dict[tuple[str, str], datetime]:
        times = {"now": now, "overdue": now - timedelta(seconds=GRACE_SECONDS)}
        found = {}
        for kind, statement in DUE.items():
            used = {name: at for name, at in times.items() if f":{name}" in statement}
            grace = GRACE_SECONDS if kind == "group" else 0
            for row in await self.made.rows(statement, **used):
                due_at = instant(row["due_at"]) + timedelta(seconds=grace)
                found[kind, ident(row["id"])] = due_at
        return found

    async def late(self) -> list[str]:
        """What has waited longer than was promised and is still not done."""
        now = await self.made.now()
        promised = timedelta(seconds=HEAL_SECONDS_MAX)
        return [f"{k} {i}" for (k, i), since in self.waiting.items() if now - since > promised]

    async def follow(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def over(self, *, most_seconds: float) -> None:
        """Wait until nothing is due and nothing can become due, or something is late."""
        began_at = time.monotonic()
        while time.monotonic() - began_at < most_seconds:
            await self.look()
            left = await self.made.number(LEFT)
            if (not left and not self.waiting) or await self.late():
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def judge(self, report: Report) -> None:
        """Every wait was within the promise, nothing waits any more, and something did wait."""
        left = await self.made.number(LEFT)
        report.expect(not self.waiting and not left, f"never done: {self._unfinished(left)}")
        worst = {kind: max(seconds) for kind, seconds in sorted(self.waited.items())}
        for kind, seconds in worst.items():
            told = f"a {kind} waited {seconds:.1f} s, promised are {HEAL_SECONDS_MAX}"
            report.expect(seconds <= HEAL_SECONDS_MAX, told)
        told = ", ".join(f"{k} {s:.1f} s of {self.seen[k]}" for k, s in worst.items())
        report.line("healing, worst", f"{told} (promised: {HEAL_SECONDS_MAX} s)")
        report.expect(self.seen, "nothing was ever due: nothing was proven")

    def _unfinished(self, left: int) -> str:
        counted = Counter(kind for kind, _ in self.waiting)
        return f"{dict(counted)}, {left} still open: {list(self.waiting)[:3]}"


@asynccontextmanager
async def followed(healing: Healing) -> AsyncIterator[None]:
    """Watch while something else goes on."""
    watch = asyncio.create_task(healing.follow())
    try:
        yield
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


def instant(value: Any) -> datetime:
    """A time as either database gives it, aware."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
