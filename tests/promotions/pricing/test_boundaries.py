"""Just below, at and just above each condition: the moment, the buyer and the basket."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import MemberPrice
from app.promotions.pricing.conditions import Minimum
from app.promotions.pricing.engine import quote
from app.promotions.pricing.promotion import Promotion
from tests.promotions.pricing.builders import (
    ANYONE,
    NOW,
    add_on,
    basket,
    bundle,
    buy,
    chosen,
    coupon,
    free_shipping,
    full,
    gift,
    ids,
    line,
    off_order,
    offered,
    only,
    percent,
    percent_order,
    reasons,
    saved,
    tier,
    uid,
)
from tests.promotions.pricing.edges import Edge, rows

TICK, SECOND, MINUTE = timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1)
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def one_unit(*promotions: Promotion, now: datetime = NOW, **brings: Any) -> Quote:
    return quote(basket(line(1, 1, 5_000), **brings), promotions, now=now)


def units(quantity: int, *promotions: Promotion, **brings: Any) -> Quote:
    return quote(basket(line(1, quantity, 1_000), **brings), promotions, now=NOW)


def costing(amount: int, *promotions: Promotion, **brings: Any) -> Quote:
    return quote(basket(line(1, 1, amount), **brings), promotions, now=NOW)


def with_orders(paid_orders: int, **asked: Any) -> Quote:
    buyer = replace(ANYONE, paid_orders=paid_orders)
    return one_unit(percent(10, 1_000, **asked), buyer=buyer)


BEHIND_COUPON: dict[str, Any] = {"coupons": (coupon(10),)}

CONDITIONS = [
    Edge(
        "the window begins with its first moment",
        lambda now: one_unit(percent(10, 1_000, starts_at=NOW), now=now),
        {NOW - TICK: 0, NOW - SECOND: 0, NOW: 500, NOW + TICK: 500},
    ),
    Edge(
        "the window ends before its last moment",
        lambda now: one_unit(percent(10, 1_000, ends_at=NOW), now=now),
        {NOW - SECOND: 500, NOW - TICK: 500, NOW: 0, NOW + TICK: 0},
    ),
    Edge(
        "a coupon holds from its first moment on",
        lambda now: one_unit(
            percent(10, 1_000, needs_coupon=True), now=now, coupons=(coupon(10, starts_at=NOW),)
        ),
        {NOW - TICK: 0, NOW: 500, NOW + TICK: 500},
    ),
    Edge(
        "a coupon holds until just before its end",
        lambda now: one_unit(
            percent(10, 1_000, needs_coupon=True), now=now, coupons=(coupon(10, ends_at=NOW),)
        ),
        {NOW - TICK: 500, NOW: 0, NOW + TICK: 0},
    ),
    Edge(
        "new buyers have no paid order",
        lambda paid: with_orders(paid, new_buyers_only=True),
        {0: 500, 1: 0, 2: 0},
    ),
    Edge(
        "the first order",
        lambda paid: with_orders(paid, nth_order=1),
        {0: 500, 1: 0},
    ),
    Edge(
        "the third order follows two paid ones",
        lambda paid: with_orders(paid, nth_order=3),
        {1: 0, 2: 500, 3: 0},
    ),
    Edge(
        "three units at least",
        lambda n: units(n, percent(10, 1_000, units_min=3)),
        {2: 0, 3: 300, 4: 400},
    ),
    Edge(
        "three units at least, counted over the goods meant alone",
        lambda n: quote(
            basket(line(1, n, 1_000), line(2, 5, 1_000)),
            [percent(10, 1_000, units_min=3, match=only(1))],
            now=NOW,
        ),
        {2: 0, 3: 300, 4: 400},
    ),
    Edge(
        "three units at least, for an order discount",
        lambda n: units(n, off_order(10, 70, units_min=3)),
        {2: 0, 3: 70, 4: 70},
    ),
    Edge(
        "a gross minimum of an item discount",
        lambda amount: costing(amount, percent(10, 5_000, minimum=Minimum(10_000, "gross"))),
        {9_999: 0, 10_000: 5_000, 10_001: 5_001},
    ),
    Edge(
        "a running minimum of an item discount",
        lambda amount: costing(amount, percent(10, 5_000, minimum=Minimum(10_000))),
        {9_999: 0, 10_000: 5_000, 10_001: 5_001},
    ),
    Edge(
        "a gross minimum of an order discount",
        lambda amount: costing(amount, off_order(10, 70, minimum=Minimum(10_000, "gross"))),
        {9_999: 0, 10_000: 70, 10_001: 70},
    ),
    Edge(
        "a running minimum of an order discount",
        lambda amount: costing(amount, off_order(10, 70, minimum=Minimum(10_000))),
        {9_999: 0, 10_000: 70, 10_001: 70},
    ),
    Edge(
        "a gross minimum of a coupon",
        lambda amount: costing(
            amount,
            off_order(10, 70, minimum=Minimum(10_000, "gross"), needs_coupon=True),
            **BEHIND_COUPON,
        ),
        {9_999: 0, 10_000: 70, 10_001: 70},
    ),
    Edge(
        "a running minimum of a coupon",
        lambda amount: costing(
            amount,
            off_order(10, 70, minimum=Minimum(10_000), needs_coupon=True),
            **BEHIND_COUPON,
        ),
        {9_999: 0, 10_000: 70, 10_001: 70},
    ),
    Edge(
        "a running minimum of a percentage behind a coupon",
        lambda amount: costing(
            amount,
            percent(10, 1_000, minimum=Minimum(10_000), needs_coupon=True),
            **BEHIND_COUPON,
        ),
        {9_999: 0, 10_000: 1_000, 10_001: 1_000},
    ),
    Edge(
        "a running minimum of free shipping, above its threshold",
        lambda amount: costing(
            amount, free_shipping(10, 9_000, minimum=Minimum(10_000)), shipping_amount=600
        ),
        {9_999: 0, 10_000: 600, 10_001: 600},
    ),
    Edge(
        "a running minimum of an add-on, above its threshold",
        lambda amount: costing(
            amount,
            add_on(10, tier(9_000, 100, 40), minimum=Minimum(10_000)),
            add_ons=(chosen(10, 40),),
            offered=offered(line(40, list_amount=500)),
        ),
        {9_999: 0, 10_000: 400, 10_001: 400},
    ),
    Edge(
        "a bundle needs all its units",
        lambda n: units(n, bundle(10, 1_800, (only(1), 2))),
        {1: 0, 2: 200, 3: 200, 4: 400},
    ),
    Edge(
        "买2送1 counts whole threes",
        lambda n: units(n, buy(10, 2, 1)),
        {2: 0, 3: 1_000, 4: 1_000, 5: 1_000, 6: 2_000, 7: 2_000},
    ),
]

# What the layer before has left, with a tenth off each unit and 5.00 off the order.
TENTH, FIVE = percent(20, 1_000), off_order(21, 500)
LAYERED = [
    Edge(
        "gross counts list prices, whatever the layers before took off",
        lambda least: costing(10_000, TENTH, off_order(10, 1_500, minimum=Minimum(least, "gross"))),
        {9_999: 2_500, 10_000: 2_500, 10_001: 1_000},
    ),
    Edge(
        "running counts prices as set, for the item layer",
        lambda least: costing(
            10_000,
            percent(10, 1_000, minimum=Minimum(least)),
            price_setting=MemberPrice({uid(1): 9_000}),
        ),
        {8_999: 1_900, 9_000: 1_900, 9_001: 1_000},
    ),
    Edge(
        "gross counts list prices over the price as set, too",
        lambda least: costing(
            10_000,
            percent(10, 1_000, minimum=Minimum(least, "gross")),
            price_setting=MemberPrice({uid(1): 9_000}),
        ),
        {9_999: 1_900, 10_000: 1_900, 10_001: 1_000},
    ),
    Edge(
        "running counts what the item layer left, for the order layer",
        lambda least: costing(10_000, TENTH, off_order(10, 70, minimum=Minimum(least))),
        {8_999: 1_070, 9_000: 1_070, 9_001: 1_000},
    ),
    Edge(
        "running counts what item and order layer left, for a coupon",
        lambda least: costing(
            10_000,
            TENTH,
            FIVE,
            off_order(10, 70, minimum=Minimum(least), needs_coupon=True),
            **BEHIND_COUPON,
        ),
        {8_499: 1_570, 8_500: 1_570, 8_501: 1_500},
    ),
    Edge(
        "running counts what the coupon left, for the shipping",
        lambda least: costing(
            10_000,
            TENTH,
            off_order(10, 500, needs_coupon=True),
            free_shipping(11, minimum=Minimum(least)),
            shipping_amount=60,
            **BEHIND_COUPON,
        ),
        {8_499: 1_560, 8_500: 1_560, 8_501: 1_500},
    ),
    Edge(
        "an order discount's threshold counts what the item layer left",
        lambda threshold: costing(10_000, TENTH, full(10, (threshold, 70))),
        {8_999: 1_070, 9_000: 1_070, 9_001: 1_000},
    ),
    Edge(
        "an add-on's threshold counts what order layer and coupon left",
        lambda threshold: costing(
            10_000,
            FIVE,
            percent(10, 1_000, needs_coupon=True),
            add_on(11, tier(threshold, 40, 40)),
            add_ons=(chosen(11, 40),),
            offered=offered(line(40, list_amount=100)),
            **BEHIND_COUPON,
        ),
        {8_549: 1_510, 8_550: 1_510, 8_551: 1_450},
    ),
]


@pytest.mark.parametrize(("price", "place", "saving"), rows([*CONDITIONS, *LAYERED]))
def test_around_a_condition(price: Callable[[Any], Quote], place: Any, saving: int) -> None:
    answer = price(place)
    assert saved(answer) == saving
    applied, explained = {row.promotion_id for row in answer.applied}, reasons(answer)
    assert (uid(10) in applied) is (10 not in explained)


def test_a_gift_and_a_percentage_of_the_order_ask_for_units_like_anything_else() -> None:
    rules = [gift(10, 0, 50, units_min=2), percent_order(11, 1_000, units_min=2)]
    below, at_least = units(1, *rules), units(2, *rules)
    assert (below.gifts, saved(below)) == ((), 0)
    assert ([row.quantity for row in at_least.gifts], saved(at_least)) == ([1], 200)


# -- who the buyer is, one step from what is asked

COMMUNITY, OTHER = uid(70), uid(71)


@pytest.mark.parametrize(
    ("asked", "buyer", "is_open"),
    [
        ({"community_ids": ids([70])}, {"community_ids": ids([71])}, False),
        ({"community_ids": ids([70])}, {"community_ids": ids([70, 71])}, True),
        ({"roles": {"kol"}}, {"roles": {COMMUNITY: "member"}}, False),
        ({"roles": {"kol"}}, {"roles": {COMMUNITY: "kol"}}, True),
        (
            {"roles": {"kol"}, "community_ids": ids([70])},
            {"roles": {COMMUNITY: "member", OTHER: "kol"}, "community_ids": ids([70, 71])},
            False,
        ),
        (
            {"roles": {"kol"}, "community_ids": ids([70])},
            {"roles": {COMMUNITY: "kol"}, "community_ids": ids([70])},
            True,
        ),
        ({"audience_ids": ids([80, 81])}, {"audience_ids": ids([82])}, False),
        ({"audience_ids": ids([80, 81])}, {"audience_ids": ids([81])}, True),
        ({"member_tags_any": {"a", "b"}}, {"tags": {"c"}}, False),
        ({"member_tags_any": {"a", "b"}}, {"tags": {"b"}}, True),
        ({"member_tags_all": {"a", "b"}}, {"tags": {"a"}}, False),
        ({"member_tags_all": {"a", "b"}}, {"tags": {"a", "b", "c"}}, True),
        ({"member_tags_none": {"a", "b"}}, {"tags": {"b", "c"}}, False),
        ({"member_tags_none": {"a", "b"}}, {"tags": {"c"}}, True),
        ({"member_tags_none": {"a"}}, {"is_known": False}, False),
        ({"channels": {"mini_program"}}, {"is_known": False}, False),
        ({}, {"is_known": False}, True),
    ],
)
def test_one_step_from_what_is_asked_of_the_buyer(
    asked: dict[str, Any], buyer: dict[str, Any], is_open: bool
) -> None:
    sets = {name: frozenset(value) for name, value in asked.items()}
    who: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, set) else value for name, value in buyer.items()
    }
    answer = one_unit(percent(10, 1_000, **sets), buyer=replace(ANYONE, **who))
    assert saved(answer) == (500 if is_open else 0)


@pytest.mark.parametrize(
    ("channel", "saving"), [(None, 0), ("web", 0), ("mini_program", 500), ("app", 500)]
)
def test_the_channel_is_one_of_those_named(channel: str | None, saving: int) -> None:
    rule = percent(10, 1_000, channels=frozenset({"app", "mini_program"}))
    assert saved(one_unit(rule, channel=channel)) == saving
