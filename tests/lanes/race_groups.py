"""Races for groups: a stop against openers, one member on two devices, money at the deadline."""

import asyncio
import itertools
import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from tests.lanes.history import Answer
from tests.lanes.race_money import PAYERS_AT_ONCE, Shots, Story, in_short
from tests.lanes.race_seats import TRIES_AT_ONCE, Race, tally
from tests.lanes.world import (
    DELAY,
    DELAY_SECONDS,
    SUCCESS,
    Buyer,
    Stall,
    at_once,
    limited,
    priced,
)

OPENERS = JOINERS = 32
LATE = 2
SIZE, GROUPS = 4, 8
DEVICES_AT_ONCE = 50
# Who joins a group that lives for seconds may come too late, on a slow machine: it is tried again.
GOES_MAX = 5
UNITS = 20
Wish = tuple[Buyer, dict[str, Any]]


async def _priced(wants: Iterable[tuple[Buyer, dict[str, Any]]]) -> list[Wish]:
    wants = list(wants)
    quotes = await limited(TRIES_AT_ONCE, (buyer.quoted(basket) for buyer, basket in wants))
    return [(buyer, quote) for (buyer, _), quote in zip(wants, quotes, strict=True)]


def _placing(wish: Wish) -> Any:
    return lambda: wish[0].place(wish[1])


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody at a campaign that is about to be stopped, with the prices they were told."""

    stall: Stall
    opens: list[Wish]
    joins: list[Wish]
    late: list[Wish]

    @property
    def wishes(self) -> list[Wish]:
        return [*self.opens, *self.joins]


async def _gathered(race: Race) -> Crowd:
    """Eight groups of four with one paid seat each; openers, and four joiners for each group."""
    stall = await race.world.fair.stall(units=1_000, size=SIZE, stock_quota=900)
    opening = stall.basket(open=stall.campaign_id)
    people = iter(race.some(GROUPS + OPENERS + JOINERS + LATE))
    first = await limited(8, [next(people).bought(opening) for _ in range(GROUPS)])
    groups = [order["group_id"] for order in first]
    joining = [stall.basket(join=groups[n % GROUPS]) for n in range(JOINERS)]
    joins = await _priced([(next(people), basket) for basket in joining])
    opens = await _priced([(buyer, opening) for buyer in people])
    return Crowd(stall, opens[LATE:], joins, opens[:LATE])


async def _insisting(wish: Wish, answer: Answer) -> Answer:
    """The answer, or that to the same wish for the price of now: a stop makes a new version."""
    if answer.code != "quote_changed":
        return answer
    buyer, basket = wish
    quote = await buyer.try_quote({k: basket[k] for k in ("shop_id", "lines", "group")})
    return quote if quote.status != 200 else await buyer.place(priced(basket, quote))


async def stop_against_opening(race: Race) -> None:
    """A campaign is stopped among openers and joiners: none opens after it, all may still join."""
    told: Counter[str] = Counter()
    for number in range(race.size.crowds):
        crowd, owner = await _gathered(race), await race.world.owner()
        what, wishes = f"stop, round {number}", random.sample(crowd.wishes, len(crowd.wishes))
        # In the order of asking, which is about the order of being heard, it stands among them.
        works = [*map(_placing, wishes)]
        place = random.randrange(len(works) // 4, len(works))
        works.insert(place, partial(owner.stop, crowd.stall))
        answers = await at_once(works)
        stopped = answers.pop(place)
        race.report.same(f"{what}: the stop", tally([stopped]), {"200": 1})
        late = await at_once(map(_placing, crowd.late))
        race.report.same(f"{what}: afterwards", tally(late), {"409 campaign_stopped": LATE})
        answers = await limited(8, map(_insisting, wishes, answers))
        opened, joined = (
            tally([a for w, a in zip(wishes, answers, strict=True) if way in w[1]["group"]])
            for way in ("open", "join")
        )
        seats, granted = GROUPS * (SIZE - 1), opened.get("201", 0)
        wanted = {"201": seats, "409 group_full": JOINERS - seats}
        race.report.same(f"{what}: joiners", joined, wanted)
        race.report.expect(set(opened) <= {"201", "409 campaign_stopped"}, f"{what}: {opened}")
        units = GROUPS + seats + granted
        await _holds(race, crowd.stall, what, groups=GROUPS + granted, units=units)
        await _some_pay(race, [(b, a) for (b, _), a in zip(wishes, answers, strict=True)])
        told.update({f"opener {code}": times for code, times in opened.items()})
    race.report.line("15 stop", f"{race.size.crowds} rounds x {OPENERS} + {JOINERS}: {dict(told)}")


async def _holds(race: Race, stall: Stall, what: str, *, groups: int, units: int) -> None:
    """So many groups, and seats, quota and stock for so many units."""
    (found,) = await race.world.rows(
        'SELECT (SELECT COUNT(*) FROM "groups" g WHERE g.campaign_id = c.id) AS groups_,'
        " (SELECT COUNT(*) FROM seats s WHERE s.campaign_id = c.id"
        " AND s.status IN ('reserved', 'paid')) AS seats, c.quota_taken, st.reserved"
        " FROM campaigns c JOIN stock st ON st.variant_id = :variant WHERE c.id = :id",
        id=stall.campaign_id,
        variant=stall.variant_id,
    )
    wanted = (groups, units, units, units)
    race.report.same(f"{what}: groups, seats, quota, stock", tuple(found.values()), wanted)


async def _some_pay(race: Race, told: Sequence[tuple[Buyer, Answer]]) -> None:
    """Three of four pay: some groups succeed, some stay short, some never open."""
    won = [(buyer, answer.body) for buyer, answer in told if answer.status == 201]
    payers = [pair for n, pair in enumerate(won) if n % 4]
    pays = await at_once([partial(b.pay, order) for b, order in payers])
    race.report.same("pays after a stop", tally(pays), {"201": len(payers)})


async def ends_of_the_stopped(race: Race) -> None:
    """All time has passed: every group of a stopped campaign ended, every payer got one thing."""
    rows = await race.world.rows(
        "SELECT g.status, o.status AS bought, o.refund, o.confirmed_at IS NOT NULL AS is_confirmed,"
        " COUNT(*) AS times FROM orders o"
        ' JOIN "groups" g ON g.id = o.group_id JOIN campaigns c ON c.id = g.campaign_id'
        " WHERE c.status = 'stopped' GROUP BY 1, 2, 3, 4"
    )
    found = {(r["status"], r["bought"], r["refund"], bool(r["is_confirmed"])) for r in rows}
    legal = {
        ("succeeded", "paid", "none", True),
        ("failed", "closed", "full", False),
        ("failed", "expired", "none", False),
        ("cancelled", "expired", "none", False),
    }
    race.report.expect(found and found <= legal, f"ends after a stop: {found - legal}")
    ends = ", ".join(f"{r['times']} {r['bought']} in {r['status']}" for r in rows)
    race.report.line("15 stop", f"in the end: {ends}")


async def two_devices(race: Race) -> None:
    """One member many times at once on two devices: one group opened, one joined, never both."""
    told: Counter[str] = Counter()
    for number in range(race.size.crowds):
        stall = await race.world.fair.stall(units=1_000, size=5, stock_quota=900)
        leader, one, other, joiner, waverer = race.some(5)
        opening = stall.basket(open=stall.campaign_id)
        what = f"two devices, round {number}"
        opened = await _one_of_many(race, leader, [opening], f"{what}, opening")
        await leader.pay(opened)
        groups = [opened["group_id"], (await one.bought(opening))["group_id"]]
        await _refused(race, leader, [stall.basket(join=g) for g in groups] + [opening], what)
        joins = [stall.basket(join=group_id) for group_id in groups]
        joined = await _one_of_many(race, joiner, joins, f"{what}, joining")
        either = await _one_of_many(race, waverer, [*joins, opening], f"{what}, either")
        told["opened" if either["group_id"] not in groups else "joined"] += 1
        third = int(either["group_id"] not in groups)
        await _holds(race, stall, what, groups=2 + third, units=4)
        # A place that was given up is no longer in the way, whichever group it was in.
        await joiner.cancel(joined)
        await joiner.placed(random.choice(joins))
        await other.placed(random.choice(joins))
        await _holds(race, stall, f"{what}, later", groups=2 + third, units=5)
    figures = f"{race.size.crowds} rounds x 3 x {DEVICES_AT_ONCE}, each 1 x 201"
    race.report.line("16 two devices", f"{figures}; of members that wanted both {dict(told)}")


async def _one_of_many(
    race: Race, buyer: Buyer, baskets: Sequence[dict[str, Any]], what: str
) -> dict[str, Any]:
    """The order that one of many requests is granted, each with a key of its own."""
    devices = [buyer, await race.world.device(buyer)]
    wishes = await _priced((buyer, basket) for basket in baskets)
    tries = [(devices[n // 3 % 2], wishes[n % len(wishes)][1]) for n in range(DEVICES_AT_ONCE)]
    answers = await at_once(map(_placing, tries))
    wanted = {"201": 1, "409 already_in_group": DEVICES_AT_ONCE - 1}
    race.report.same(what, tally(answers), wanted)
    order: dict[str, Any] = next(a.body for a in answers if a.status == 201)
    return order


async def _refused(race: Race, leader: Buyer, baskets: Sequence[dict[str, Any]], what: str) -> None:
    """Who leads a group may join neither it nor another one, nor open one more."""
    wishes = await _priced((leader, basket) for basket in baskets)
    answers = await at_once(map(_placing, wishes))
    wanted = {"409 already_in_group": len(baskets)}
    race.report.same(f"{what}, the leader", tally(answers), wanted)


async def at_the_deadline(race: Race, group_seconds: int) -> Story:
    """The last of a group pay at the moment its time ends, at once or by a slow payment.

    Money taken by the deadline completes the group, money taken later goes back; nobody stays
    paid in a group that failed.
    """
    more = {"group_seconds": group_seconds}
    sizes = [2 + number % 2 for number in range(race.size.late_groups)]
    stalls = [await race.world.fair.stall(units=UNITS, size=size, **more) for size in sizes]
    free, ways, shots = deque(race.buyers), itertools.cycle((SUCCESS, DELAY, DELAY)), Shots()
    yield

    async def one(stall: Stall, size: int) -> tuple[UUID, str] | None:
        for _ in range(GOES_MAX):
            people = [free.popleft() for _ in range(size)]
            holds = await _all_but_paid(shots, stall, people)
            pays = await asyncio.gather(*(_at_its_end(shots, *each, next(ways)) for each in holds))
            free.extend(people)
            if pays:
                told = " and ".join(sorted(map(in_short, pays)))
                return UUID(holds[0][1]["group_id"]), told
        return None

    tries = await limited(PAYERS_AT_ONCE, map(one, stalls, sizes))
    judged = [each for each in tries if each is not None]
    race.report.line("17 deadline", f"{len(judged)} groups of {len(tries)}; {shots.told()}")
    yield
    await _complete_or_back(race, judged)


async def _all_but_paid(
    shots: Shots, stall: Stall, people: Sequence[Buyer]
) -> list[tuple[Buyer, Any]]:
    """Seats of all but the leader, who has paid; none when the group's time was over before."""
    leader, *others = people
    first = await leader.placed(stall.basket(open=stall.campaign_id))
    if (await shots.fire(leader, first, SUCCESS)).status != 201:
        return []
    basket = stall.basket(join=first["group_id"])
    holds = [(buyer, await _joined(buyer, basket)) for buyer in others]
    return holds if all(order for _, order in holds) else []


