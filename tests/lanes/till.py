"""A provider elsewhere: its double as a process, and what a buyer's device does with it."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2

from tests.doubles.stripe.remote import Remote
from tests.doubles.stripe.server import double_command
from tests.lanes.history import Answer
from tests.lanes.process import HOST, Process, free_port
from tests.lanes.shopper import SURE_WAYS, WAYS, Crowd, Shopper
from tests.lanes.world import Buyer, Operator, World

# Canaries: none of these words may stand in anything that the installation says.
SECRET_KEY = f"sk_test_CANARY{uuid4().hex}"
WEBHOOK_SECRET = f"whsec_CANARY{uuid4().hex}"
PUBLISHABLE_KEY = f"pk_test_{uuid4().hex}"
SURE = ("card", "alipay", "wechat_pay", "declined first")
ALL = (*SURE, "card", "alipay late", "wechat_pay late")
LATE_SECONDS_MAX = 12
SEEN_SECONDS_MAX = 20
HEARD_SECONDS_MAX = 60
TRIES_MAX = 12
# The worse the wire, the more often what is asked has an answer that nobody heard.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "cut_after", "probability": 0.08, "path": r"^POST /v1/(payment_intents|refunds)"},
    {"kind": "cut_before", "probability": 0.04, "path": "^(POST|GET) /v1/"},
    {"kind": "error", "status": 500, "probability": 0.04, "path": "^POST /v1/"},
    {"kind": "error_after", "status": 500, "probability": 0.03, "path": "^POST /v1/refunds"},
    {"kind": "error", "status": 429, "retry_after": 1, "probability": 0.02, "path": "^POST /v1/"},
)
MODES: dict[str, Any] = {
    "duplicate": 1,
    "second_ids": 1,
    "reorder": True,
    "window": 0.3,
    "early": True,
    "drop": 0.1,
    "seed": 1,
}


class Provider(Process):
    """The double of Stripe; what it knows outlives it, as its truth is a file."""

    def __init__(self, made: World) -> None:
        super().__init__("provider", [], {}, made.folder)
        self.truth = made.folder / "truth.jsonl"
        self.port: int = free_port()
        self.is_mean = False
        self._made = made

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What servers and workers have to know of it."""
        return {
            "GATEWAY": "stripe",
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "STRIPE_WEBHOOK_SECRETS": json.dumps([WEBHOOK_SECRET]),
            "STRIPE_API_URL": self.url,
            "GATEWAY_TIMEOUT_SECONDS": "3",
        }

    async def start(self) -> None:
        """Start it where it was; its messages go to every server that there is now."""
        hooks = [f"http://{HOST}:{s.port}/v1/hooks/stripe" for s in self._made.servers]
        keys = ["--key", SECRET_KEY, "--key", PUBLISHABLE_KEY]
        self.command = [*double_command(self.port, self.truth, hooks, [WEBHOOK_SECRET]), *keys]
        await super().start()
        await self.ready()
        # A message is as old as its signature says, by the service's time; its database may be
        # away at this moment.
        await asyncio.to_thread(self._set_clock, int(time.time()) + self._made.ahead)
        if self.is_mean:
            await self.mean()

    async def mean(self) -> None:
        """From now on calls are cut and refused now and then, and messages come as they like."""
        self.is_mean = True
        await asyncio.to_thread(self._tell, FAULTS, MODES)

    async def kind(self) -> None:
        """No more faults."""
        self.is_mean = False
        await asyncio.to_thread(self._tell, (), {})

    def _set_clock(self, now: int) -> None:
        with Remote(self.url) as remote:
            remote.clock(now)

    def _tell(self, faults: Sequence[dict[str, Any]], modes: dict[str, Any]) -> None:
        with Remote(self.url) as remote:
            remote.reset()
            for fault in faults:
                how = {name: value for name, value in fault.items() if name != "kind"}
                remote.fault(fault["kind"], times=None, **how)
            remote.modes(**modes)


