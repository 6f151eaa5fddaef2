"""Which sums a shop's prices can make, and with how many units of each: exact, by bit masks."""

from collections.abc import Sequence
from math import gcd

from app.core.money import QUANTITY_MAX

# Half a megabyte a mask: sums up to so many steps of the prices' common measure.
STEPS_MAX = 1 << 22


class Sums:
    """Every sum up to `most` that units of these prices make, `QUANTITY_MAX` of each at most.

    Bit n of a mask stands for n times the common measure of the prices. Where the masks would grow
    too large, prices are left out from the end, until those that are left have a larger measure.
    """

    def __init__(self, prices: Sequence[int], most: int) -> None:
        """Prices are distinct and above zero; the earlier ones are given more units of."""
        self.prices = list(prices)
        while len(self.prices) > 1 and most // gcd(*self.prices) > STEPS_MAX:
            self.prices.pop()
        self._measure = gcd(*self.prices)
        self._last = min(most, sum(self.prices) * QUANTITY_MAX) // self._measure
        everything = (1 << self._last + 1) - 1
        # The sums of none of the prices, of the first, of the first two, and so on.
        self._masks = [1]
        for price in self.prices:
            self._masks.append(self._with(price // self._measure, self._masks[-1]) & everything)

    def _with(self, steps: int, mask: int) -> int:
        """The sums with 0 to `QUANTITY_MAX` units of one more price, by doubling."""
        left, units = QUANTITY_MAX, 1
        while left and units * steps <= self._last:
            take = min(units, left)
            mask |= mask << take * steps
            left, units = left - take, units * 2
        return mask

    def at_most(self, amount: int) -> int | None:
        """The largest sum of at least one unit that is no larger."""
        if amount < 0:
            return None
        # No sum lies above the last: an amount far beyond it must not become a mask of its own.
        bits = self._masks[-1] & ((1 << min(amount // self._measure, self._last) + 1) - 1)
        return (bits.bit_length() - 1) * self._measure or None

    def at_least(self, amount: int) -> int | None:
        """The smallest sum of at least one unit that is no smaller."""
        first = max(-(-amount // self._measure), 1)
        bits = self._masks[-1] >> first
        lowest = (bits & -bits).bit_length() - 1
        return (first + lowest) * self._measure if bits else None

    def units(self, amount: int) -> dict[int, int]:
        """How many units of each price make a sum, as few as possible of the later ones."""
        counts: dict[int, int] = {}
        left = amount // self._measure
        for price, before in zip(self.prices[::-1], self._masks[-2::-1], strict=True):
            # A byte is looked at in no time; a shift would copy the whole mask.
            reached = before.to_bytes(before.bit_length() // 8 + 1, "little")
            steps, count = price // self._measure, 0
            while not _has(reached, left):
                left, count = left - steps, count + 1
            if count:
                counts[price] = count
        return counts


def _has(reached: bytes, place: int) -> bool:
    return place >> 3 < len(reached) and bool(reached[place >> 3] >> (place & 7) & 1)
