"""The SQL statements of each step, counted where a hook sees each one: in this process."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import httpx2

from app.catalog import service as catalog
from app.core.clock import advance_test_clock
from app.wiring import gateways_of
from app.worker import Worker
from bench.beibei.ground import GROUP_SECONDS, Ground
from bench.beibei.recorded import Recorded
from bench.floor import capturing
from tests.factories import Caller
from tests.orders.market import ADDRESS, MOVING_JOBS

FAILURES = 20
MORE_UNITS = 1_000


async def statements(ground: Ground, groups: Sequence[Recorded]) -> dict[str, float]:
    """Statements of a quote, an opening, a joining, both payments, and of one failure's sweep.

    Played by the application in this process on the same database, after all has been judged.
    """
    played = Played(ground)
    # Who has bought it already may do so again: the group of the records has ended.
    leader, joiner = sorted(ground.members)[:2]
    group = next(g for g in groups if g.succeeded and g.size == 2)
    await played.restock(ground.variants[group.product_id])
    await played.buy(leader, ground.opening(group), ("open", "pay, opening"))
    wish = ground.joining(group, played.group_id)
    await played.buy(joiner, wish, ("join", "pay, joining"))
    await played.buy(leader, ground.alone(-1), ("place, solo", "pay, solo"), quote="quote, solo")
    return {**played.counts, "sweep": await played.sweep(group)}


class Played:
    """One client of the application in this process."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.world = ground.world
        self.counts: dict[str, float] = {}
        self.group_id = ""
        transport = httpx2.ASGITransport(self.world.application)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://bench")

    async def restock(self, variant_id: UUID) -> None:
        """The records have sold every unit they could."""
        fair = self.world.fair
        await fair.database.transact(
            lambda db: catalog.adjust_stock(
                db, fair.shop_id, variant_id, MORE_UNITS, "delivery", fair.now
            )
        )

    async def buy(
        self, member: int, wish: dict[str, Any], steps: tuple[str, str], *, quote: str = "quote"
    ) -> None:
        """Quote, place and pay, each counted by its name."""
        caller = Caller(self.client, self.ground.token(member))
        told = await self._counted(quote, lambda: caller.post("/v1/quotes", wish))
        wish = {**wish, "quote_id": told["quote_id"], "address": ADDRESS}
        order = await self._counted(steps[0], lambda: caller.post("/v1/orders", wish))
        self.group_id = order["group_id"] or self.group_id
        path = f"/v1/orders/{order['id']}/payments"
        await self._counted(steps[1], lambda: caller.post(path, {"token": "sandbox_success"}))

    async def _counted(self, name: str, ask: Callable[[], Awaitable[httpx2.Response]]) -> Any:
        with capturing(self.world.application.state.database) as captured:
            answer = await ask()
        assert answer.status_code < 300, answer.text
        self.counts[name] = captured.count
        return answer.json()

    async def sweep(self, group: Recorded) -> float:
        """What a worker sends for each failure: that of many less that of a round without."""
        counts = dict(self.counts)
        for member in sorted(self.ground.members)[:FAILURES]:
            await self.buy(member, self.ground.opening(group), ("open", "pay, opening"))
        self.counts = counts
        await self._work()
        idle = await self._work()
        overdue = GROUP_SECONDS + self.world.settings.group_grace_seconds + 1
        milliseconds = overdue * 1_000
        await self.world.fair.database.transact(lambda db: advance_test_clock(db, milliseconds))
        return (await self._work() - idle) / FAILURES

    async def _work(self) -> int:
        state = self.world.application.state
        gateways = gateways_of(self.world.settings, state.database)
        worker = Worker(self.world.settings, state.database, gateways, MOVING_JOBS)
        with capturing(state.database) as captured:
            await worker.run_once()
        return captured.count
