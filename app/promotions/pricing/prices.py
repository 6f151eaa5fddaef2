"""Prices for contested units, found by a few steps of raising what is wanted too often.

Each promotion says alone what it would take at the prices; a type that is wanted more often than
there are units becomes dearer, one that is left over cheaper, down to its reserve. The bound at any
prices holds, so the steps need no more care than integers give.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from app.promotions.pricing.board import Board

ROUNDS_MAX = 24
# After so many rounds without a better bound the steps are halved.
PATIENCE = 3

Prices = Mapping[int, int]


def tighten(board: Board, reserves: Prices, greedy: Callable[[Prices], None]) -> int:
    """Give the board prices to bound by, and tell the least bound on what can be saved."""
    search = _Search(board, reserves)
    board.add_level(reserves, search.best_gains)
    for _ in range(ROUNDS_MAX):
        if search.best <= board.best or not board.steps.take(board.looks) or not search.move():
            break
    if search.best > board.best and search.best_prices != reserves:
        board.add_level(search.best_prices, search.best_gains)
        greedy(search.best_prices)
    return search.best


class _Search:
    """The prices tried last, what they make each type wanted, and the best so far."""

    def __init__(self, board: Board, reserves: Prices) -> None:
        self._board = board
        self._damping, self._idle = 1, 0
        self.best = -1
        self._look_at(reserves)

    def _look_at(self, prices: Prices) -> None:
        rows = self._board.gains(prices)
        self._prices, self._wanted = prices, Counter[int]()
        for _, row in rows:
            self._wanted.update(row)
        gains = [gain for gain, _ in rows]
        self._bound = sum([prices[i] * n for i, n in self._board.left.items()]) + sum(gains)
        if self.best < 0 or self._bound < self.best:
            self.best, self.best_prices, self.best_gains = self._bound, prices, gains
            self._idle = 0

    def move(self) -> bool:
        """Look at other prices; False when there is no reason to change any."""
        self._idle += 1
        if self._idle > PATIENCE:
            self._damping, self._idle = self._damping * 2, 0
        prices = self._moved()
        if prices == self._prices:
            return False
        self._look_at(prices)
        return True

    def _moved(self) -> dict[int, int]:
        """Each price moved by how much its units are wanted too often, as if that closed the gap.

        Rounded up, so that what is wanted too often always becomes dearer.
        """
        left, prices, reserves = self._board.left, self._prices, self._board.reserves
        excess = {i: self._wanted.get(i, 0) - n for i, n in left.items()}
        open_ = [n for i, n in excess.items() if n > 0 or prices[i] > reserves[i]]
        norm = sum([n * n for n in open_]) * self._damping
        if not norm:
            return dict(prices)
        gap = self._bound - self._board.best
        return {i: max(prices[i] - (-gap * excess[i] // norm), reserves[i]) for i in prices}
