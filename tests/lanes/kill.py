"""`make kill`: servers, workers and the database are killed under load, and nothing is lost.

SCALE=ci|full, BACKENDS=sqlite,postgresql; at ci scale it runs on one database. On PostgreSQL the
lane makes a server of its own, where the machine has the programs for it. `--seed-fault NAME`
breaks the database in that one way after a short story, or the installation before a whole run:
the lane must then fail.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import httpx2

from app.core.db import unsafe_settings
from tests.lanes import faults
from tests.lanes.checks import ident
from tests.lanes.cluster import Cluster, own_cluster, why_not
from tests.lanes.healing import Healing, followed
from tests.lanes.history import Told
from tests.lanes.lane import main, one_in_short, verdict
from tests.lanes.process import HOST, Process
from tests.lanes.report import Report
from tests.lanes.shopper import Crowd, Shopper
from tests.lanes.world import World, backends, says_come_again, scale, typed, world


@dataclass(frozen=True, slots=True)
class Wanted:
    """At least so many kills, and so often the database away while a server stands."""

    kills: int
    outages: int = 0


KILLS: Mapping[tuple[str, str], Wanted] = {
    ("ci", "sqlite"): Wanted(2),
    ("ci", "postgresql"): Wanted(4, outages=1),
    ("full", "sqlite"): Wanted(25),
    ("full", "postgresql"): Wanted(60, outages=10),
}
SHOPPERS = 16
MEMBERS_EACH = 4
GROUP_SECONDS = 6
ROOMY_SECONDS = 60
LAST_STORIES_SECONDS_MAX = 150
REPLAYS_MAX = {"ci": 100, "full": 300}
REQUEST_SECONDS = 8
# A slow machine may come late to see that a request's time is over.
ANSWER_SECONDS_MAX = REQUEST_SECONDS + 7
# From the database's first connection to every server's first good answer.
RECOVERY_SECONDS_MAX = 10
AWAY_SECONDS = (0.2, 3.0)
REST_SECONDS = (0.5, 2.5)
# On a slow machine a server takes longer to come back than it is left alone, and nobody buys.
STORIES_BETWEEN = 6
PATIENCE_SECONDS = 15
# Everything is short, so that groups fail and orders expire while processes die.
ENV = {
    "ORDER_TTL_SECONDS": "6",
    "GROUP_ORDER_TTL_SECONDS": "4",
    "REQUEST_TIMEOUT_SECONDS": str(REQUEST_SECONDS),
    "IDEMPOTENCY_LEASE_SECONDS": "10",
    "OUTBOX_LEASE_SECONDS": "3",
    "REFUND_LEASE_SECONDS": "3",
    "SANDBOX_DELAY_SECONDS": "2",
}
ALL_TIME_SECONDS = 3_600
# Faults of the installation, for a whole run; what is broken in the database is in faults.py.
FORGETS = "commits-in-memory"
LEASED = "lease-too-long"
INSTALLATIONS: Mapping[str, dict[str, str]] = {
    FORGETS: {"synchronous_commit": "off", "wal_writer_delay": "10s"},
    LEASED: {},
}


class Victim(Protocol):
    """What can be killed and comes back."""

    name: str

    @property
    def is_running(self) -> bool:
        """Whether there is anything to kill."""

    async def kill(self) -> None:
        """End it at once."""

    async def start(self) -> None:
        """Start it again."""

    async def ready(self) -> float:
        """Wait until it answers; how long that took, in seconds."""

    def log(self) -> str:
        """What it has said."""


@dataclass
class Nemesis:
    """Kills one victim or several, starts them again, and notes how long that took."""

    made: World
    cluster: Cluster | None = None
    others: Sequence["Victim"] = ()
    # How many stories have come to their end; between two strikes there should be some.
    told: Callable[[], int] | None = None
    kills: int = 0
    outages: int = 0
    by_name: Counter[str] = field(default_factory=Counter)
    at_once: Counter[int] = field(default_factory=Counter)
    restart_seconds: list[float] = field(default_factory=list)
    recovery_seconds: list[float] = field(default_factory=list)
    # What standing servers said while the database was away.
    away_answers: Counter[str] = field(default_factory=Counter)
    away_seconds: list[float] = field(default_factory=list)
    _deck: list[Victim] = field(default_factory=list)

    async def run(self, wanted: Wanted) -> None:
        """Kill until the numbers are reached."""
        everybody: list[Victim] = [*self.made.processes, *self.others]
        everybody += [self.cluster] if self.cluster else []
        outages = wanted.outages if self.cluster else 0
        while self.kills < wanted.kills or self.outages < outages:
            await self._rest()
            await self.strike(self._some_of(everybody))

    async def _rest(self) -> None:
        await asyncio.sleep(random.uniform(*REST_SECONDS))
        if (told := self.told) is not None:
            enough = told() + STORIES_BETWEEN
            await waited(lambda: told() >= enough)

    def _some_of(self, everybody: list[Victim]) -> list[Victim]:
        """Now and then several at once; else one, but everybody before anybody again."""
        if len(everybody) > 1 and random.random() < 0.2:
            return random.sample(everybody, random.randint(2, len(everybody)))
        if not self._deck:
            self._deck = random.sample(everybody, len(everybody))
        return [self._deck.pop()]

    async def strike(self, victims: Sequence[Victim]) -> None:
        """Kill these at once, and start them again."""
        standing = [p for p in self.made.processes if p not in victims]
        for victim in (*victims, *standing):
            assert victim.is_running, f"{victim.name} ended by itself:\n{victim.log()[-2_000:]}"
        await asyncio.gather(*(v.kill() for v in victims))
        self.kills += len(victims)
        self.at_once[len(victims)] += 1
        self.by_name.update(v.name for v in victims)
        # The others come back at once, and find the database away if it was hit too.
        others = [v.start() for v in victims if v is not self.cluster]
        await asyncio.gather(*others, self._database_away(standing, victims))
        hit = [v for v in victims if isinstance(v, Process) and v.port is not None]
        self.restart_seconds += await asyncio.gather(*(v.ready() for v in hit))

    async def _database_away(self, standing: Sequence[Process], victims: Sequence[Victim]) -> None:
        """Let the database be away for a while, and see its servers live through it."""
        if self.cluster is None or self.cluster not in victims:
            return
        servers = [p for p in standing if p.port is not None]
        self.outages += bool(servers)
        until = time.monotonic() + random.uniform(*AWAY_SECONDS)
        while True:
            await asyncio.gather(*(self._ask_in_vain(s) for s in servers))
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
        await self.cluster.start()
        await self.cluster.ready()
        self.recovery_seconds += await asyncio.gather(*(s.ready() for s in servers))

    async def _ask_in_vain(self, server: Process) -> None:
        """A server without its database must say so, at once and in good order."""
        began_at = time.monotonic()
        async with httpx2.AsyncClient(timeout=ANSWER_SECONDS_MAX) as client:
            try:
                got = await client.get(f"http://{HOST}:{server.port}/readyz")
                told = "503 in good order" if says_come_again(got) else f"{got.status_code}"
            except httpx2.TransportError as error:
                told = type(error).__name__
        self.away_answers[told] += 1
        self.away_seconds.append(time.monotonic() - began_at)


async def waited(proven: Callable[[], object]) -> None:
    """Wait until something holds, or patience ends."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        if proven() or time.monotonic() > until:
            return
        await asyncio.sleep(0.1)


