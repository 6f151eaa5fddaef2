"""`make race`: many clients on the last of everything, on real servers, judged exactly.

SCALE=ci|full, BACKENDS=sqlite,postgresql; at ci scale it runs on one database. `--seed-fault NAME`
runs a short story, breaks the database in that one way and goes on: the lane must then fail.
"""

import asyncio
import time

from tests.lanes import faults, race_groups, race_money, race_promotions, race_seats
from tests.lanes.checks import broken_in
from tests.lanes.lane import main, one_in_short, verdict
from tests.lanes.race_seats import SIZES, Race
from tests.lanes.report import Report
from tests.lanes.world import World, scale, world

SCENARIOS = (
    race_seats.last_seat,
    race_seats.last_units,
    race_seats.quota_and_stock,
    race_seats.one_key_places,
    race_money.one_key_pays,
    race_money.pay_against_leave,
    race_money.all_last_payers,
    race_seats.reversed_carts,
    race_groups.stop_against_opening,
    race_groups.two_devices,
    race_promotions.last_coupon,
    race_promotions.one_code,
    race_promotions.last_uses,
    race_promotions.last_add_ons,
)
# A seat is held as long as its group lives, so that both end in the same moment.
SHORT_GROUP_SECONDS = 4
SHORT_HOLDS = {
    "ORDER_TTL_SECONDS": "2",
    "GROUP_ORDER_TTL_SECONDS": str(SHORT_GROUP_SECONDS),
}
GROUP_HOLD_SECONDS = 15 * 60
ALL_TIME_SECONDS = 2 * 3_600


async def run(backend: str, fault: str | None) -> bool:
    """All scenarios on one database; True when everything held."""
    report = Report("race", backend)
    began_at = time.monotonic()
    async with world(backend) as made:
        if fault is not None:
            await faults.story(made)
        else:
            size = SIZES[scale()]
            race = Race(made, report, size, await made.buyers(size.buyers))
            await _at_the_last_moment(race)
            await _scenarios(race)
            await _with_three_workers(race)
        report.line("all", f"{time.monotonic() - began_at:.0f} s")
        await verdict(made, report, fault)
    return not report.failures


async def _start(race: Race, **env: str) -> None:
    """PostgreSQL: two servers and two workers. SQLite: one server with its worker inside."""
    workers = None if race.world.backend == "sqlite" else 2
    await race.world.start(workers=workers, **env)


async def _at_the_last_moment(race: Race) -> None:
    """Comes first: it aims by the machine's clock, which the service leaves behind later.

    The stories whose moments need no common row wait for them together.
    """
    await _start(race, **SHORT_HOLDS)
    stories = (
        race_money.last_moment(race),
        race_groups.at_the_deadline(race, SHORT_GROUP_SECONDS),
    )
    for story in stories:
        await anext(story)
    await asyncio.gather(*map(anext, stories))
    await race.world.quiet()
    for story in stories:
        await anext(story, None)
    await race_promotions.given_back_at_the_last_moment(race)
    await _rest(race, "after the last moments")
    await race.world.stop()


async def _scenarios(race: Race) -> None:
    await _start(race)
    for scenario in SCENARIOS:
        await scenario(race)
    await _rest(race, "after the swarms")
    await race.world.advance(GROUP_HOLD_SECONDS)
    await _rest(race, "after the holds")
    await race_seats.back_when_expired(race)
    await race.world.stop()


async def _with_three_workers(race: Race) -> None:
    await _start(race)
    due = await race_money.many_due(race)
    await race.world.quiet()
    await race.world.stop()
    await _pass_time(race.world)
    # Three processes take turns at writing a SQLite file, and its turns are not fair.
    patience = {"DB_LOCK_TIMEOUT_MS": "30000"} if race.world.backend == "sqlite" else {}
    await race.world.start(workers=3, **patience)
    await race_money.each_processed_once(race, due)
    await race_groups.ends_of_the_stopped(race)


async def _pass_time(made: World) -> None:
    await made.start(workers=0)
    await made.advance(ALL_TIME_SECONDS)
    await made.stop()


async def _rest(race: Race, when: str) -> None:
    await race.world.quiet()
    race.report.broken(await broken_in(race.world, settled=False), when)


if __name__ == "__main__":
    asyncio.run(main(run, found=one_in_short()))
