"""Races for things there are few of: the last seat, the last units, one key, two shelves."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from tests.lanes.history import IN_FLIGHT, Answer
from tests.lanes.report import Report, latencies
from tests.lanes.world import Buyer, Stall, World, at_once, limited

TRIES_AT_ONCE = 64
RIVALS = 200


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    buyers: int
    rounds: int
    attempts: int
    units: int
    late_payers: int
    late_groups: int
    groups: int
    crowds: int
    due: int


SIZES = {
    "ci": Size(
        buyers=204,
        rounds=3,
        attempts=300,
        units=75,
        late_payers=60,
        late_groups=30,
        groups=4,
        crowds=1,
        due=12,
    ),
    "full": Size(
        buyers=204,
        rounds=20,
        attempts=2_000,
        units=500,
        late_payers=500,
        late_groups=500,
        groups=100,
        crowds=20,
        due=60,
    ),
}


@dataclass(frozen=True, slots=True)
class Shelf:
    """A stall whose campaign has a quota, and how many units of it have been paid for."""

    stall: Stall
    quota: int
    units: int
    paid: int
    free: list[Buyer]

    @property
    def most(self) -> int:
        """What can be sold through the campaign."""
        return min(self.quota, self.units)


@dataclass(frozen=True, slots=True)
class Race:
    """What every scenario gets."""

    world: World
    report: Report
    size: Size
    buyers: list[Buyer]
    # What scenarios leave behind, to be looked at when holds have expired.
    shelves: list[Shelf] = field(default_factory=list)

    def some(self, count: int) -> list[Buyer]:
        """That many buyers, chosen anew each time."""
        return random.sample(self.buyers, count)


def tally(answers: Sequence[Answer]) -> dict[str, int]:
    """How often each answer came."""
    return dict(Counter(f"{a.status} {a.code}".strip() for a in answers))


async def last_seat(race: Race) -> None:
    """200 clients at one barrier, one seat: one gets it, all others are told that it is full."""
    seconds: list[float] = []
    for number in range(race.size.rounds):
        capacity = (2, 3, 5)[number % 3]
        group, rivals = await _one_seat_left(race, capacity)
        wishes = await limited(
            TRIES_AT_ONCE, (b.quoted(group[0].basket(join=group[1])) for b in rivals)
        )
        pairs = zip(rivals, wishes, strict=True)
        answers = await at_once([_placing(b, w) for b, w in pairs])
        wanted = {"201": 1, "409 group_full": len(rivals) - 1}
        race.report.same(f"last seat, round {number}", tally(answers), wanted)
        seats = await race.world.number(
            "SELECT COUNT(*) FROM seats WHERE group_id = :id AND status IN ('reserved', 'paid')",
            id=group[1],
        )
        race.report.same(f"seats taken, round {number}", seats, capacity)
        seconds += [a.seconds for a in answers]
    figures = f"{race.size.rounds} rounds x {RIVALS} clients, each 1 x 201"
    race.report.line("1 last seat", f"{figures}; {latencies(seconds)}")


async def _one_seat_left(race: Race, capacity: int) -> tuple[tuple[Stall, Any], list[Buyer]]:
    stall = await race.world.fair.stall(units=1_000, size=capacity, stock_quota=1_000)
    leader, *others = race.buyers
    order = await leader.bought(stall.basket(open=stall.campaign_id))
    group_id = UUID(order["group_id"])
    for filler in others[: capacity - 2]:
        await filler.placed(stall.basket(join=group_id))
    return (stall, group_id), race.buyers[-RIVALS:]


def _placing(buyer: Buyer, wish: dict[str, Any], key: str | None = None) -> Any:
    return lambda: buyer.place(wish, key)


async def last_units(race: Race) -> None:
    """Many more attempts than units, one to five at a time: never oversold, nothing left over."""
    stall = await race.world.fair.stall(units=race.size.units)
    refused: list[int] = []
    granted: list[int] = []

    async def attempt(number: int) -> Answer:
        buyer = race.buyers[number % len(race.buyers)]
        quantity = random.randint(1, 5)
        answer = await buyer.place(await buyer.quoted(stall.basket(quantity)))
        (granted if answer.status == 201 else refused).append(quantity)
        return answer

    answers = await limited(TRIES_AT_ONCE, (attempt(n) for n in range(race.size.attempts)))
    left = race.size.units - sum(granted)
    race.report.expect(
        set(tally(answers)) <= {"201", "409 out_of_stock"}, f"answers: {tally(answers)}"
    )
    race.report.expect(left >= 0, f"oversold by {-left}")
    race.report.expect(
        all(quantity > left for quantity in refused),
        f"{left} left over, though somebody who wanted {min(refused, default=0)} was refused",
    )
    singles = await _sell_out(race, stall)
    race.report.same("units sold one by one at the end", singles, left)
    on_hand, reserved, sold = await race.world.fair.stock(stall.shop_id, stall.variant_id)
    race.report.same("stock at the end", (reserved + sold, on_hand), (on_hand, race.size.units))
    race.report.line(
        "2 last units",
        f"{len(answers)} attempts on {race.size.units}: {len(granted)} granted, "
        f"{len(refused)} refused, {left} then sold one by one, 0 left",
    )


async def _sell_out(race: Race, stall: Stall) -> int:
    for number in range(10):
        buyer = race.buyers[number]
        answer = await buyer.place(await buyer.quoted(stall.basket()))
        if answer.status != 201:
            race.report.same("refusal when sold out", answer.code, "out_of_stock")
            return number
    return 10


async def one_key_places(race: Race) -> None:
    """64 uses of one key at once: one order, one body; a later retry hears it again."""
    stall = await race.world.fair.stall(units=1_000)
    totals: Counter[str] = Counter()
    for buyer in race.some(race.size.rounds):
        wish, key = await buyer.quoted(stall.basket()), uuid4().hex
        answers = await at_once([_placing(buyer, wish, key)] * TRIES_AT_ONCE)
        again = await buyer.place(wish, key)
        totals.update(one_effect(race, answers, again))
        orders = await race.world.number(
            "SELECT COUNT(*) FROM orders o JOIN order_lines l ON l.order_id = o.id"
            " WHERE o.member_id = :member AND l.variant_id = :variant",
            member=buyer.member_id,
            variant=stall.variant_id,
        )
        race.report.same("orders of one key", orders, 1)
    race.report.line("3 one key, place", f"{race.size.rounds} rounds x 64: {dict(totals)}")


def one_effect(race: Race, answers: Sequence[Answer], again: Answer) -> dict[str, int]:
    """All answers are the one answer, or say that it is being made."""
    told = tally(answers)
    race.report.expect(
        set(told) <= {"201", f"409 {IN_FLIGHT}"} and told.get("201", 0) >= 1, f"answers: {told}"
    )
    bodies = {a.raw for a in (*answers, again) if a.status == 201}
    race.report.same("different bodies of one key", len(bodies), 1)
    race.report.same("a later retry", (again.status, again.replayed), (201, True))
    first = sum(1 for a in answers if a.status == 201 and not a.replayed)
    race.report.same("answers that are not replays", first, 1)
    return told


async def reversed_carts(race: Race) -> None:
    """[A, B] against [B, A]: no deadlock, and exactly as many orders as there is stock."""
    won = 0
    for number in range(max(2, race.size.rounds // 4)):
        shelves = [await race.world.fair.stall(units=40) for _ in range(2)]
        rivals = race.some(TRIES_AT_ONCE)
        baskets = [_both(shelves if n % 2 else shelves[::-1]) for n in range(len(rivals))]
        wishes = await limited(16, (b.quoted(w) for b, w in zip(rivals, baskets, strict=True)))
        answers = await at_once([_placing(b, w) for b, w in zip(rivals, wishes, strict=True)])
        race.report.same(
            f"reversed carts, round {number}",
            tally(answers),
            {"201": 40, "409 out_of_stock": len(rivals) - 40},
        )
        pairs = list(zip(rivals, answers, strict=True))
        winners = [(b, a.body) for b, a in pairs if a.status == 201]
        won += len(winners)
        await at_once([_ending(b, order, n) for n, (b, order) in enumerate(winners)])
        for shelf in shelves:
            stock = await race.world.fair.stock(shelf.shop_id, shelf.variant_id)
            race.report.same("stock of a shelf", stock, (40, 0, 20))
    race.report.line("8 reversed carts", f"{won} orders of two lines, half paid, half cancelled")


def _both(shelves: Sequence[Stall]) -> dict[str, Any]:
    lines = [line for shelf in shelves for line in shelf.basket()["lines"]]
    return {**shelves[0].basket(), "lines": lines}


def _ending(buyer: Buyer, order: dict[str, Any], number: int) -> Any:
    return (lambda: buyer.pay(order)) if number % 2 else (lambda: buyer.cancel(order))


async def quota_and_stock(race: Race) -> None:
    """Openers and joiners draw on a quota and on stock: never beyond either, nothing left over."""
    few = race.size.units // 5
    for quota, units in ((few, few + 7), (few + 7, few)):
        race.shelves.append(await _sold_until_short(race, quota, units))


async def _sold_until_short(race: Race, quota: int, units: int) -> Shelf:
    stall = await race.world.fair.stall(units=units, size=150, stock_quota=quota)
    leaders, rivals = race.buyers[:2], race.buyers[2 : 2 + min(200, 4 * quota)]
    groups = [(await b.bought(stall.basket(open=stall.campaign_id)))["group_id"] for b in leaders]
    ways = ({"open": stall.campaign_id}, {"join": groups[0]}, {"join": groups[1]})
    wanted = [random.randint(1, 2) for _ in rivals]
    baskets = [stall.basket(quantity, **ways[n % 3]) for n, quantity in enumerate(wanted)]
    pairs = zip(rivals, baskets, strict=True)
    wishes = await limited(TRIES_AT_ONCE, (b.quoted(basket) for b, basket in pairs))
    answers = await at_once([_placing(b, w) for b, w in zip(rivals, wishes, strict=True)])
    told = tally(answers)
    what = f"quota {quota}, stock {units}"
    race.report.expect(set(told) <= {"201", "409 quota_sold_out", "409 out_of_stock"}, f"{told}")
    taken = len(leaders) + sum(_units(a) for a in answers if a.status == 201)
    left = min(quota, units) - taken
    refused = [n for n, a in zip(wanted, answers, strict=True) if a.status != 201]
    race.report.expect(left >= 0, f"{what}: sold {-left} too many")
    race.report.expect(
        refused and all(quantity > left for quantity in refused),
        f"{what}: {left} left over, though somebody who wanted {min(refused, default=0)} had none",
    )
    race.report.same(f"counters of {what}", await _counters(race, stall), (taken, taken))
    winners = [(b, a) for b, a in zip(rivals, answers, strict=True) if a.status == 201][::3]
    pays = await at_once([_paying(b, a.body) for b, a in winners])
    race.report.same(f"paid of {what}", tally(pays), {"201": len(winners)})
    paid = len(leaders) + sum(_units(a) for _, a in winners)
    race.report.line("  quota and stock", f"{what}, {len(rivals)} openers and joiners: {told}")
    free = [b for b in rivals if b not in [winner for winner, _ in winners]]
    return Shelf(stall, quota, units, paid, free)


def _units(answer: Answer) -> int:
    quantity: int = answer.body["lines"][0]["quantity"]
    return quantity


def _paying(buyer: Buyer, order: dict[str, Any]) -> Any:
    return lambda: buyer.pay(order)


async def _counters(race: Race, stall: Stall) -> tuple[int, int]:
    """Units of the quota that are taken, and units of the stock that are reserved or sold."""
    taken = await race.world.number(
        "SELECT quota_taken FROM campaigns WHERE id = :id", id=stall.campaign_id
    )
    _, reserved, sold = await race.world.fair.stock(stall.shop_id, stall.variant_id)
    return taken, reserved + sold


async def back_when_expired(race: Race) -> None:
    """When the holds have expired both counters are what was paid; the rest is for sale again."""
    for shelf in race.shelves:
        what = f"quota {shelf.quota}, stock {shelf.units}"
        found = await _counters(race, shelf.stall)
        race.report.same(f"counters of {what}, expired", found, (shelf.paid, shelf.paid))
        left = shelf.most - shelf.paid
        openers = shelf.free[: left + 5]
        basket = shelf.stall.basket(open=shelf.stall.campaign_id)
        wishes = await limited(TRIES_AT_ONCE, (b.quoted(basket) for b in openers))
        answers = await at_once([_placing(b, w) for b, w in zip(openers, wishes, strict=True)])
        code = "quota_sold_out" if shelf.quota < shelf.units else "out_of_stock"
        wanted = {"201": left, f"409 {code}": 5}
        race.report.same(f"sold again of {what}", tally(answers), wanted)
        figures = f"{what}: {shelf.paid} paid, {left} expired and then sold again"
        race.report.line("  holds expired", figures)
