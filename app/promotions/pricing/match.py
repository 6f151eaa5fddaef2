"""Which goods a promotion touches, and an index that answers it for a whole basket at once."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Generic, TypeVar
from uuid import UUID

from app.promotions.pricing.basket import BasketLine

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Every field that is not empty must hold; an empty match accepts everything."""

    product_ids: frozenset[UUID] = frozenset()
    variant_ids: frozenset[UUID] = frozenset()
    category_ids: frozenset[UUID] = frozenset()
    tags_any: frozenset[str] = frozenset()
    tags_all: frozenset[str] = frozenset()
    product_ids_none: frozenset[UUID] = frozenset()
    variant_ids_none: frozenset[UUID] = frozenset()
    category_ids_none: frozenset[UUID] = frozenset()
    tags_none: frozenset[str] = frozenset()

    def accepts(self, line: BasketLine) -> bool:
        """Tell whether the goods of one line are touched."""
        return LineIndex((line,)).mask(self) == 1


EVERYTHING = Match()


class _Holders(Generic[Key]):
    """For each id or tag, the lines that carry it, one bit per line."""

    __slots__ = ("_bits", "_keys")

    def __init__(self, keys_by_line: Iterable[Iterable[Key]]) -> None:
        # Hashing a UUID is slow: setdefault hashes once, and frozensets share stored hashes.
        bits: dict[Key, list[int]] = {}
        for position, keys in enumerate(keys_by_line):
            for key in keys:
                bits.setdefault(key, []).append(1 << position)
        self._bits = bits
        self._keys = frozenset(bits)

    def of_any(self, wanted: frozenset[Key]) -> int:
        mask = 0
        if wanted:
            for key in self._keys & wanted:
                for bit in self._bits[key]:
                    mask |= bit
        return mask

    def of_all(self, wanted: frozenset[Key]) -> int:
        return reduce(and_, (self.of_any(frozenset((key,))) for key in wanted))


class LineIndex:
    """The lines of a basket by product, variant, category and tag, built once per quote."""

    __slots__ = ("_categories", "_everything", "_products", "_tags", "_variants")

    def __init__(self, lines: Sequence[BasketLine]) -> None:
        """Index the lines; bit i of every mask stands for lines[i]."""
        self._everything = (1 << len(lines)) - 1
        self._products = _Holders((line.product_id,) for line in lines)
        self._variants = _Holders((line.variant_id,) for line in lines)
        self._categories = _Holders(line.category_ids for line in lines)
        self._tags = _Holders(line.tags for line in lines)

    def mask(self, match: Match) -> int:
        """The lines a match accepts, as a bit mask."""
        if match is EVERYTHING:
            return self._everything
        return self._wanted(match) & ~self._unwanted(match)

    def _wanted(self, match: Match) -> int:
        mask = self._everything
        if match.product_ids:
            mask &= self._products.of_any(match.product_ids)
        if match.variant_ids:
            mask &= self._variants.of_any(match.variant_ids)
        if match.category_ids:
            mask &= self._categories.of_any(match.category_ids)
        if match.tags_any:
            mask &= self._tags.of_any(match.tags_any)
        if match.tags_all:
            mask &= self._tags.of_all(match.tags_all)
        return mask

    def _unwanted(self, match: Match) -> int:
        return (
            self._products.of_any(match.product_ids_none)
            | self._variants.of_any(match.variant_ids_none)
            | self._categories.of_any(match.category_ids_none)
            | self._tags.of_any(match.tags_none)
        )