def own_backends() -> list[str]:
    """As in other lanes; but a PostgreSQL of one's own needs none that answers already."""
    found = backends()
    if "BACKENDS" not in os.environ and not why_not() and "postgresql" not in found:
        found.append("postgresql")
    return found


@asynccontextmanager
async def own_server(
    backend: str, fault: str | None, report: Report
) -> AsyncIterator[Cluster | None]:
    """The lane's own PostgreSQL; none on SQLite and where the machine has not got the programs."""
    reason = "a file has no server" if backend == "sqlite" else why_not()
    if reason:
        report.line("database", f"not killed: {reason}")
        yield None
        return
    async with own_cluster(INSTALLATIONS.get(fault or "")) as cluster:
        yield cluster


async def run(backend: str, fault: str | None) -> bool:
    """Stories under kills, then the healing, a clean restart and the reckoning; True when all held.

    A fault of the installation is there all the time; any other is put in after a short story.
    """
    report = Report("kill", backend, may_be_away=True)
    began_at = time.monotonic()
    async with own_server(backend, fault, report) as cluster:
        url = cluster.url if cluster else ""
        async with world(backend, url) as made:
            if fault in faults.FAULTS:
                await faults.story(made)
            else:
                await _under_fire(made, report, cluster, fault)
                await _afterwards(made, report)
            report.line("all", f"{time.monotonic() - began_at:.0f} s")
            await verdict(made, report, fault if fault in faults.FAULTS else None)
        if cluster is not None:
            report.same("alarms of the database", cluster.alarms()[:5], [])
    return not report.failures


