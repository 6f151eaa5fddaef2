"""One size on a fresh installation: everything is lived, judged and measured."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.beibei import counted, ground
from bench.beibei.judge import Truth, books_of, judge
from bench.beibei.recorded import Recorded, waves
from bench.beibei.replay import Replay, Sweep
from bench.beibei.watch import Spent, Watch, tend, tended, tends_itself
from tests.lanes import faults
from tests.lanes.checks import broken
from tests.lanes.lane import by_the_product, processes
from tests.lanes.report import Report
from tests.lanes.world import World, world

# A plain installation's, not the lanes' hasty one.
ENV = {"WORKER_POLL_SECONDS": "0.5"}
SHIPPED_MAX = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run is made."""

    backend: str
    clients: int
    workers: int
    checkouts: int
    fault: str | None = None


@dataclass
class Figures:
    """What one size came to."""

    groups: int
    orders: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


async def run(groups: Sequence[Recorded], plan: Plan) -> Figures:
    """Live the groups on a database of their own."""
    report = Report(f"{len(groups)} recorded groups", plan.backend)
    async with world(plan.backend) as made:
        began_at = time.perf_counter()
        place = await ground.prepare(made, groups)
        report.line("prepared", _prepared(place, groups, time.perf_counter() - began_at))
        await tend(made)
        if not await tends_itself(made):
            report.line("autovacuum", "off on this server: done every minute, by its thresholds")
        await made.start(workers=plan.workers, **ENV)
        lived = await Run(groups, plan, Replay(place, plan.clients), report).all()
    lived.failures = report.failures
    return lived


def _prepared(place: ground.Ground, groups: Sequence[Recorded], seconds: float) -> str:
    return (
        f"{len(groups)} groups, {sum(g.succeeded for g in groups)} of them succeeded; "
        f"{len(place.members)} members, {len(place.variants)} products, "
        f"{len(place.campaigns)} campaigns in {seconds:.0f} s"
    )


