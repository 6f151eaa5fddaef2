"""Baskets made around thresholds: tables, and the law that each stands where it says."""

import tracemalloc
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.models import ProductKind, PromotionPolicy, ShopStatus
from app.catalog.rules import Goods, ShopTerms, Stocked
from app.core.money import LINES_MAX, QUANTITY_MAX
from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.engine import quote
from app.promotions.rules.baskets import Asked, basket_of
from app.promotions.rules.drafts import DRAFT_ID
from app.promotions.rules.mechanics import conditions_of, match_of, mechanic
from app.promotions.rules.previews import BASKETS_MAX, Trial, TrialBasket, baskets_for
from app.promotions.rules.sums import Sums
from app.promotions.rules.trials import goods_for

NOW = datetime(2026, 6, 18, 4, tzinfo=UTC)
NEWCOMER = Buyer(0, frozenset(), frozenset())


def stocked(
    number: int,
    amount: int,
    *tags: str,
    solo: int | None = None,
    available: int = 10_000,
    is_on_sale: bool = True,
) -> Stocked:
    goods = Goods(
        variant_id=UUID(int=number),
        product_id=UUID(int=1_000 + number),
        product_title="杨梅",
        variant_title="2.5kg",
        sku=f"S-{number}",
        kind=ProductKind.GOODS,
        is_private=False,
        category_ids=frozenset(),
        tags=frozenset(tags),
        list_amount=amount,
        solo_amount=solo,
        cost_amount=None,
        floor_amount=0,
        available=available,
        quantity=1,
    )
    return Stocked(goods, is_on_sale)


SHELF = (
    stocked(1, 9_900, "a"),
    stocked(2, 5_000, "a", "b"),
    stocked(3, 3_000, "b"),
    stocked(4, 700, "b", available=0),
    stocked(5, 100, "a", is_on_sale=False),
)


def made(
    rule: Mapping[str, Any],
    goods: Sequence[Stocked] = SHELF,
    match: Mapping[str, Any] | None = None,
    **conditions: Any,
) -> list[TrialBasket]:
    trial = Trial(DRAFT_ID, rule, match or {}, conditions_of(conditions), goods, goods)
    return baskets_for(trial)


def told(baskets: Sequence[TrialBasket]) -> list[tuple[str, dict[int, int]]]:
    return [(b.reason, {line.variant_id.int: line.quantity for line in b.lines}) for b in baskets]


def full(*amounts: int) -> dict[str, Any]:
    tiers = [{"threshold_amount": a, "off_amount": n} for n, a in enumerate(amounts, 1)]
    return {"kind": "spend_threshold", "tiers": tiers}


PERCENT = {"kind": "percent_off", "off_bp": 1_000}
PARTS = [
    {"match": {"tags_any": ["a"]}, "quantity": 1},
    {"match": {"tags_any": ["b"]}, "quantity": 2},
]

