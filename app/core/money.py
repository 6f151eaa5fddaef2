"""Integer arithmetic for money: exact splits, half-up percentages, and bounds for 64-bit totals.

The largest basket is LINES_MAX lines of QUANTITY_MAX units at PRICE_AMOUNT_MAX each: just under
10**18 minor units, which leaves room for shipping below 2**63.
"""

from collections.abc import Sequence

PRICE_AMOUNT_MAX = 10**12
QUANTITY_MAX = 9_999
LINES_MAX = 100
BASIS_POINTS = 10_000


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide by weight; the parts always sum to the whole (largest remainder, ties to the earlier).

    A weight of zero takes nothing. Raises ValueError for a negative amount or weight, and for an
    amount above zero that no weight can take.
    """
    if amount < 0 or any(weight < 0 for weight in weights):
        raise ValueError("amount and weights must not be negative")
    whole = sum(weights)
    if whole == 0:
        if amount:
            raise ValueError("an amount above zero needs a weight above zero")
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]
    missing = amount - sum(parts)
    # sorted() is stable, so equal remainders stay in their given order: ties go to the earlier.
    by_remainder = sorted(range(len(weights)), key=lambda i: -(amount * weights[i] % whole))
    for index in by_remainder[:missing]:
        parts[index] += 1
    return parts


def percent_of(amount: int, bp: int) -> int:
    """Take basis points of an amount, half a minor unit rounding up; ValueError below zero."""
    if amount < 0 or bp < 0:
        raise ValueError("amount and basis points must not be negative")
    return (amount * bp + BASIS_POINTS // 2) // BASIS_POINTS
