"""Gifts: what earns them, how many, and from what stock."""

from typing import Any

import pytest

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.conditions import Minimum
from app.promotions.pricing.engine import quote
from app.promotions.pricing.promotion import Promotion
from tests.promotions.pricing.builders import (
    NOW,
    basket,
    gift,
    line,
    reasons,
    uid,
)


def costing(amount: int, *promotions: Promotion, **brings: Any) -> Quote:
    return quote(basket(line(1, 1, amount), **brings), promotions, now=NOW)


def given(rule: Promotion, *, amount: int = 10_000, stock: int | None = None) -> int:
    brings = {} if stock is None else {"stock": {uid(50): stock}}
    answer = costing(amount, rule, **brings)
    assert answer.total_amount == amount, "a gift changes no price"
    assert bool(answer.gifts) is not bool(answer.not_applied)
    return sum(row.quantity for row in answer.gifts)


@pytest.mark.parametrize(
    ("rule", "by_amount"),
    [
        (gift(10, 10_000, 50), {9_999: 0, 10_000: 1, 10_001: 1, 30_000: 1}),
        (
            gift(10, 10_000, 50, repeat=True, quantity=2),
            {9_999: 0, 10_000: 2, 19_999: 2, 20_000: 4, 30_000: 6},
        ),
        (
            gift(10, 10_000, 50, repeat=True, times_max=2),
            {10_000: 1, 19_999: 1, 20_000: 2, 29_999: 2, 30_000: 2},
        ),
        (gift(10, 5_000, 50, minimum=Minimum(10_000)), {9_999: 0, 10_000: 1}),
        (gift(10, 5_000, 50, minimum=Minimum(10_000, "gross")), {9_999: 0, 10_000: 1}),
    ],
    ids=["once", "for each time met", "at most twice", "running minimum", "gross minimum"],
)
def test_around_a_gifts_threshold(rule: Promotion, by_amount: dict[int, int]) -> None:
    assert {amount: given(rule, amount=amount) for amount in by_amount} == by_amount


def test_a_gift_is_given_whole_or_not_at_all() -> None:
    three = gift(10, 10_000, 50, quantity=3)
    assert [given(three, stock=stock) for stock in (0, 2, 3, 4)] == [0, 0, 3, 3]


def test_two_gifts_share_one_stock_the_older_first() -> None:
    rules = [gift(11, 0, 50, quantity=2), gift(10, 0, 50, quantity=2)]
    for stock, givers in ((1, []), (2, [10]), (3, [10]), (4, [10, 11])):
        answer = costing(10_000, *rules, stock={uid(50): stock})
        assert [row.promotion_id for row in answer.gifts] == [uid(giver) for giver in givers]
        refused = set(reasons(answer)) if answer.not_applied else set()
        assert refused == {10, 11} - set(givers)
