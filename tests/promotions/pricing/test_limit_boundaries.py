"""Just below, at and just above each threshold, tier, cap, floor and limit."""

from collections.abc import Callable
from typing import Any

import pytest

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import BasketLine, Points
from app.promotions.pricing.conditions import Minimum
from app.promotions.pricing.engine import quote
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Left, Terms
from tests.promotions.pricing.builders import (
    NOW,
    add_on,
    basket,
    bundle,
    buy,
    chosen,
    coupon,
    free_shipping,
    full,
    full_percent,
    line,
    off_line,
    off_order,
    off_unit,
    offered,
    only,
    pays,
    percent,
    percent_order,
    saved,
    shipping_off,
    taken_off,
    tier,
)
from tests.promotions.pricing.edges import Edge, rows


def costing(amount: int, *promotions: Promotion, **brings: Any) -> Quote:
    return quote(basket(line(1, 1, amount), **brings), promotions, now=NOW)


def units(quantity: int, *promotions: Promotion, **brings: Any) -> Quote:
    return quote(basket(line(1, quantity, 1_000), **brings), promotions, now=NOW)


def under(terms: Terms, *promotions: Promotion) -> Quote:
    return quote(basket(line(1, 1, 10_000)), promotions, now=NOW, terms=terms)


def limited(left: Left, promotion: Promotion, **brings: Any) -> Quote:
    """One unit at 100.00 and shipping of 6.00, under a promotion of which so much is left."""
    goods = basket(line(1, 1, 10_000), shipping_amount=600, **brings)
    return quote(goods, [promotion], now=NOW, left={promotion.id: left})


def with_floor(floor_amount: int, *promotions: Promotion, **brings: Any) -> Quote:
    goods = line(1, 1, 10_000, floor_amount=floor_amount)
    return quote(basket(goods, **brings), promotions, now=NOW)


# An add-on's goods: mugs at 5.00, plates at 8.00.
MUG, PLATE = line(40, list_amount=500), line(41, list_amount=800)


def adding(
    rule: Promotion,
    *,
    mugs: int = 0,
    plates: int = 0,
    amount: int = 10_000,
    left: Left | None = None,
) -> Quote:
    wanted = [(40, mugs), (41, plates)]
    choices = tuple(chosen(10, variant, n) for variant, n in wanted if n)
    goods = basket(line(1, 1, amount), add_ons=choices, offered=offered(MUG, PLATE))
    return quote(goods, [rule], now=NOW, left={rule.id: left} if left else {})


BEHIND_COUPON: dict[str, Any] = {"coupons": (coupon(10),)}
TWO_TIERS = add_on(10, tier(5_000, 100, 40), tier(10_000, 300, 41))

THRESHOLDS = [
    Edge(
        "满减 tiers: the highest one met",
        lambda amount: costing(amount, full(10, (10_000, 1_000), (20_000, 2_500))),
        {9_999: 0, 10_000: 1_000, 10_001: 1_000, 19_999: 1_000, 20_000: 2_500, 20_001: 2_500},
    ),
    Edge(
        "满折 tiers: the highest one met",
        lambda amount: costing(amount, full_percent(10, (10_000, 1_000), (20_000, 2_000))),
        {9_999: 0, 10_000: 1_000, 19_999: 2_000, 20_000: 4_000, 20_002: 4_000, 20_003: 4_001},
    ),
    Edge(
        "每满: once for each time met",
        lambda amount: costing(amount, full(10, (10_000, 1_500), repeat=True)),
        {9_999: 0, 10_000: 1_500, 19_999: 1_500, 20_000: 3_000, 20_001: 3_000, 30_000: 4_500},
    ),
    Edge(
        "every one of several thresholds counts the same subtotal",
        lambda amount: costing(amount, full(10, (10_000, 100)), full(11, (10_001, 10))),
        {9_999: 0, 10_000: 100, 10_001: 110},
    ),
    Edge(
        "a threshold counts the goods meant alone",
        lambda amount: quote(
            basket(line(1, 1, amount), line(2, 1, 5_000)),
            [full(10, (10_000, 1_000), match=only(1))],
            now=NOW,
        ),
        {9_999: 0, 10_000: 1_000, 10_001: 1_000},
    ),
    Edge(
        "a threshold behind a coupon",
        lambda amount: costing(
            amount, full(10, (10_000, 1_000), needs_coupon=True), **BEHIND_COUPON
        ),
        {9_999: 0, 10_000: 1_000, 10_001: 1_000},
    ),
    Edge(
        "a minimum above the lowest tier hides it",
        lambda amount: costing(
            amount, full(10, (5_000, 500), (15_000, 2_000), minimum=Minimum(10_000))
        ),
        {9_999: 0, 10_000: 500, 14_999: 500, 15_000: 2_000},
    ),
    Edge(
        "free shipping from 100.00 on",
        lambda amount: costing(amount, free_shipping(10, 10_000), shipping_amount=600),
        {9_999: 0, 10_000: 600, 10_001: 600},
    ),
    Edge(
        "something off the shipping from 100.00 on",
        lambda amount: costing(amount, shipping_off(10, 400, 10_000), shipping_amount=600),
        {9_999: 0, 10_000: 400, 10_001: 400},
    ),
    Edge(
        "something off the shipping, never more than there is",
        lambda shipping: costing(10_000, shipping_off(10, 400), shipping_amount=shipping),
        {0: 0, 399: 399, 400: 400, 401: 400},
    ),
    Edge(
        "an add-on's first tier",
        lambda amount: adding(TWO_TIERS, mugs=1, amount=amount),
        {4_999: 0, 5_000: 400, 5_001: 400},
    ),
    Edge(
        "an add-on's second tier",
        lambda amount: adding(TWO_TIERS, mugs=1, plates=1, amount=amount),
        {9_999: 400, 10_000: 900, 10_001: 900},
    ),
]

