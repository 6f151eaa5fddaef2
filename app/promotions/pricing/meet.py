"""Saving no more than limits allow, and as much as that: over all sums at once.

Everything begins at its best and gives some of it up. The amounts that goods can give up together
are the bits of one number: a choice that can give up an amount moves all bits up by it. So the
least amount that is enough is exact however many ways there are, at a cost that grows with the
amounts alone.
"""

from collections.abc import Iterator, Mapping, Sequence

from app.promotions.pricing.outcomes import Outcome
from app.promotions.pricing.taken import Steps

# So many bits are moved in about the time of one look.
BITS_A_LOOK = 1 << 17


class Choice:
    """What goods save at best, and what is done instead to give up so much of it, or nothing."""

    __slots__ = ("mask", "saving_amount", "types_mask", "ways")

    def __init__(self, types_mask: int, saving_amount: int, ways: Mapping[int, Outcome]) -> None:
        """Take the ways by what each of them gives up."""
        self.types_mask, self.saving_amount, self.ways = types_mask, saving_amount, ways
        self.mask = sum([1 << given_up for given_up in ways])

    def picks(self, given_up: int) -> Iterator[tuple["Choice", int]]:
        """Itself, where it gives something up."""
        if given_up:
            yield self, given_up


class Giving:
    """What parts can give up together: at least `missing_amount`, and no more than `most_amount`.

    `is_whole` unless the steps ran out; then some choices give up nothing. Where nothing is made of
    it any further (`is_last`), parts are added only until what is missing is met exactly.
    """

    __slots__ = ("_befores", "_parts", "is_whole", "mask")

    def __init__(
        self,
        parts: "Sequence[Choice | Giving]",
        missing_amount: int,
        most_amount: int,
        steps: Steps,
        *,
        is_last: bool,
    ) -> None:
        """Add the parts in turn, those that have limits of their own before the others."""
        givings = [part for part in parts if isinstance(part, Giving)]
        choices = [part for part in parts if isinstance(part, Choice)]
        missing, within = max(missing_amount, 0), (1 << (max(most_amount, 0) + 1)) - 1
        self._parts, self._befores = list[Choice | Giving](), list[int]()
        self.is_whole: bool = all(part.is_whole for part in givings)
        self.mask = 1
        for giving in givings:
            self._add(giving, steps, within)
        for choice in choices:
            if is_last and self.mask >> missing & 1:
                break
            if not self._add(choice, steps, within):
                self.is_whole = False
                break
        self.mask = self.mask >> missing << missing

    def _add(self, part: "Choice | Giving", steps: Steps, within: int) -> bool:
        fewer, more = sorted((self.mask, part.mask & within), key=int.bit_count)
        looks = 1 + fewer.bit_count() * more.bit_length() // BITS_A_LOOK
        if not steps.take(looks) and isinstance(part, Choice):
            return False
        self._parts.append(part)
        self._befores.append(self.mask)
        self.mask = _sums(fewer, more) & within
        return True

    @property
    def least(self) -> int | None:
        """The least amount that is enough; None where there is none."""
        return (self.mask & -self.mask).bit_length() - 1 if self.mask else None

    def picks(self, given_up: int) -> Iterator[tuple[Choice, int]]:
        """The choices that give up so much together, as little as can be in the later parts."""
        for part, before in zip(reversed(self._parts), reversed(self._befores), strict=True):
            mine = next(n for n in _bits(part.mask) if n <= given_up and before >> given_up - n & 1)
            yield from part.picks(mine)
            given_up -= mine


def _sums(fewer: int, more: int) -> int:
    """Each bit of the one moved by each bit of the other."""
    sums = 0
    for amount in _bits(fewer):
        sums |= more << amount
    return sums


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
