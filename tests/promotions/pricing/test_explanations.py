"""Every reason with its parameters, and that doing what is missing makes the promotion apply."""

from typing import Any, get_args

import pytest

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.conditions import Minimum
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import ReasonCode
from app.promotions.pricing.terms import Terms
from tests.promotions.pricing.builders import (
    add_on,
    bundle,
    buy,
    cart,
    chosen,
    free_shipping,
    full,
    gift,
    line,
    named,
    off_order,
    offered,
    only,
    percent,
    reasons,
    shipping_off,
    tier,
    uid,
    used,
)
from tests.promotions.pricing.reason_cases import OCCASIONS, Case, behind, left, tenth

MUG = line(40, list_amount=500)


def mug(*promotions: Promotion, **more: Any) -> Quote:
    """A mug at 5.00 was chosen from promotion 10."""
    return cart(*promotions, add_ons=(chosen(10, 40),), offered=offered(MUG), **more)


def floored(floor_amount: int, *promotions: Promotion) -> Quote:
    return cart(*promotions, units=2, floor_amount=floor_amount, shipping_amount=600)


def cap(share_bp: int) -> Terms:
    return Terms(discount_cap_bp=share_bp)


FIRST, SECOND = only(1), only(2)
APART = Terms(denials=(Denial(Party(stacking_group="a"), Party(kind="spend_threshold")),))

