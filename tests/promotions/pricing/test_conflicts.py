"""Which promotions may meet: the matrix, coupons, exclusives, price-settings, and who is chosen."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import MemberPrice, SoloPrice
from app.promotions.pricing.conflicts import ANYTHING, DENIALS, Denial, Party, denied
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Terms
from app.promotions.pricing.worlds import WORLDS_MAX, worlds
from tests.promotions.pricing.builders import (
    add_on,
    bundle,
    buy,
    cart,
    chosen,
    coupon,
    free_shipping,
    full,
    gift,
    line,
    named,
    number_of,
    numbers,
    off_line,
    off_order,
    off_unit,
    offered,
    only,
    percent,
    percent_order,
    reasons,
    shipping_off,
    taken_off,
    tier,
    uid,
    used,
)


def group(name: str) -> Party:
    return Party(stacking_group=name)


def kind(name: str, stacking_group: str | None = None) -> Party:
    return Party(kind=name, stacking_group=stacking_group)


def under(*rows: Denial) -> dict[str, Any]:
    return {"terms": Terms(denials=rows)}


# One takes 10.00 off each unit at 50.00, the other 9.00 off the order: together they would do more.
TEN, NINE = percent(10, 2_000), off_order(11, 900)
TEN_A, NINE_B = percent(10, 2_000, stacking_group="a"), off_order(11, 900, stacking_group="b")


@pytest.mark.parametrize(
    ("rows", "one", "other", "may_meet"),
    [
        ((), TEN, NINE, True),
        ((Denial(kind("percent_off"), kind("amount_off")),), TEN, NINE, False),
        ((Denial(kind("amount_off"), kind("percent_off")),), TEN, NINE, False),
        ((Denial(kind("percent_off"), kind("spend_threshold")),), TEN, NINE, True),
        ((Denial(kind("percent_off"), kind("percent_off")),), TEN, NINE, True),
        ((Denial(kind("percent_off"), ANYTHING),), TEN, NINE, False),
        ((Denial(ANYTHING, ANYTHING),), TEN, NINE, False),
        ((Denial(group("a"), group("b")),), TEN_A, NINE_B, False),
        ((Denial(group("b"), group("a")),), TEN_A, NINE_B, False),
        ((Denial(group("a"), group("a")),), TEN_A, NINE_B, True),
        ((Denial(group("a"), group("b")),), TEN, NINE, True),
        ((Denial(group("a"), group("b")),), TEN_A, NINE, True),
        ((Denial(group("a"), kind("amount_off")),), TEN_A, NINE, False),
        ((Denial(kind("percent_off", "a"), ANYTHING),), TEN_A, NINE, False),
        ((Denial(kind("percent_off", "a"), ANYTHING),), TEN, NINE, True),
        ((Denial(kind("amount_off", "a"), ANYTHING),), TEN_A, NINE, True),
        ((Denial(kind("gift"), ANYTHING), Denial(group("a"), group("b"))), TEN_A, NINE_B, False),
    ],
)
def test_the_matrix_by_kind_and_stacking_group(
    rows: tuple[Denial, ...], one: Promotion, other: Promotion, may_meet: bool
) -> None:
    answer = cart(one, other, **under(*rows))
    if may_meet:
        assert (taken_off(answer), reasons(answer)) == ({10: 1_000, 11: 900}, {})
        return
    assert taken_off(answer) == {10: 1_000}
    assert reasons(answer) == {11: ("denied_by_other", named(10))}
    assert answer.runner_up_amount == 4_100


def test_of_one_stacking_group_that_denies_itself_only_one_is_used() -> None:
    rules = [off_order(n, n, stacking_group="a") for n in (10, 11, 12)]
    answer = cart(*rules, off_order(13, 13), **under(Denial(group("a"), group("a"))))
    assert taken_off(answer) == {12: 12, 13: 13}
    assert reasons(answer) == {n: ("denied_by_other", named(12)) for n in (10, 11)}


# -- coupons


def test_one_coupon_an_order_the_better_one() -> None:
    rules = [off_order(10, 900, needs_coupon=True), percent(11, 2_000, needs_coupon=True)]
    answer = cart(*rules, coupons=(coupon(10), coupon(11)))
    assert taken_off(answer) == {11: 1_000}
    assert reasons(answer) == {10: ("denied_by_other", named(11))}


@pytest.mark.parametrize(
    "other",
    [
        free_shipping(11, needs_coupon=True),
        gift(11, 0, 50, needs_coupon=True),
        buy(11, 1, 1, needs_coupon=True),
        bundle(11, 9_000, (only(1), 2), needs_coupon=True),
    ],
    ids=lambda one: one.kind,
)
def test_one_coupon_an_order_whatever_is_behind_it(other: Promotion) -> None:
    rule = off_order(10, 9_999, needs_coupon=True)
    both = (coupon(10), coupon(11))
    answer = cart(rule, other, units=2, shipping_amount=600, coupons=both)
    assert used(answer) == {10}
    assert reasons(answer) == {11: ("denied_by_other", named(10))}
    assert used(cart(other, units=2, shipping_amount=600, coupons=both)) == {11}


def test_a_coupon_meets_what_needs_none_unless_the_shop_denies_it() -> None:
    rules = [percent(10, 1_000), off_order(11, 100, needs_coupon=True)]
    brings: dict[str, Any] = {"coupons": (coupon(11),)}
    assert taken_off(cart(*rules, **brings)) == {10: 500, 11: 100}
    apart = under(Denial(kind("coupon"), kind("percent_off")))
    assert reasons(cart(*rules, **brings, **apart)) == {11: ("denied_by_other", named(10))}
    by_group = under(Denial(kind("coupon", "a"), kind("percent_off")))
    assert taken_off(cart(*rules, **brings, **by_group)) == {10: 500, 11: 100}


# -- exclusives


@pytest.mark.parametrize(
    "weak",
    [
        percent(11, 100),
        off_unit(11, 100),
        off_line(11, 100),
        off_order(11, 100),
        percent_order(11, 100),
        buy(11, 1, 1, off_bp=100),
        bundle(11, 9_900, (only(1), 2)),
        full(11, (5_000, 100)),
        free_shipping(11),
        shipping_off(11, 100),
        add_on(11, tier(0, 400, 40)),
        gift(11, 0, 50),
        percent(11, 100, exclusive=True),
        off_order(11, 100, needs_coupon=True),
    ],
    ids=lambda one: f"{type(one).__name__}{' exclusive' * one.exclusive}",
)
def test_an_exclusive_one_meets_nothing_of_any_layer(weak: Promotion) -> None:
    brings: dict[str, Any] = {
        "units": 2,
        "shipping_amount": 600,
        "add_ons": (chosen(11, 40),),
        "offered": offered(line(40, list_amount=500)),
        "coupons": (coupon(11),),
    }
    assert used(cart(weak, **brings)) == {11}
    answer = cart(percent(10, 2_000, exclusive=True), weak, **brings)
    assert used(answer) == {10}
    assert reasons(answer) == {11: ("lost_to_better", named(10))}
    assert (answer.gifts, answer.nudges, answer.add_on_items) == ((), (), ())


# -- price-settings

EVERY_KIND: list[Promotion] = [
    percent(10, 1_000),
    percent_order(10, 1_000),
    off_unit(10, 100),
    off_line(10, 100),
    off_order(10, 100),
    buy(10, 1, 1),
    bundle(10, 1, (only(1), 2)),
    full(10, (1, 1)),
    add_on(10, tier(0, 100, 40)),
    gift(10, 0, 50),
    free_shipping(10),
    shipping_off(10, 100),
    off_order(10, 100, needs_coupon=True),
]
GROUP = GroupPrice(uid(900), 1, {uid(1): 4_000, uid(40): 500})


def full_cart(*promotions: Promotion, **more: Any) -> Quote:
    """Two units, shipping, a coupon and a chosen add-on: everything any promotion could want."""
    return cart(
        *promotions,
        units=2,
        shipping_amount=600,
        coupons=(coupon(10),),
        add_ons=(chosen(10, 40),),
        offered=offered(line(40, list_amount=500)),
        **more,
    )


@pytest.mark.parametrize("rule", EVERY_KIND, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("is_leader", [False, True])
def test_the_group_price_meets_nothing_and_other_settings_meet_all(
    rule: Promotion, is_leader: bool
) -> None:
    setting = GROUP
    if is_leader:
        setting = GroupPrice(GROUP.campaign_id, 1, GROUP.amounts, leader_amounts={uid(1): 3_000})
    answer = full_cart(rule, price_setting=setting)
    assert used(answer) == {900}
    assert reasons(answer) == {10: ("denied_by_price_setting", {"kind": "group_price"})}
    assert (answer.gifts, answer.nudges, answer.add_on_items) == ((), (), ())
    assert answer.total_amount == 2 * (3_000 if is_leader else 4_000) + 500 + 600
    for allowed in (None, SoloPrice({uid(1): 4_000}), MemberPrice({uid(1): 4_000})):
        assert 10 in used(full_cart(rule, price_setting=allowed))


def test_a_shop_may_keep_promotions_away_from_a_price_setting_that_it_names() -> None:
    setting = MemberPrice({uid(1): 4_500})
    rows = under(Denial(kind("percent_off"), kind("member_price")))
    answer = cart(TEN, NINE, price_setting=setting, **rows)
    assert taken_off(answer) == {"member_price": 500, 11: 900}
    assert reasons(answer) == {10: ("denied_by_price_setting", {"kind": "member_price"})}
    assert taken_off(cart(TEN, NINE, **rows)) == {10: 1_000, 11: 900}
    nameless = under(Denial(ANYTHING, kind("percent_off")))
    assert 10 in taken_off(cart(TEN, price_setting=setting, **nameless))


# -- which of several sets


def test_the_cheapest_of_the_sets_that_may_meet_is_chosen() -> None:
    """10 and 12 may meet, and either may not meet 11: two small ones or one large one."""
    rows = under(Denial(group("a"), group("b")))

    def rules(large: int) -> list[Promotion]:
        return [
            off_order(10, 300, stacking_group="a"),
            off_order(11, large, stacking_group="b"),
            off_order(12, 400, stacking_group="a"),
        ]

    assert taken_off(cart(*rules(699), **rows)) == {10: 300, 12: 400}
    assert taken_off(cart(*rules(701), **rows)) == {11: 701}
    at_equal = cart(*rules(700), **rows)
    assert taken_off(at_equal) == {11: 700}, "fewer promotions"
    assert reasons(at_equal) == {n: ("denied_by_other", named(11)) for n in (10, 12)}
    assert at_equal.runner_up_amount == at_equal.total_amount == 4_300


def test_of_equal_sets_of_one_size_the_older_is_chosen() -> None:
    rows = under(Denial(group("a"), group("b")))
    one, other = off_order(10, 300, stacking_group="a"), off_order(11, 300, stacking_group="b")
    for rules in ((one, other), (other, one)):
        assert taken_off(cart(*rules, **rows)) == {10: 300}


def test_who_may_not_meet_the_middle_one_may_meet_each_other() -> None:
    rows = under(Denial(group("a"), group("b")), Denial(group("b"), group("c")))
    ends = [off_order(10, 300, stacking_group="a"), off_order(12, 300, stacking_group="c")]
    middle = off_order(11, 500, stacking_group="b")
    answer = cart(*ends, middle, **rows)
    assert taken_off(answer) == {10: 300, 12: 300}
    assert reasons(answer) == {11: ("denied_by_other", named(10, 12))}


def test_of_gifts_that_may_not_meet_the_older_is_given() -> None:
    rows = under(Denial(kind("gift"), kind("gift")))
    answer = cart(gift(11, 0, 50), gift(10, 0, 51), **rows)
    assert used(answer) == {10}
    assert reasons(answer) == {11: ("denied_by_other", named(10))}


def test_a_gift_never_costs_a_discount() -> None:
    """It changes no price: the discount that it may not meet is worth more to the buyer."""
    rows = under(Denial(kind("gift"), kind("amount_off")))
    answer = cart(gift(10, 0, 50), off_order(11, 1), **rows)
    assert used(answer) == {11}
    assert reasons(answer) == {10: ("denied_by_other", named(11))}


# -- worlds

parties = st.builds(
    Party,
    kind=st.sampled_from((None, "amount_off", "gift", "coupon")),
    stacking_group=st.sampled_from((None, "a", "b", "c")),
)


@st.composite
def members(draw: st.DrawFn) -> list[Promotion]:
    made: list[Promotion] = []
    for number in range(draw(st.integers(1, 7))):
        fields: dict[str, Any] = {
            "stacking_group": draw(st.sampled_from((None, "a", "b", "c"))),
            "needs_coupon": draw(st.sampled_from((False, False, True))),
            "exclusive": draw(st.integers(0, 15)) == 0,
        }
        is_gift = draw(st.booleans())
        make = gift(number, 0, 50, **fields) if is_gift else off_order(number, 1, **fields)
        made.append(make)
    return made


def largest_sets(promotions: Sequence[Promotion], denials: Sequence[Denial]) -> set[frozenset[int]]:
    """Every set without a denial that no other such set contains."""
    free: list[frozenset[int]] = [
        frozenset(number_of(one.id) for one in chosen_ones)
        for size in range(len(promotions) + 1)
        for chosen_ones in combinations(promotions, size)
        if not any(denied(one, other, denials) for one, other in combinations(chosen_ones, 2))
    ]
    return {one for one in free if not any(one < other for other in free)}


@given(members(), st.lists(st.builds(Denial, parties, parties), max_size=3))
def test_worlds_are_the_largest_sets_that_no_denial_splits(
    promotions: list[Promotion], more: list[Denial]
) -> None:
    denials = [*DENIALS, *more]
    found, is_whole = worlds(promotions, denials)
    assert is_whole
    as_sets = [frozenset(number_of(one.id) for one in world) for world in found]
    assert len(set(as_sets)) == len(as_sets)
    assert set(as_sets) == largest_sets(promotions, denials)
    assert all(world == sorted(world, key=lambda one: one.id) for world in found)


@pytest.mark.parametrize(
    ("groups", "rows", "sets"),
    [
        # Two and two: neither one of a side alone, nor any side twice.
        ("aabb", ("ab",), {(0, 1), (2, 3)}),
        ("ababb", ("ab",), {(0, 2), (1, 3, 4)}),
        # A ring of five: each may meet the two that are not beside it.
        ("abcde", ("ab", "bc", "cd", "de", "ea"), {(0, 2), (0, 3), (1, 3), (1, 4), (2, 4)}),
        # Two apart from the others, who are free.
        ("abxx", ("ab",), {(0, 2, 3), (1, 2, 3)}),
        ("xxx", ("ab",), {(0, 1, 2)}),
        ("", ("ab",), {()}),
    ],
)
def test_worlds_of_small_matrices(
    groups: str, rows: tuple[str, ...], sets: set[tuple[int, ...]]
) -> None:
    promotions = [off_order(n, 1, stacking_group=name) for n, name in enumerate(groups)]
    found, is_whole = worlds(promotions, [Denial(group(row[0]), group(row[1])) for row in rows])
    told = [tuple(numbers(world)) for world in found]
    assert (sorted(told), is_whole) == (sorted(sets), True)


@pytest.mark.parametrize(("pairs", "is_whole"), [(5, True), (6, True), (7, False)])
def test_of_too_many_worlds_the_first_are_looked_at_and_it_is_said(
    pairs: int, is_whole: bool
) -> None:
    """Each pair doubles them: 64 are looked at, and a quote of more keeps an honest bound."""
    rows = [Denial(group(f"{n}-left"), group(f"{n}-right")) for n in range(pairs)]
    rules = [
        off_order(2 * n + side, 10 * n + side + 1, stacking_group=f"{n}-{name}")
        for n in range(pairs)
        for side, name in enumerate(("left", "right"))
    ]
    found, whole = worlds(rules, rows)
    assert (len(found), whole) == (min(2**pairs, WORLDS_MAX), is_whole)
    answer = cart(*rules, **under(*rows))
    best = sum(10 * n + 2 for n in range(pairs))
    assert answer.bound_amount <= 5_000 - best <= answer.total_amount
    if is_whole:
        assert answer.total_amount == 5_000 - best
