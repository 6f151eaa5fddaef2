"""The fewest candidates that serve every need: the tie-break between equally cheap combinations.

A need is a bit mask of the candidates that serve it equally well; bit 0 is the oldest candidate.
Finding the fewest is a hitting set. Reductions settle nearly all baskets; what is left is searched
within a step limit, after which a greedy answer stands. The limit can never cost the buyer
anything, because every candidate in a need saves the same.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import and_, or_

STEPS_MAX = 2_000


class _OutOfStepsError(Exception):
    """The search was cut off."""


def fewest(needs: Iterable[int]) -> int:
    """The smallest set of candidates that meets every need, the oldest among the smallest.

    Needs must not be 0. Of two sets of one size, the one that holds the oldest candidate in which
    they differ wins.
    """
    open_needs = set(needs)
    chosen = 0
    while open_needs:
        common = reduce(and_, open_needs)
        if common:
            return chosen | (common & -common)
        forced = reduce(or_, (need for need in open_needs if need & (need - 1) == 0), 0)
        if forced:
            chosen |= forced
            open_needs = {need for need in open_needs if not need & forced}
        reduced = _implying(_without_replaceable(open_needs))
        if reduced == open_needs and not forced:
            return chosen | _search(sorted(open_needs))
        open_needs = reduced
    return chosen


def _without_replaceable(needs: set[int]) -> set[int]:
    """Drop every candidate for whom one older candidate can stand in everywhere."""
    served: dict[int, int] = {}
    for position, need in enumerate(needs):
        for bit in _bits(need):
            served[bit] = served.get(bit, 0) | 1 << position
    replaceable = 0
    older: list[int] = []
    for bit in sorted(served):
        column = served[bit]
        if any(column & elder == column for elder in older):
            replaceable |= bit
        else:
            older.append(column)
    return {need & ~replaceable for need in needs}


def _implying(needs: set[int]) -> set[int]:
    """Drop every need that is met whenever another one is."""
    return {need for need in needs if not any(o != need and o & need == o for o in needs)}


def _bits(mask: int) -> Iterator[int]:
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


def _search(needs: list[int]) -> int:
    steps = iter(range(STEPS_MAX))
    try:
        for size in range(1, len(needs) + 1):
            found = _within(needs, size, steps)
            if found:
                return found
    except _OutOfStepsError:
        pass
    return _greedy(needs)


def _within(needs: list[int], size: int, steps: Iterator[int]) -> int:
    """The oldest set of exactly `size` candidates that meets the needs, or 0 when there is none."""
    if next(steps, None) is None:
        raise _OutOfStepsError
    if size < _disjoint(needs):
        return 0
    # Each need must still be met by this candidate or a younger one.
    youngest = min(need.bit_length() for need in needs)
    for bit in _bits(reduce(or_, needs) & ((1 << youngest) - 1)):
        younger = -(bit << 1)
        left = [need & younger for need in needs if not need & bit]
        if not left:
            return bit
        rest = _within(left, size - 1, steps) if size > 1 else 0
        if rest:
            return bit | rest
    return 0


def _disjoint(needs: list[int]) -> int:
    """How many needs share no candidate with one another: no fewer candidates can do."""
    taken = count = 0
    for need in needs:
        if not need & taken:
            taken |= need
            count += 1
    return count


def _greedy(needs: list[int]) -> int:
    chosen = 0
    while needs:
        bit = max(_bits(reduce(or_, needs)), key=lambda b: sum(1 for need in needs if need & b))
        chosen |= bit
        needs = [need for need in needs if not need & bit]
    return chosen
