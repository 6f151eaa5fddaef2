"""The operations that are measured, the same over the wire and inside this process."""

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from tests.orders.market import ADDRESS


class Send(Protocol):
    """Whatever carries a request and brings back status and body."""

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str], body: Any = None
    ) -> Awaitable[tuple[int, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Ground:
    """The shop that is measured."""

    shop_id: str
    product_ids: list[str]
    variant_ids: list[str]
    # Headers of buyers who are signed in.
    buyers: list[dict[str, str]]
    # Campaigns of two on one variant.
    campaign_ids: list[str]
    group_variant_id: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A buyer with the wish for a seat or, once it is placed, its order."""

    buyer: dict[str, str]
    order: dict[str, Any]


@dataclass
class Shopper:
    """One client that goes through the steps; each step leaves what the next one needs."""

    send: Send
    ground: Ground
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    quoted: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    placed: list[tuple[dict[str, str], str]] = field(default_factory=list)
    seats: dict[str, list[Seat]] = field(default_factory=lambda: defaultdict(list))
    _turn: Iterator[int] = field(default_factory=itertools.count)

    async def list_of_20(self) -> None:
        await self._must(200, "GET", f"/v1/shops/{self.ground.shop_id}/products?limit=20")

    async def detail(self) -> None:
        product_id = self.rng.choice(self.ground.product_ids)
        await self._must(200, "GET", f"/v1/products/{product_id}")

    async def quote(self) -> None:
        buyer = self.rng.choice(self.ground.buyers)
        variants = self.rng.sample(self.ground.variant_ids, self.rng.randint(2, 3))
        lines = [{"variant_id": v, "quantity": self.rng.randint(1, 3)} for v in variants]
        basket = {"shop_id": self.ground.shop_id, "lines": lines}
        told = await self._must(200, "POST", "/v1/quotes", buyer, basket)
        self.quoted.append((buyer, {**basket, "quote_id": told["quote_id"], "address": ADDRESS}))

    async def place(self) -> None:
        buyer, wish = self.quoted.pop()
        told = await self._must(201, "POST", "/v1/orders", buyer, wish)
        self.placed.append((buyer, told["id"]))

    async def pay(self) -> None:
        buyer, order_id = self.placed.pop()
        path = f"/v1/orders/{order_id}/payments"
        told = await self._must(201, "POST", path, buyer, {"token": "sandbox_success"})
        assert told["payment"]["state"] == "captured", told

    async def checkout(self) -> None:
        await self.quote()
        await self.place()
        await self.pay()

    async def quote_open(self) -> None:
        """Half of the buyers lead; the next one opens in the next campaign."""
        half = len(self.ground.buyers) // 2
        turn = next(self._turn)
        leader = self.ground.buyers[turn % half]
        campaign_id = self.ground.campaign_ids[turn // half % len(self.ground.campaign_ids)]
        await self._quote_seat(leader, {"open": campaign_id}, "to open")

    async def open_group(self) -> None:
        await self._place_seat("to open", "to lead")

    async def pay_leader(self) -> None:
        seat = await self._pay_seat("to lead")
        self.seats["to follow"].append(seat)

    async def quote_join(self) -> None:
        """The other half joins: each member the group of its own leader."""
        buyers, half = self.ground.buyers, len(self.ground.buyers) // 2
        led = self.seats["to follow"].pop(0)
        joiner = buyers[half + buyers.index(led.buyer)]
        await self._quote_seat(joiner, {"join": led.order["group_id"]}, "to join")

    async def join_group(self) -> None:
        await self._place_seat("to join", "to complete")

    async def pay_last(self) -> None:
        seat = await self._pay_seat("to complete")
        assert seat.order["status"] == "paid", seat.order

    async def _quote_seat(self, buyer: dict[str, str], group: dict[str, str], kept: str) -> None:
        line = {"variant_id": self.ground.group_variant_id, "quantity": 1}
        basket = {"shop_id": self.ground.shop_id, "lines": [line], "group": group}
        told = await self._must(200, "POST", "/v1/quotes", buyer, basket)
        wish = {**basket, "quote_id": told["quote_id"], "address": ADDRESS}
        self.seats[kept].append(Seat(buyer, wish))

    async def _place_seat(self, origin: str, kept: str) -> None:
        seat = self.seats[origin].pop(0)
        told = await self._must(201, "POST", "/v1/orders", seat.buyer, seat.order)
        self.seats[kept].append(Seat(seat.buyer, told))

    async def _pay_seat(self, origin: str) -> Seat:
        seat = self.seats[origin].pop(0)
        path = f"/v1/orders/{seat.order['id']}/payments"
        told = await self._must(201, "POST", path, seat.buyer, {"token": "sandbox_success"})
        assert told["payment"]["state"] == "captured", told
        return Seat(seat.buyer, told["order"])

    async def _must(
        self,
        status: int,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        key = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        got, content = await self.send(method, path, {**(headers or {}), **key}, body)
        assert got == status, (method, path, got, content[:500])
        return json.loads(content)


STEPS: tuple[tuple[str, Callable[[Shopper], Awaitable[None]]], ...] = (
    ("list of 20", Shopper.list_of_20),
    ("product detail", Shopper.detail),
    ("quote", Shopper.quote),
    ("place", Shopper.place),
    ("pay", Shopper.pay),
    ("quote to open", Shopper.quote_open),
    ("open a group", Shopper.open_group),
    ("pay as leader", Shopper.pay_leader),
    ("quote to join", Shopper.quote_join),
    ("join a group", Shopper.join_group),
    ("pay the last seat", Shopper.pay_last),
)
