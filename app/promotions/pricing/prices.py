"""Prices for contested units, found by a few steps of raising what is wanted too often.

Each promotion says alone what it would take at the prices; a type that is wanted more often than
there are units becomes dearer, one that is left over cheaper, down to its reserve. The bound at any
prices holds, so the steps need no more care than integers give.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.promotions.pricing.board import Board
from app.promotions.pricing.shares import shares

ROUNDS_MAX = 16
ROUNDS_AGAIN_MAX = 3
# What a node costs pays for so many rounds: each of them tightens the bound of every node.
NODES_A_ROUND = 2
# After so many rounds without a better bound the steps are halved, and not more often than this.
PATIENCE = 2
HALVED_MAX = 3

Prices = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Look:
    """Prices, what they bound the saving by, and what each offer then gains and wants."""

    prices: Prices
    bound: int
    gains: tuple[int, ...]
    wanted: Mapping[int, int]


def tighten(board: Board, reserves: Prices, greedy: Callable[[Prices], None], hints: Prices) -> int:
    """Give the board prices to bound by, and tell the least bound on what can be saved.

    Prices that did well for these types under other offers are a better start than any other.
    """
    if board.looks > board.steps.left:
        # There will be no search: one look at good prices says the most for what it costs.
        only = _look(board, _start(board, reserves, hints))
        board.add_level(only.prices, only.gains)
        return only.bound
    first = best = _look(board, reserves)
    board.add_level(first.prices, first.gains)
    if best.bound > board.best:
        rounds = ROUNDS_AGAIN_MAX if hints.keys() >= reserves.keys() else ROUNDS_MAX
        best = _best_of(board, first, _look(board, _start(board, reserves, hints)), rounds)
    if best.bound > board.best and best is not first:
        board.add_level(best.prices, best.gains)
        greedy(best.prices)
    return best.bound


def _start(board: Board, reserves: Prices, hints: Prices) -> dict[int, int]:
    if hints.keys() >= reserves.keys():
        return {i: max(hints[i], reserve) for i, reserve in reserves.items()}
    return shares(board.component, board.types, reserves)


def _best_of(board: Board, first: _Look, second: _Look, rounds: int) -> _Look:
    """The best found in a few steps from the better of two looks."""
    now = best = min(first, second, key=lambda look: look.bound)
    damping, idle, halved = 1, 0, 0
    for _ in range(rounds):
        if best.bound <= board.best or not board.steps.take(board.looks // NODES_A_ROUND):
            break
        prices = _moved(board, now, damping)
        if prices == now.prices:
            break
        now = _look(board, prices)
        idle += 1
        if now.bound < best.bound:
            best, idle, halved = now, 0, 0
        elif idle > PATIENCE:
            # Too far: once more from the best, by shorter steps.
            now, damping, idle, halved = best, damping * 2, 0, halved + 1
            if halved > HALVED_MAX:
                break
    return best


def _look(board: Board, prices: Prices) -> _Look:
    rows = board.gains(prices)
    wanted = Counter[int]()
    for _, row in rows:
        wanted.update(row)
    gains = tuple(gain for gain, _ in rows)
    bound = sum([prices[i] * n for i, n in board.left.items()]) + sum(gains)
    return _Look(prices, bound, gains, wanted)


def _moved(board: Board, look: _Look, damping: int) -> dict[int, int]:
    """Each price moved by how much its units are wanted too often, as if that closed the gap.

    Rounded up, so that what is wanted too often always becomes dearer.
    """
    left, prices, reserves = board.left, look.prices, board.reserves
    excess = {i: look.wanted.get(i, 0) - n for i, n in left.items()}
    open_ = [n for i, n in excess.items() if n > 0 or prices[i] > reserves[i]]
    norm = sum([n * n for n in open_]) * damping
    if not norm:
        return dict(prices)
    gap = look.bound - board.best
    return {i: max(prices[i] - (-gap * excess[i] // norm), reserves[i]) for i in prices}
