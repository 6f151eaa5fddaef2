"""The restore lane: a copy is made under load, everything is lost, and the copy comes back.

It does what docs/backup.md says: the copy is put back, the provider says everything once more,
the books are reconciled, and money of orders that nobody knows any more is given back. Then the
books are the provider's, to the fen, and every invariant holds. `--seed-fault unreconciled` leaves
the middle of that out: the lane must then fail.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.doubles.stripe.books import facts_in, read_lines, totals_of
from tests.doubles.stripe.remote import Remote
from tests.lanes.checks import broken
from tests.lanes.copies import PostgresqlCopy, SqliteCopy, copy_of
from tests.lanes.kill import MEMBERS_EACH, SHOPPERS
from tests.lanes.kill_paying import ENV, OF_THE_SANDBOX, crowd_at, settled
from tests.lanes.lane import by_the_product, main, one_in_short, processes
from tests.lanes.money import CLEARING, OURS, by_intent, other, reconciled
from tests.lanes.report import Report
from tests.lanes.till import SECRET_KEY, Provider, bought, crowd_of, refund, until
from tests.lanes.world import World, scale, world

# How many payments are captured before the copy is begun, and how many after it is done.
CAPTURED: Mapping[str, int] = {"ci": 25, "full": 400}
LOAD_SECONDS_MAX = 600
IDLE_SECONDS_MAX = 60
RECONCILED_TRIES_MAX = 10
# The worker looks for them once a minute.
FORGOTTEN_SECONDS_MAX = 90
UNRECONCILED = "unreconciled"
_CAPTURED = "SELECT COUNT(*) FROM payments WHERE state = 'captured'"
_CUT_OFF = "SELECT COUNT(*) FROM idempotency_answers WHERE status IS NULL"
_SENT_BACK = "SELECT COUNT(*) FROM refunds WHERE state = 'succeeded' AND order_id = :id"


@dataclass
class Disaster:
    """One installation, its provider, and the copy that is all that will be left of it."""

    made: World
    report: Report
    provider: Provider
    copy: SqliteCopy | PostgresqlCopy

    async def live(self) -> None:
        """Buyers pay; amid that a copy is made; they go on until everything dies at once."""
        crowd = await crowd_at(self.made)
        members = await self.made.buyers(SHOPPERS * MEMBERS_EACH)
        owner = await self.made.owner()
        payers = crowd_of(crowd, self.provider, [members[n::SHOPPERS] for n in range(SHOPPERS)])
        kept = [
            await bought(self.made, self.provider, members[0], crowd.roomy.basket())
            for _ in range(3)
        ]
        shoppers = [asyncio.create_task(payer.run()) for payer in payers]
        try:
            before = await self._captured(CAPTURED[scale()], shoppers)
            began_at = time.monotonic()
            await self.copy.take()
            took = time.monotonic() - began_at
            size = self.copy.file.stat().st_size
            for order in kept:
                answer = await refund(owner, order, f"after-the-copy-{order['id']}")
                self.report.same("a refund of which the copy knows nothing", answer.status, 201)
            for order in kept:
                await until(self.made, _SENT_BACK, order["id"])
            after = await self._captured(before + CAPTURED[scale()], shoppers)
            for each in self.made.processes:
                await each.kill()
        finally:
            for shopper in shoppers:
                shopper.cancel()
            await asyncio.gather(*shoppers, return_exceptions=True)
        self.report.line("copy", f"{size} bytes in {took:.1f} s under load of {SHOPPERS} shoppers")
        self.report.line("captured", f"{before} payments before the copy, {after} before the loss")

    async def come_back(self) -> None:
        """Put the copy in the place of what was lost, and start everything again."""
        made = self.made
        await made.application.state.database.dispose()
        await made.engine.dispose()
        began_at = time.monotonic()
        await self.copy.put_back()
        self.report.line("put back", f"in {time.monotonic() - began_at:.1f} s")
        made.ended += made.processes
        await made.start(**made.more)
        await self.provider.kill()
        await self.provider.start()

    async def hear_again(self) -> None:
        """Have the provider say everything that it has ever said once more."""
        events = [line["object"]["id"] for line in read_lines(self.provider.truth) if _told(line)]
        names = dict.fromkeys(events)
        await asyncio.to_thread(self._again, list(names))
        self.report.line("said again", f"{len(names)} messages of the provider")

    async def reconcile(self) -> None:
        """Mend what can be mended, and give back the money of orders that are lost."""
        found = await reconciled(self.made, "--repair")
        mended = Counter(d["kind"] for d in found if d["is_mended"])
        left = [d for d in found if not d["is_mended"]]
        self.report.line("mended", str(dict(mended)))
        known, theirs = await self._known(), self._theirs()
        lost = {name for name, (taken, _) in theirs.items() if taken and name not in known}
        self.report.expect(lost, "no order was lost: nothing was proven")
        open_ = {name for name in lost if theirs[name][0] != theirs[name][1]}
        told = {d["reference"] for d in left if d["kind"] == "charge_unknown_here"}
        self.report.same("charges of lost orders that are named", told, open_)
        kinds = {d["kind"] for d in left} - {"charge_unknown_here", "refund_unknown_here"}
        self.report.same("what else nothing mends", kinds, set())
        for name in open_:
            await self._give_back(name)
        self.report.line("lost", f"{len(lost)} orders, {len(open_)} of them given back by hand")

    async def judge(self) -> None:
        """Nothing differs any more, nothing waits, every invariant holds."""
        made, report = self.made, self.report
        await asyncio.to_thread(self._hurry)
        for _ in range(RECONCILED_TRIES_MAX):
            found = await reconciled(made)
            if not found:
                break
            await asyncio.sleep(1)
        report.same("differences in the end", Counter(d["kind"] for d in found), Counter())
        known, theirs = await self._known(), self._theirs()
        of_known = {name: sums for name, sums in theirs.items() if name in known and sums[0]}
        ours = {
            row["reference"]: (row["amount"], row["refunded_amount"])
            for row in await made.rows(OURS)
            if row["state"] in {"captured", "surplus"}
        }
        report.same("captures and refunds, by payment", other(ours, of_known), {})
        kept = [name for name, sums in theirs.items() if name not in known and len(set(sums)) > 1]
        report.same("money of lost orders that was kept", kept, [])
        facts = [f for f in facts_in(self.provider.truth) if f["payment_intent"] in known]
        net = totals_of(facts)["net"]
        report.same("the ledger's clearing account", await made.number(CLEARING), net)
        report.line("books", f"{len(ours)} captures, {net} fen at the provider, as ours")
        await made.quiet()
        await self._nobody_waits()
        await by_the_product(made, report)
        await made.stop()
        async with made.engine.connect() as connection:
            found_broken = await broken(connection, now=await made.now(), settled=True)
        report.broken(
            {n: rows for n, rows in found_broken.items() if n not in OF_THE_SANDBOX}, "at the end"
        )
        processes(made, report)
        report.table(made.net)

    async def _captured(self, wanted: int, shoppers: list[asyncio.Task[None]]) -> int:
        """Wait until so many payments are captured; how many there are then."""
        ends_at = time.monotonic() + LOAD_SECONDS_MAX
        while (found := await self.made.number(_CAPTURED)) < wanted:
            assert time.monotonic() < ends_at, f"only {found} captured"
            for shopper in shoppers:
                if shopper.done():
                    shopper.result()
            await asyncio.sleep(0.2)
        return found

    async def _nobody_waits(self) -> None:
        """Requests that were cut off by the copy: nobody comes again for them, and they go."""
        ends_at = time.monotonic() + FORGOTTEN_SECONDS_MAX
        while await self.made.number(_CUT_OFF):
            assert time.monotonic() < ends_at, "keys of requests that were cut off are kept"
            await asyncio.sleep(0.5)

    async def _known(self) -> set[str]:
        rows = await self.made.rows("SELECT reference FROM payments WHERE reference IS NOT NULL")
        return {row["reference"] for row in rows}

    def _theirs(self) -> dict[str, tuple[int, int]]:
        return by_intent(facts_in(self.provider.truth))

    async def _give_back(self, intent: str) -> None:
        """As a person does it in the provider's dashboard."""
        async with httpx2.AsyncClient(base_url=self.provider.url, timeout=10) as client:
            headers = {"Authorization": f"Bearer {SECRET_KEY}"}
            asked = {"payment_intent": intent}
            answer = await client.post("/v1/refunds", headers=headers, data=asked)
        assert answer.status_code == 200, answer.text

    def _again(self, events: list[str]) -> None:
        with Remote(self.provider.url) as remote:
            for event_id in events:
                remote.again(event_id)
            remote.idle(IDLE_SECONDS_MAX)

    def _hurry(self) -> None:
        with Remote(self.provider.url) as remote:
            remote.hurry()


def _told(line: dict[str, Any]) -> bool:
    return line["is"] == "object" and line["object"]["object"] == "event"


async def run(backend: str, fault: str | None) -> bool:
    """Live, lose, put back, reconcile, judge."""
    report = Report("restore", backend, may_be_away=True)
    async with world(backend) as made:
        provider = Provider(made)
        disaster = Disaster(made, report, provider, copy_of(made))
        try:
            await made.start(**ENV, **provider.settings)
            await provider.start()
            await disaster.live()
            await disaster.come_back()
            if fault is None:
                await disaster.hear_again()
            await settled(made)
            if fault is None:
                await disaster.reconcile()
            await disaster.judge()
        finally:
            await provider.kill()
    return not report.failures


if __name__ == "__main__":
    asyncio.run(main(run, (UNRECONCILED,), one_in_short()))
