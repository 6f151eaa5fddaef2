"""`make webhooks`: real workers send to real receivers, most of which are bad.

A name that flips to the loopback is never connected to; ten bad receivers do not delay a healthy
one; workers killed in the middle of sending lose nothing; a backlog drains in bounded memory with
1, 2 and 4 workers. Everything that arrives is verified by the integrators' library.
SCALE=ci|full, BACKENDS=sqlite,postgresql; at ci scale it runs on one database. With
`--seed-fault any-address` the lane must fail.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks.webhooks import Webhook

from app.community.events import MemberJoined
from app.core.db import Database
from app.core.events import record
from app.core.ids import new_id
from app.core.outbox import Deliverer
from app.core.security import PrincipalKind
from app.wiring import WIRING
from tests.lanes import process
from tests.lanes.lane import main, one_in_short, verdict
from tests.lanes.names import ANY_ADDRESS, FAULT, NAMES
from tests.lanes.process import HOST, Process
from tests.lanes.report import Report
from tests.lanes.world import World, scale, world
from tests.webhooks import receivers
from tests.webhooks.receivers import Behaviour, Message, Receiver, answers, receiver


@dataclass(frozen=True, slots=True)
class Size:
    """Seconds among bad receivers, facts while workers are killed, kills, messages to drain."""

    seconds: int
    facts: int
    kills: int
    drained: int


SIZES = {"ci": Size(5, 40, 1, 1_000), "full": Size(60, 400, 6, 100_000)}
FACTS_PER_SECOND = 10
WORKERS = (1, 2, 4)
TIMEOUT_SECONDS = 3
ENV = {"WEBHOOK_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS)}
OPEN = {**ENV, "WEBHOOK_ALLOW_LOOPBACK": "true"}
NAME, PORT = "flips.example.com", 8443
PUBLIC = "93.184.216.34"
# What the healthy one may wait; the figure is printed.
LAG_SECONDS_MAX = 5
# A worker holds what is in flight, whatever waits; the figures are printed.
GROWTH_MB_MAX = 60
DRAIN_MB_MAX = 350
PATIENCE_SECONDS = 120
DRAIN_SECONDS_MAX = 3_600
# An attempt's lease: its time, and the margin for writing it down.
LEASE_SECONDS = TIMEOUT_SECONDS + 31
SHOPS, ENDPOINTS_EACH = 2, 10
BAD: dict[str, Behaviour] = {
    "500": answers(500),
    "redirect": answers(302, location=f"http://{HOST}:1/"),
    "hangs": receivers.hangs,
    "hangs too": receivers.hangs,
    "drips headers": receivers.drips_headers,
    "drips its body": receivers.drips_body,
    "1 GB": receivers.endless_body,
    "gzip bomb": receivers.gzip_bomb,
    "endless headers": receivers.endless_headers,
    "closes": receivers.closes_at_once,
}


@dataclass(slots=True)
class Mail:
    """What arrived, each verified when it did; bodies are not kept."""

    secrets: dict[str, str] = field(default_factory=dict)
    heard: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)

    def take(self, mine: Receiver) -> Message:
        """Verify the newest message of a receiver and note when it came."""
        message = mine.heard.pop()
        path = message.line.split(" ")[1]
        told = Webhook(self.secrets[path]).verify(message.body, message.headers)
        assert told["id"] == message.id
        self.heard[f"{path} {message.id}"] += 1
        stated_at = datetime.fromisoformat(told["timestamp"]).timestamp()
        self.lags.append(message.at - stated_at)
        return message

    def checking(self, then: Behaviour) -> Behaviour:
        """Verify, then behave."""

        async def behave(mine: Receiver, *line: Any) -> None:
            self.take(mine)
            await then(mine, *line)

        return behave


@dataclass(frozen=True, slots=True)
class Names:
    """What the processes are told of names."""

    path: Path

    def tell(self, address: str) -> None:
        self.path.write_text(json.dumps({NAME: [address]}))


async def run(backend: str, fault: str | None) -> bool:
    """Every scenario on one database."""
    report, size = Report("webhooks", backend), SIZES[scale()]
    began_at = time.monotonic()
    async with world(backend) as made:
        names = Names(made.folder / "names.json")
        process.MODULE = "tests.lanes.names"
        told = {NAMES: str(names.path), FAULT: fault or ""}
        await _flip(made, report, names, told)
        await _among_bad_ones(made, report, size)
        await _killed(made, report, size)
        if backend == "postgresql":
            await _drained(made, report, size, told)
        report.line("all", f"{time.monotonic() - began_at:.0f} s")
        await verdict(made, report, None)
    return not report.failures


async def _headers(made: World, shop_id: UUID) -> dict[str, str]:
    operator_id = await made.fair.operator(shop_id)
    return await made.fair.token(PrincipalKind.OPERATOR, operator_id)


async def _endpoint(made: World, shop_id: UUID, headers: dict[str, str], url: str) -> str:
    """Registered as an operator does it; its secret."""
    path = f"/v1/operator/shops/{shop_id}/webhook-endpoints"
    wish = {"url": url, "kinds": ["community.member_joined"]}
    answer = await made.net.send("POST", path, verb="register", headers=headers, body=wish)
    assert answer.status == 201, answer.raw
    secret: str = answer.body["secret"]
    return secret


async def _state(made: World, shop_id: UUID, count: int) -> None:
    """So many facts of a shop."""
    database: Database = made.application.state.database

    async def work(db: AsyncSession) -> None:
        for _ in range(count):
            now = database.clock.now()
            fact = {"aggregate_id": new_id(), "member_id": new_id()}
            await record(db, MemberJoined(at=now, shop_id=shop_id, **fact))

    await database.transact(work)


async def _until(holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait for it; false when it does not come."""
    began_at = time.monotonic()
    while time.monotonic() - began_at < seconds:
        found = holds()
        if await found if asyncio.iscoroutine(found) else found:
            return True
        await asyncio.sleep(0.1)
    return False


