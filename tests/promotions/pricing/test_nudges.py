"""还差多少: what more would earn what, and that following a nudge earns what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.promotions.pricing.answer import AddOnItem, NudgeCode, Quote
from app.promotions.pricing.basket import MemberPrice
from app.promotions.pricing.conditions import Minimum
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param
from app.promotions.pricing.terms import Left, Terms
from tests.promotions.pricing.builders import (
    add_on,
    bundle,
    buy,
    cart,
    chosen,
    coupon,
    free_shipping,
    full,
    full_percent,
    gift,
    line,
    nudges,
    off_order,
    offered,
    only,
    percent,
    shipping_off,
    taken_off,
    tier,
    uid,
    used,
)

MUG, PLATE = line(40, list_amount=500), line(41, list_amount=800)


@dataclass(frozen=True)
class Suggestion:
    """A promotion, the nudge a basket gets of it, and what following the nudge earns."""

    promotion: Promotion
    at: int
    code: NudgeCode
    params: dict[str, Param]
    earns: int


AMOUNTS = [
    Suggestion(
        full(10, (20_000, 2_000)),
        19_999,
        "needs_amount",
        {"missing_amount": 1, "off_amount": 2_000},
        2_000,
    ),
    Suggestion(
        full(10, (10_000, 1_000), (20_000, 2_500)),
        12_000,
        "next_tier",
        {"missing_amount": 8_000, "off_amount": 2_500},
        2_500,
    ),
    Suggestion(
        full_percent(10, (10_000, 1_000), (20_000, 2_000)),
        10_000,
        "next_tier",
        {"missing_amount": 10_000, "off_bp": 2_000},
        4_000,
    ),
    Suggestion(
        full(10, (10_000, 1_500), repeat=True),
        20_000,
        "next_tier",
        {"missing_amount": 10_000, "off_amount": 4_500},
        4_500,
    ),
    Suggestion(
        full(10, (1_000, 100), (2_000, 300), minimum=Minimum(2_500)),
        500,
        "needs_amount",
        {"missing_amount": 2_000, "off_amount": 300},
        300,
    ),
    Suggestion(
        full(10, (1_000, 100), (2_000, 300), minimum=Minimum(2_500)),
        2_499,
        "needs_amount",
        {"missing_amount": 1, "off_amount": 300},
        300,
    ),
    Suggestion(
        full(10, (1_000, 100), repeat=True, minimum=Minimum(2_500)),
        999,
        "needs_amount",
        {"missing_amount": 1_501, "off_amount": 200},
        200,
    ),
    Suggestion(
        full(10, (1_000, 100), repeat=True, off_max_amount=250),
        2_000,
        "next_tier",
        {"missing_amount": 1_000, "off_amount": 250},
        250,
    ),
    Suggestion(
        full_percent(10, (1_000, 1_000), (2_000, 2_000), off_max_amount=250),
        1_500,
        "next_tier",
        {"missing_amount": 500, "off_amount": 250},
        250,
    ),
    Suggestion(
        off_order(10, 70, minimum=Minimum(5_000)), 4_999, "needs_amount", {"missing_amount": 1}, 70
    ),
    Suggestion(free_shipping(10, 5_000), 4_000, "needs_amount", {"missing_amount": 1_000}, 600),
    Suggestion(
        add_on(10, tier(5_000, 100, 40)), 4_000, "needs_amount", {"missing_amount": 1_000}, 400
    ),
]


def shop(amount: int, *promotions: Promotion, **more: Any) -> Quote:
    """Goods for so much, shipping of 6.00, and a mug chosen from add-on 10."""
    choices = any(promotion.kind == "add_on" for promotion in promotions)
    return cart(
        *promotions,
        price=amount,
        shipping_amount=600,
        add_ons=(chosen(10, 40),) if choices else (),
        offered=offered(MUG, PLATE),
        **more,
    )


@pytest.mark.parametrize(
    "one", AMOUNTS, ids=[f"{place} {one.promotion.kind}" for place, one in enumerate(AMOUNTS)]
)
def test_an_amount_more_earns_what_the_nudge_says(one: Suggestion) -> None:
    assert nudges(shop(one.at, one.promotion)) == {10: (one.code, one.params)}
    missing = one.params["missing_amount"]
    assert isinstance(missing, int)
    assert taken_off(shop(one.at + missing, one.promotion))[10] == one.earns
    assert taken_off(shop(one.at + missing - 1, one.promotion)).get(10, 0) < one.earns


@pytest.mark.parametrize(
    ("rule", "units", "missing", "earns"),
    [
        (buy(10, 2, 1), 1, 2, 1_000),
        (buy(10, 3, 1), 3, 1, 1_000),
        (bundle(10, 2_500, (only(1), 3)), 1, 2, 500),
    ],
)
def test_units_more_earn_what_the_nudge_says(
    rule: Promotion, units: int, missing: int, earns: int
) -> None:
    answer = cart(rule, price=1_000, units=units)
    assert nudges(answer) == {10: ("needs_units", {"missing_units": missing})}
    assert taken_off(cart(rule, price=1_000, units=units + missing)) == {10: earns}
    assert taken_off(cart(rule, price=1_000, units=units + missing - 1)) == {}


def test_a_gift_is_earned_by_following_its_nudge() -> None:
    rule = gift(10, 5_000, 50)
    assert nudges(shop(4_999, rule)) == {10: ("needs_amount", {"missing_amount": 1})}
    assert used(shop(5_000, rule)) == {10}


@st.composite
def thresholds(draw: st.DrawFn) -> Promotion:
    steps = sorted(draw(st.lists(st.integers(1, 60), min_size=1, max_size=3, unique=True)))
    offs = sorted(
        draw(st.lists(st.integers(1, 50), min_size=len(steps), max_size=len(steps), unique=True))
    )
    tiers = [(step, min(off, step)) for step, off in zip(steps, offs, strict=True)]
    rising = [tiers[0], *(b for a, b in pairwise(tiers) if a[1] < b[1])]
    minimum = draw(st.one_of(st.none(), st.integers(1, 90).map(Minimum)))
    cap = draw(st.one_of(st.none(), st.integers(1, 60)))
    if draw(st.booleans()):
        # Hundredfold prices, so that a percentage of them is worth something.
        percents = [(step * 100, off * 100) for step, off in rising]
        return full_percent(10, *percents, minimum=minimum, off_max_amount=cap)
    repeat = len(rising) == 1 and draw(st.booleans())
    return full(10, *rising, minimum=minimum, off_max_amount=cap, repeat=repeat)


@given(thresholds(), st.one_of(st.integers(0, 120), st.integers(0, 9_000)))
def test_a_threshold_suggests_the_very_next_thing_it_gives(rule: Promotion, amount: int) -> None:
    """No fen below it earns more, and with the percentage or amount it names it is earned."""
    before = cart(rule, price=amount)
    so_far = taken_off(before).get(10, 0)
    suggested = nudges(before)
    if not suggested:
        later = [taken_off(cart(rule, price=amount + n)).get(10, 0) for n in (1, 37, 200)]
        assert all(off <= so_far or is_percent(rule, amount) for off in later)
        return
    ((_, params),) = suggested.values()
    missing, off_bp = params["missing_amount"], params.get("off_bp")
    assert isinstance(missing, int)
    earned = taken_off(cart(rule, price=amount + missing))[10]
    assert earned > so_far
    if isinstance(off_bp, int):
        assert earned == ((amount + missing) * off_bp + 5_000) // 10_000
    else:
        assert earned == params["off_amount"]


def is_percent(rule: Promotion, amount: int) -> bool:
    """Whether more goods alone already earn more: a percentage that is met grows with them."""
    return any(t.off_bp and t.threshold_amount <= amount for t in getattr(rule, "tiers", ()))


# -- what is not suggested

APART = Terms(denials=(Denial(Party(stacking_group="a"), Party(kind="percent_off")),))
NOTHING: dict[str, Callable[[], Quote]] = {
    "the highest tier is met": lambda: shop(20_000, full(10, (20_000, 2_000))),
    "the cap is reached": lambda: shop(
        3_000, full(10, (1_000, 100), repeat=True, off_max_amount=250)
    ),
    "the cap of a percentage is reached": lambda: shop(
        1_000, full_percent(10, (1_000, 1_000), (2_000, 2_000), off_max_amount=100)
    ),
    "the budget ends there": lambda: shop(
        2_000,
        full(10, (1_000, 100), repeat=True),
        left={uid(10): Left(budget_amount=200)},
    ),
    "there is no shipping to pay": lambda: cart(free_shipping(10, 6_000)),
    "the shipping is free already": lambda: cart(
        free_shipping(9), shipping_off(10, 400, 6_000), shipping_amount=600
    ),
    "the gift is out of stock": lambda: cart(gift(10, 6_000, 50, quantity=2), stock={uid(50): 1}),
    "the add-on's quota is gone": lambda: shop(
        4_000, add_on(10, tier(5_000, 100, 40)), left={uid(10): Left(tier_units=(0,))}
    ),
    "something used keeps it away": lambda: shop(
        4_000, full(10, (5_000, 100), stacking_group="a"), percent(9, 1_000), terms=APART
    ),
    "an exclusive one is used": lambda: shop(
        4_000, full(10, (5_000, 100)), percent(9, 1_000, exclusive=True)
    ),
    "it would be used alone": lambda: shop(
        4_000, full(10, (5_000, 100), exclusive=True), percent(9, 1_000)
    ),
    "its coupon was not presented": lambda: shop(4_000, full(10, (5_000, 100), needs_coupon=True)),
}


@pytest.mark.parametrize("says", NOTHING)
def test_what_would_earn_nothing_is_not_suggested(says: str) -> None:
    assert nudges(NOTHING[says]()) == {}


def test_a_coupon_that_was_presented_is_nudged_for() -> None:
    rule = full(10, (5_000, 100), needs_coupon=True)
    answer = shop(4_000, rule, coupons=(coupon(10),))
    assert nudges(answer)[10] == ("needs_amount", {"missing_amount": 1_000, "off_amount": 100})


def test_units_come_before_amounts_the_nearest_first_and_five_at_most() -> None:
    rules = [
        full(11, (5_300, 10)),
        full(12, (5_100, 10)),
        full(13, (5_200, 10)),
        full(14, (5_400, 10)),
        buy(15, 4, 1),
        buy(16, 2, 1),
        full(17, (5_100, 20)),
    ]
    assert list(nudges(cart(*rules))) == [16, 15, 12, 17, 13]


# -- what add-ons offer


def items(answer: Quote) -> list[tuple[int, int, int, int]]:
    """Tier, price, units open and amount missing."""
    return [
        (row.tier, row.price_amount, row.units_max, row.missing_amount)
        for row in answer.add_on_items
    ]


def test_add_on_items_tell_tiers_that_are_open_and_how_far_the_others_are() -> None:
    rule = add_on(10, tier(9_000, 300, 41, units_max=2), tier(10_001, 100, 40))
    answer = cart(rule, price=10_000, offered=offered(MUG, PLATE))
    assert items(answer) == [(0, 300, 2, 0), (1, 100, 1, 1)]
    assert answer.add_on_items[1] == AddOnItem(
        promotion_id=uid(10),
        promotion_version=1,
        tier=1,
        variant_id=uid(40),
        list_amount=500,
        price_amount=100,
        units_max=1,
        missing_amount=1,
        felt_return=(400, 100),
        true_discount=(400, 10_500),
    )


@pytest.mark.parametrize(
    ("rule", "more", "units"),
    [
        (add_on(10, tier(0, 100, 40, units_max=3)), {}, [3]),
        (add_on(10, tier(0, 100, 40, units_max=3), units_max=2), {}, [2]),
        (add_on(10, tier(0, 100, 40, units_max=3)), {"stock": {uid(40): 2}}, [2]),
        (add_on(10, tier(0, 100, 40, units_max=3)), {"stock": {uid(40): 0}}, []),
        (
            add_on(10, tier(0, 100, 40, units_max=3)),
            {"left": {uid(10): Left(tier_units=(1,))}},
            [1],
        ),
        (
            add_on(10, tier(0, 100, 40, units_max=3)),
            {"left": {uid(10): Left(tier_units=(0,))}},
            [],
        ),
        (
            add_on(10, tier(0, 100, 40, units_max=3)),
            {"left": {uid(10): Left(budget_amount=800)}},
            [2],
        ),
        (
            add_on(10, tier(0, 100, 40, units_max=3)),
            {"left": {uid(10): Left(budget_amount=399)}},
            [],
        ),
        (add_on(10, tier(0, 500, 40)), {}, []),
        (add_on(10, tier(0, 100, 42)), {}, []),
    ],
    ids=[
        "tier", "order", "stock", "no stock", "quota", "no quota", "budget", "no budget",
        "no cheaper", "not described",
    ],
)  # fmt: skip
def test_an_item_is_open_for_as_many_units_as_get_its_price(
    rule: Promotion, more: dict[str, Any], units: list[int]
) -> None:
    answer = cart(rule, offered=offered(MUG), **more)
    assert [row.units_max for row in answer.add_on_items] == units
    if units and "stock" not in more:
        asked = cart(rule, offered=offered(MUG), add_ons=(chosen(10, 40, 9),), **more)
        assert [row.units for row in asked.applied] == units


def test_an_item_never_goes_under_its_floor_and_starts_from_the_price_as_set() -> None:
    mug = line(40, list_amount=500, floor_amount=300)
    rule = add_on(10, tier(0, 100, 40))
    setting = MemberPrice({uid(40): 450})
    (item,) = cart(rule, offered=offered(mug), price_setting=setting).add_on_items
    assert (item.list_amount, item.price_amount, item.felt_return) == (500, 300, (150, 300))


def test_an_add_on_that_may_not_join_offers_nothing() -> None:
    alone = percent(9, 1_000, exclusive=True)
    assert cart(add_on(10, tier(0, 100, 40)), alone, offered=offered(MUG)).add_on_items == ()
