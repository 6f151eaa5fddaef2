"""What the lanes share: the command line, the last verdict, and ending in good order."""

import argparse
import asyncio
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Collection, Sequence

from tests.lanes import faults
from tests.lanes.checks import broken_in
from tests.lanes.report import Report
from tests.lanes.world import World, backends, say, scale

Run = Callable[[str, str | None], Awaitable[bool]]


async def main(
    run: Run,
    seeds: Collection[str] = faults.FAULTS,
    found: Callable[[], Sequence[str]] = backends,
) -> None:
    """Run a lane on every backend; the exit code is 1 when anything did not hold."""
    asking = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    asking.add_argument("--seed-fault", choices=sorted(seeds))
    fault = asking.parse_args().seed_fault
    this = asyncio.current_task()
    assert this is not None
    # The children are ended on the way out, so a signal must let the way out happen.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    results = {backend: await _run(run, backend, fault) for backend in found()}
    for backend, passed in results.items():
        say(f"{backend}: {'passed' if passed else 'FAILED'}")
    sys.exit(0 if all(results.values()) else 1)


def one_in_short(found: Callable[[], Sequence[str]] = backends) -> Callable[[], Sequence[str]]:
    """All databases at full scale; else the one that production has, where there is one."""
    return lambda: found() if scale() == "full" else found()[-1:]


async def _run(run: Run, backend: str, fault: str | None) -> bool:
    say(f"-- {backend}")
    try:
        return await run(backend, fault)
    except Exception:  # noqa: BLE001 - the next backend still has its say
        say(traceback.format_exc())
        return False


async def verdict(
    made: World, report: Report, fault: str | None, *, but: Collection[str] = ()
) -> None:
    """Wait for quiet and judge what is there: the product by its own audit, and this lane.

    `but` names checks that are about other promotions than the lane has.
    """
    await made.quiet()
    if fault is not None:
        await made.stop()
        # Without workers nothing heals a seeded fault before it is looked for.
        await made.start(workers=0)
        await faults.seed(made, fault)
    await by_the_product(made, report)
    await made.stop()
    found = await broken_in(made, settled=fault is None)
    report.broken({name: rows for name, rows in found.items() if name not in but}, "at the end")
    processes(made, report)
    if made.backend == "postgresql":
        # Read after the processes have ended: a backend reports its figures when it leaves.
        deadlocks = await made.number(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        report.same("deadlocks", deadlocks, 0)
        report.line("deadlocks", str(deadlocks))
    report.table(made.net)


async def by_the_product(made: World, report: Report) -> None:
    """Ask the product's own audit."""
    answer = await made.net.send(
        "GET", "/v1/audit/invariants", verb="audit", headers=await made.auditor()
    )
    report.same("the product's own audit answers", answer.status, 200)
    if answer.status != 200:
        return
    findings = answer.body["findings"]
    broken = [f"{f['name']} x{f['count']}: {f['samples'][:2]}" for f in findings if f["count"]]
    report.expect(not broken and answer.body["holds"], f"by the product's own audit: {broken}")
    report.line("own audit", f"{len(findings)} invariants of the product, {len(broken)} broken")


def processes(made: World, report: Report) -> None:
    """What went wrong inside, though the database may be right."""
    seen = [*made.net.faults, *(() if report.may_be_away else made.net.away)]
    report.expect(not seen, f"{len(seen)} x 5xx: {seen[:3]}")
    complaints = made.complaints()
    report.expect(not complaints, f"{len(complaints)} complaints: {complaints[:3]}")
