"""Reasons that lie in the moment, the buyer, coupons and limits, each with one step from it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.conditions import Hours
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param, ReasonCode
from app.promotions.pricing.terms import Left
from tests.promotions.pricing.builders import (
    ANYONE,
    NOW,
    cart,
    coupon,
    ids,
    percent,
    uid,
)

HOUR = timedelta(hours=1)
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


COUPON = tenth(needs_coupon=True)
OCCASIONS = [
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
]