@dataclass
class Run:
    """The parts of a run in their order."""

    groups: Sequence[Recorded]
    plan: Plan
    replay: Replay
    report: Report

    @property
    def world(self) -> World:
        """The installation."""
        return self.replay.ground.world

    async def all(self) -> Figures:
        """Baseline, waves, baseline again, verdict; then the statements."""
        found = Figures(len(self.groups), sum(len(g.member_ids) for g in self.groups))
        watch = Watch(self.world)
        found.figures |= {f"{k} idle": v for k, v in _by_kind(watch.resident_mb()).items()}
        await self.replay.checkouts(self.plan.checkouts)
        self.replay.seconds.clear()
        await self._baseline(found, watch, "solo before")
        async with watch.looking(), tended(self.world):
            await self._waves(found, watch)
        peaks, after = _by_kind(watch.peaks_mb), _by_kind(watch.resident_mb())
        found.figures |= {f"{k} peak": v for k, v in peaks.items()}
        found.figures |= {f"{k} after": v for k, v in after.items()}
        await self._baseline(found, watch, "solo after")
        await self.replay.drain()
        alone = (_cpu(found, "solo before") + _cpu(found, "solo after")) / 2
        found.figures["group order / solo, CPU"] = _cpu(found, "buying") / alone
        found.seconds = dict(self.replay.seconds) | found.seconds
        await self._verdict(found)
        if not self.report.failures:
            place = self.replay.ground
            found.figures |= _as_sql(await counted.statements(place, self.groups))
        return found

    async def _baseline(self, found: Figures, watch: Watch, name: str) -> None:
        """Solo checkouts by the same clients on the same servers."""
        before, count = watch.spent(), self.plan.checkouts
        seconds = await self.replay.checkouts(count)
        found.figures[f"{name} per second"] = count / seconds
        _per(found, name, watch.spent() - before, count)

    async def _waves(self, found: Figures, watch: Watch) -> None:
        bought, settled = Spent(0, 0, 0), Spent(0, 0, 0)
        buying = sweeping = draining = 0.0
        sweeps: list[Sweep] = []
        for number, wave in enumerate(waves(self.groups), start=1):
            before = watch.spent()
            seconds = await self.replay.wave(wave)
            backlog = await self.replay.drain()
            between = watch.spent()
            sweep = await self.replay.deadline(sum(not group.succeeded for group in wave))
            after = watch.spent()
            self._tell_wave(number, wave, seconds, backlog, sweep)
            bought, settled = _sum(bought, between - before), _sum(settled, after - between)
            buying, draining, sweeping = (
                buying + seconds,
                draining + backlog,
                sweeping + sweep.seconds,
            )
            sweeps.append(sweep)
        failing = sum(sweep.failing for sweep in sweeps)
        found.figures |= {
            "groups per second": len(self.groups) / buying,
            "orders per second": found.orders / buying,
            "failures settled per second": failing / sweeping if failing else 0.0,
            "seconds buying": buying,
            "seconds of backlog": draining,
            "seconds settling": sweeping,
        }
        found.seconds["fail"] = [wait for sweep in sweeps for wait in sweep.waits(1)]
        found.seconds["refund"] = [wait for sweep in sweeps for wait in sweep.waits(2)]
        _per(found, "buying", bought, found.orders)
        _per(found, "settling", settled, failing or 1)

    def _tell_wave(
        self, number: int, wave: Sequence[Recorded], seconds: float, backlog: float, sweep: Sweep
    ) -> None:
        self.report.line(
            f"wave {number}",
            f"{len(wave)} groups in {seconds:.1f} s, backlog of facts {backlog:.1f} s, "
            f"{sweep.failing} failures settled in {sweep.seconds:.1f} s",
        )

    async def _verdict(self, found: Figures) -> None:
        """All processes end; what they left is judged, by the records and by the product."""
        replay, report, made = self.replay, self.report, self.world
        report.expect(not replay.faults, f"{len(replay.faults)} refused: {replay.faults[:5]}")
        report.line("asked again after 503", str(dict(replay.asked_again) or "never"))
        await made.stop()
        if not await tends_itself(made):
            await tend(made)
        await made.start(workers=0, **ENV)
        if self.plan.fault is not None:
            await faults.seed(made, self.plan.fault)
        truth = Truth(replay.ground, self.groups, replay.group_ids, replay.solo)
        judge(truth, await books_of(made), report)
        began_at = time.perf_counter()
        await by_the_product(made, report)
        found.figures["seconds of own audit"] = time.perf_counter() - began_at
        await made.stop()
        async with made.engine.connect() as connection:
            report.broken(
                await broken(connection, now=await made.now(), settled=True), "at the end"
            )
        processes(made, report)
        if made.backend == "postgresql":
            stuck = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            report.same("deadlocks", await made.number(stuck), 0)


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(
        one.servers + other.servers, one.workers + other.workers, one.backends + other.backends
    )


def _per(found: Figures, name: str, spent: Spent, count: int) -> None:
    """CPU in milliseconds for each, on each side."""
    found.figures |= {
        f"{name}, CPU ms server": spent.servers * 1_000 / count,
        f"{name}, CPU ms worker": spent.workers * 1_000 / count,
        f"{name}, CPU ms database": spent.backends * 1_000 / count,
    }


def _cpu(found: Figures, name: str) -> float:
    return sum(v for k, v in found.figures.items() if k.startswith(f"{name}, CPU ms"))


def _by_kind(used: Mapping[str, float]) -> dict[str, float]:
    """The largest server and the largest worker."""
    kinds = {name.partition("-")[0] for name in used}
    return {
        f"{kind} MB": max(mb for name, mb in used.items() if name.startswith(kind))
        for kind in sorted(kinds)
    }


def _as_sql(counts: Mapping[str, float]) -> dict[str, float]:
    return {f"SQL {name}": count for name, count in counts.items()}
