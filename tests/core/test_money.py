"""Splits add up to the fen, percentages round half-up, and totals stay within 64 bits."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import LINES_MAX, PRICE_AMOUNT_MAX, QUANTITY_MAX, percent_of, split

amounts = st.integers(0, PRICE_AMOUNT_MAX * QUANTITY_MAX)
weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=12).filter(any)


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (200, [1, 1, 1], [67, 67, 66]),
        (8000, [6000, 4000], [4800, 3200]),
        (10, [0, 1, 0, 1], [0, 5, 0, 5]),
        (5, [0, 3, 3], [0, 3, 2]),
        (1, [1, 2], [0, 1]),
        (0, [3, 4], [0, 0]),
        (0, [0, 0], [0, 0]),
        (0, [], []),
    ],
)
def test_split_examples(amount: int, weights: list[int], parts: list[int]) -> None:
    assert split(amount, weights) == parts


@given(amounts, weights)
def test_parts_sum_to_the_whole_and_stay_within_one_of_their_share(
    amount: int, weights: list[int]
) -> None:
    parts = split(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(amount * weight, sum(weights))
        assert abs(part - exact) < 1
        assert weight > 0 or part == 0


@given(amounts, weights)
def test_largest_remainders_get_the_odd_units_and_ties_go_to_the_earlier(
    amount: int, weights: list[int]
) -> None:
    parts = split(amount, weights)
    shares = [Fraction(amount * weight, sum(weights)) for weight in weights]
    ranks = [(-(share % 1), index) for index, share in enumerate(shares)]
    raised = {rank for rank, part, share in zip(ranks, parts, shares, strict=True) if part > share}
    assert raised == set(sorted(ranks)[: len(raised)])


@pytest.mark.parametrize(
    ("amount", "weights"), [(-1, [1]), (1, [0, 0]), (1, []), (1, [2, -1]), (0, [-1])]
)
def test_split_refuses_what_it_cannot_divide(amount: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="amount"):
        split(amount, weights)


@pytest.mark.parametrize(
    ("amount", "bp", "part"),
    [
        (5000, 2000, 1000),
        (1, 5000, 1),
        (1, 4999, 0),
        (3, 5000, 2),
        (19900, 1, 2),
        (9999, 10_000, 9999),
        (9999, 0, 0),
        (0, 5000, 0),
    ],
)
def test_percent_of_rounds_half_up(amount: int, bp: int, part: int) -> None:
    assert percent_of(amount, bp) == part


@given(amounts, st.integers(0, 10_000))
def test_percent_of_is_the_nearest_integer(amount: int, bp: int) -> None:
    error = percent_of(amount, bp) - Fraction(amount * bp, 10_000)
    assert Fraction(-1, 2) < error <= Fraction(1, 2)


@pytest.mark.parametrize(("amount", "bp"), [(-1, 1), (1, -1)])
def test_percent_of_refuses_negatives(amount: int, bp: int) -> None:
    with pytest.raises(ValueError, match="negative"):
        percent_of(amount, bp)


def test_the_largest_basket_with_shipping_fits_64_bits() -> None:
    assert PRICE_AMOUNT_MAX * QUANTITY_MAX * LINES_MAX + PRICE_AMOUNT_MAX < 2**63
