"""The pricing core alone: unit discounts and all mechanics mixed, on real and on dense baskets.

In a dense basket each promotion meets half of the lines; in a real one most meet few or none, but
one in ten meets all of them, so that mixed ones contend for the same units.
"""

import random
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.promotions.pricing.amount_off import AmountOffLine, AmountOffUnit
from app.promotions.pricing.basket import Basket, BasketLine, Buyer, ListPrice
from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.engine import quote
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """A shape of basket."""

    name: str
    lines: int
    promotions: int
    is_dense: bool
    is_mixed: bool = False

    @property
    def title(self) -> str:
        """As it is printed."""
        return f"{self.name} {self.lines} × {self.promotions}"


CASES = (
    Case("real", 20, 50, is_dense=False),
    Case("dense", 20, 50, is_dense=True),
    Case("real", 50, 200, is_dense=False),
    Case("dense", 50, 200, is_dense=True),
    Case("mixed", 5, 5, is_dense=False, is_mixed=True),
    Case("mixed", 20, 50, is_dense=False, is_mixed=True),
    Case("mixed", 50, 200, is_dense=False, is_mixed=True),
    Case("mixed dense", 20, 50, is_dense=True, is_mixed=True),
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


def _percent_off(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    return PercentOff(off_bp=rng.randint(100, 5_000), **fields)


def _any(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    """Mostly discounts of units; sets, free units and thresholds as a shop might have them."""
    kind = rng.random()
    if kind < 0.45:
        return _percent_off(rng, fields)
    if kind < 0.6:
        return AmountOffUnit(off_amount=rng.randint(100, 3_000), **fields)
    if kind < 0.7:
        return AmountOffLine(off_amount=rng.randint(100, 5_000), **fields)
    if kind < 0.8:
        return BuyNGetM(buy=rng.randint(1, 3), get=1, **fields)
    if kind < 0.9:
        whole = rng.randint(1_000, 40_000)
        return Bundle(parts=(BundlePart(fields["match"], 2),), price_amount=whole, **fields)
    threshold = rng.randint(5_000, 400_000)
    tiers = (Tier(threshold, threshold // 10), Tier(2 * threshold, threshold // 4))
    return SpendThreshold(tiers=tiers, **fields)


def _make(rng: random.Random, case: Case) -> tuple[Basket, tuple[Promotion, ...]]:
    lines = tuple(_line(rng, n) for n in range(case.lines))
    live = []
    for n in range(case.promotions):
        fields = {"id": _id(10 + n), "version": 1, "match": _match(rng, case)}
        fields["new_buyers_only"] = not case.is_dense and rng.random() < 0.2
        fields["exclusive"] = not case.is_mixed and rng.random() < 0.1
        live.append((_any if case.is_mixed else _percent_off)(rng, fields))
    basket = Basket("CNY", lines, 0, ListPrice(), Buyer(3, frozenset(), frozenset()))
    return basket, tuple(live)


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
