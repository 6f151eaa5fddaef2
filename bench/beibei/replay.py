"""One wave of group buys, over HTTP by many clients at once; then the clock, then the sweep."""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from bench.beibei.ground import GROUP_SECONDS, Ground
from bench.beibei.recorded import Recorded
from bench.wire import Wire
from tests.lanes.world import GRACE_SECONDS, SUCCESS
from tests.orders.market import ADDRESS

# How many groups later a member joins, at most: so many gather at once.
LAG_GROUPS = 200
# A server that is away or short of connections says 503: the same key is asked again.
TRIES_MAX = 20
STUCK_SECONDS = 90
POLL_SECONDS = 0.25


class RefusedError(Exception):
    """The service did not do what the record says happened."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One member's part in one group."""

    group: Recorded
    member_id: int

    @property
    def opens(self) -> bool:
        """Whether this is the leader."""
        return self.member_id == self.group.initiator_id


def in_turn(groups: Sequence[Recorded], rng: random.Random) -> list[Turn]:
    """Leaders in the order of the records; joiners at random, some groups after their leader."""
    turns = []
    for place, group in enumerate(groups):
        turns.append((float(place), Turn(group, group.initiator_id)))
        turns += [
            (place + rng.uniform(0.5, LAG_GROUPS), Turn(group, member_id))
            for member_id in group.participant_ids
        ]
    turns.sort(key=lambda turn: turn[0])
    return [turn for _, turn in turns]