async def _complete_or_back(race: Race, tries: Sequence[tuple[UUID, str]]) -> None:
    outcomes: Counter[str] = Counter()
    for group_id, told in tries:
        outcomes[f"pay {told}: {await _judged(race, group_id)}"] += 1
    for outcome, times in sorted(outcomes.items()):
        race.report.line("17 deadline", f"{times} x {outcome}")


async def _joined(buyer: Buyer, basket: dict[str, Any]) -> dict[str, Any] | None:
    """A seat's order, or none when the time of the group was over before."""
    quote = await buyer.try_quote(basket)
    if quote.status != 200:
        return None
    answer = await buyer.place(priced(basket, quote))
    order: dict[str, Any] | None = answer.body if answer.status == 201 else None
    return order


async def _at_its_end(shots: Shots, buyer: Buyer, order: dict[str, Any], how: str) -> Answer:
    """Pay so that the money is taken about when the seat's time, which is the group's, ends."""
    ends_at = datetime.fromisoformat(order["expires_at"])
    earlier = timedelta(seconds=DELAY_SECONDS if how == DELAY else 0)
    return await shots.fire(buyer, order, how, ends_at - earlier)


async def _judged(race: Race, group_id: UUID) -> str:
    """What became of a group whose payers came at its deadline, held to the provider's times."""
    rows = await race.world.rows(
        "SELECT g.status, g.capacity, o.status AS bought, o.refund, p.id IS NOT NULL AS is_taken,"
        " o.confirmed_at IS NOT NULL AS is_confirmed,"
        " COALESCE(p.captured_at <= g.deadline_at, 1 = 0) AS is_in_time,"
        " o.ended_at = g.ended_at AS ended_together, st.reserved, st.sold"
        ' FROM "groups" g JOIN orders o ON o.group_id = g.id'
        " JOIN order_lines l ON l.order_id = o.id JOIN stock st ON st.variant_id = l.variant_id"
        " LEFT JOIN payments p ON p.order_id = o.id AND p.state = 'captured' WHERE g.id = :id",
        id=group_id,
    )
    size, status = rows[0]["capacity"], rows[0]["status"]
    in_time = sum(bool(row["is_in_time"]) for row in rows)
    if status == "succeeded":
        holds = in_time == size and all(row["is_confirmed"] for row in rows)
        sold, ends = size, {("paid", "none")}
    else:
        # Its last money was taken in time, and the news of it came after the grace.
        unheard = any(
            r["is_in_time"] and r["bought"] == "expired" and r["ended_together"] for r in rows
        )
        holds = status == "failed" and (in_time < size or unheard)
        sold, ends = 0, {("closed", "full"), ("expired", "full"), ("expired", "none")}
        holds = holds and all((row["refund"] == "full") == bool(row["is_taken"]) for row in rows)
    holds = holds and {(row["bought"], row["refund"]) for row in rows} <= ends
    holds = holds and (rows[0]["reserved"], rows[0]["sold"]) == (0, sold)
    taken = sum(bool(row["is_taken"]) for row in rows)
    told = f"{taken} of {size} taken, {in_time} in time, group {status}"
    race.report.expect(holds, f"deadline: {told}: {[dict(row) for row in rows]}")
    return told
