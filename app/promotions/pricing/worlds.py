"""Which sets of promotions may be used together: the largest that no denial splits.

Promotions that nobody keeps away are in every set. The others fall into groups that do not deny
one another; each group's largest sets are enumerated, and every choice of one from each group is a
world of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product

from app.promotions.pricing.conflicts import Denial
from app.promotions.pricing.promotion import Promotion

WORLDS_MAX = 64


def worlds(
    promotions: Sequence[Promotion], denials: Iterable[Denial]
) -> tuple[list[list[Promotion]], bool]:
    """The worlds, and whether these are all; promotions come and stay oldest first."""
    against = _against(promotions, denials)
    free = [place for place, rivals in enumerate(against) if not rivals]
    groups = _groups(against)
    if not groups:
        return [list(promotions)], True
    choices = [list(islice(_largest(group, 0, 0, against), WORLDS_MAX + 1)) for group in groups]
    chosen = list(islice(product(*choices), WORLDS_MAX + 1))
    everywhere = sum([1 << place for place in free])
    found = [everywhere | sum(row) for row in chosen[:WORLDS_MAX]]
    return [
        [one for place, one in enumerate(promotions) if world >> place & 1] for world in found
    ], len(chosen) <= WORLDS_MAX and all(len(row) <= WORLDS_MAX for row in choices)


def _against(promotions: Sequence[Promotion], denials: Iterable[Denial]) -> list[int]:
    """For each promotion the mask of those that it may not meet."""
    against = [0] * len(promotions)

    def deny(ones: int, others: int) -> None:
        for place in _places(ones):
            against[place] |= others & ~(1 << place)

    everyone = (1 << len(promotions)) - 1
    alone = sum([1 << place for place, one in enumerate(promotions) if one.exclusive])
    if alone:
        deny(alone, everyone)
        deny(everyone, alone)
    for row in denials:
        one = sum([1 << place for place, p in enumerate(promotions) if row.one.has(p)])
        other = sum([1 << place for place, p in enumerate(promotions) if row.other.has(p)])
        if one and other:
            deny(one, other)
            deny(other, one)
    return against


def _groups(against: Sequence[int]) -> list[int]:
    """Masks of promotions that deny one another, directly or by way of others."""
    groups: list[int] = []
    for place, rivals in enumerate(against):
        if not rivals:
            continue
        joined = rivals | 1 << place
        for group in groups:
            joined |= group if group & joined else 0
        groups = [*(group for group in groups if not group & joined), joined]
    return groups


def _largest(open_: int, closed: int, chosen: int, against: Sequence[int]) -> Iterator[int]:
    """Every set that cannot grow: each holds some promotion or one of its rivals."""
    if not open_:
        if not closed:
            yield chosen
        return
    pivot = min(
        _places(open_ | closed), key=lambda place: (_near(place, against) & open_).bit_count()
    )
    for place in _places(_near(pivot, against) & open_):
        gone = _near(place, against)
        yield from _largest(open_ & ~gone, closed & ~gone, chosen | 1 << place, against)
        open_ &= ~(1 << place)
        closed |= 1 << place


def _near(place: int, against: Sequence[int]) -> int:
    return against[place] | 1 << place


def _places(mask: int) -> list[int]:
    places = []
    while mask:
        low = mask & -mask
        places.append(low.bit_length() - 1)
        mask ^= low
    return places