@dataclass
class Replay:
    """What happens, how long it takes, and which group became which."""

    ground: Ground
    clients: int
    rng: random.Random = field(default_factory=lambda: random.Random(20_260_618))
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    group_ids: dict[int, str] = field(default_factory=dict)
    solo: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    asked_again: Counter[str] = field(default_factory=Counter)
    _tokens: dict[int, dict[str, str]] = field(default_factory=dict)

    async def wave(self, groups: Sequence[Recorded]) -> float:
        """Live all groups of one wave up to their deadline; seconds it took."""
        await self._new_day()
        turns = iter(in_turn(groups, self.rng))
        opened: dict[int, asyncio.Future[str]] = {
            group.group_id: asyncio.get_running_loop().create_future() for group in groups
        }
        began_at = time.perf_counter()
        async with self._wires() as wires:
            await asyncio.gather(*(self._act(wire, turns, opened) for wire in wires))
        return time.perf_counter() - began_at

    async def checkouts(self, count: int) -> float:
        """The baseline: so many solo checkouts by members of the records; seconds it took."""
        await self._new_day()
        members = list(self.ground.members)
        left = iter([self.rng.choice(members) for _ in range(count)])
        began_at = time.perf_counter()
        async with self._wires() as wires:
            await asyncio.gather(*(self._alone(wire, left) for wire in wires))
        return time.perf_counter() - began_at

    async def _new_day(self) -> None:
        """Tokens last a day, and between waves a day goes by."""
        self._tokens.clear()
        world = self.ground.world
        async with world.fair.database.reading() as db:
            await world.application.state.clock.sync(db)

    @asynccontextmanager
    async def _wires(self) -> AsyncIterator[list[Wire]]:
        """A connection for each client, to one server after another."""
        ports = [server.port for server in self.ground.world.servers if server.port]
        wires = [Wire(ports[n % len(ports)]) for n in range(self.clients)]
        try:
            yield wires
        finally:
            for wire in wires:
                wire.close()

    async def _act(
        self, wire: Wire, turns: Iterator[Turn], opened: Mapping[int, "asyncio.Future[str]"]
    ) -> None:
        for turn in turns:
            group_id = opened[turn.group.group_id]
            try:
                if turn.opens:
                    group_id.set_result(await self._open(wire, turn))
                elif told := await group_id:
                    await self._join(wire, turn, told)
            except RefusedError as refusal:
                self.faults.append(f"group {turn.group.group_id}: {refusal}")
            finally:
                if turn.opens and not group_id.done():
                    group_id.set_result("")

    async def _open(self, wire: Wire, turn: Turn) -> str:
        wish = self.ground.opening(turn.group)
        order = await self._buy(wire, turn.member_id, wish, ("open", "pay, opening"))
        group_id: str = order["group_id"]
        self.group_ids[turn.group.group_id] = group_id
        return group_id

    async def _join(self, wire: Wire, turn: Turn, group_id: str) -> None:
        wish = self.ground.joining(turn.group, group_id)
        await self._buy(wire, turn.member_id, wish, ("join", "pay, joining"))

    async def _alone(self, wire: Wire, members: Iterator[int]) -> None:
        for member_id in members:
            number = self.rng.choice(list(self.ground.solo_variants))
            wish = self.ground.alone(number)
            try:
                await self._buy(wire, member_id, wish, ("place, solo", "pay, solo"))
                self.solo.append(number)
            except RefusedError as refusal:
                self.faults.append(f"solo: {refusal}")

    async def _buy(
        self, wire: Wire, member_id: int, wish: dict[str, Any], steps: tuple[str, str]
    ) -> dict[str, Any]:
        """Quote, place and pay; the order."""
        headers = self._tokens.setdefault(member_id, {}) or self._sign_in(member_id)
        placing, paying = steps
        quoting = "quote, solo" if "group" not in wish else "quote"
        quote = await self._ask(wire, quoting, 200, "/v1/quotes", headers, wish)
        wish = {**wish, "quote_id": quote["quote_id"], "address": ADDRESS}
        order: dict[str, Any] = await self._ask(wire, placing, 201, "/v1/orders", headers, wish)
        path = f"/v1/orders/{order['id']}/payments"
        paid = await self._ask(wire, paying, 201, path, headers, {"token": SUCCESS})
        if paid["payment"]["state"] != "captured":
            raise RefusedError(f"{paying}: {paid}")
        return order

    def _sign_in(self, member_id: int) -> dict[str, str]:
        self._tokens[member_id] = self.ground.token(member_id)
        return self._tokens[member_id]

    async def _ask(
        self, wire: Wire, step: str, wanted: int, path: str, headers: Mapping[str, str], body: Any
    ) -> Any:
        keyed = {**headers, "Idempotency-Key": uuid4().hex}
        began_at = time.perf_counter()
        for _ in range(TRIES_MAX):
            status, content = await wire("POST", path, keyed, body)
            if status != 503:
                break
            self.asked_again[step] += 1
            await asyncio.sleep(0.2)
        self.seconds[step].append(time.perf_counter() - began_at)
        if status != wanted:
            raise RefusedError(f"{step}: {status} {content[:300]!r}")
        return json.loads(content)

    async def drain(self) -> float:
        """Wait until the workers have heard of everything; seconds it took."""
        return (await self._until_quiet(Sweep(0, 0)))[-1][0]

    async def deadline(self, failing: int) -> "Sweep":
        """Move the clock past every deadline and watch the workers settle what is due."""
        world = self.ground.world
        before = await self._settled()
        began_at = time.perf_counter()
        await world.advance(GROUP_SECONDS + GRACE_SECONDS + 1)
        sweep = Sweep(failing, began_at, before)
        sweep.seen = await self._until_quiet(sweep)
        return sweep

    async def _until_quiet(self, sweep: "Sweep") -> list[tuple[float, int, int]]:
        """How far the workers were, poll after poll, until nothing is due any more."""
        world, began_at = self.ground.world, sweep.began_at or time.perf_counter()
        seen = [(0.0, 0, 0)]
        left, moved_at = await world.pending(), time.perf_counter()
        while left:
            await asyncio.sleep(POLL_SECONDS)
            failed, refunded = await self._settled()
            at = time.perf_counter() - began_at
            seen.append((at, failed - sweep.before[0], refunded - sweep.before[1]))
            found = await world.pending()
            if found != left:
                left, moved_at = found, time.perf_counter()
            assert time.perf_counter() - moved_at < STUCK_SECONDS, f"nothing moves: {left}"
        failed, refunded = await self._settled()
        at = time.perf_counter() - began_at
        seen.append((at, failed - sweep.before[0], refunded - sweep.before[1]))
        return seen

    async def _settled(self) -> tuple[int, int]:
        world = self.ground.world
        failed = await world.number("SELECT COUNT(*) FROM \"groups\" WHERE status = 'failed'")
        sent = await world.number("SELECT COUNT(*) FROM refunds WHERE state = 'succeeded'")
        return failed, sent


@dataclass
class Sweep:
    """How the workers settled the failures of a wave, told by polls."""

    failing: int
    began_at: float
    before: tuple[int, int] = (0, 0)
    # Seconds since the deadline, groups failed by then, refunds sent by then.
    seen: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From the deadline until nothing was due."""
        return self.seen[-1][0]

    def waits(self, column: int) -> list[float]:
        """For each failing group, when it was seen failed (1) or refunded (2)."""
        waits, counted = list[float](), 0
        for at, *counts in self.seen:
            waits += [at] * (counts[column - 1] - counted)
            counted = counts[column - 1]
        return waits
