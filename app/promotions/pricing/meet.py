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

    __slots__ = ("saving_amount", "types_mask", "ways")

    def __init__(self, types_mask: int, saving_amount: int, ways: Mapping[int, Outcome]) -> None:
        """Take the ways by what each of them gives up."""
        self.types_mask, self.saving_amount, self.ways = types_mask, saving_amount, ways

    def mask_within(self, most_amount: int) -> int:
        """The amounts, up to the most, as bits."""
        return sum([1 << given_up for given_up in self.ways if given_up <= most_amount])

    def picks(self, given_up: int) -> Iterator[tuple["Choice", int]]:
        """Itself, where it gives something up."""
        if given_up:
            yield self, given_up


class Giving:
    """What parts can give up together: at least `missing_amount`, and no more than `most_amount`.

    `is_whole` unless the steps ran out; then some choices give up nothing. Where nothing is made of
    it any further (`is_last`), parts are added only until what is missing is met exactly.
    """

    __slots__ = ("_mask", "_parts", "_steps", "is_whole")

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
        missing, most = max(missing_amount, 0), max(most_amount, 0)
        self.is_whole: bool = all(part.is_whole for part in givings)
        self._parts, self._mask, self._steps = list[_Added](), 1, steps
        for giving in givings:
            if not self._add(giving, most):
                # What it must give up at least is not known to be given up.
                self._mask, self.is_whole = 0, False
        for choice in parts:
            if is_last and self._mask >> missing & 1:
                break
            if isinstance(choice, Choice) and not self._add(choice, most):
                self.is_whole = False
                break
        self._mask = self._mask >> missing << missing

    def _add(self, part: "Choice | Giving", most_amount: int) -> bool:
        mask = part.mask_within(most_amount)
        fewer, more = sorted((self._mask, mask), key=int.bit_count)
        looks = 1 + fewer.bit_count() * more.bit_length() // BITS_A_LOOK
        if looks > self._steps.left:
            return False
        self._steps.take(looks)
        self._parts.append((part, mask, self._mask))
        self._mask = _sums(fewer, more) & _up_to(most_amount)
        return True

    def mask_within(self, most_amount: int) -> int:
        """The amounts, up to the most, as bits."""
        return self._mask & _up_to(most_amount)

    @property
    def least(self) -> int | None:
        """The least amount that is enough; None where there is none."""
        return (self._mask & -self._mask).bit_length() - 1 if self._mask else None

    def picks(self, given_up: int) -> Iterator[tuple[Choice, int]]:
        """The choices that give up so much together."""
        for part, mask, before in reversed(self._parts):
            mine = _share(given_up, mask, before)
            yield from part.picks(mine)
            given_up -= mine


# A part, its amounts, and the amounts of all the parts before it.
_Added = tuple[Choice | Giving, int, int]


def _share(given_up: int, mask: int, before: int) -> int:
    """What a part gives up of it, as little as can be where it has fewer amounts."""
    if mask.bit_count() <= before.bit_count():
        return next(n for n in _bits(mask) if n <= given_up and before >> given_up - n & 1)
    rest = next(n for n in _bits(before) if n <= given_up and mask >> given_up - n & 1)
    return given_up - rest


def _up_to(most_amount: int) -> int:
    return (1 << most_amount + 1) - 1


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