CAPS = [
    Edge(
        "满折 at most so much off",
        lambda most: costing(10_000, full_percent(10, (1, 1_000), off_max_amount=most)),
        {1: 1, 999: 999, 1_000: 1_000, 1_001: 1_000},
    ),
    Edge(
        "每满 at most so much off",
        lambda amount: costing(amount, full(10, (1_000, 100), repeat=True, off_max_amount=250)),
        {999: 0, 1_999: 100, 2_000: 200, 2_999: 200, 3_000: 250, 9_000: 250},
    ),
    Edge(
        "整单X折 at most so much off",
        lambda most: costing(10_000, percent_order(10, 1_000, off_max_amount=most)),
        {999: 999, 1_000: 1_000, 1_001: 1_000},
    ),
    Edge(
        "a percentage of the order rounds half a fen up",
        lambda amount: costing(amount, percent_order(10, 1_000)),
        {4: 0, 5: 1, 14: 1, 15: 2},
    ),
    Edge(
        "the floor stops a percentage",
        lambda floor: with_floor(floor, percent(10, 2_000)),
        {7_999: 2_000, 8_000: 2_000, 8_001: 1_999, 10_000: 0, 10_001: 0},
    ),
    Edge(
        "the floor stops an amount off a unit",
        lambda floor: with_floor(floor, off_unit(10, 2_000)),
        {7_999: 2_000, 8_000: 2_000, 8_001: 1_999},
    ),
    Edge(
        "the floor stops an amount off a line",
        lambda floor: with_floor(floor, off_line(10, 2_000)),
        {7_999: 2_000, 8_000: 2_000, 8_001: 1_999},
    ),
    Edge(
        "the floor stops an amount off the order",
        lambda floor: with_floor(floor, off_order(10, 2_000)),
        {7_999: 2_000, 8_000: 2_000, 8_001: 1_999},
    ),
    Edge(
        "the floor stops a threshold's amount",
        lambda floor: with_floor(floor, full(10, (10_000, 2_000))),
        {7_999: 2_000, 8_000: 2_000, 8_001: 1_999},
    ),
    Edge(
        "the floor stops a coupon after an item discount",
        lambda floor: with_floor(
            floor, percent(11, 1_000), off_order(10, 1_000, needs_coupon=True), **BEHIND_COUPON
        ),
        {7_999: 2_000, 8_000: 2_000, 8_001: 1_999, 9_000: 1_000},
    ),
    Edge(
        "the floor stops a bundle",
        lambda floor: quote(
            basket(line(1, 2, 1_000, floor_amount=floor)),
            [bundle(10, 1_600, (only(1), 2))],
            now=NOW,
        ),
        {799: 400, 800: 400, 801: 398, 1_000: 0},
    ),
    Edge(
        "the floor stops 买1送1",
        lambda floor: quote(
            basket(line(1, 2, 1_000, floor_amount=floor)), [buy(10, 1, 1)], now=NOW
        ),
        {499: 1_000, 500: 1_000, 501: 998, 1_000: 0},
    ),
    Edge(
        "the floor stops an add-on's token price",
        lambda floor: quote(
            basket(
                line(1, 1, 10_000),
                add_ons=(chosen(10, 40),),
                offered=offered(line(40, list_amount=500, floor_amount=floor)),
            ),
            [add_on(10, tier(0, 100, 40))],
            now=NOW,
        ),
        {99: 400, 100: 400, 101: 399, 500: 0},
    ),
    Edge(
        "the shop's cap on the discount of the goods",
        lambda cap_bp: under(Terms(discount_cap_bp=cap_bp), percent(10, 2_000)),
        {0: 0, 1: 1, 1_999: 1_999, 2_000: 2_000, 2_001: 2_000, 10_000: 2_000},
    ),
    Edge(
        "the shop's cap counts all layers together",
        lambda cap_bp: under(
            Terms(discount_cap_bp=cap_bp), percent(10, 1_000), off_order(11, 1_000)
        ),
        {1_999: 1_999, 2_000: 2_000, 2_001: 2_000},
    ),
    Edge(
        "the shop's cap is rounded down to what is allowed in full",
        lambda amount: quote(
            basket(line(1, 1, amount)),
            [percent(10, 2_000)],
            now=NOW,
            terms=Terms(discount_cap_bp=1),
        ),
        {9_999: 0, 10_000: 1, 19_999: 1, 20_000: 2},
    ),
    Edge(
        "points, so many as there are",
        lambda points: costing(1_000, points=Points(points)),
        {0: 0, 1: 1, 999: 999, 1_000: 1_000, 1_001: 1_000},
    ),
    Edge(
        "points, at most a share of the goods rounded down",
        lambda amount: costing(amount, points=Points(9_999, share_max_bp=5_000)),
        {1: 0, 2: 1, 3: 1, 4: 2},
    ),
    Edge(
        "points, at most a share of the goods",
        lambda points: costing(1_000, points=Points(points, share_max_bp=3_000)),
        {299: 299, 300: 300, 301: 300},
    ),
    Edge(
        "买1送1 no more often than so",
        lambda times: units(6, buy(10, 1, 1, times_max=times)),
        {1: 1_000, 2: 2_000, 3: 3_000, 4: 3_000},
    ),
    Edge(
        "a bundle no more often than so",
        lambda times: units(6, bundle(10, 1_900, (only(1), 2), times_max=times)),
        {1: 100, 2: 200, 3: 300, 4: 300},
    ),
    Edge(
        "an add-on's units, by its tier",
        lambda n: adding(add_on(10, tier(0, 100, 40, units_max=2)), mugs=n),
        {1: 400, 2: 800, 3: 800},
    ),
    Edge(
        "an add-on's units, by a tier of two goods: the dearer savings first",
        lambda most: adding(add_on(10, tier(0, 100, 40, 41, units_max=most)), mugs=2, plates=2),
        {1: 700, 2: 1_400, 3: 1_800, 4: 2_200, 5: 2_200},
    ),
    Edge(
        "an add-on's units, by the order: the dearer savings first",
        lambda most: adding(
            add_on(
                10, tier(0, 100, 40, units_max=2), tier(1, 300, 41, units_max=2), units_max=most
            ),
            mugs=2,
            plates=2,
        ),
        {1: 500, 2: 1_000, 3: 1_400, 4: 1_800, 5: 1_800},
    ),
    Edge(
        "an add-on's token price against the goods' own",
        lambda price: adding(add_on(10, tier(0, price, 40)), mugs=1),
        {0: 500, 499: 1, 500: 0, 501: 0},
    ),
]

