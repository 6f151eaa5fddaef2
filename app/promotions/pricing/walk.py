"""Times of a buy-N-get-M one after another, stretches of like ones at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Rows = Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Walk:
    """Given units in the order they are given in, paid ones the cheapest to take first."""

    given: Rows
    paid: Rows
    forced: int

    def best(self, get: int, buy: int, times_max: int) -> tuple[int, int]:
        """The highest gain and how many times make it; a stretch of like times is one look."""
        gain = times = best = best_times = 0
        for each, count in self._stretches(get, buy, times_max):
            gain += each * count
            times += count
            if gain > best and times * get >= self.forced:
                best, best_times = gain, times
        return best, best_times

    def _stretches(self, get: int, buy: int, times_max: int) -> Iterator[tuple[int, int]]:
        """(gain of one time, how many times in a row are worth as much)."""
        given, paid = _Reader(self.given), _Reader(self.paid)
        while times_max:
            count = min(given.alike() // get, paid.alike() // buy, times_max)
            if count:
                yield given.take(get * count) // count - paid.take(buy * count) // count, count
            elif given.left >= get and paid.left >= buy:
                count = 1
                yield given.take(get) - paid.take(buy), 1
            else:
                return
            times_max -= count

    def wanted(self, given: int, paid: int) -> dict[int, int]:
        """So many of the first given and of the first paid, by type."""
        wanted = dict[int, int]()
        for rows, units in ((self.given, given), (self.paid, paid)):
            before = 0
            for _, n, i in rows:
                wanted[i] = wanted.get(i, 0) + max(min(n, units - before), 0)
                before += n
        return wanted


class _Reader:
    """Takes units off rows of (amount, units, type), the first ones first."""

    __slots__ = ("_at", "_open", "_rows", "left")

    def __init__(self, rows: Rows) -> None:
        self._rows, self._at = rows, 0
        self._open = rows[0][1] if rows else 0
        self.left = sum([n for _, n, _ in rows])

    def alike(self) -> int:
        """How many units of one amount come next."""
        return self._open

    def take(self, units: int) -> int:
        """The amounts of so many units together."""
        total = 0
        self.left -= units
        while units:
            count = min(units, self._open)
            total += self._rows[self._at][0] * count
            units -= count
            self._open -= count
            if not self._open and self._at + 1 < len(self._rows):
                self._at += 1
                self._open = self._rows[self._at][1]
        return total
