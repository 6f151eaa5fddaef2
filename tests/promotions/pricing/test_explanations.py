"""Every reason with its parameters, and that doing what is missing makes the promotion apply."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.conditions import Hours, Minimum
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param, ReasonCode
from app.promotions.pricing.terms import Left, Terms
from tests.promotions.pricing.builders import (
    ANYONE,
    NOW,
    add_on,
    bundle,
    buy,
    cart,
    chosen,
    coupon,
    free_shipping,
    full,
    gift,
    ids,
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

HOUR = timedelta(hours=1)
MUG = line(40, list_amount=500)
# NOW is a Wednesday at four in UTC.
AT_FIVE = Hours(frozenset({3}), 5 * 60, 6 * 60)


def tenth(**fields: Any) -> Promotion:
    return percent(10, 1_000, **fields)


def who(**fields: Any) -> Buyer:
    return replace(ANYONE, **fields)


def behind(**fields: Any) -> dict[str, Any]:
    return {"coupons": (coupon(10, **fields),)}


@dataclass(frozen=True)
class Case:
    """A basket without promotion 10, the reason given for it, and one step from it with it."""

    code: ReasonCode
    params: dict[str, Param]
    refused: Callable[[], Quote]
    applied: Callable[[], Quote]


def left(**fields: Any) -> dict[str, Any]:
    return {"left": {uid(10): Left(**fields)}}


FIRST, SECOND = only(1), only(2)
COUPON = tenth(needs_coupon=True)
APART = Terms(denials=(Denial(Party(stacking_group="a"), Party(kind="spend_threshold")),))

CASES = [
    Case(
        "not_started",
        {"starts_at": "2025-06-18T05:00:00+00:00"},
        lambda: cart(tenth(starts_at=NOW + HOUR)),
        lambda: cart(tenth(starts_at=NOW + HOUR), now=NOW + HOUR),
    ),
    Case(
        "ended",
        {"ends_at": "2025-06-18T04:00:00+00:00"},
        lambda: cart(tenth(ends_at=NOW)),
        lambda: cart(tenth(ends_at=NOW), now=NOW - HOUR),
    ),
    Case(
        "outside_hours",
        {"opens_at": "2025-06-18T05:00:00+00:00"},
        lambda: cart(tenth(hours=(AT_FIVE,))),
        lambda: cart(tenth(hours=(AT_FIVE,)), now=NOW + HOUR),
    ),
    Case(
        "denied_by_price_setting",
        {"kind": "group_price"},
        lambda: cart(tenth(), price_setting=GroupPrice(uid(900), 1, {uid(1): 4_000})),
        lambda: cart(tenth()),
    ),
    Case("needs_coupon", {}, lambda: cart(COUPON), lambda: cart(COUPON, **behind())),
    Case(
        "coupon_used",
        {},
        lambda: cart(COUPON, **behind(is_used=True)),
        lambda: cart(COUPON, **behind(is_used=False)),
    ),
    Case(
        "coupon_not_started",
        {"starts_at": "2025-06-18T05:00:00+00:00"},
        lambda: cart(COUPON, **behind(starts_at=NOW + HOUR)),
        lambda: cart(COUPON, **behind(starts_at=NOW + HOUR), now=NOW + HOUR),
    ),
    Case(
        "coupon_expired",
        {"ends_at": "2025-06-18T04:00:00+00:00"},
        lambda: cart(COUPON, **behind(ends_at=NOW)),
        lambda: cart(COUPON, **behind(ends_at=NOW), now=NOW - HOUR),
    ),
    Case(
        "used_up", {}, lambda: cart(tenth(), **left(uses=0)), lambda: cart(tenth(), **left(uses=1))
    ),
    Case(
        "budget_spent",
        {},
        lambda: cart(tenth(), **left(budget_amount=0)),
        lambda: cart(tenth(), **left(budget_amount=500)),
    ),
    Case(
        "member_limit_reached",
        {},
        lambda: cart(tenth(), **left(member_uses=0)),
        lambda: cart(tenth(), **left(member_uses=1)),
    ),
    Case(
        "wrong_channel",
        {"channels": ("app", "mini_program")},
        lambda: cart(tenth(channels=frozenset({"mini_program", "app"})), channel="web"),
        lambda: cart(tenth(channels=frozenset({"mini_program", "app"})), channel="app"),
    ),
    Case(
        "sign_in",
        {},
        lambda: cart(tenth(new_buyers_only=True), buyer=who(is_known=False)),
        lambda: cart(tenth(new_buyers_only=True)),
    ),
    Case(
        "new_buyers_only",
        {"paid_orders": 2},
        lambda: cart(tenth(new_buyers_only=True), buyer=who(paid_orders=2)),
        lambda: cart(tenth(new_buyers_only=True), buyer=who(paid_orders=0)),
    ),
    Case(
        "not_nth_order",
        {"nth_order": 3, "this_order": 2},
        lambda: cart(tenth(nth_order=3), buyer=who(paid_orders=1)),
        lambda: cart(tenth(nth_order=3), buyer=who(paid_orders=2)),
    ),
    Case(
        "not_in_community",
        {"community_ids": (str(uid(70)), str(uid(71)))},
        lambda: cart(tenth(community_ids=ids([71, 70]))),
        lambda: cart(tenth(community_ids=ids([71, 70])), buyer=who(community_ids=ids([71]))),
    ),
    Case(
        "role_missing",
        {"roles": ("assistant", "kol")},
        lambda: cart(tenth(roles=frozenset({"kol", "assistant"}))),
        lambda: cart(
            tenth(roles=frozenset({"kol", "assistant"})), buyer=who(roles={uid(70): "kol"})
        ),
    ),
    Case(
        "not_in_audience",
        {"audience_ids": (str(uid(80)), str(uid(81)))},
        lambda: cart(tenth(audience_ids=ids([81, 80]))),
        lambda: cart(tenth(audience_ids=ids([81, 80])), buyer=who(audience_ids=ids([80]))),
    ),
    Case(
        "tags_missing",
        {"tags": ("b",)},
        lambda: cart(
            tenth(member_tags_all=frozenset({"a", "b"})), buyer=who(tags=frozenset({"a"}))
        ),
        lambda: cart(
            tenth(member_tags_all=frozenset({"a", "b"})), buyer=who(tags=frozenset({"a", "b"}))
        ),
    ),
    Case(
        "tags_missing",
        {"tags": ("a", "b")},
        lambda: cart(tenth(member_tags_any=frozenset({"b", "a"}))),
        lambda: cart(
            tenth(member_tags_any=frozenset({"b", "a"})), buyer=who(tags=frozenset({"b"}))
        ),
    ),
    Case(
        "tags_forbidden",
        {"tags": ("staff",)},
        lambda: cart(
            tenth(member_tags_none=frozenset({"staff", "x"})),
            buyer=who(tags=frozenset({"staff", "a"})),
        ),
        lambda: cart(
            tenth(member_tags_none=frozenset({"staff", "x"})), buyer=who(tags=frozenset({"a"}))
        ),
    ),
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
        lambda: cart(
            add_on(10, tier(5_001, 100, 40)), add_ons=(chosen(10, 40),), offered=offered(MUG)
        ),
        lambda: cart(
            add_on(10, tier(5_001, 100, 40)),
            price=5_000 + 1,
            add_ons=(chosen(10, 40),),
            offered=offered(MUG),
        ),
    ),
    Case(
        "not_chosen",
        {},
        lambda: cart(add_on(10, tier(0, 100, 40)), offered=offered(MUG)),
        lambda: cart(add_on(10, tier(0, 100, 40)), add_ons=(chosen(10, 40),), offered=offered(MUG)),
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
        "lost_to_priority",
        named(11),
        lambda: cart(tenth(), percent(11, 1, priority=1), terms=Terms(policy="priority")),
        lambda: cart(tenth(), percent(11, 1, priority=0), terms=Terms(policy="priority")),
    ),
]


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
