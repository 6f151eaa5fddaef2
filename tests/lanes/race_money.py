"""Races for money: one key, paying against leaving, last payers, last moments, the workers."""

import asyncio
import random
import statistics
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.lanes.checks import ident
from tests.lanes.history import Answer
from tests.lanes.race_seats import TRIES_AT_ONCE, Race, one_effect
from tests.lanes.world import DELAY, DUPLICATE, SUCCESS, Buyer, Stall, at_once, limited

PAYERS_AT_ONCE = 16
Work = Callable[[], Awaitable[Answer]]
# A story in three parts that waits at each `yield`: what it needs, its tries, its judgement.
Story = AsyncIterator[None]


def later(seconds: float, work: Work) -> Work:
    """The same, after a pause."""

    async def paused() -> Answer:
        await asyncio.sleep(max(0.0, seconds))
        return await work()

    return paused


def insisting(work: Work) -> Work:
    """The same with the same key, again while the answer is to ask again."""

    async def until_definite() -> Answer:
        answer = await work()
        for _ in range(200):
            if answer.is_definite:
                break
            await asyncio.sleep(0.05)
            answer = await work()
        return answer

    return until_definite


async def one_key_pays(race: Race) -> None:
    """64 uses of one key at once: one capture, one payment, one charge in the provider's books."""
    stall = await race.world.fair.stall(units=1_000)
    totals: Counter[str] = Counter()
    for number, buyer in enumerate(race.some(race.size.rounds)):
        order, key = await buyer.placed(stall.basket()), uuid4().hex
        how = (SUCCESS, DUPLICATE)[number % 2]
        answers = await at_once([_paying(buyer, order, how, key)] * TRIES_AT_ONCE)
        again = await buyer.pay(order, how, key)
        totals.update(one_effect(race, answers, again))
        (books,) = await race.world.rows(
            "SELECT COUNT(*) AS payments, (SELECT COUNT(*) FROM sandbox_entries e"
            " WHERE e.kind = 'charge' AND e.payment_id IN"
            " (SELECT id FROM payments WHERE order_id = :id)) AS charges"
            " FROM payments WHERE order_id = :id AND state = 'captured'",
            id=UUID(order["id"]),
        )
        race.report.same("payments and charges of one key", tuple(books.values()), (1, 1))
    race.report.line("4 one key, pay", f"{race.size.rounds} rounds x 64: {dict(totals)}")


def _paying(buyer: Buyer, order: dict[str, Any], how: str, key: str | None = None) -> Work:
    return lambda: buyer.pay(order, how, key)


def _leaving(buyer: Buyer, order: dict[str, Any]) -> Work:
    key = uuid4().hex
    return insisting(lambda: buyer.cancel(order, key))


async def _two_of_three(race: Race, stall: Stall) -> tuple[list[Buyer], list[dict[str, Any]]]:
    """A group of three: two have paid, the third holds its seat."""
    three = race.some(3)
    orders = [await three[0].bought(stall.basket(open=stall.campaign_id))]
    orders.append(await three[1].bought(stall.basket(join=orders[0]["group_id"])))
    orders.append(await three[2].placed(stall.basket(join=orders[0]["group_id"])))
    return three, orders


