"""Handfuls of units under a few promotions of all kinds, drawn plainly and therefore quickly.

Hypothesis shrinks what fails; this makes many more baskets in the same time.
"""

import random
from collections.abc import Callable
from typing import Any

from app.promotions.pricing.amount_off import AmountOffLine, AmountOffOrder, AmountOffUnit
from app.promotions.pricing.basket import Basket, BasketLine
from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import LadderStep, PercentOff
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier
from tests.promotions.pricing.builders import basket, ids, line, uid

VARIANTS = range(1, 5)
UNITS_MAX = 6


def _amount(rng: random.Random) -> int:
    return rng.choice((rng.randint(0, 30), rng.randint(5, 400), 99, 9_900, rng.randint(100, 5_000)))


def _off(rng: random.Random) -> int:
    return rng.choice((rng.randint(1, 30), 99, 1_000, 5_000, rng.randint(1, 3_000)))


def _bp(rng: random.Random) -> int:
    return rng.choice((500, 1_000, 2_000, 5_000, 10_000, rng.randint(1, 10_000)))


def _cap(rng: random.Random) -> int | None:
    return rng.choice((None, None, rng.randint(1, 40), 99, 1_500, rng.randint(50, 3_000)))


def _some(rng: random.Random) -> Match:
    return Match(variant_ids=ids(rng.sample(VARIANTS, rng.randint(1, 3))))


def random_basket(rng: random.Random) -> Basket:
    """At most six units of at most four variants, some with a floor."""
    rows: list[BasketLine] = []
    left = UNITS_MAX
    for variant in rng.sample(VARIANTS, rng.randint(1, len(VARIANTS))):
        units = min(rng.randint(1, 3), left)
        if units:
            floor = rng.choice((0, 0, _amount(rng)))
            rows.append(line(variant, units, _amount(rng), floor_amount=floor))
            left -= units
    return basket(*rows)


def random_rules(rng: random.Random) -> list[Promotion]:
    """One to four promotions that overlap a lot."""
    rules = []
    for number in range(10, 10 + rng.randint(1, 4)):
        match = rng.choice((Match(), Match(), _some(rng)))
        fields = {"id": uid(number), "version": 1, "match": match, "exclusive": rng.random() < 0.08}
        rules.append(rng.choice(MAKERS)(rng, fields))
    return rules


def _plain(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    return PercentOff(off_bp=_bp(rng), **fields)


def _limited(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    return PercentOff(
        off_bp=_bp(rng),
        units_max=rng.choice((None, None, 1, 2, 4)),
        line_off_max_amount=_cap(rng),
        order_off_max_amount=_cap(rng),
        **fields,
    )


def _ladder(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    units = sorted(rng.sample(range(1, 5), rng.randint(1, 3)))
    rates = sorted(rng.sample(range(100, 10_001, 100), len(units)))
    return PercentOff(
        ladder=tuple(map(LadderStep, units, rates)),
        units_max=rng.choice((None, None, units[-1], units[-1] + 1)),
        line_off_max_amount=rng.choice((None, None, _cap(rng))),
        order_off_max_amount=rng.choice((None, None, _cap(rng))),
        **fields,
    )


def _unit(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    return AmountOffUnit(off_amount=_off(rng), units_max=rng.choice((None, 1, 2)), **fields)


def _whole_line(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    return AmountOffLine(off_amount=_off(rng), **fields)


def _order(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    return AmountOffOrder(off_amount=_off(rng), **fields)


def _free(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    return BuyNGetM(
        buy=rng.randint(1, 2),
        get=rng.randint(1, 2),
        off_bp=rng.choice((10_000, 10_000, 5_000)),
        times_max=rng.choice((None, None, 1, 2)),
        **fields,
    )


def _bundle(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    sizes = rng.choice(((2,), (1, 1), (1, 2)))
    parts = tuple(BundlePart(rng.choice((Match(), _some(rng))), size) for size in sizes)
    times_max = rng.choice((None, None, 1, 2))
    return Bundle(parts=parts, price_amount=_off(rng), times_max=times_max, **fields)


def _threshold(rng: random.Random, fields: dict[str, Any]) -> Promotion:
    amount = rng.choice((rng.randint(1, 60), 5_000, 20_000, rng.randint(100, 20_000)))
    if rng.random() < 0.4:
        return SpendThreshold(tiers=(Tier(amount, off_bp=rng.randint(1, 10_000)),), **fields)
    tiers = (Tier(amount, off_amount=rng.randint(1, amount)),)
    return SpendThreshold(tiers=tiers, repeat=rng.random() < 0.3, **fields)


MAKERS: tuple[Callable[[random.Random, dict[str, Any]], Promotion], ...] = (
    _plain,
    *(_limited, _limited),
    *(_ladder, _ladder),
    _unit,
    _whole_line,
    _order,
    *(_free, _free),
    *(_bundle, _bundle),
    _threshold,
)