TABLE: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, dict[int, int]]]]] = [
    (
        "a threshold that is hit",
        full(13_000),
        {},
        [
            ("below", {1: 1, 3: 1}),
            ("at", {2: 2, 3: 1}),
            ("above", {2: 1, 3: 3}),
            ("twice", {2: 4, 3: 2}),
        ],
    ),
    (
        "one that the dearest is above",
        full(2_999),
        {},
        [("at", {3: 1}), ("above", {2: 1}), ("twice", {3: 2})],
    ),
    (
        "buy two get one",
        {"kind": "buy_n_get_m", "buy": 2, "get": 1},
        {},
        [
            ("below", {1: 1, 3: 1}),
            ("at", {1: 1, 3: 2}),
            ("above", {1: 1, 3: 3}),
            ("twice", {1: 1, 3: 5}),
        ],
    ),
    (
        "a bundle of the dearest that fit",
        {"kind": "bundle", "parts": PARTS, "price_amount": 9_000},
        {},
        [
            ("below", {1: 1, 2: 1}),
            ("at", {1: 1, 2: 2}),
            ("above", {1: 1, 2: 3}),
            ("twice", {1: 2, 2: 4}),
        ],
    ),
    (
        "a bundle with a part of one unit",
        {"kind": "bundle", "parts": PARTS[::-1], "price_amount": 9_000},
        {},
        [
            ("below", {2: 2}),
            ("at", {2: 2, 1: 1}),
            ("above", {2: 2, 1: 2}),
            ("twice", {2: 4, 1: 2}),
        ],
    ),
    (
        "a bundle of which a part fits nothing",
        {
            "kind": "bundle",
            "parts": [*PARTS, {"match": {"tags_any": ["c"]}, "quantity": 1}],
            "price_amount": 1,
        },
        {},
        [],
    ),
    (
        "a percentage",
        PERCENT,
        {},
        [
            ("cheapest", {3: 1}),
            ("dearest", {1: 1}),
            ("two_units", {1: 2}),
            ("mix", {3: 1, 2: 1, 1: 1}),
        ],
    ),
    (
        "a percentage from two units on",
        PERCENT,
        {"units_min": 2},
        [
            ("below", {1: 1}),
            ("at", {1: 1, 3: 1}),
            ("above", {1: 1, 3: 2}),
            ("twice", {1: 1, 3: 3}),
            ("cheapest", {3: 1}),
            ("two_units", {1: 2}),
            ("mix", {3: 1, 2: 1, 1: 1}),
        ],
    ),
    (
        "steps of a ladder",
        {"kind": "percent_off", "ladder": [{"units": 2}, {"units": 3}]},
        {},
        [
            ("below", {1: 1}),
            ("at", {1: 1, 3: 1}),
            ("at", {1: 1, 3: 2}),
            ("above", {1: 1, 3: 3}),
            ("twice", {1: 1, 3: 5}),
            ("cheapest", {3: 1}),
            ("two_units", {1: 2}),
            ("mix", {3: 1, 2: 1, 1: 1}),
        ],
    ),
    (
        "no threshold at all",
        {"kind": "free_shipping", "threshold_amount": 0},
        {},
        [
            ("cheapest", {3: 1}),
            ("dearest", {1: 1}),
            ("two_units", {1: 2}),
            ("mix", {3: 1, 2: 1, 1: 1}),
        ],
    ),
    (
        "a minimum above the threshold",
        {"kind": "shipping_off", "threshold_amount": 100, "off_amount": 5},
        {"minimum": {"amount": 5_000}},
        [("below", {3: 1}), ("at", {2: 1}), ("above", {3: 2}), ("twice", {2: 2})],
    ),
    (
        "two counted conditions",
        full(9_000),
        {"units_min": 4},
        [
            ("below", {2: 1, 3: 1}),
            ("at", {3: 4}),
            ("twice", {2: 3, 3: 1}),
            ("below", {1: 1, 3: 2}),
            ("at", {1: 1, 3: 3}),
            ("above", {1: 1, 3: 4}),
            ("twice", {1: 1, 3: 7}),
        ],
    ),
]


