"""A whole installation for a lane: a fresh database, real processes, a seeded shop, and clients."""

import asyncio
import itertools
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx2
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.security import PrincipalKind
from app.identity.rules import PlatformRole
from app.main import create_app
from tests.conftest import (
    TOKEN_SECRET,
    make_settings,
    own_postgresql,
    postgresql_url,
)
from tests.lanes import process
from tests.lanes.history import Answer, History, Told
from tests.lanes.process import HOST, Process, free_port
from tests.orders.market import ADDRESS, LIST_AMOUNT, SOLO_AMOUNT, Market

GRACE_SECONDS = DELAY_SECONDS = 1
SHIPPING_AMOUNT = 600
SUCCESS, DECLINE, DELAY, DUPLICATE = (
    f"sandbox_{how}" for how in ("success", "decline", "delay", "duplicate")
)
# How long all work may stand still, and how long it may take where it does not.
STILL_SECONDS_MAX = 60
QUIET_SECONDS_MAX = 900
# Shorter than the server's own, so that none is used that the server is about to close.
KEEP_ALIVE_SECONDS = 2
T = TypeVar("T")

ENV = {
    "APP_ENV": "test",
    "TOKEN_SECRET": TOKEN_SECRET,
    "LOG_LEVEL": "warning",
    "ACCESS_TOKEN_TTL_SECONDS": "86400",
    "DB_POOL_SIZE": "8",
    "DB_READER_POOL_SIZE": "4",
    "WORKER_POLL_SECONDS": "0.1",
    "GROUP_GRACE_SECONDS": str(GRACE_SECONDS),
    "SANDBOX_DELAY_SECONDS": str(DELAY_SECONDS),
}

# Work that is due and not done; quiet is when all of these are empty.
PENDING = {
    "facts": "SELECT COUNT(*) FROM outbox_events WHERE done_at IS NULL",
    "refunds": "SELECT COUNT(*) FROM refunds WHERE state <> 'succeeded'",
    "payments": "SELECT COUNT(*) FROM payments WHERE state IN ('created', 'pending')",
    "notices": "SELECT COUNT(*) FROM sandbox_notices WHERE heard_at IS NULL",
    "orders": "SELECT COUNT(*) FROM orders WHERE status = 'placed' AND expires_at <= :now",
    "groups": "SELECT COUNT(*) FROM \"groups\" WHERE status = 'open' AND deadline_at <= :overdue",
}


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def scale() -> str:
    """`ci` for a short run, `full` for the figures."""
    told = os.environ.get("SCALE", "full")
    assert told in {"ci", "full"}, f"SCALE is ci or full, not {told}"
    return told


def backends() -> list[str]:
    """The databases of this run: those named, or all that answer."""
    told = os.environ.get("BACKENDS", "")
    if told:
        return told.split(",")
    return ["sqlite", "postgresql"] if postgresql_url() else ["sqlite"]


@dataclass(frozen=True, slots=True)
class Stall:
    """One variant in stock with a campaign on it."""

    shop_id: UUID
    variant_id: UUID
    campaign_id: UUID

    def basket(self, quantity: int = 1, **group: Any) -> dict[str, Any]:
        """A wish for some of it: alone, or with `open=` or `join=`."""
        line = {"variant_id": str(self.variant_id), "quantity": quantity}
        wish: dict[str, Any] = {"shop_id": str(self.shop_id), "lines": [line]}
        if group:
            wish["group"] = {name: str(value) for name, value in group.items()}
        return wish


@dataclass
class Net:
    """The way to the servers, in turn; keeps what it took and every fault it saw.

    `away` has the refusals of a service that cannot serve now and says so properly.
    """

    doors: list[httpx2.AsyncClient]
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    _turn: Iterable[int] = field(default_factory=itertools.count)

    @staticmethod
    def to(ports: Sequence[int]) -> "Net":
        limits = httpx2.Limits(
            max_connections=None,
            max_keepalive_connections=None,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
        )
        return Net(
            [
                httpx2.AsyncClient(base_url=f"http://{HOST}:{p}", limits=limits, timeout=40)
                for p in ports
            ]
        )

    async def send(
        self, method: str, path: str, *, verb: str, headers: dict[str, str], body: Any = None
    ) -> Answer:
        """One request to the next server."""
        door = self.doors[next(iter(self._turn)) % len(self.doors)]
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers = {**headers, "Content-Type": "application/json"}
        began_at = time.perf_counter()
        got = await door.request(method, path, content=content, headers=headers)
        took = time.perf_counter() - began_at
        self.seconds[verb].append(took)
        answer = Answer(got.status_code, got.content, took, "idempotency-replayed" in got.headers)
        self.statuses[f"{verb} {answer.status} {answer.code}".strip()] += 1
        if answer.status >= 500:
            told = f"{method} {path}: {answer.status} {got.text[:300]}"
            (self.away if says_come_again(got) else self.faults).append(told)
        return answer

    async def close(self) -> None:
        for door in self.doors:
            await door.aclose()


