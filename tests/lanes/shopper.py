"""A client that never gives up: the same key again until the answer is definite."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2

from tests.lanes.history import Answer
from tests.lanes.world import DECLINE, DELAY, DUPLICATE, SUCCESS, Buyer, Stall, priced

# Longer than any lease or time-out of the service: who waits that long was forgotten.
ANSWER_SECONDS_MAX = 100
WAYS = (SUCCESS,) * 6 + (DELAY, DELAY, DUPLICATE, DUPLICATE, DECLINE)


@dataclass
class Crowd:
    """What all shoppers share: the stalls, the groups that may be joined, and when to go home."""

    stalls: list[Stall]
    open_groups: list[tuple[Stall, str]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    unheard: int = 0
    asked_again: int = 0
    stories: int = 0


@dataclass
class Shopper:
    """One client with a few members, living one story after another."""

    crowd: Crowd
    members: list[Buyer]

    async def run(self) -> None:
        """Stories until it is over; the last one is finished."""
        while not self.crowd.over.is_set():
            story = random.choice((self._alone, self._group, self._group, self._join_others))
            await story()
            self.crowd.stories += 1

    async def sure(self, buyer: Buyer, verb: str, path: str, body: Any = None) -> Answer:
        """A definite answer, however often it takes to get it."""
        key, began_at = uuid4().hex, time.monotonic()
        while time.monotonic() - began_at < ANSWER_SECONDS_MAX:
            try:
                answer = await buyer.post(verb, path, body, key=key)
                if answer.is_definite:
                    return answer
                # A server that is away is 503; any other 5xx is a fault and no reason to go on.
                assert answer.status in {409, 429, 503}, f"{verb} {path}: {answer.raw[:500]!r}"
                self.crowd.asked_again += 1
            except httpx2.TransportError:
                self.crowd.unheard += 1
            await asyncio.sleep(random.uniform(0.05, 0.3))
        raise AssertionError(f"no definite answer to {verb} {path} in {ANSWER_SECONDS_MAX} s")

    async def _quoted(self, buyer: Buyer, basket: dict[str, Any]) -> dict[str, Any] | None:
        """The priced basket; none when the quote is refused."""
        began_at = time.monotonic()
        while time.monotonic() - began_at < ANSWER_SECONDS_MAX:
            try:
                answer = await buyer.try_quote(basket)
                if answer.is_definite:
                    return priced(basket, answer) if answer.status == 200 else None
            except httpx2.TransportError:
                self.crowd.unheard += 1
            await asyncio.sleep(random.uniform(0.05, 0.3))
        raise AssertionError(f"no quote in {ANSWER_SECONDS_MAX} s")

    async def _place(self, buyer: Buyer, basket: dict[str, Any]) -> dict[str, Any] | None:
        wish = await self._quoted(buyer, basket)
        if wish is None:
            return None
        answer = await self.sure(buyer, "place", "/v1/orders", wish)
        order: dict[str, Any] | None = answer.body if answer.status == 201 else None
        return order

    async def _pay(self, buyer: Buyer, order: dict[str, Any]) -> str:
        """Pay in some way, perhaps once more after a refusal; the payment's state, if any."""
        path = f"/v1/orders/{order['id']}/payments"
        for _ in range(2):
            answer = await self.sure(buyer, "pay", path, {"token": random.choice(WAYS)})
            if answer.status != 201:
                return ""
            state = str(answer.body["payment"]["state"])
            if state != "declined":
                return state
        return "declined"

    async def _perhaps_cancel(self, chance: float, buyer: Buyer, order: dict[str, Any]) -> None:
        if random.random() < chance:
            await self.sure(buyer, "cancel", f"/v1/orders/{order['id']}/cancel")

    async def _buy(self, buyer: Buyer, basket: dict[str, Any]) -> tuple[str, str]:
        """Place, and then pay, forget, cancel, or pay and cancel; the payment and the group."""
        order = await self._place(buyer, basket)
        if order is None:
            return "", ""
        state = ""
        if random.random() < 0.9:
            state = await self._pay(buyer, order)
        await self._perhaps_cancel(0.15 if state else 0.5, buyer, order)
        return state, order["group_id"] or ""

    async def _alone(self) -> None:
        buyer, stall = random.choice(self.members), random.choice(self.crowd.stalls)
        await self._buy(buyer, stall.basket(random.randint(1, 3)))

    async def _group(self) -> None:
        """Open a group and let others of one's own join; some stay short."""
        stall = random.choice(self.crowd.stalls)
        opener, *others = random.sample(self.members, 3)
        state, group_id = await self._buy(opener, stall.basket(open=stall.campaign_id))
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
        wishes = (self._buy(b, stall.basket(join=group_id)) for b in joiners)
        await asyncio.gather(*wishes)