@pytest.mark.parametrize(
    ("rule", "conditions", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_these_baskets_are_made(
    rule: dict[str, Any], conditions: dict[str, Any], wanted: list[tuple[str, dict[int, int]]]
) -> None:
    assert told(made(rule, **conditions)) == wanted


def test_a_gross_minimum_counts_list_prices() -> None:
    goods = [stocked(1, 1_000, solo=600)]
    baskets = made(full(1_200), goods, minimum={"amount": 2_000, "basis": "gross"})
    found = [
        (b.reason, b.threshold and b.threshold.is_gross, b.subtotal_amount, b.units)
        for b in baskets
    ]
    assert found == [
        ("below", False, 600, 1),
        ("at", False, 1_200, 2),
        ("above", False, 1_800, 3),
        ("twice", False, 2_400, 4),
    ]


def test_of_many_tiers_those_at_and_below_are_kept() -> None:
    baskets = made(full(*range(10_000, 110_000, 10_000)))
    assert len(baskets) == BASKETS_MAX
    assert [b.reason for b in baskets].count("at") == 10
    assert [b.reason for b in baskets].count("below") == 10


def test_nothing_out_of_stock_or_given_is_used_where_there_is_more() -> None:
    gift = {"kind": "gift", "threshold_amount": 3_000, "variant_id": str(UUID(int=3))}
    used = {line.variant_id.int for b in made(gift) for line in b.lines}
    assert used == {1, 2}
    sold_out = [stocked(4, 700, available=0)]
    assert told(made(PERCENT, sold_out))[0] == ("cheapest", {4: 1})
    assert made(PERCENT, [stocked(5, 100, is_on_sale=False)]) == []
    assert told(made(full(1), [stocked(6, 0)])) == []


def test_no_basket_has_more_lines_than_an_order_may() -> None:
    """Very many units are asked for: as many as a full basket has, or nearly."""
    goods = [stocked(n, 100 * n) for n in range(1, 130)]
    for units_min, wanted in ((900_000, {"below", "at", "above"}), (999_900, set())):
        for rule in (PERCENT, full(1_000)):
            baskets = made(rule, goods, units_min=units_min)
            assert max(len(b.lines) for b in baskets) < LINES_MAX
            counted = [b for b in baskets if b.threshold and b.threshold.units]
            assert {b.reason for b in counted} == wanted


def test_a_unit_of_the_right_tier_is_chosen() -> None:
    tiers = [
        {"threshold_amount": amount, "price_amount": 1, "variant_ids": [str(UUID(int=number))]}
        for amount, number in ((3_000, 5), (9_000, 2))
    ]
    baskets = made({"kind": "add_on", "tiers": tiers}, match={"tags_any": ["b"]})
    chosen = {
        (b.threshold.amount, a.variant_id.int) for b in baskets if b.threshold for a in b.add_ons
    }
    # What the first tier offers is not on sale.
    assert chosen == {(9_000, 2)}


# -- the law


def shelves() -> st.SearchStrategy[list[Stocked]]:
    row = st.tuples(
        st.integers(1, 3_000),
        st.sets(st.sampled_from("abc"), max_size=2),
        st.integers(0, 3),
        st.booleans(),
    )
    return st.lists(row, min_size=1, max_size=6).map(
        lambda rows: [
            stocked(n, amount, *sorted(tags), available=available, is_on_sale=on_sale)
            for n, (amount, tags, available, on_sale) in enumerate(rows, 1)
        ]
    )


def rules() -> st.SearchStrategy[dict[str, Any]]:
    amounts = st.lists(st.integers(1, 9_000), min_size=1, max_size=3, unique=True).map(sorted)
    part = st.fixed_dictionaries(
        {
            "match": st.sampled_from([{}, {"tags_any": ["a"]}, {"tags_any": ["b"]}]),
            "quantity": st.integers(1, 3),
        }
    )
    return st.one_of(
        amounts.map(lambda found: full(*found)),
        st.builds(
            lambda amount: {"kind": "free_shipping", "threshold_amount": amount},
            st.integers(1, 9_000),
        ),
        st.builds(
            lambda buy, get: {"kind": "buy_n_get_m", "buy": buy, "get": get},
            st.integers(1, 5),
            st.integers(1, 3),
        ),
        st.builds(
            lambda parts: {"kind": "bundle", "parts": parts, "price_amount": 0},
            st.lists(part, min_size=2, max_size=3),
        ),
    )


SHOP = ShopTerms(
    id=UUID(int=9),
    currency="CNY",
    status=ShopStatus.OPEN,
    time_zone="Asia/Shanghai",
    shipping_flat_amount=600,
    allow_free_orders=True,
    promotion_policy=PromotionPolicy.BEST_FOR_BUYER,
)


def applies(
    rule: Mapping[str, Any], match: Any, conditions: Any, basket: TrialBasket, shelf: Any
) -> bool:
    """By the engine, which is what the baskets are made for."""
    promotion = mechanic(
        rule,
        id=DRAFT_ID,
        version=1,
        match=match_of(match),
        conditions=conditions_of(conditions),
    )
    goods = goods_for(SHOP, {one.goods.variant_id: one for one in shelf}, basket.lines, ())
    asked = Asked(lines=basket.lines, buyer=NEWCOMER)
    found = quote(basket_of(goods, asked, [promotion]), [promotion], now=NOW)
    return any(row.promotion_id == DRAFT_ID for row in found.applied)


@given(shelves(), rules(), st.sampled_from([{}, {"tags_any": ["a", "b"]}]), st.integers(0, 6))
def test_each_can_be_ordered_and_stands_where_it_says(
    shelf: list[Stocked], rule: dict[str, Any], match: dict[str, Any], units_min: int
) -> None:
    conditions = {"units_min": units_min} if units_min else {}
    baskets = made(rule, shelf, match, **conditions)
    on_sale = {one.goods.variant_id for one in shelf if one.is_on_sale}
    assert len(baskets) <= BASKETS_MAX
    for basket in baskets:
        named = [line.variant_id for line in basket.lines]
        assert set(named) <= on_sale
        assert len(set(named)) == len(named) <= LINES_MAX
        assert all(1 <= line.quantity <= QUANTITY_MAX for line in basket.lines)
        threshold = basket.threshold
        if threshold is None:
            continue
        assert basket.subtotal_amount is not None
        assert basket.units is not None
        is_met = basket.subtotal_amount >= threshold.amount and basket.units >= threshold.units
        assert is_met is (basket.reason != "below")
    if not units_min and "tiers" not in rule:
        for basket in baskets:
            if basket.threshold is not None:
                is_met = applies(rule, match, conditions, basket, shelf)
                assert is_met is (basket.reason != "below"), basket


@given(shelves(), st.integers(1, 9_000))
def test_no_sum_of_these_prices_lies_nearer(shelf: list[Stocked], amount: int) -> None:
    """Against every sum there is, made by adding one unit at a time."""
    baskets = {b.reason: b.subtotal_amount for b in made(full(amount), shelf)}
    prices = {one.goods.list_amount for one in shelf if one.is_on_sale and one.goods.available}
    prices = prices or {one.goods.list_amount for one in shelf if one.is_on_sale}
    if not prices:
        assert baskets == {}
        return
    reached = {0}
    for total in range(2 * amount + 2 * max(prices)):
        if total in reached:
            reached |= {total + price for price in prices if total + price <= 30_000}
    at = min(total for total in reached if total >= amount)
    wanted = {
        "below": max(total for total in reached if total < amount),
        "at": at,
        "above": min(total for total in reached if total > at),
        "twice": min(total for total in reached if total >= 2 * amount),
    }
    wanted = {reason: total for reason, total in wanted.items() if total}
    assert baskets.items() <= wanted.items()
    # A basket that is made for two reasons is told once.
    assert baskets.keys() >= wanted.keys() - {"twice"}


def test_sums_stay_small_whatever_the_amounts() -> None:
    prices = [99_999, 70_001, 333]
    sums = Sums(prices, 2_000_000)
    assert sum(price * count for price, count in sums.units(1_999_999).items()) == 1_999_999
    dear = Sums([10**12, 10**12 - 1], 4 * 10**12)
    assert dear.prices == [10**12]
    assert (dear.at_most(10**12 - 1), dear.at_least(10**12 + 1)) == (None, 2 * 10**12)
    few = Sums([7], 10**9)
    assert (few.at_least(7 * QUANTITY_MAX), few.at_least(7 * QUANTITY_MAX + 1)) == (69_993, None)
    assert few.at_most(-1) is None


def test_an_amount_that_no_units_reach_takes_no_memory() -> None:
    """A bit for each minor unit up to the amount would be gigabytes."""
    few = Sums([1], 2 * 10**12)
    tracemalloc.start()
    assert few.at_most(10**10) == QUANTITY_MAX
    assert few.at_least(10**10) is None
    assert few.at_most(10**12 - 1) == QUANTITY_MAX
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 1 << 20
