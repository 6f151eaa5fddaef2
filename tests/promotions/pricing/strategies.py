"""Small random baskets whose promotions overlap a lot, with ties, floors and exclusives."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from app.promotions.pricing.amount_off import AmountOffLine, AmountOffOrder, AmountOffUnit
from app.promotions.pricing.basket import (
    Basket,
    BasketLine,
    Buyer,
    ListPrice,
    PriceSetting,
    SoloPrice,
)
from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import LadderStep, PercentOff
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier
from tests.promotions.pricing.builders import NOW, basket, conditioned, ids, line, percent, uid

TAGS = ("fresh", "book", "gift")

amounts = st.one_of(st.integers(0, 30), st.sampled_from((5, 99, 9900, 19900)))
tag_sets = st.frozensets(st.sampled_from(TAGS), max_size=2)
some_tags = st.one_of(st.just(frozenset[str]()), tag_sets)


def some_ids(low: int, high: int) -> st.SearchStrategy[frozenset]:  # type: ignore[type-arg]
    return st.one_of(st.just(frozenset()), st.sets(st.integers(low, high), max_size=2).map(ids))


@st.composite
def lines(draw: st.DrawFn, number: int) -> BasketLine:
    return line(
        number,
        draw(st.integers(1, 3)),
        draw(amounts),
        product_id=uid(100 + draw(st.integers(0, 2))),
        category_ids=ids(draw(st.sets(st.integers(200, 202), max_size=2))),
        tags=draw(tag_sets),
        floor_amount=draw(st.one_of(st.just(0), amounts)),
    )


matches = st.builds(
    Match,
    product_ids=some_ids(100, 102),
    variant_ids=some_ids(1, 4),
    category_ids=some_ids(200, 202),
    tags_any=some_tags,
    tags_all=some_tags,
    product_ids_none=some_ids(100, 102),
    variant_ids_none=some_ids(1, 4),
    category_ids_none=some_ids(200, 202),
    tags_none=some_tags,
)
by_variant = st.builds(Match, variant_ids=some_ids(1, 4))
buyers = st.builds(
    Buyer,
    paid_orders=st.integers(0, 1),
    tags=st.frozensets(st.sampled_from(("vip", "parent")), max_size=1),
    community_ids=some_ids(300, 301),
)


@st.composite
def baskets(draw: st.DrawFn) -> Basket:
    numbers = draw(st.lists(st.integers(1, 4), max_size=4, unique=True))
    goods = [draw(lines(number)) for number in numbers]
    prices = {row.variant_id: draw(amounts) for row in goods}
    listed = ListPrice()
    group = GroupPrice(uid(900), 1, prices)
    settings: tuple[PriceSetting, ...] = (listed, listed, listed, SoloPrice(prices), group)
    return basket(
        *goods,
        price_setting=draw(st.sampled_from(settings)),
        buyer=draw(buyers),
        shipping_amount=draw(st.sampled_from((0, 600))),
    )


@st.composite
def promotions(draw: st.DrawFn, number: int) -> PercentOff:
    return percent(
        number,
        draw(st.one_of(st.sampled_from((1000, 2000, 5000, 10_000)), st.integers(1, 10_000))),
        match=draw(st.one_of(st.just(Match()), by_variant, matches)),
        starts_at=draw(st.sampled_from((None, None, NOW, NOW + timedelta(seconds=1)))),
        ends_at=draw(st.sampled_from((None, None, NOW + timedelta(days=1)))),
        new_buyers_only=draw(st.sampled_from((False, False, True))),
        community_ids=draw(some_ids(300, 301)),
        member_tags_any=draw(st.sampled_from((frozenset(), frozenset({"vip"})))),
        exclusive=draw(st.sampled_from((False, False, False, True))),
    )


@st.composite
def rules(draw: st.DrawFn) -> list[PercentOff]:
    numbers = draw(st.lists(st.integers(10, 15), max_size=5, unique=True))
    return [draw(promotions(number)) for number in numbers]


CONDITIONS = {
    "starts_at": (None, None, None, NOW + timedelta(seconds=1)),
    "new_buyers_only": (False, False, False, True),
    "exclusive": (False, False, False, False, True),
}


@st.composite
def any_mechanic(draw: st.DrawFn, number: int) -> Promotion:
    """A promotion of any kind, made to overlap and to be met."""
    fields: dict[str, Any] = {
        name: draw(st.sampled_from(ways)) for name, ways in CONDITIONS.items()
    }
    fields = conditioned(fields) | {
        "id": uid(number),
        "version": 1,
        "match": draw(st.one_of(st.just(Match()), st.just(Match()), by_variant)),
    }
    percents = st.one_of(st.sampled_from((1000, 2000, 5000, 10_000)), st.integers(1, 10_000))
    small = st.one_of(st.integers(1, 30), st.sampled_from((99, 1000, 5000)))
    times = st.sampled_from((None, None, 1, 2))
    parts = st.lists(
        st.builds(BundlePart, st.one_of(st.just(Match()), by_variant), st.integers(1, 2)),
        min_size=1,
        max_size=2,
    ).filter(lambda parts: sum(part.quantity for part in parts) > 1)
    mechanics: tuple[Callable[[], Promotion], ...] = (
        lambda: PercentOff(off_bp=draw(percents), **fields),
        lambda: draw(limited_percents(fields)),
        lambda: draw(limited_percents(fields)),
        lambda: AmountOffUnit(
            off_amount=draw(small), units_max=draw(st.sampled_from((None, 1, 2, 3))), **fields
        ),
        lambda: AmountOffLine(off_amount=draw(small), **fields),
        lambda: AmountOffOrder(off_amount=draw(small), **fields),
        lambda: BuyNGetM(
            buy=draw(st.integers(1, 2)),
            get=draw(st.integers(1, 2)),
            off_bp=draw(st.sampled_from((10_000, 10_000, 5000))),
            times_max=draw(times),
            **fields,
        ),
        lambda: Bundle(
            parts=tuple(draw(parts)), price_amount=draw(small), times_max=draw(times), **fields
        ),
        lambda: draw(spend_thresholds(fields)),
    )
    return draw(st.sampled_from(mechanics))()


caps = st.one_of(st.none(), st.integers(1, 40), st.sampled_from((99, 1500, 5000)))
rates = st.one_of(st.sampled_from((500, 1000, 2000, 5000, 10_000)), st.integers(1, 10_000))


@st.composite
def limited_percents(draw: st.DrawFn, fields: dict[str, Any]) -> PercentOff:
    """A percentage with a ladder, caps, a limit of units, or several of them."""
    limits: dict[str, Any] = {
        "line_off_max_amount": draw(caps),
        "order_off_max_amount": draw(caps),
    }
    if draw(st.booleans()):
        limits["units_max"] = draw(st.sampled_from((None, None, 1, 2, 4)))
        return PercentOff(off_bp=draw(rates), **limits, **fields)
    units = sorted(draw(st.sets(st.integers(1, 4), min_size=1, max_size=3)))
    offs = draw(st.sets(rates, min_size=len(units), max_size=len(units)))
    ladder = tuple(map(LadderStep, units, sorted(offs)))
    limits["units_max"] = draw(st.sampled_from((None, None, units[-1], units[-1] + 1)))
    return PercentOff(ladder=ladder, **limits, **fields)


@st.composite
def spend_thresholds(draw: st.DrawFn, fields: dict[str, Any]) -> SpendThreshold:
    steps = st.one_of(st.integers(1, 60), st.sampled_from((5000, 20_000)))
    thresholds = sorted(draw(st.lists(steps, min_size=1, max_size=2, unique=True)))
    if draw(st.booleans()):
        bps = sorted(draw(st.lists(st.integers(1, 10_000), min_size=2, max_size=2, unique=True)))
        tiers = [Tier(t, off_bp=bp) for t, bp in zip(thresholds, bps, strict=False)]
        return SpendThreshold(tiers=tuple(tiers), **fields)
    offs = sorted(draw(st.lists(st.integers(1, 40), min_size=2, max_size=2, unique=True)))
    tiers = [Tier(t, off_amount=min(off, t)) for t, off in zip(thresholds, offs, strict=False)]
    if len(tiers) > 1 and tiers[0].off_amount >= tiers[1].off_amount:
        tiers = tiers[:1]
    repeat = len(tiers) == 1 and draw(st.booleans())
    return SpendThreshold(tiers=tuple(tiers), repeat=repeat, **fields)


@st.composite
def mixed_rules(draw: st.DrawFn) -> list[Promotion]:
    numbers = draw(st.lists(st.integers(10, 15), min_size=1, max_size=4, unique=True))
    return [draw(any_mechanic(number)) for number in numbers]


@st.composite
def handfuls(draw: st.DrawFn) -> Basket:
    """At most six units."""
    goods: list[BasketLine] = []
    for number in draw(st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True)):
        left = 6 - sum(row.quantity for row in goods)
        if left:
            row = draw(lines(number))
            goods.append(replace(row, quantity=min(row.quantity, left)))
    return basket(*goods, shipping_amount=draw(st.sampled_from((0, 600))))
