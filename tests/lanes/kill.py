"""`make kill`: servers and workers are SIGKILLed at random under load, and nothing is lost.

SCALE=ci|full, BACKENDS=sqlite,postgresql. `--seed-fault NAME` breaks the database in that one way
after a short story: the lane must then fail.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.lanes import faults
from tests.lanes.history import Told
from tests.lanes.lane import main, verdict
from tests.lanes.process import Process
from tests.lanes.report import Report
from tests.lanes.shopper import Crowd, Shopper
from tests.lanes.world import World, scale, world

KILLS: Mapping[tuple[str, str], int] = {
    ("ci", "sqlite"): 3,
    ("ci", "postgresql"): 4,
    ("full", "sqlite"): 25,
    ("full", "postgresql"): 60,
}
SHOPPERS = 16
MEMBERS_EACH = 4
GROUP_SECONDS = 6
LAST_STORIES_SECONDS_MAX = 150
REPLAYS_MAX = 300
# Everything is short, so that groups fail and orders expire while processes die.
ENV = {
    "ORDER_TTL_SECONDS": "6",
    "GROUP_ORDER_TTL_SECONDS": "4",
    "REQUEST_TIMEOUT_SECONDS": "8",
    "IDEMPOTENCY_LEASE_SECONDS": "10",
    "OUTBOX_LEASE_SECONDS": "3",
    "SANDBOX_DELAY_SECONDS": "2",
}
ALL_TIME_SECONDS = 3_600


@dataclass
class Nemesis:
    """Kills one process or several, starts them again at once, and notes how long that took."""

    made: World
    kills: int = 0
    by_name: Counter[str] = field(default_factory=Counter)
    restart_seconds: list[float] = field(default_factory=list)
    _deck: list[Process] = field(default_factory=list)

    async def run(self, kills: int) -> None:
        """Kill until the number is reached."""
        while self.kills < kills:
            await asyncio.sleep(random.uniform(0.5, 2.5))
            everybody = self.made.processes
            victims = everybody if random.random() < 0.15 else [self._next_of(everybody)]
            await asyncio.gather(*(self._kill(v) for v in victims))

    def _next_of(self, everybody: list[Process]) -> Process:
        """One at random, but everybody before anybody again."""
        if not self._deck:
            self._deck = random.sample(everybody, len(everybody))
        return self._deck.pop()

    async def _kill(self, victim: Process) -> None:
        assert victim.is_running, f"{victim.name} ended by itself:\n{victim.log()[-2_000:]}"
        await victim.kill()
        self.kills += 1
        self.by_name[victim.name] += 1
        await victim.start()
        if victim.port is not None:
            self.restart_seconds.append(await victim.ready())


async def run(backend: str, fault: str | None) -> bool:
    """Stories under kills, then a clean restart and the reckoning; True when everything held."""
    report = Report("kill", backend, may_be_away=True)
    began_at = time.monotonic()
    async with world(backend) as made:
        if fault is not None:
            await faults.story(made)
        else:
            await _under_fire(made, report, KILLS[scale(), backend])
            await _afterwards(made, report)
        report.line("all", f"{time.monotonic() - began_at:.0f} s")
        await verdict(made, report, fault)
    return not report.failures


async def _under_fire(made: World, report: Report, kills: int) -> None:
    stalls = [
        await made.fair.stall(units=100_000, size=size, group_seconds=GROUP_SECONDS, **quota)
        for size, quota in ((3, {}), (2, {"stock_quota": 100_000}), (3, {"stock_quota": 150}))
    ]
    stalls.append(await made.fair.stall(units=80, size=2, group_seconds=GROUP_SECONDS))
    crowd = Crowd(stalls)
    members = await made.buyers(SHOPPERS * MEMBERS_EACH)
    parties = [members[n::SHOPPERS] for n in range(SHOPPERS)]
    await made.start(**ENV)
    nemesis = Nemesis(made)
    shoppers = [asyncio.create_task(Shopper(crowd, party).run()) for party in parties]
    attack = asyncio.create_task(nemesis.run(kills))
    try:
        await _first_fault_or_end(attack, shoppers)
        crowd.over.set()
        await asyncio.wait_for(asyncio.gather(*shoppers), LAST_STORIES_SECONDS_MAX)
    finally:
        attack.cancel()
        for shopper in shoppers:
            shopper.cancel()
    worst = max(nemesis.restart_seconds)
    report.line("kills", f"{nemesis.kills}: {dict(sorted(nemesis.by_name.items()))}")
    report.line("restart", f"worst {worst:.1f} s until ready, of {len(nemesis.restart_seconds)}")
    report.line("stories", f"{crowd.stories} by {SHOPPERS} shoppers, {len(members)} members")
    report.line(
        "retries", f"{crowd.unheard} requests unanswered, {crowd.asked_again} answered 'later'"
    )
    report.expect(crowd.unheard, "no kill ever cut a request off: nothing was proven")


async def _first_fault_or_end(
    attack: "asyncio.Task[None]", shoppers: list["asyncio.Task[None]"]
) -> None:
    """Wait for the nemesis to be done; a shopper that failed ends the run at once."""
    await asyncio.wait([attack, *shoppers], return_when=asyncio.FIRST_COMPLETED)
    for shopper in shoppers:
        if shopper.done():
            shopper.result()
    await attack


async def _afterwards(made: World, report: Report) -> None:
    """A clean restart; all time passes; every answer is asked for again; then the figures."""
    await made.stop()
    began_at = time.monotonic()
    await made.start(**ENV)
    report.line("clean restart", f"{time.monotonic() - began_at:.1f} s for all processes")
    await made.advance(ALL_TIME_SECONDS)
    report.line("quiet", f"after {await made.quiet():.1f} s")
    same = 0
    for told in _kept_answers(made):
        buyer = next(b for b in made.known if b.member_id == told.member_id)
        again = await buyer.post(told.verb, told.path, told.sent, key=told.key)
        report.same(
            f"{told.path} asked again",
            (again.status, again.raw, again.replayed),
            (told.answer.status, told.answer.raw, True),
        )
        same += 1
    report.line("asked again", f"{same} answers are still the same")
    for name, statement in _FIGURES.items():
        rows = await made.rows(statement)
        report.line(name, ", ".join(f"{r['what']} {r['times']}" for r in rows))


def _kept_answers(made: World) -> Iterator[Told]:
    kept = [told for told in made.history.told if told.answer.is_kept]
    yield from random.sample(kept, min(REPLAYS_MAX, len(kept)))


_FIGURES = {
    "groups": 'SELECT status AS what, COUNT(*) AS times FROM "groups" GROUP BY status ORDER BY 1',
    "orders": "SELECT status AS what, COUNT(*) AS times FROM orders GROUP BY status ORDER BY 1",
    "payments": "SELECT state AS what, COUNT(*) AS times FROM payments GROUP BY state ORDER BY 1",
    "refunds": "SELECT reason AS what, COUNT(*) AS times FROM refunds GROUP BY reason ORDER BY 1",
    "books": "SELECT kind AS what, SUM(amount) AS times FROM sandbox_entries GROUP BY kind",
}


if __name__ == "__main__":
    asyncio.run(main(run))