OFF_ORDER, PERCENT = off_order(10, 700), percent(10, 1_000)
HALF_BY_COUPON = percent(10, 5_000, needs_coupon=True)
MUGS = add_on(10, tier(0, 100, 40, units_max=3))
ONE_OF_TWO = add_on(10, tier(0, 100, 40), tier(1, 300, 41), units_max=1)
MUGS_AND_PLATE = add_on(10, tier(0, 100, 40, units_max=2), tier(1, 300, 41))
LIMITS = [
    Edge(
        "uses left",
        lambda left: limited(Left(uses=left), PERCENT),
        {-1: 0, 0: 0, 1: 1_000, 2: 1_000},
    ),
    Edge(
        "uses left to the member",
        lambda left: limited(Left(member_uses=left), PERCENT),
        {-1: 0, 0: 0, 1: 1_000, 2: 1_000},
    ),
    Edge(
        "budget left to an order discount",
        lambda left: limited(Left(budget_amount=left), OFF_ORDER),
        {-1: 0, 0: 0, 1: 1, 699: 699, 700: 700, 701: 700},
    ),
    Edge(
        "budget left to a percentage of the order with a cap of its own",
        lambda left: limited(
            Left(budget_amount=left), percent_order(10, 1_000, off_max_amount=800)
        ),
        {0: 0, 799: 799, 800: 800, 801: 800},
    ),
    Edge(
        "budget left to a coupon",
        lambda left: limited(Left(budget_amount=left), HALF_BY_COUPON, **BEHIND_COUPON),
        {0: 0, 1: 1, 4_999: 4_999, 5_000: 5_000, 5_001: 5_000},
    ),
    Edge(
        "budget left to free shipping",
        lambda left: limited(Left(budget_amount=left), free_shipping(10)),
        {0: 0, 1: 1, 599: 599, 600: 600, 601: 600},
    ),
    Edge(
        "budget left to an add-on: whole units alone",
        lambda left: adding(MUGS, mugs=3, left=Left(budget_amount=left)),
        {0: 0, 399: 0, 400: 400, 799: 400, 800: 800, 1_200: 1_200, 1_201: 1_200},
    ),
    Edge(
        "budget left to an add-on of one unit: the dearest that it can pay for",
        lambda left: adding(ONE_OF_TWO, mugs=1, plates=1, left=Left(budget_amount=left)),
        {399: 0, 400: 400, 499: 400, 500: 500, 900: 500},
    ),
    Edge(
        "budget left to an add-on: the units that save most together",
        lambda left: adding(MUGS_AND_PLATE, mugs=2, plates=1, left=Left(budget_amount=left)),
        {399: 0, 400: 400, 500: 500, 799: 500, 800: 800, 899: 800, 900: 900, 1_300: 1_300},
    ),
    Edge(
        "quota left of an add-on's tier",
        lambda left: adding(MUGS, mugs=4, left=Left(tier_units=(left,))),
        {-1: 0, 0: 0, 1: 400, 2: 800, 3: 1_200, 4: 1_200},
    ),
    Edge(
        "quota left of an add-on's second tier",
        lambda left: adding(TWO_TIERS, mugs=1, plates=1, left=Left(tier_units=(None, left))),
        {0: 400, 1: 900, 2: 900},
    ),
]


