"""`make kill`, its second part: money at a provider that cuts lines, repeats itself and goes away.

Servers, workers, the database and the provider are killed while buyers pay; then the provider is
away for ten minutes of the service's time. In the end our books must be the provider's, to the
fen. At ci scale it runs on one database. `--seed-fault NAME` runs the service with that fault in
it: the lane must then fail.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.lanes import process
from tests.lanes.bank import bounced
from tests.lanes.kill import ENV as KILL_ENV
from tests.lanes.kill import (
    MEMBERS_EACH,
    SHOPPERS,
    Nemesis,
    Wanted,
    own_backends,
    own_server,
    waited,
)
from tests.lanes.lane import main, one_in_short, verdict
from tests.lanes.money import DATABASE_PASSWORD, books_are_theirs, leaks, reconciled
from tests.lanes.report import Report
from tests.lanes.shopper import Crowd
from tests.lanes.till import Payer, Provider, bought, crowd_of, refund
from tests.lanes.world import World, scale, world

KILLS: Mapping[tuple[str, str], Wanted] = {
    ("ci", "sqlite"): Wanted(2),
    ("ci", "postgresql"): Wanted(4),
    ("full", "sqlite"): Wanted(20),
    ("full", "postgresql"): Wanted(40, outages=3),
}
GROUP_SECONDS = 20
ENV = {**KILL_ENV, "ORDER_TTL_SECONDS": "12", "GROUP_ORDER_TTL_SECONDS": "10"}
LAST_STORIES_SECONDS_MAX = 200
OUTAGE_MINUTES = 10
# A refund waits an hour for its next try at most; some have to try several times.
HOURS_MAX = 12
HOUR_SECONDS = 3_700
# Once the circuit is open nobody waits for the provider's silence.
REFUSED_SECONDS_MAX = 5
RANDOM_KEYS = "random-keys"
# Checks of a provider that is never away: here a try may begin and come to nothing unheard.
OF_THE_SANDBOX = frozenset({"I5 our money is the provider's", "I8 no payment nobody was told of"})


async def run(backend: str, fault: str | None) -> bool:
    """Stories under kills, an outage, and the reckoning against the provider's truth."""
    report = Report("kill, paying", backend, may_be_away=True)
    began_at = time.monotonic()
    async with (
        own_server(backend, None, report) as cluster,
        world(backend, _told_a_password(cluster.url) if cluster else "") as made,
    ):
        provider = Provider(made)
        try:
            nemesis = Nemesis(made, cluster, others=[provider])
            await _start(made, provider, fault)
            await _under_fire(made, report, provider, nemesis)
            await _away(made, report, provider)
            await bounced(made, report, provider)
            await settled(made)
            report.line("all", f"{time.monotonic() - began_at:.0f} s")
            await _reconciled(made, report)
            await books_are_theirs(made, report, provider.truth)
            report.same("secrets told", await leaks(made), [])
            await verdict(made, report, None, but=OF_THE_SANDBOX)
        finally:
            await provider.kill()
    return not report.failures


def _told_a_password(url: str) -> str:
    """A server that trusts everybody reads no password; but it is a secret all the same."""
    return url.replace("postgres@", f"postgres:{DATABASE_PASSWORD}@")


async def _start(made: World, provider: Provider, fault: str | None) -> None:
    env = {**ENV, **provider.settings}
    process.MODULE = "tests.lanes.random_keys" if fault == RANDOM_KEYS else "app"
    await made.start(**env)
    await provider.start()


async def _under_fire(made: World, report: Report, provider: Provider, nemesis: Nemesis) -> None:
    crowd = await crowd_at(made)
    members = await made.buyers(SHOPPERS * MEMBERS_EACH)
    await made.application.state.database.dispose()
    parties = [members[n::SHOPPERS] for n in range(SHOPPERS)]
    payers = crowd_of(crowd, provider, parties)
    await provider.mean()
    nemesis.told = crowd.stories.total
    shoppers = [asyncio.create_task(payer.run()) for payer in payers]
    attack = asyncio.create_task(nemesis.run(KILLS[scale(), made.backend]))
    try:
        await asyncio.wait([attack, *shoppers], return_when=asyncio.FIRST_COMPLETED)
        for shopper in shoppers:
            if shopper.done():
                shopper.result()
        await attack
        if not nemesis.by_name[provider.name]:
            await nemesis.strike([provider])
        await waited(lambda: crowd.filled)
        crowd.over.set()
        await asyncio.wait_for(asyncio.gather(*shoppers), LAST_STORIES_SECONDS_MAX)
    finally:
        attack.cancel()
        for shopper in shoppers:
            shopper.cancel()
    await provider.kind()
    _figures(report, crowd, payers[0], nemesis)


