"""`python -m bench.beibei`: recorded group buys, lived again over HTTP on real processes.

The exit code is 1 unless every group ends as it was recorded, the provider's books agree to the
fen, and the product's own audit finds nothing. Figures inform and decide nothing.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from bench.beibei.recorded import NoRecordsError, default_path, read
from bench.beibei.run import Figures, Plan, run
from bench.beibei.table import side_by_side
from tests.conftest import postgresql_url
from tests.lanes import faults
from tests.lanes.world import say, scale

GROUPS = {"ci": "150", "full": "1250"}
CHECKOUTS_MIN, CHECKOUTS_MAX = 32, 400


def asked() -> argparse.Namespace:
    """The command line."""
    asking = argparse.ArgumentParser(prog="python -m bench.beibei", description=__doc__)
    asking.add_argument("--groups", default=GROUPS[scale()], help="one size, or several: 1250,5000")
    asking.add_argument("--data", type=Path, default=default_path())
    asking.add_argument("--backend", choices=("postgresql", "sqlite"))
    asking.add_argument("--clients", type=int, default=24)
    asking.add_argument("--workers", type=int)
    asking.add_argument("--seed-fault", choices=sorted(faults.FAULTS))
    return asking.parse_args()


def plan_of(told: argparse.Namespace, smallest: int) -> Plan:
    """PostgreSQL with two workers where one answers, else SQLite with one."""
    backend = told.backend or ("postgresql" if postgresql_url() else "sqlite")
    return Plan(
        backend=backend,
        clients=told.clients,
        workers=told.workers or (2 if backend == "postgresql" else 1),
        checkouts=min(max(smallest // 5, CHECKOUTS_MIN), CHECKOUTS_MAX),
        fault=told.seed_fault,
    )


async def main() -> int:
    """Every size in turn, then all beside one another."""
    told = asked()
    this = asyncio.current_task()
    assert this is not None
    # The children are ended on the way out, so a signal must let the way out happen.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    sizes = sorted(int(size) for size in told.groups.split(","))
    try:
        groups = read(told.data, sizes[-1])
    except NoRecordsError as error:
        say(f"beibei: {error}")
        return 2
    plan = plan_of(told, sizes[0])
    say(f"recorded group buys on {plan.backend}, {plan.clients} clients, {plan.workers} workers")
    found: list[Figures] = []
    for size in sizes:
        found.append(await run(groups[:size], plan))
        # Told after every size: the next one may take an hour.
        for line in side_by_side(found):
            say(line)
    broken = [figures for figures in found if figures.failures]
    for figures in broken:
        for failure in figures.failures:
            say(f"FAILED with {figures.groups} groups: {failure[:300]}")
    say(f"beibei on {plan.backend}: {'FAILED' if broken else 'all as recorded'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
