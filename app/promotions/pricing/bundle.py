"""组合套装 bundle: parts of so many units each, together for one price below their sum."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.core.money import PRICE_AMOUNT_MAX, QUANTITY_MAX
from app.promotions.pricing.item_layer import SetDiscount, UnitSet
from app.promotions.pricing.match import LineIndex, Match
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range
from app.promotions.pricing.units import UnitType

PARTS_MAX = 10
PART_UNITS_MAX = 20


@dataclass(frozen=True, slots=True)
class BundlePart:
    """`quantity` units of the goods that match, mixed or alike."""

    match: Match
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(SetDiscount):
    """One of each part for `price_amount`; repeats, up to `times_max` sets an order."""

    kind: ClassVar[str] = "bundle"

    parts: tuple[BundlePart, ...]
    price_amount: int

    def __post_init__(self) -> None:
        """Refuse a bundle of a single unit, or beyond its bounds."""
        Promotion.__post_init__(self)
        check_range("price_amount", self.price_amount, 0, PRICE_AMOUNT_MAX)
        check_range("parts", len(self.parts), 1, PARTS_MAX)
        for part in self.parts:
            check_range("quantity", part.quantity, 1, PART_UNITS_MAX)
        check_range(
            "units", sum(part.quantity for part in self.parts), 2, PARTS_MAX * PART_UNITS_MAX
        )
        if self.times_max is not None:
            check_range("times_max", self.times_max, 1, QUANTITY_MAX)

    def sets(
        self, types: Sequence[UnitType], index: LineIndex, most: int
    ) -> tuple[list[UnitSet], bool]:
        """Every choice of units for the parts, the dearest first, each multiset of units once."""
        by_index = {unit.index: unit for unit in types}
        found: dict[tuple[tuple[int, int], ...], UnitSet] = {}
        parts = zip(self._parts_of(types, index), self.parts, strict=True)
        # The part with least to choose from first: what cannot be filled is seen soonest.
        slots = sorted(((fit, part.quantity) for fit, part in parts), key=lambda slot: len(slot[0]))
        # Dead ends, and the same sets made anew by parts that overlap, are looks as well.
        for looked_at, counts in enumerate(_choices(slots, {})):
            if looked_at >= most * len(slots):
                return list(found.values()), False
            if counts is None:
                continue
            units = tuple(sorted(counts.items()))
            whole = sum(by_index[i].price_amount * count for i, count in units)
            room = sum(by_index[i].room_amount * count for i, count in units)
            if whole > self.price_amount and room:
                found[units] = UnitSet(units, min(whole - self.price_amount, room))
        return list(found.values()), True

    def missing_units(self, types: Sequence[UnitType], index: LineIndex) -> int:
        """How many units the parts lack, each looked at alone."""
        return sum(
            max(part.quantity - sum(unit.quantity for unit in fitting), 0)
            for part, fitting in zip(self.parts, self._parts_of(types, index), strict=True)
        )

    def _parts_of(self, types: Sequence[UnitType], index: LineIndex) -> list[list[UnitType]]:
        masks = [index.mask(part.match) for part in self.parts]
        return [[unit for unit in types if mask >> unit.index & 1] for mask in masks]


def _choices(
    slots: Sequence[tuple[Sequence[UnitType], int]], counts: dict[int, int]
) -> Iterator[dict[int, int] | None]:
    """Every way to fill all slots, and None for each look at a way to fill only some of them."""
    if not slots:
        yield counts
        return
    (fitting, quantity), rest = slots[0], slots[1:]
    for chosen in _fill(fitting, quantity, counts):
        if rest:
            yield None
        yield from _choices(rest, chosen)


def _fill(
    types: Sequence[UnitType], wanted: int, counts: dict[int, int]
) -> Iterator[dict[int, int]]:
    """Every way to add so many units of these types to the counts, within their quantities."""
    if wanted == 0:
        yield counts
        return
    if sum(unit.quantity - counts.get(unit.index, 0) for unit in types) < wanted:
        return
    unit, rest = types[0], types[1:]
    so_far = counts.get(unit.index, 0)
    for n in range(min(wanted, unit.quantity - so_far), -1, -1):
        with_these = {**counts, unit.index: so_far + n} if n else counts
        yield from _fill(rest, wanted - n, with_these)
