"""The operations that are measured, the same over the wire and inside this process."""

import json
import random
from collections.abc import Awaitable, Callable, Mapping
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


@dataclass
class Shopper:
    """One client that goes through the steps; each step leaves what the next one needs."""

    send: Send
    ground: Ground
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    quoted: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    placed: list[tuple[dict[str, str], str]] = field(default_factory=list)

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
)
