"""The pricing core alone, on three families of baskets; `bench/shops.py` says what they are."""

import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.engine import quote
from bench.shops import FAMILIES, SIZES, shop_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
SLOW_LINES = 50


@dataclass(frozen=True, slots=True)
class Measured:
    """One family at one size; times are CPU milliseconds of a quote."""

    title: str
    lines: int
    median_ms: float
    p99_ms: float
    baskets: int
    proven: int
    gap_per_mille: float

    @property
    def told(self) -> list[str]:
        """As it is printed."""
        share = f"{self.proven} of {self.baskets} proven"
        gap = (
            "" if self.proven == self.baskets else f", gap of the others {self.gap_per_mille:.1f} ‰"
        )
        return [f"median {self.median_ms:.2f}", f"p99 {self.p99_ms:.2f}", share + gap]


def measure(family: str, lines: int, promotions: int, baskets: int) -> Measured:
    """Price so many baskets; the same seed for every family and size."""
    rng = random.Random(1)
    spent, gaps = [], []
    for _ in range(baskets):
        basket, live = shop_of(family, rng, lines, promotions)
        began_at = time.process_time_ns()
        made = quote(basket, live, now=AT)
        spent.append((time.process_time_ns() - began_at) / 1e6)
        if made.optimality != "proven":
            gaps.append(_gap_per_mille(made))
    spent.sort()
    return Measured(
        title=f"{family} {lines} × {promotions}",
        lines=lines,
        median_ms=statistics.median(spent),
        p99_ms=spent[min(len(spent) - 1, len(spent) * 99 // 100)],
        baskets=baskets,
        proven=baskets - len(gaps),
        gap_per_mille=statistics.mean(gaps) if gaps else 0.0,
    )


def _gap_per_mille(made: Quote) -> float:
    return 1_000 * (made.total_amount - made.bound_amount) / max(made.total_amount, 1)


def families(baskets: int) -> Iterator[tuple[Measured, str]]:
    """Every family at every size, each with how its time grew from the size before."""
    for family in FAMILIES:
        before: Measured | None = None
        for lines, promotions in SIZES:
            # The large ones are slow and steady, so fewer of them tell as much.
            count = baskets if lines < SLOW_LINES else max(baskets // 3, 10)
            now = measure(family, lines, promotions, count)
            yield now, _growth(before, now)
            before = now


def _growth(before: Measured | None, now: Measured) -> str:
    if before is None:
        return "-"
    return (
        f"× {now.median_ms / before.median_ms:.1f} median,"
        f" × {now.p99_ms / before.p99_ms:.1f} p99 for × {now.lines / before.lines:.1f} lines"
    )
