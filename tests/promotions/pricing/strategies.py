"""Small random baskets whose promotions overlap a lot, with ties, floors and exclusives."""

from datetime import timedelta

from hypothesis import strategies as st

from app.promotions.pricing.basket import (
    Basket,
    BasketLine,
    Buyer,
    ListPrice,
    PriceSetting,
    SoloPrice,
)
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import PercentOff
from tests.promotions.pricing.builders import NOW, basket, ids, line, percent, uid

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