async def _crowd(made: World) -> Crowd:
    stalls = [
        await made.fair.stall(units=100_000, size=size, group_seconds=GROUP_SECONDS, **quota)
        for size, quota in ((3, {}), (2, {"stock_quota": 100_000}), (3, {"stock_quota": 150}))
    ]
    stalls.append(await made.fair.stall(units=80, size=2, group_seconds=GROUP_SECONDS))
    roomy = await made.fair.stall(units=100_000, size=3, group_seconds=ROOMY_SECONDS)
    few = 9 if scale() == "ci" else 60
    narrow = await made.fair.stall(
        units=1_000, size=2, group_seconds=GROUP_SECONDS, stock_quota=few
    )
    return Crowd(stalls, roomy, narrow)


async def _under_fire(
    made: World, report: Report, cluster: Cluster | None, fault: str | None
) -> None:
    crowd = await _crowd(made)
    members = await made.buyers(SHOPPERS * MEMBERS_EACH)
    await _durable(made, report, cluster)
    parties = [members[n::SHOPPERS] for n in range(SHOPPERS)]
    await made.start(**ENV)
    nemesis = Nemesis(made, cluster, told=crowd.stories.total)
    shoppers = [asyncio.create_task(Shopper(crowd, party).run()) for party in parties]
    attack = asyncio.create_task(nemesis.run(KILLS[scale(), made.backend]))
    try:
        await _first_fault_or_end(attack, shoppers)
        healing = Healing(made, await made.now())
        if fault == LEASED:
            await lease_too_long(made)
        async with followed(healing):
            await waited(lambda: crowd.filled)
            crowd.over.set()
            await asyncio.wait_for(asyncio.gather(*shoppers), LAST_STORIES_SECONDS_MAX)
        await healing.over(most_seconds=LAST_STORIES_SECONDS_MAX)
    finally:
        attack.cancel()
        for shopper in shoppers:
            shopper.cancel()
    await _attack_figures(made, report, nemesis)
    _crowd_figures(made, report, crowd)
    await healing.judge(report)
    await _promised_groups(made, report, crowd)


async def _durable(made: World, report: Report, cluster: Cluster | None) -> None:
    """Answers outlive a crash only if the database writes before it says that it has."""
    database = made.application.state.database
    async with database.reading() as db:
        report.same("settings that forget", await unsafe_settings(db), [])
    if cluster is not None:
        # What was sown beforehand is not what is being tested.
        await cluster.checkpoint()
    # This process's own connections would not outlive the first kill of the database.
    await database.dispose()


async def _first_fault_or_end(
    attack: "asyncio.Task[None]", shoppers: list["asyncio.Task[None]"]
) -> None:
    """Wait for the nemesis to be done; a shopper that failed ends the run at once."""
    await asyncio.wait([attack, *shoppers], return_when=asyncio.FIRST_COMPLETED)
    for shopper in shoppers:
        if shopper.done():
            shopper.result()
    await attack


async def _attack_figures(made: World, report: Report, nemesis: Nemesis) -> None:
    kills, worst = nemesis.by_name, max(nemesis.restart_seconds, default=0)
    several = sum(times for count, times in nemesis.at_once.items() if count > 1)
    told = f"{nemesis.kills}: {dict(sorted(kills.items()))}, {several} times several at once"
    report.line("kills", told)
    report.line("restart", f"worst {worst:.1f} s until ready, of {len(nemesis.restart_seconds)}")
    if nemesis.cluster is None:
        return
    wanted = KILLS[scale(), made.backend].outages
    report.expect(nemesis.outages >= wanted, f"{nemesis.outages} outages, not {wanted}")
    answers, slowest = dict(nemesis.away_answers), max(nemesis.away_seconds, default=0)
    recovery = max(nemesis.recovery_seconds, default=0)
    report.line("database killed", f"{kills['database']} times, by pg_ctl -m immediate stop")
    report.line("  while away", f"{answers}, slowest {slowest:.1f} s")
    told = f"worst {recovery:.1f} s until a standing server was ready again"
    report.line("  recovery", f"{told}, of {len(nemesis.recovery_seconds)}, none restarted")
    report.expect(set(answers) <= {"503 in good order"}, f"while the database was away: {answers}")
    report.expect(recovery <= RECOVERY_SECONDS_MAX, f"a server took {recovery:.1f} s to recover")
    report.expect(made.net.away, "no client was ever told that the database is away")


