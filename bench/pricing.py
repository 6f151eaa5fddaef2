"""The pricing core alone: real baskets, and those in which every promotion meets every line."""

import random
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from app.promotions.pricing.basket import Basket, BasketLine, Buyer, ListPrice
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.quote import quote

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """A shape of basket."""

    name: str
    lines: int
    promotions: int
    is_dense: bool

    @property
    def title(self) -> str:
        """As it is printed."""
        return f"{self.name} {self.lines} × {self.promotions}"


CASES = (
    Case("real", 20, 50, is_dense=False),
    Case("dense", 20, 50, is_dense=True),
    Case("real", 50, 200, is_dense=False),
    Case("dense", 50, 200, is_dense=True),
)


def _id(number: int) -> UUID:
    return UUID(int=(7 << 76) | (2 << 62) | number)


def _line(rng: random.Random, number: int) -> BasketLine:
    return BasketLine(
        key=f"line-{number}",
        variant_id=_id(1_000 + number),
        product_id=_id(2_000 + number // 2),
        category_ids=frozenset({_id(3_000 + rng.randrange(8))}),
        tags=frozenset(rng.sample("abcdefgh", 2)),
        quantity=rng.randint(1, 5),
        list_amount=rng.randint(100, 50_000),
        floor_amount=0,
    )


def _match(rng: random.Random, case: Case) -> Match:
    if case.is_dense:
        some = rng.sample(range(case.lines), case.lines // 2)
        return Match(product_ids=frozenset(_id(2_000 + n) for n in some))
    kind = rng.random()
    if kind < 0.6:
        return Match(product_ids=frozenset(_id(2_000 + n) for n in rng.sample(range(500), 5)))
    if kind < 0.9:
        return Match(category_ids=frozenset({_id(3_000 + rng.randrange(60))}))
    return Match()


def _make(rng: random.Random, case: Case) -> tuple[Basket, tuple[PercentOff, ...]]:
    lines = tuple(_line(rng, n) for n in range(case.lines))
    live = tuple(
        PercentOff(
            id=_id(10 + n),
            version=1,
            match=_match(rng, case),
            off_bp=rng.randint(100, 5_000),
            exclusive=rng.random() < 0.1,
            new_buyers_only=not case.is_dense and rng.random() < 0.2,
        )
        for n in range(case.promotions)
    )
    return Basket("CNY", lines, 0, ListPrice(), Buyer(3, frozenset(), frozenset())), live


def measure(case: Case, baskets: int) -> tuple[float, float, int]:
    """Median and 99th percentile in CPU milliseconds, and how many were not proven best."""
    rng = random.Random(1)
    spent, unproven = [], 0
    for _ in range(baskets):
        basket, live = _make(rng, case)
        began_at = time.process_time_ns()
        made = quote(basket, live, now=AT)
        spent.append((time.process_time_ns() - began_at) / 1e6)
        unproven += made.optimality != "proven"
    spent.sort()
    return statistics.median(spent), spent[min(len(spent) - 1, len(spent) * 99 // 100)], unproven
