"""A client that never gives up: the same key again until the answer is definite."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2

from tests.lanes.healing import instant
from tests.lanes.history import Answer
from tests.lanes.world import DECLINE, DELAY, DUPLICATE, SUCCESS, Buyer, Stall, priced

# Longer than any lease or time-out of the service: who waits that long was forgotten.
ANSWER_SECONDS_MAX = 100
WAYS = (SUCCESS,) * 6 + (DELAY, DELAY, DUPLICATE, DUPLICATE, DECLINE)
SURE_WAYS = (SUCCESS, SUCCESS, DUPLICATE)
ROOMY_SIZE = 3


@dataclass
class Crowd:
    """What all shoppers share: the stalls, the groups that may be joined, and when to go home.

    A group of the `roomy` stall has time enough to be filled although servers die meanwhile, and
    of the `narrow` one there is soon nothing left.
    """

    stalls: list[Stall]
    roomy: Stall
    narrow: Stall
    open_groups: list[tuple[Stall, str]] = field(default_factory=list)
    # Groups all of whose members were told that they have paid, and of whom none has left.
    filled: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    unheard: int = 0
    hung: int = 0
    asked_again: int = 0
    stories: Counter[str] = field(default_factory=Counter)
    _deck: list[str] = field(default_factory=list)

    def next_of(self, stories: Sequence[str]) -> str:
        """One at random, but every story before any again."""
        if not self._deck:
            self._deck = random.sample(stories, len(stories))
        return self._deck.pop()


@dataclass
class Shopper:
    """One client with a few members, living one story after another."""

    crowd: Crowd
    members: list[Buyer]

    @property
    def _tales(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "alone": self._alone,
            "group": self._group,
            "joins others": self._join_others,
            "fills a group": self._fill,
            "leader leaves": self._leader_leaves,
            "pays late": self._late,
            "wants the last": self._narrow,
        }

    async def run(self) -> None:
        """Stories until it is over; the last one is finished."""
        while not self.crowd.over.is_set():
            name = self.crowd.next_of(list(self._tales))
            await self._tales[name]()
            self.crowd.stories[name] += 1

    async def sure(self, buyer: Buyer, verb: str, path: str, body: Any = None) -> Answer:
        """A definite answer, however often it takes to get it."""
        key = uuid4().hex
        return await self._definite(verb, lambda: buyer.post(verb, path, body, key=key))

    async def _definite(self, verb: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        began_at = time.monotonic()
        while time.monotonic() - began_at < ANSWER_SECONDS_MAX:
            try:
                answer = await ask()
                if answer.is_definite:
                    return answer
                # A server that is away is 503; any other 5xx is a fault and no reason to go on.
                assert answer.status in {409, 429, 503}, f"{verb}: {answer.raw[:500]!r}"
                self.crowd.asked_again += 1
            except httpx2.TimeoutException:
                self.crowd.hung += 1
            except httpx2.TransportError:
                self.crowd.unheard += 1
            await asyncio.sleep(random.uniform(0.05, 0.3))
        raise AssertionError(f"no definite answer to {verb} in {ANSWER_SECONDS_MAX} s")

    async def _place(self, buyer: Buyer, basket: dict[str, Any]) -> dict[str, Any] | None:
        """The order; none when the quote or the order is refused."""
        quote = await self._definite("quote", lambda: buyer.try_quote(basket))
        if quote.status != 200:
            return None
        answer = await self.sure(buyer, "place", "/v1/orders", priced(basket, quote))
        order: dict[str, Any] | None = answer.body if answer.status == 201 else None
        return order

    async def _pay(
        self, buyer: Buyer, order: dict[str, Any], ways: Sequence[str] = WAYS
    ) -> dict[str, Any] | None:
        """Pay in some way, perhaps once more after a refusal; what became of it, if anything."""
        path = f"/v1/orders/{order['id']}/payments"
        for _ in range(2):
            answer = await self.sure(buyer, "pay", path, {"token": random.choice(ways)})
            if answer.status != 201:
                return None
            made: dict[str, Any] = answer.body
            if made["payment"]["state"] != "declined":
                return made
        return made

    async def _cancel(self, buyer: Buyer, order: dict[str, Any]) -> bool:
        answer = await self.sure(buyer, "cancel", f"/v1/orders/{order['id']}/cancel")
        return answer.status == 200

    async def _buy(self, buyer: Buyer, basket: dict[str, Any]) -> tuple[str, str]:
        """Place, and then pay, forget, cancel, or pay and cancel; the payment and the group."""
        order = await self._place(buyer, basket)
        if order is None:
            return "", ""
        made = await self._pay(buyer, order) if random.random() < 0.9 else None
        if random.random() < (0.15 if made else 0.5):
            await self._cancel(buyer, order)
        return made["payment"]["state"] if made else "", order["group_id"] or ""

    async def _alone(self) -> None:
        buyer, stall = random.choice(self.members), random.choice(self.crowd.stalls)
        await self._buy(buyer, stall.basket(random.randint(1, 3)))

    async def _group(self) -> None:
        """Open a group and let others of one's own join; some stay short and fail."""
        await self._open(random.choice(self.crowd.stalls), 1)

    async def _narrow(self) -> None:
        """Several units a seat, where there are few left; what comes to nothing is free again."""
        await self._open(self.crowd.narrow, random.randint(1, 3))

    async def _open(self, stall: Stall, units: int) -> None:
        opener, *others = random.sample(self.members, 3)
        state, group_id = await self._buy(opener, stall.basket(units, open=stall.campaign_id))
        if state not in {"captured", "pending"}:
            return
        self.crowd.open_groups.append((stall, group_id))
        del self.crowd.open_groups[:-12]
        await self._join(stall, group_id, [b for b in others if random.random() < 0.75])

    async def _join_others(self) -> None:
        if self.crowd.open_groups:
            stall, group_id = random.choice(self.crowd.open_groups)
            await self._join(stall, group_id, [random.choice(self.members)])

    async def _join(self, stall: Stall, group_id: str, joiners: list[Buyer]) -> None:
        await asyncio.gather(*(self._buy(b, stall.basket(join=group_id)) for b in joiners))

    async def _seat(self, buyer: Buyer, **group: Any) -> tuple[Buyer, dict[str, Any]] | None:
        """A seat in a roomy group for which the buyer was told that it is paid."""
        order = await self._place(buyer, self.crowd.roomy.basket(**group))
        made = order and await self._pay(buyer, order, SURE_WAYS)
        if not order or not made or made["order"]["status"] != "paid":
            return None
        return buyer, order

    async def _fill(self) -> None:
        """A whole group: it opens, the others join and pay at the same time, and it is full."""
        await self._whole_group(leader_leaves=False)

    async def _leader_leaves(self) -> None:
        """A whole group whose leader leaves; the lead passes on, another one comes and fills it."""
        await self._whole_group(leader_leaves=True)

    async def _whole_group(self, *, leader_leaves: bool) -> None:
        leader, *others = random.sample(self.members, ROOMY_SIZE + 1)
        first = await self._seat(leader, open=self.crowd.roomy.campaign_id)
        if first is None:
            return None
        group_id = first[1]["group_id"]
        seats = [first]
        if leader_leaves:
            second = await self._seat(others.pop(), join=group_id)
            if second is None or not await self._cancel(*first):
                return await self._break_up([first, *([second] if second else [])])
            seats = [second]
        while others and len(seats) < ROOMY_SIZE:
            now = [others.pop() for _ in range(min(len(others), ROOMY_SIZE - len(seats)))]
            found = await asyncio.gather(*(self._seat(b, join=group_id) for b in now))
            seats += [seat for seat in found if seat is not None]
        if len(seats) == ROOMY_SIZE:
            self.crowd.filled.append(group_id)
            return None
        return await self._break_up(seats)

    async def _break_up(self, seats: Sequence[tuple[Buyer, dict[str, Any]]]) -> None:
        """All leave, so that nobody has to wait for the deadline; the last one ends the group."""
        for buyer, order in seats:
            await self._cancel(buyer, order)

    async def _late(self) -> None:
        """Pay at the last moment, in a way that takes the money only after it."""
        stall = random.choice(self.crowd.stalls)
        leader, joiner = random.sample(self.members, 2)
        opened = await self._place(leader, stall.basket(open=stall.campaign_id))
        if opened is None or await self._pay(leader, opened, SURE_WAYS) is None:
            return
        order = await self._place(joiner, stall.basket(join=opened["group_id"]))
        if order is None:
            return
        left = (instant(order["expires_at"]) - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, left - random.choice((0.05, 0.3, 1.0))))
        await self._pay(joiner, order, (DELAY, DELAY, SUCCESS))