async def crowd_at(made: World) -> Crowd:
    """Stalls where groups fill, a roomy one, and one with soon nothing left."""
    stalls = [
        await made.fair.stall(units=100_000, size=size, group_seconds=GROUP_SECONDS)
        for size in (3, 2)
    ]
    roomy = await made.fair.stall(units=100_000, size=3, group_seconds=3 * GROUP_SECONDS)
    narrow = await made.fair.stall(units=1_000, size=2, group_seconds=GROUP_SECONDS, stock_quota=12)
    return Crowd(stalls, roomy, narrow)


def _figures(report: Report, crowd: Crowd, payer: Payer, nemesis: Nemesis) -> None:
    report.line("kills", f"{nemesis.kills}: {dict(sorted(nemesis.by_name.items()))}")
    stories = ", ".join(f"{name} {times}" for name, times in sorted(crowd.stories.items()))
    report.line("stories", f"{crowd.stories.total()} by {SHOPPERS} shoppers: {stories}")
    report.line("ways to pay", ", ".join(f"{w} {n}" for w, n in sorted(payer.till.used.items())))
    told = f"{crowd.unheard} requests unanswered, {crowd.asked_again} answered 'later'"
    report.line("retries", told)


async def _away(made: World, report: Report, provider: Provider) -> None:
    """Ten minutes without the provider: fast refusals, reading as ever, refunds kept."""
    owner = await made.owner()
    stall = await made.fair.stall(units=1_000, size=2)
    first, second = await made.buyers(2)
    paid = [await bought(made, provider, first, stall.basket()) for _ in range(3)]
    waiting = [await second.placed(stall.basket()) for _ in range(3)]
    await provider.kill()
    await _refused_fast(made, report, second, waiting)
    for order in paid:
        answer = await refund(owner, order, f"away-{order['id']}")
        report.same("a refund decided while the provider is away", answer.status, 201)
    for _ in range(OUTAGE_MINUTES):
        await made.advance(60)
        got = await made.net.send(
            "GET", f"/v1/orders/{paid[0]['id']}", verb="read", headers=first.headers
        )
        report.same("reading while the provider is away", got.status, 200)
        await asyncio.sleep(0.5)
    gone = await made.number(
        "SELECT COUNT(*) FROM payments WHERE state IN ('cancelled', 'declined')"
        " AND order_id IN (SELECT id FROM orders WHERE status = 'placed')"
    )
    report.same("payments given up without the provider's word", gone, 0)
    left = await made.number("SELECT COUNT(*) FROM refunds WHERE state <> 'succeeded'")
    report.expect(left >= len(paid), "no refund waited for the provider: nothing was proven")
    await provider.start()
    report.line("outage", f"{OUTAGE_MINUTES} minutes of the service's time, {left} refunds waited")


async def _refused_fast(
    made: World, report: Report, buyer: Any, waiting: list[dict[str, Any]]
) -> None:
    """Every payment is refused properly, and after a few of them at once."""
    slowest = 0.0
    for n in range(12):
        order = waiting[n % len(waiting)]
        key = f"away-{n}-{order['id']}"
        answer = await buyer.post(
            "pay", f"/v1/orders/{order['id']}/payments", {"gateway": "stripe"}, key=key
        )
        told = (answer.status, answer.code)
        report.same("a payment while the provider is away", told, (503, "gateway_unavailable"))
        slowest = max(slowest, answer.seconds) if n >= 8 else slowest
    report.expect(slowest < REFUSED_SECONDS_MAX, f"a refusal took {slowest:.1f} s")
    report.line("refused fast", f"slowest {slowest * 1_000:.0f} ms once the provider is known away")
    made.history.told = [t for t in made.history.told if not t.key.startswith("away-")]


async def _reconciled(made: World, report: Report) -> None:
    """By the operator's command: once with repairs, and then nothing may be left to say."""
    for options in (["--repair"], []):
        found = await reconciled(made, *options)
        kinds = Counter(difference["kind"] for difference in found)
        mended = sum(difference["is_mended"] for difference in found)
        report.line(" ".join(["reconcile", *options]), f"{dict(kinds)}, {mended} mended")
    report.same("differences after the repair", dict(kinds), {})


async def settled(made: World) -> None:
    """Let hours pass until nothing is left to do."""
    for _ in range(HOURS_MAX):
        await made.advance(HOUR_SECONDS)
        await asyncio.sleep(2)
        if not await made.pending():
            return
    await made.quiet()


if __name__ == "__main__":
    asyncio.run(main(run, (RANDOM_KEYS,), one_in_short(own_backends)))