def says_come_again(got: httpx2.Response) -> bool:
    """Whether a 503 is one that a client can act on: a problem document that says when."""
    retry_after = got.headers.get("retry-after", "")
    media = got.headers.get("content-type", "")
    if got.status_code != 503 or not retry_after.isdecimal() or int(retry_after) < 1:
        return False
    return media == "application/problem+json" and bool(got.json().get("code"))


@dataclass
class Buyer:
    """A member who is signed in; what it is told by keyed requests goes into the history."""

    world: "World"
    member_id: UUID
    headers: dict[str, str]
    kind: PrincipalKind = PrincipalKind.MEMBER

    async def post(
        self, verb: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Answer:
        """One keyed request, whatever its answer."""
        key = key or uuid4().hex
        headers = {**self.headers, "Idempotency-Key": key}
        asked_at = time.monotonic()
        answer = await self.world.net.send("POST", path, verb=verb, headers=headers, body=body)
        times = {"asked_at": asked_at, "heard_at": time.monotonic()}
        told = Told(verb, self.member_id, key, path, body, answer, **times, kind=self.kind.value)
        self.world.history.add(told)
        return answer

    async def try_quote(self, basket: dict[str, Any]) -> Answer:
        """Ask for a price."""
        return await self.world.net.send(
            "POST", "/v1/quotes", verb="quote", headers=self.headers, body=basket
        )

    async def quoted(self, basket: dict[str, Any]) -> dict[str, Any]:
        """The basket, priced and ready to be placed."""
        answer = await self.try_quote(basket)
        assert answer.status == 200, answer.raw
        return priced(basket, answer)

    async def place(self, quoted: dict[str, Any], key: str | None = None) -> Answer:
        """Place a priced basket."""
        return await self.post("place", "/v1/orders", quoted, key=key)

    async def placed(self, basket: dict[str, Any]) -> dict[str, Any]:
        """An order that must be granted."""
        answer = await self.place(await self.quoted(basket))
        assert answer.status == 201, answer.raw
        order: dict[str, Any] = answer.body
        return order

    async def pay(
        self, order: dict[str, Any], how: str = SUCCESS, key: str | None = None
    ) -> Answer:
        """Pay an order, by a token of the sandbox."""
        path = f"/v1/orders/{order['id']}/payments"
        return await self.post("pay", path, {"token": how}, key=key)

    async def cancel(self, order: dict[str, Any], key: str | None = None) -> Answer:
        """Give an order up."""
        return await self.post("cancel", f"/v1/orders/{order['id']}/cancel", key=key)

    async def bought(self, basket: dict[str, Any]) -> dict[str, Any]:
        """An order that must be granted and paid."""
        order = await self.placed(basket)
        answer = await self.pay(order)
        assert answer.status == 201, answer.raw
        assert answer.body["payment"]["state"] == "captured", answer.raw
        return order


class Operator(Buyer):
    """Somebody who runs the shop of the fair."""

    async def stop(self, stall: Stall) -> Answer:
        """End the opening of groups at a stall, as nobody has changed its campaign before."""
        path = f"/v1/operator/shops/{stall.shop_id}/campaigns/{stall.campaign_id}/stop"
        asking = replace(self, headers={**self.headers, "If-Match": '"1"'})
        return await asking.post("stop", path)


def priced(basket: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """The basket with its quote and an address."""
    return {**basket, "quote_id": answer.body["quote_id"], "address": ADDRESS}


class Fair(Market):
    """A market with any number of stalls, filled through the services by this process."""

    async def shop_of_the_fair(self) -> None:
        made = await self.shop("fair", shipping_flat_amount=SHIPPING_AMOUNT)
        self.shop_id = made.id

    async def stall(self, *, units: int, size: int = 3, **campaign: Any) -> Stall:
        """A variant with so many units and a campaign for groups of a size."""
        variant = await self.goods(
            self.shop_id, units=units, list_amount=LIST_AMOUNT, solo_amount=SOLO_AMOUNT
        )
        self.variant_id, self.product_id = variant.id, variant.product_id
        campaign_id = await self.campaign(size=size, **campaign)
        return Stall(self.shop_id, variant.id, campaign_id)


class World:
    """One installation; servers and workers come and go, the database stays."""

    def __init__(self, backend: str, url: str, folder: Path) -> None:
        self.backend, self.url, self.folder = backend, url, folder
        # The lane writes too, among servers that are busy, and would rather wait than give up.
        self.settings = make_settings(
            url, access_token_ttl_seconds=86_400, db_pool_size=4, db_lock_timeout_ms=30_000
        )
        self.engine: AsyncEngine = create_async_engine(
            self.settings.sqlalchemy_url, poolclass=NullPool
        )
        self.application: FastAPI = create_app(self.settings)
        self.fair = Fair(self.application, self.application.state.clock, httpx2.AsyncClient())
        self.history = History()
        self.net = Net([])
        self.servers: list[Process] = []
        self.workers: list[Process] = []
        self.ended: list[Process] = []
        self.known: list[Buyer] = []
        # What was told to the servers beyond what all of them are told.
        self.more: dict[str, str] = {}
        # How many seconds all processes have been moved on.
        self.ahead = 0

    @property
    def processes(self) -> list[Process]:
        return [*self.servers, *self.workers]

    async def start(self, *, workers: int | None = None, **env: str) -> None:
        """SQLite: one server with its worker inside. PostgreSQL: two servers and a worker."""
        is_sqlite = self.backend == "sqlite"
        embedded = is_sqlite and workers is None
        more = self.more = {**env, "WORKER_EMBEDDED": str(embedded).lower()}
        count = 1 if is_sqlite else 2
        self.servers = [self.server(n, more) for n in range(count)]
        many = workers if workers is not None else int(not is_sqlite)
        self.workers = [self.worker(n, more) for n in range(many)]
        for each in self.processes:
            await each.start()
        for each in self.servers:
            await each.ready()
        await self.net.close()
        net = Net.to([p.port for p in self.servers if p.port])
        net.seconds, net.statuses = self.net.seconds, self.net.statuses
        net.faults, net.away = self.net.faults, self.net.away
        self.net = net

    def command(self, name: str, words: list[str]) -> Process:
        """A command of an operator, with the settings that the servers have."""
        made = self._process(name, process.command(*words), self.more)
        self.ended.append(made)
        return made

    async def migrate(self) -> None:
        """Bring the empty database to the newest schema, by the command an operator uses."""
        migrating = self._process("migrate", process.command("migrate"), {})
        self.ended.append(migrating)
        await migrating.start()
        await migrating.done()

    def server(self, number: int, env: dict[str, str]) -> Process:
        port = free_port()
        made = self._process(f"server-{number}", process.server_command(port), env)
        made.port = port
        return made

    def worker(self, number: int, env: dict[str, str]) -> Process:
        return self._process(f"worker-{number}", process.command("worker"), env)

    def _process(self, name: str, command: list[str], env: dict[str, str]) -> Process:
        own = {**ENV, "DATABASE_URL": self.url, **env}
        return Process(name, command, own, self.folder)

    async def stop(self) -> None:
        """End all processes in good order."""
        await asyncio.gather(*(p.stop() for p in self.processes))
        self.ended += self.processes
        self.servers, self.workers = [], []

    async def close(self) -> None:
        """End everything, by force."""
        for each in self.processes:
            await each.kill()
        await self.net.close()
        await self.fair.client.aclose()
        await self.application.state.database.dispose()
        await self.engine.dispose()

    def complaints(self) -> list[str]:
        """What any process has complained about."""
        logs = {p.log_path: p for p in (*self.ended, *self.processes)}
        return [line for each in logs.values() for line in each.complaints()]

    async def buyers(self, count: int) -> list[Buyer]:
        """Members who are signed in."""
        made: list[Buyer] = []
        for _ in range(count):
            caller = await self.fair.buyer()
            # The fair's own caller knows the token; whose it is stands in the claims.
            token = caller.headers["Authorization"].removeprefix("Bearer ")
            now = self.application.state.clock.now()
            claims = self.application.state.tokens.read_access(token, now=now)
            made.append(Buyer(self, claims.subject, dict(caller.headers)))
        self.known += made
        return made

    async def device(self, buyer: Buyer) -> Buyer:
        """Another device of the same member, with a session of its own."""
        return replace(buyer, headers=await self.fair.token(buyer.kind, buyer.member_id))

    async def owner(self) -> Operator:
        """The owner of the shop of the fair."""
        operator_id = await self.fair.operator(self.fair.shop_id)
        kind = PrincipalKind.OPERATOR
        return Operator(self, operator_id, await self.fair.token(kind, operator_id), kind)

    async def auditor(self) -> dict[str, str]:
        """Request headers of somebody who may read the books of all shops."""
        operator_id = await self.fair.operator(platform=PlatformRole.AUDITOR)
        return await self.fair.token(PrincipalKind.OPERATOR, operator_id)

    async def now(self) -> datetime:
        """The service's time."""
        ahead = (await self.rows("SELECT ahead_ms FROM test_clock")) or [{"ahead_ms": 0}]
        return datetime.now(UTC) + timedelta(milliseconds=ahead[0]["ahead_ms"])

    async def advance(self, seconds: int) -> None:
        """Move the time of all processes on."""
        wish = {"seconds": seconds}
        headers = {"Idempotency-Key": uuid4().hex}
        answer = await self.net.send(
            "POST", "/v1/test/clock", verb="clock", headers=headers, body=wish
        )
        assert answer.status == 200, answer.raw
        self.ahead += seconds

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Read with plain SQL."""
        async with self.engine.connect() as connection:
            found = await connection.execute(typed(statement, values), values)
            return [dict(row) for row in found.mappings()]

    async def number(self, statement: str, **values: Any) -> int:
        """One number, by plain SQL."""
        (row,) = await self.rows(statement, **values)
        (value,) = row.values()
        return int(value or 0)

    async def pending(self) -> dict[str, int]:
        """Work that is due and not done."""
        now = await self.now()
        times = {"now": now, "overdue": now - timedelta(seconds=GRACE_SECONDS)}
        # One statement sees one moment: work that moves on between two would be in neither.
        counts = ", ".join(f'({statement}) AS "{name}"' for name, statement in PENDING.items())
        (left,) = await self.rows(f"SELECT {counts}", **times)
        return {name: count for name, count in left.items() if count}

    async def quiet(self) -> float:
        """Wait until the workers have nothing left to do; how long that took, in seconds."""
        began_at = moved_at = time.monotonic()
        before: dict[str, int] = {}
        while left := await self.pending():
            now = time.monotonic()
            moved_at, before = (moved_at if left == before else now), left
            assert now - moved_at < STILL_SECONDS_MAX, f"stands still: {left}"
            assert now - began_at < QUIET_SECONDS_MAX, f"still to do: {left}"
            await asyncio.sleep(0.2)
        return time.monotonic() - began_at


def typed(statement: str, values: dict[str, Any]) -> sa.TextClause:
    """Plain SQL whose times, ids and numbers are bound as each database wants them."""
    kinds = {datetime: sa.DateTime(timezone=True), UUID: sa.Uuid()}
    bound = [sa.bindparam(k, type_=kinds[type(v)]) for k, v in values.items() if type(v) in kinds]
    return sa.text(statement).bindparams(*bound)


@asynccontextmanager
async def world(backend: str, url: str = "") -> AsyncIterator[World]:
    """A fresh installation without processes; everything of it is gone afterwards.

    `url` names an empty PostgreSQL database; without it one is made on the server of the tests.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="quanpu-lane-")))
        if backend == "sqlite":
            url = f"sqlite:///{folder}/lane.db"
        elif not url:
            url = await stack.enter_async_context(own_postgresql((), is_durable=True))
        made = World(backend, url, folder)
        try:
            await made.migrate()
            await made.fair.shop_of_the_fair()
            yield made
        except BaseException:
            for line in made.complaints()[:5]:
                say(line)
            raise
        finally:
            await made.close()


async def at_once(works: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run all from one barrier: none begins before every one of them stands ready."""
    gate = asyncio.Event()

    async def waiting(work: Callable[[], Awaitable[T]]) -> T:
        await gate.wait()
        return await work()

    tasks = [asyncio.create_task(waiting(work)) for work in works]
    await asyncio.sleep(0)
    gate.set()
    return await asyncio.gather(*tasks)


async def limited(count: int, works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all, so many at a time."""
    turn = asyncio.Semaphore(count)

    async def one(work: Coroutine[Any, Any, T]) -> T:
        async with turn:
            return await work

    return await asyncio.gather(*(one(work) for work in works))