@dataclass
class Till:
    """What a buyer's device says to the provider; it tries again when a line is cut."""

    provider: Provider
    used: Counter[str] = field(default_factory=Counter)

    async def pay(self, client_secret: str, way: str) -> None:
        """Pay in one of the ways; whatever becomes of it, the shop has to hear by itself."""
        self.used[way] += 1
        intent = client_secret.partition("_secret_")[0]
        if way == "declined first":
            await self._confirm(intent, client_secret, "pm_card_chargeDeclined")
            way = "card"
        if way == "card":
            await self._confirm(intent, client_secret, "pm_card_visa")
            return
        kind, _, late = way.partition(" ")
        await self._confirm(intent, client_secret, kind)
        if late:
            await asyncio.sleep(random.uniform(0.5, LATE_SECONDS_MAX))
        await self._ask(f"/_double/pay/{intent}", {})

    async def _confirm(self, intent: str, client_secret: str, method: str) -> None:
        told = {"client_secret": client_secret, "payment_method": method}
        if not method.startswith("pm_"):
            told = {
                "client_secret": client_secret,
                "payment_method_data[type]": method,
                "return_url": "https://shop.example/back",
            }
        await self._ask(f"/v1/payment_intents/{intent}/confirm", told)

    async def _ask(self, path: str, told: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {PUBLISHABLE_KEY}"}
        how = {"json": told} if path.startswith("/_double") else {"data": told}
        for _ in range(TRIES_MAX):
            try:
                async with httpx2.AsyncClient(base_url=self.provider.url, timeout=5) as client:
                    answer = await client.post(path, headers=headers, **how)
                if answer.status_code not in {409, 429} and answer.status_code < 500:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(random.uniform(0.1, 0.5))


@dataclass
class Payer(Shopper):
    """A shopper whose money is taken elsewhere."""

    till: Till

    async def _pay(
        self, buyer: Buyer, order: dict[str, Any], ways: Sequence[str] = WAYS
    ) -> dict[str, Any] | None:
        """Begin a payment, go to the till, and see what the shop has heard of it."""
        path = f"/v1/orders/{order['id']}/payments"
        answer = await self.sure(buyer, "pay", path, {"gateway": "stripe"})
        if answer.status != 201:
            return None
        made: dict[str, Any] = answer.body
        step = made["payment"]["next_step"]
        if step is None:
            return made
        is_sure = ways is SURE_WAYS
        if not is_sure and random.random() < 0.1:
            return made
        await self.till.pay(step["client_secret"], random.choice(SURE if is_sure else ALL))
        return await self._seen(buyer, made)

    async def _seen(self, buyer: Buyer, made: dict[str, Any]) -> dict[str, Any]:
        """Ask until the order has moved, as a page does that waits for its payment."""
        until = time.monotonic() + SEEN_SECONDS_MAX
        path = f"/v1/orders/{made['order']['id']}"
        while time.monotonic() < until:
            try:
                found = await self._definite(
                    "order",
                    lambda: buyer.world.net.send("GET", path, verb="order", headers=buyer.headers),
                )
            except AssertionError:
                break
            if found.status == 200 and found.body["status"] != "placed":
                paid = found.body["paid_at"] is not None
                state = "captured" if paid else made["payment"]["state"]
                return {"payment": {**made["payment"], "state": state}, "order": found.body}
            await asyncio.sleep(0.3)
        return made


def crowd_of(crowd: Crowd, provider: Provider, parties: Sequence[list[Buyer]]) -> list[Payer]:
    """One payer for each party, all at one till."""
    till = Till(provider)
    return [Payer(crowd, party, till) for party in parties]


async def bought(
    made: World, provider: Provider, buyer: Buyer, basket: dict[str, Any]
) -> dict[str, Any]:
    """An order that is placed, paid by card, and heard of."""
    [payer] = crowd_of(Crowd([], None, None), provider, [[buyer]])  # type: ignore[arg-type]
    order = await buyer.placed(basket)
    path = f"/v1/orders/{order['id']}/payments"
    answer = await payer.sure(buyer, "pay", path, {"gateway": "stripe"})
    await payer.till.pay(answer.body["payment"]["next_step"]["client_secret"], "card")
    await until(made, "SELECT COUNT(*) FROM orders WHERE status = 'paid' AND id = :id", order["id"])
    return order


async def refund(owner: Operator, order: dict[str, Any], reference: str) -> Answer:
    """Ask for one yuan back."""
    path = f"/v1/operator/shops/{order['shop_id']}/orders/{order['id']}/refunds"
    body = {"reason": "damaged", "reference": reference, "amount": 100}
    return await owner.post("refund", path, body)


async def until(made: World, statement: str, subject_id: str) -> None:
    """Wait until a count about a row is not zero any more."""
    ends_at = time.monotonic() + HEARD_SECONDS_MAX
    while not await made.number(statement, id=UUID(subject_id)):
        assert time.monotonic() < ends_at, f"never true: {statement}"
        await asyncio.sleep(0.2)