async def _flip(made: World, report: Report, names: Names, told: dict[str, str]) -> None:
    """As in production: the name is public when it is registered, and ours when it is dialled."""
    names.tell(PUBLIC)
    # Servers are told what the later scenarios need; the worker is as in production.
    await made.start(workers=0, **OPEN, **told)
    await _work(made, 1, {**ENV, **told})
    shop_id = made.fair.shop_id
    async with receiver(receivers.closes_at_once, port=PORT) as mine:
        headers = await _headers(made, shop_id)
        await _endpoint(made, shop_id, headers, f"https://{NAME}:{PORT}/hooks")
        names.tell(HOST)
        await _state(made, shop_id, 20)
        attempted = "SELECT COUNT(*) FROM webhook_attempts"
        tried = await _until(lambda: _over(made, attempted, 1))
        report.expect(tried, "nothing was tried: nothing was proven")
        refused = f"{attempted} WHERE error <> 'address_refused' OR error IS NULL"
        report.same("attempts that were not refused", await made.number(refused), 0)
        report.same("connections after the flip", mine.connections, 0)
        tries = await made.number(attempted)
        report.line("DNS flip", f"{tries} attempts, {mine.connections} connections")
        # Where the loopback is allowed the same listener sees them.
        await _work(made, 1, {**OPEN, **told})
        seen = await _until(lambda: mine.connections)
        report.expect(seen, "the listener sees nothing even when it may: nothing was proven")


async def _work(made: World, count: int, env: dict[str, str]) -> None:
    """End the workers in good order and start so many others."""
    await asyncio.gather(*(each.stop() for each in made.workers))
    made.ended += made.workers
    made.workers = [made.worker(number, env) for number in range(count)]
    for each in made.workers:
        await each.start()


async def _over(made: World, statement: str, least: int) -> bool:
    return await made.number(statement) >= least