def _crowd_figures(made: World, report: Report, crowd: Crowd) -> None:
    stories = ", ".join(f"{name} {times}" for name, times in sorted(crowd.stories.items()))
    report.line("stories", f"{crowd.stories.total()} by {SHOPPERS} shoppers: {stories}")
    told = f"{crowd.unheard} requests unanswered, {crowd.asked_again} answered 'later'"
    report.line("retries", f"{told}, {len(made.net.away)} of them 503, all in good order")
    report.expect(crowd.unheard, "no kill ever cut a request off: nothing was proven")
    slowest = max(max(seconds) for seconds in made.net.seconds.values())
    report.line("slowest answer", f"{slowest:.1f} s, {crowd.hung} that never came")
    report.expect(
        slowest <= ANSWER_SECONDS_MAX and not crowd.hung,
        f"an answer took {slowest:.1f} s and {crowd.hung} never came",
    )


async def lease_too_long(made: World) -> None:
    """A fault: some worker took a fact for half an hour and then died."""
    until = await made.now() + timedelta(minutes=30)
    statement = (
        "UPDATE outbox_events SET done_at = NULL, lease_until = :until"
        " WHERE id = (SELECT id FROM outbox_events ORDER BY id LIMIT 1)"
    )
    async with made.engine.begin() as connection:
        await connection.execute(typed(statement, {"until": until}), {"until": until})


async def _promised_groups(made: World, report: Report, crowd: Crowd) -> None:
    """A group whose members were all told that they have paid is one that has succeeded."""
    broken = await unfulfilled(made, crowd.filled)
    report.expect(not broken, f"told full and paid, and yet not succeeded: {broken[:5]}")
    report.line("whole groups", f"{len(crowd.filled)} told to be full, all succeeded")
    report.expect(crowd.filled, "no group was ever filled: nothing was proven")


async def unfulfilled(made: World, filled: Sequence[str]) -> list[str]:
    """Groups that should have succeeded, and what became of them."""
    rows = await made.rows('SELECT id, status FROM "groups"')
    status = {ident(row["id"]): row["status"] for row in rows}
    found = {group_id: status.get(ident(group_id), "gone") for group_id in filled}
    return [f"{group_id} {what}" for group_id, what in found.items() if what != "succeeded"]


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
        report.line(name, ", ".join(f"{r['what']} {int(r['times'])}" for r in rows))
        seen = {r["what"] for r in rows}
        missing = _WANTED[scale()].get(name, set()) - seen
        report.expect(not missing, f"{name} without any {missing}: that was not proven")


def _kept_answers(made: World) -> Iterator[Told]:
    kept = [told for told in made.history.told if told.answer.is_kept]
    yield from random.sample(kept, min(REPLAYS_MAX[scale()], len(kept)))


_FIGURES = {
    "groups": 'SELECT status AS what, COUNT(*) AS times FROM "groups" GROUP BY status ORDER BY 1',
    "orders": "SELECT status AS what, COUNT(*) AS times FROM orders GROUP BY status ORDER BY 1",
    "payments": "SELECT state AS what, COUNT(*) AS times FROM payments GROUP BY state ORDER BY 1",
    "refunds": "SELECT reason AS what, COUNT(*) AS times FROM refunds GROUP BY reason ORDER BY 1",
    "books": "SELECT kind AS what, SUM(amount) AS times FROM sandbox_entries GROUP BY kind",
}
# What the stories must have led to, or the run has not shown that it survives kills.
_WANTED: Mapping[str, dict[str, set[str]]] = {
    "ci": {"groups": {"succeeded", "failed"}, "refunds": {"group_failed", "left_group"}},
    "full": {
        "groups": {"succeeded", "failed", "cancelled"},
        "orders": {"paid", "closed", "cancelled", "expired"},
        "refunds": {"group_failed", "left_group", "paid_too_late"},
    },
}


if __name__ == "__main__":
    asyncio.run(main(run, (*faults.FAULTS, *INSTALLATIONS), one_in_short(own_backends)))