@pytest.mark.parametrize(("price", "place", "saving"), rows([*THRESHOLDS, *CAPS, *LIMITS]))
def test_around_a_limit(price: Callable[[Any], Quote], place: Any, saving: int) -> None:
    assert saved(price(place)) == saving


def test_the_shops_cap_leaves_shipping_and_add_ons_alone() -> None:
    goods = basket(
        line(1, 1, 10_000),
        shipping_amount=600,
        add_ons=(chosen(11, 40),),
        offered=offered(MUG),
    )
    rules = [percent(10, 2_000), add_on(11, tier(9_001, 100, 40)), free_shipping(12, 9_001)]
    at_cap = quote(goods, rules, now=NOW, terms=Terms(discount_cap_bp=999))
    assert taken_off(at_cap) == {10: 2_000, "discount_cap": -1_001, 11: 400, 12: 600}
    assert pays(at_cap) == [(9_001,), (100,)]
    below = quote(goods, rules, now=NOW, terms=Terms(discount_cap_bp=1_000))
    assert pays(below) == [(9_000,), (500,)], "the cap decides what later thresholds see"


def test_a_merged_line_counts_its_units_together() -> None:
    """Splitting a line neither gains nor loses a set, a threshold or a share."""
    whole: list[BasketLine] = [line(1, 3, 1_000)]
    split = [line(1, 2, 1_000), line(1, 1, 1_000, key="again")]
    for rule in (buy(10, 2, 1), full(10, (3_000, 100)), bundle(10, 2_500, (only(1), 3))):
        answers = [quote(basket(*rows_), [rule], now=NOW) for rows_ in (whole, split)]
        assert pays(answers[0]) == pays(answers[1])
        assert saved(answers[0]) > 0


def test_a_selection_of_add_ons_that_was_cut_off_is_not_called_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = Left(budget_amount=850)
    whole = adding(MUGS_AND_PLATE, mugs=2, plates=1, left=left)
    assert (whole.optimality, saved(whole)) == ("proven", 800)
    monkeypatch.setattr("app.promotions.pricing.add_on.LOOKS_MAX", 3)
    cut = adding(MUGS_AND_PLATE, mugs=2, plates=1, left=left)
    assert (cut.optimality, saved(cut)) == ("best_found", 500)
    assert cut.total_amount - cut.bound_amount == 350
