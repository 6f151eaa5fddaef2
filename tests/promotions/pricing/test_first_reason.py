"""Of several reasons the first is told: the one the buyer can do least about."""

from dataclasses import replace
from typing import Any

import pytest

from app.promotions.pricing.conditions import Hours, Minimum
from app.promotions.pricing.terms import Left
from tests.promotions.pricing.builders import ANYONE, NOW, cart, ids, only, percent, reasons, uid


@pytest.mark.parametrize(
    ("harder", "code"),
    [
        ({"ends_at": NOW}, "ended"),
        ({"needs_coupon": True}, "needs_coupon"),
        ({"hours": (Hours(frozenset({3}), 5 * 60, 6 * 60),)}, "outside_hours"),
        ({"channels": frozenset({"app"})}, "wrong_channel"),
        ({"nth_order": 2}, "not_nth_order"),
        ({"community_ids": ids([70])}, "not_in_community"),
        ({"member_tags_any": frozenset({"a"})}, "tags_missing"),
        ({"match": only(2)}, "no_matching_units"),
    ],
)
def test_what_the_buyer_can_do_least_about_is_said_first(harder: dict[str, Any], code: str) -> None:
    """Each of them stands before the units that the basket lacks as well."""
    assert reasons(cart(percent(10, 1_000, units_min=9, **harder)))[10][0] == code


def test_limits_are_said_before_the_buyer_and_units_before_amounts() -> None:
    """Nobody should sign in, or fill a basket, for what has run out."""
    asks = percent(10, 1_000, units_min=2, minimum=Minimum(99_999), new_buyers_only=True)
    nobody = replace(ANYONE, is_known=False)
    assert (
        reasons(cart(asks, buyer=nobody, left={uid(10): Left(uses=0, member_uses=0)}))[10][0]
        == "used_up"
    )
    assert reasons(cart(asks, buyer=nobody, left={uid(10): Left(uses=1)}))[10][0] == "sign_in"
    assert reasons(cart(asks))[10] == ("needs_units", {"missing_units": 1})
    assert reasons(cart(asks, units=2))[10] == ("needs_amount", {"missing_amount": 89_999})