async def _among_bad_ones(made: World, report: Report, size: Size) -> None:
    shop_id, mail, bad_mail = made.fair.shop_id, Mail(), Mail()
    headers = await _headers(made, shop_id)
    count = size.seconds * FACTS_PER_SECOND
    async with AsyncExitStack() as stack:
        bad = {}
        for name, behaviour in BAD.items():
            bad[name] = await stack.enter_async_context(receiver(bad_mail.checking(behaviour)))
        mine = await stack.enter_async_context(receiver(mail.checking(answers(200))))
        for number, each in enumerate(bad.values()):
            path = f"/bad/{number}"
            bad_mail.secrets[path] = await _endpoint(made, shop_id, headers, each.at(path))
        mail.secrets["/"] = await _endpoint(made, shop_id, headers, mine.at("/"))
        await _state(made, shop_id, 5)
        await _until(lambda: len(mail.heard) == 5)
        mail.lags.clear()
        sizes = [_rss_mb(made.workers[0])]
        for _ in range(size.seconds):
            await _state(made, shop_id, FACTS_PER_SECOND)
            await asyncio.sleep(1)
            sizes.append(_rss_mb(made.workers[0]))
        came = await _until(lambda: len(mail.heard) >= count + 5)
    report.expect(came, f"{len(mail.heard)} of {count + 5} facts arrived")
    _judge_lag(report, mail, bad)
    report.line("bad receivers", f"{bad_mail.heard.total()} messages, all verified")
    later = sizes[len(sizes) // 2 :]
    report.line("worker RSS", f"{sizes[0]:.0f} MB, later {min(later):.0f} to {max(later):.0f} MB")
    grown = max(later) - sizes[0]
    report.expect(grown < GROWTH_MB_MAX, f"the worker grew by {grown:.0f} MB")


def _judge_lag(report: Report, mail: Mail, bad: dict[str, Receiver]) -> None:
    lags = sorted(mail.lags)
    p50, p95 = lags[len(lags) // 2], lags[len(lags) * 95 // 100]
    told = f"n={len(lags)} p50={p50:.2f} s p95={p95:.2f} s max={lags[-1]:.2f} s"
    report.line("healthy beside ten bad", told)
    report.expect(p95 < LAG_SECONDS_MAX, f"healthy p95 lag {p95:.1f} s")
    repeated = mail.heard.total() - len(mail.heard)
    report.same("messages a healthy receiver had twice", repeated, 0)
    silent = [name for name, each in bad.items() if not each.connections]
    report.same("bad receivers that nothing was sent to", silent, [])


def _rss_mb(child: Process) -> float:
    rss: int = psutil.Process(child.pid).memory_info().rss
    return rss / (1 << 20)


async def _killed(made: World, report: Report, size: Size) -> None:
    """The sender dies with messages in flight; all of them arrive when its leases are over."""
    shop = await made.fair.shop("killed")
    mail, headers = Mail(), await _headers(made, shop.id)
    slow = [0.5]

    async def thinks(mine: Receiver, *line: Any) -> None:
        mail.take(mine)
        await asyncio.sleep(slow[0])
        await answers(200)(mine, *line)

    async with receiver(thinks) as mine:
        for number in range(4):
            path = f"/killed/{number}"
            mail.secrets[path] = await _endpoint(made, shop.id, headers, mine.at(path))
        await _state(made, shop.id, size.facts)
        for _ in range(size.kills):
            flying = await _kill_while_it_sends(made, mail, mine)
        slow[0] = 0.0
        wanted = 4 * size.facts
        came = await _until(lambda: len(mail.heard) >= wanted)
    report.expect(came, f"{len(mail.heard)} of {wanted} messages arrived after the kills")
    twice = mail.heard.total() - len(mail.heard)
    told = f"{size.kills} by SIGKILL, {flying} lines open; {wanted} messages, {twice} sent twice"
    report.line("killed", f"{told}, {wanted - len(mail.heard)} lost")
    left = f"SELECT COUNT(*) FROM webhook_deliveries WHERE state <> 'delivered' AND {_of('killed')}"
    done = await _until(lambda: _none(made, left))
    report.expect(done, "messages that arrived are still not written down")


async def _kill_while_it_sends(made: World, mail: Mail, mine: Receiver) -> int:
    """SIGKILL with lines open, and on to when its leases have ended; how many lines there were."""
    heard = mail.heard.total()
    await _until(lambda: mail.heard.total() >= heard + 10 and mine.open)
    flying, (victim,) = mine.open, made.workers
    await victim.kill()
    await victim.start()
    await made.advance(LEASE_SECONDS)
    return flying


def _of(slug: str) -> str:
    return f"shop_id IN (SELECT id FROM shops WHERE slug LIKE '{slug}%')"


async def _none(made: World, statement: str) -> bool:
    return await made.number(statement) == 0


async def _drained(made: World, report: Report, size: Size, told: dict[str, str]) -> None:
    """A backlog that was put by while nobody was sending."""
    mail, shops = Mail(), []
    async with receiver(mail.checking(answers(200))) as mine:
        for number in range(SHOPS):
            shop = await made.fair.shop(f"drained-{number}")
            headers = await _headers(made, shop.id)
            shops.append(shop.id)
            for place in range(ENDPOINTS_EACH):
                path = f"/drained/{number}/{place}"
                mail.secrets[path] = await _endpoint(made, shop.id, headers, mine.at(path))
        for workers in WORKERS:
            await _work(made, 0, {})
            await _put_by(made, shops, size.drained)
            await _drain(made, report, mail, workers, told)
    wanted = len(WORKERS) * size.drained
    report.same("messages drained", len(mail.heard), wanted)
    report.same("messages drained twice", mail.heard.total() - len(mail.heard), 0)


async def _put_by(made: World, shops: list[UUID], count: int) -> None:
    """Facts for so many messages, fanned out by this process."""
    left = count // (SHOPS * ENDPOINTS_EACH)
    while left > 0:
        for shop_id in shops:
            await _state(made, shop_id, min(left, 100))
        left -= 100
    deliverer = Deliverer(made.application.state.database, WIRING)
    while await deliverer.run_once():
        pass


async def _drain(
    made: World, report: Report, mail: Mail, workers: int, told: dict[str, str]
) -> None:
    left = f"SELECT COUNT(*) FROM webhook_deliveries WHERE state = 'pending' AND {_of('drained')}"
    count, before = await made.number(left), len(mail.heard)
    await _work(made, workers, {**OPEN, **told})
    await _until(lambda: len(mail.heard) > before)
    began_at, most = time.monotonic(), 0.0
    while await made.number(left):
        most = max(most, *(_rss_mb(each) for each in made.workers))
        if time.monotonic() - began_at > DRAIN_SECONDS_MAX:
            report.expect(False, f"not drained by {workers} workers")
            return
        await asyncio.sleep(0.2)
    seconds = time.monotonic() - began_at
    rate = f"{count / seconds:.0f} messages a second"
    report.line(f"drained by {workers}", f"{count} in {seconds:.1f} s, {rate}, RSS {most:.0f} MB")
    report.expect(most < DRAIN_MB_MAX, f"a worker of {workers} held {most:.0f} MB")


if __name__ == "__main__":
    asyncio.run(main(run, (ANY_ADDRESS,), one_in_short()))