BASKETS = [
    Case(
        "no_matching_units", {}, lambda: cart(tenth(match=SECOND)), lambda: cart(tenth(match=FIRST))
    ),
    Case(
        "needs_units",
        {"missing_units": 2},
        lambda: cart(tenth(units_min=3)),
        lambda: cart(tenth(units_min=3), units=1 + 2),
    ),
    Case(
        "needs_units",
        {"missing_units": 2},
        lambda: cart(buy(10, 2, 1)),
        lambda: cart(buy(10, 2, 1), units=1 + 2),
    ),
    Case(
        "needs_units",
        {"missing_units": 1},
        lambda: cart(bundle(10, 9_000, (FIRST, 2))),
        lambda: cart(bundle(10, 9_000, (FIRST, 2)), units=1 + 1),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 1},
        lambda: cart(full(10, (5_000, 500)), price=4_999),
        lambda: cart(full(10, (5_000, 500)), price=4_999 + 1),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 300},
        lambda: cart(tenth(minimum=Minimum(5_300, "gross"))),
        lambda: cart(tenth(minimum=Minimum(5_300, "gross")), price=5_000 + 300),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 300},
        lambda: cart(tenth(minimum=Minimum(5_300))),
        lambda: cart(tenth(minimum=Minimum(5_300)), price=5_000 + 300),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 300},
        lambda: cart(full(10, (100, 10), minimum=Minimum(5_300))),
        lambda: cart(full(10, (100, 10), minimum=Minimum(5_300)), price=5_000 + 300),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 801},
        lambda: cart(
            off_order(10, 50, needs_coupon=True, minimum=Minimum(5_301)),
            off_order(11, 500),
            **behind(),
        ),
        lambda: cart(
            off_order(10, 50, needs_coupon=True, minimum=Minimum(5_301)),
            off_order(11, 500),
            price=5_000 + 801,
            **behind(),
        ),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 1},
        lambda: cart(free_shipping(10, 5_001), shipping_amount=600),
        lambda: cart(free_shipping(10, 5_001), shipping_amount=600, price=5_000 + 1),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 1},
        lambda: cart(gift(10, 5_001, 50)),
        lambda: cart(gift(10, 5_001, 50), price=5_000 + 1),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 1},
        lambda: mug(add_on(10, tier(5_001, 100, 40))),
        lambda: mug(add_on(10, tier(5_001, 100, 40)), price=5_000 + 1),
    ),
    Case(
        "not_chosen",
        {},
        lambda: cart(add_on(10, tier(0, 100, 40)), offered=offered(MUG)),
        lambda: cart(add_on(10, tier(0, 100, 40)), add_ons=(chosen(10, 40),), offered=offered(MUG)),
    ),
    Case(
        "used_up",
        {},
        lambda: mug(add_on(10, tier(0, 100, 40)), **left(tier_units=(0,))),
        lambda: mug(add_on(10, tier(0, 100, 40)), **left(tier_units=(1,))),
    ),
    Case(
        "budget_spent",
        {},
        lambda: mug(add_on(10, tier(0, 100, 40)), **left(budget_amount=399)),
        lambda: mug(add_on(10, tier(0, 100, 40)), **left(budget_amount=400)),
    ),
    Case(
        "needs_amount",
        {"missing_amount": 1},
        lambda: mug(add_on(10, tier(0, 100, 41), tier(5_001, 100, 40))),
        lambda: mug(add_on(10, tier(0, 100, 41), tier(5_001, 100, 40)), price=5_000 + 1),
    ),
    Case(
        "no_saving",
        {},
        lambda: mug(add_on(10, tier(0, 500, 40)), percent(11, 1_000)),
        lambda: mug(add_on(10, tier(0, 499, 40)), percent(11, 1_000)),
    ),
    Case(
        "gift_out_of_stock",
        {"variant_id": str(uid(50))},
        lambda: cart(gift(10, 0, 50, quantity=2), stock={uid(50): 1}),
        lambda: cart(gift(10, 0, 50, quantity=2), stock={uid(50): 2}),
    ),
    Case(
        "no_shipping_to_pay",
        {},
        lambda: cart(free_shipping(10)),
        lambda: cart(free_shipping(10), shipping_amount=1),
    ),
    Case(
        "no_shipping_to_pay",
        {},
        lambda: cart(shipping_off(9, 600), shipping_off(10, 400), shipping_amount=600),
        lambda: cart(shipping_off(9, 600), shipping_off(10, 400), shipping_amount=601),
    ),
    Case("no_saving", {}, lambda: cart(tenth(), price=4), lambda: cart(tenth(), price=5)),
    Case(
        "no_saving",
        {},
        lambda: cart(bundle(10, 10_000, (FIRST, 2)), units=2),
        lambda: cart(bundle(10, 9_999, (FIRST, 2)), units=2),
    ),
    Case(
        "no_saving",
        {},
        lambda: cart(tenth(), free_shipping(11, 5_000), shipping_amount=1, terms=cap(0)),
        lambda: cart(tenth(), free_shipping(11, 5_000), shipping_amount=1, terms=cap(2)),
    ),
    Case(
        "denied_by_other",
        named(11),
        lambda: cart(tenth(stacking_group="a"), full(11, (5_000, 501)), terms=APART),
        lambda: cart(tenth(stacking_group="a"), full(11, (5_000, 499)), terms=APART),
    ),
    Case(
        "denied_by_other",
        named(11),
        lambda: cart(gift(10, 0, 50, stacking_group="a"), full(11, (5_000, 501)), terms=APART),
        lambda: cart(gift(10, 0, 50, stacking_group="b"), full(11, (5_000, 501)), terms=APART),
    ),
    Case(
        "lost_to_better",
        named(11),
        lambda: cart(tenth(), percent(11, 1_001)),
        lambda: cart(tenth(), percent(11, 999)),
    ),
    Case(
        "lost_to_better",
        named(11),
        lambda: cart(gift(10, 0, 50, exclusive=True), percent(11, 1_000)),
        lambda: cart(gift(10, 0, 50, exclusive=True)),
    ),
    Case(
        "lost_to_better",
        named(11),
        lambda: cart(off_order(10, 100), free_shipping(11, 5_000), shipping_amount=101),
        lambda: cart(off_order(10, 100), free_shipping(11, 5_000), shipping_amount=99),
    ),
    Case(
        "no_saving",
        {},
        lambda: floored(5_000, off_order(10, 100), free_shipping(11, 5_000)),
        lambda: floored(4_999, off_order(10, 100)),
    ),
    Case(
        "no_saving",
        {},
        lambda: floored(5_000, buy(10, 1, 1), free_shipping(11, 5_000)),
        lambda: floored(4_999, buy(10, 1, 1)),
    ),
    Case(
        "lost_to_better",
        named(11),
        lambda: cart(tenth(), percent(11, 1_001), free_shipping(12, 1), shipping_amount=1),
        lambda: cart(tenth(), percent(11, 999), free_shipping(12, 1), shipping_amount=1),
    ),
    Case(
        "lost_to_priority",
        named(11),
        lambda: cart(tenth(), percent(11, 1, priority=1), terms=Terms(policy="priority")),
        lambda: cart(tenth(), percent(11, 1, priority=0), terms=Terms(policy="priority")),
    ),
]


CASES = [*OCCASIONS, *BASKETS]


def test_the_table_has_every_reason_there_is() -> None:
    assert {case.code for case in CASES} == set(get_args(ReasonCode))


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{place} {case.code}" for place, case in enumerate(CASES)]
)
def test_a_reason_says_what_would_help_and_it_does(case: Case) -> None:
    refused = case.refused()
    assert reasons(refused)[10] == (case.code, case.params)
    assert 10 not in used(refused)
    applied = case.applied()
    assert 10 in used(applied)
    assert 10 not in reasons(applied)