async def pay_against_leave(race: Race) -> None:
    """One pays while one leaves, the same member or another: every outcome is consistent."""
    outcomes: Counter[str] = Counter()
    for number in range(race.size.groups * 3 // 2):
        stall = await race.world.fair.stall(units=100, size=3, stock_quota=50)
        three, orders = await _two_of_three(race, stall)
        leaver = 2 if number % 3 == 2 else random.choice((0, 1))
        how = random.choice((SUCCESS, SUCCESS, DUPLICATE))
        pause = random.choice((0.0, random.uniform(-0.03, 0.03)))
        paid, left = await at_once(
            [
                later(pause, insisting(_paying(three[2], orders[2], how, uuid4().hex))),
                later(-pause, _leaving(three[leaver], orders[leaver])),
            ]
        )
        await race.world.quiet()
        group = await _group(race, orders[0]["group_id"])
        told = f"pay {in_short(paid)}, leave {in_short(left)}: group {group['status']}"
        outcomes[f"{'same' if leaver == 2 else 'other'} member: {told}"] += 1
        race.report.expect(
            _is_consistent(group, paid, left, same=leaver == 2), f"pay against leave: {told}"
        )
        if left.status == 200:
            orders.append(await _completed_by(race, three[leaver], stall, orders[0]["group_id"]))
        await _money_follows(race, orders, told)
        found = await race.world.fair.stock(stall.shop_id, stall.variant_id)
        race.report.same(f"stock of a group of three ({told})", found, (100, 0, 3))
    for outcome, times in sorted(outcomes.items()):
        race.report.line("5 pay against leave", f"{times} x {outcome}")


async def _completed_by(race: Race, buyer: Buyer, stall: Stall, group_id: str) -> dict[str, Any]:
    """Who left comes back to the place that was given back, and completes the group."""
    order = await buyer.bought(stall.basket(join=group_id))
    group = await _group(race, group_id)
    race.report.same("group of one who came back", group["status"], "succeeded")
    return order


def in_short(answer: Answer) -> str:
    if answer.status == 201:
        return str(answer.body["payment"]["state"])
    return answer.code or str(answer.body["status"])


def _is_consistent(group: dict[str, Any], paid: Answer, left: Answer, *, same: bool) -> bool:
    """Either the group succeeded and nobody left, or somebody left and it goes on without."""
    if group["status"] == "succeeded":
        return (group["paid"], left.status, paid.status) == (3, 409, 201)
    if left.status != 200 or group["status"] != "open":
        return False
    # Whoever left alone left two who paid: the one who raced to pay, or the two who had before.
    return bool(group["paid"] == 2 and (same or paid.status == 201))


async def _group(race: Race, group_id: str) -> dict[str, Any]:
    (row,) = await race.world.rows('SELECT * FROM "groups" WHERE id = :id', id=UUID(group_id))
    return row


async def _money_follows(race: Race, orders: list[dict[str, Any]], told: str) -> None:
    """The provider holds the whole price of each paid order and nothing of any other."""
    for order in orders:
        (row,) = await race.world.rows(
            "SELECT o.status, o.total_amount, (SELECT COALESCE(SUM(CASE e.kind WHEN 'charge' THEN"
            " e.amount WHEN 'refund' THEN -e.amount ELSE 0 END), 0) FROM sandbox_entries e"
            " JOIN payments p ON p.id = e.payment_id WHERE p.order_id = o.id AND NOT EXISTS"
            # A slow charge that was stopped before it settled took nothing.
            " (SELECT 1 FROM sandbox_entries c WHERE c.payment_id = p.id AND c.kind = 'cancel'))"
            " AS held,"
            " (SELECT COUNT(*) FROM refunds r WHERE r.order_id = o.id) AS refunds"
            " FROM orders o WHERE o.id = :id",
            id=UUID(order["id"]),
        )
        wanted = row["total_amount"] if row["status"] == "paid" else 0
        race.report.same(f"money of a {row['status']} order ({told})", int(row["held"]), wanted)
        race.report.expect(row["refunds"] <= 1, f"{row['refunds']} refunds of one order ({told})")


async def all_last_payers(race: Race) -> None:
    """All who have not paid pay at once, one of them twice: their group succeeds exactly once."""
    for number in range(race.size.groups):
        size = 2 + number % 4
        stall = await race.world.fair.stall(units=size, size=size)
        leader, *others = race.some(size)
        orders = [await leader.bought(stall.basket(open=stall.campaign_id))]
        basket = stall.basket(join=orders[0]["group_id"])
        orders += [await b.placed(basket) for b in others]
        pairs = zip(others, orders[1:], strict=True)
        works = [_paying(b, o, SUCCESS, uuid4().hex) for b, o in pairs]
        twin = await race.world.device(others[0])
        works.append(_paying(twin, orders[1], DUPLICATE, uuid4().hex))
        answers = await at_once(map(insisting, works))
        told = Counter(in_short(a) if a.status == 201 else str(a.status) for a in answers)
        race.report.same(f"last payers of {size}", told, {"captured": size - 1, "409": 1})
        await _succeeded_once(race, orders[0]["group_id"], size)
        await _money_follows(race, orders, f"{size} last payers")
        stock = await race.world.fair.stock(stall.shop_id, stall.variant_id)
        race.report.same(f"stock of a group of {size}", stock, (size, 0, size))
    figures = f"{race.size.groups} groups of two to five, one paid twice, each succeeded once"
    race.report.line("6 all last payers", figures)


async def _succeeded_once(race: Race, group_id: str, size: int) -> None:
    """Succeeded, all of it confirmed, and told once."""
    (found,) = await race.world.rows(
        "SELECT g.status, g.taken, g.paid,"
        " (SELECT COUNT(*) FROM seats s WHERE s.group_id = g.id AND s.status = 'confirmed')"
        " AS seats,"
        " (SELECT COUNT(*) FROM orders o WHERE o.group_id = g.id AND o.confirmed_at IS NOT NULL)"
        " AS orders,"
        " (SELECT COUNT(*) FROM outbox_events e WHERE e.aggregate_id = g.id"
        " AND e.kind = 'group.succeeded') AS facts"
        ' FROM "groups" g WHERE g.id = :id',
        id=UUID(group_id),
    )
    wanted = ("succeeded", size, size, size, size, 1)
    race.report.same(f"a group of {size}", tuple(found.values()), wanted)


async def last_moment(race: Race) -> Story:
    """Pay at the moment the hold on the only unit ends, while another waits for it.

    Whatever comes first: the order is paid, or it is not and the money is back.
    """
    stalls = [await race.world.fair.stall(units=1, size=2) for _ in range(race.size.late_payers)]
    free, shots = list(race.buyers), Shots()
    yield

    async def one(number: int, stall: Stall) -> tuple[dict[str, Any], str]:
        payer, rival = free.pop(), free.pop()
        basket = stall.basket() if number % 2 else stall.basket(open=stall.campaign_id)
        order, wish = await payer.placed(basket), await rival.quoted(stall.basket())
        ends_at = datetime.fromisoformat(order["expires_at"])
        # A slow payment is begun in time and settles about when the order is swept away.
        how = DELAY if number % 3 == 2 else SUCCESS
        earlier = timedelta(seconds=random.uniform(0.1, 1) if how is DELAY else 0)
        ahead = (ends_at - datetime.now(UTC)).total_seconds()
        paid, taken = await asyncio.gather(
            shots.fire(payer, order, how, ends_at - earlier),
            later(ahead + random.uniform(-0.1, 1), lambda: rival.place(wish))(),
        )
        free.extend((payer, rival))
        return order, f"pay {in_short(paid)}, rival {taken.status}"

    tries = await limited(PAYERS_AT_ONCE, (one(*each) for each in enumerate(stalls)))
    race.report.line("7 last moment", f"{len(tries)} tries; {shots.told()}")
    yield
    await _whole_or_back(race, tries)


async def _whole_or_back(race: Race, tries: Sequence[tuple[dict[str, Any], str]]) -> None:
    outcomes: Counter[str] = Counter()
    for order, told in tries:
        (row,) = await race.world.rows(
            "SELECT o.status, o.refund, p.state, s.reserved + s.sold AS held FROM orders o"
            " JOIN order_lines l ON l.order_id = o.id JOIN stock s ON s.variant_id = l.variant_id"
            " LEFT JOIN payments p ON p.order_id = o.id WHERE o.id = :id",
            id=UUID(order["id"]),
        )
        payment = f"payment {row['state'] or 'none'}"
        outcome = f"{told}: {row['status']}, {payment}, refund {row['refund']}"
        is_whole = row["held"] == 1 if row["status"] == "paid" else row["status"] == "expired"
        race.report.expect(is_whole, f"last moment: {outcome}, {row['held']} held")
        outcomes[outcome] += 1
    await _money_follows(race, [order for order, _ in tries], "last moment")
    for outcome, times in sorted(outcomes.items()):
        race.report.line("7 last moment", f"{times} x {outcome}")


@dataclass
class Shots:
    """Payments that are to begin at a moment, sent off as early as the last ones were on the way.

    The answer says when the payment was begun, so both the way and the miss are known; a refusal,
    which takes little more than its way, is as good as over when it is heard.
    """

    ways: deque[float] = field(default_factory=lambda: deque([0.05], maxlen=9))
    misses: list[float] = field(default_factory=list)

    async def fire(
        self, buyer: Buyer, order: dict[str, Any], how: str, at: datetime | None = None
    ) -> Answer:
        """Pay now, or so that it is begun at that time, give or take 50 ms."""
        if at is not None:
            ahead = (at - datetime.now(UTC)).total_seconds()
            early = statistics.median(self.ways) + random.uniform(-0.05, 0.05)
            await asyncio.sleep(max(0.0, ahead - early))
        sent_at = datetime.now(UTC)
        paid = await buyer.pay(order, how)
        begun_at = sent_at + timedelta(seconds=paid.seconds)
        if paid.status == 201:
            begun_at = datetime.fromisoformat(paid.body["payment"]["created_at"])
        self.ways.append((begun_at - sent_at).total_seconds())
        if at is not None:
            self.misses.append((begun_at - at).total_seconds())
        return paid

    def told(self) -> str:
        near = [miss for miss in self.misses if abs(miss) <= 0.1]
        in_time = sum(miss <= 0 for miss in near)
        return (
            f"of {len(self.misses)} payments {in_time} within 100 ms before the moment and"
            f" {len(near) - in_time} within 100 ms after it"
        )


@dataclass
class Aim:
    """How long before a moment to set out, learnt from what came late and what did not.

    A request is on its way for a while that depends on the load; without learning, nearly all
    would fall on one side of the moment, and the race would be none.
    """

    early_seconds: float = 0.1

    def until(self, moment: datetime) -> float:
        """Seconds from now, give or take 50 ms; the service's clock is not moved here."""
        ahead = (moment - datetime.now(UTC)).total_seconds()
        return ahead - self.early_seconds + random.uniform(-0.05, 0.05)

    def learn(self, *, was_late: bool) -> None:
        """Set out a little earlier after coming late, a little later after coming in time."""
        moved = self.early_seconds + (0.02 if was_late else -0.02)
        self.early_seconds = min(max(moved, -0.2), 1.5)


async def many_due(race: Race) -> list[str]:
    """Groups with two of three paid and orders nobody paid, all waiting for their time to pass."""
    stall = await race.world.fair.stall(units=10_000, size=3, group_seconds=600)
    people = iter(race.buyers)

    async def one(pair: tuple[Buyer, Buyer]) -> list[str]:
        first = await pair[0].bought(stall.basket(open=stall.campaign_id))
        await pair[1].bought(stall.basket(join=first["group_id"]))
        unpaid = await pair[0].placed(stall.basket(2))
        return [first["group_id"], unpaid["id"]]

    pairs = [(next(people), next(people)) for _ in range(race.size.due)]
    return [due for found in await limited(8, (one(p) for p in pairs)) for due in found]


async def each_processed_once(race: Race, due: list[str]) -> None:
    """After three workers: each group failed once, each order expired once, each refund once."""
    seconds = await race.world.quiet()
    rows = await race.world.rows("SELECT aggregate_id, kind FROM outbox_events")
    facts = Counter((ident(r["aggregate_id"]), r["kind"]) for r in rows)
    for number, told in enumerate(due):
        kind = "order.expired" if number % 2 else "group.failed"
        race.report.same(f"times of {kind}", facts[ident(told), kind], 1)
    groups = ", ".join(f"'{g}'" for g in due[::2])
    refunds = await race.world.rows(
        "SELECT r.order_id FROM refunds r JOIN orders o ON o.id = r.order_id"
        f" WHERE r.state = 'succeeded' AND o.group_id IN ({_ids(race, groups)})"
    )
    race.report.same("refunds of due groups", len(refunds), len(due))
    race.report.same("orders refunded", len({r["order_id"] for r in refunds}), len(due))
    figures = f"{len(due) // 2} groups, {len(due) // 2} orders, {len(refunds)} refunds, each once"
    race.report.line("9 three workers", f"{figures}, in {seconds:.1f} s")


def _ids(race: Race, quoted: str) -> str:
    return quoted.replace("-", "") if race.world.backend == "sqlite" else quoted
