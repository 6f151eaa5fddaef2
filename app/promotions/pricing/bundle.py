"""组合套装 bundle: parts of so many units each, together for one price below their sum."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.core.money import PRICE_AMOUNT_MAX, QUANTITY_MAX
from app.promotions.pricing.item_layer import Parts, SetDiscount, UnitSet
from app.promotions.pricing.match import LineIndex, Match
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range
from app.promotions.pricing.units import UnitType

PARTS_MAX = 10
PART_UNITS_MAX = 20
# Where not all sets can be looked at, so many that share no unit are looked at, and few others.
SETS_APART_MAX = 150
OTHERS_PART = 3


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
        found: dict[_Units, UnitSet] = {}
        parts = zip(self._fitting(types, index), self.parts, strict=True)
        # The part with least to choose from first: what cannot be filled is seen soonest.
        slots = sorted(((fit, part.quantity) for fit, part in parts), key=lambda slot: len(slot[0]))
        # Dead ends, and the same sets made anew by parts that overlap, are looks as well.
        for looked_at, counts in enumerate(_choices(slots, {})):
            if looked_at >= most * len(slots):
                found = dict(list(found.items())[: most // OTHERS_PART])
                self._add_all(found, _dearest_apart(slots), by_index)
                return list(found.values()), False
            if counts is not None:
                self._add_all(found, [counts], by_index)
        return list(found.values()), True

    def _add_all(
        self,
        found: dict["_Units", UnitSet],
        sets: Iterable[Mapping[int, int]],
        types: Mapping[int, UnitType],
    ) -> None:
        for counts in sets:
            units = tuple(sorted(counts.items()))
            whole = sum(types[i].price_amount * count for i, count in units)
            room = sum(types[i].room_amount * count for i, count in units)
            if whole > self.price_amount and room:
                found[units] = UnitSet(units, min(whole - self.price_amount, room))

    def parts_of(self, types: Sequence[UnitType], index: LineIndex) -> Parts:
        """The parts as they are, each with the types that fit."""
        fits = self._fitting(types, index)
        slots = tuple(
            (tuple(unit.index for unit in fit), part.quantity)
            for fit, part in zip(fits, self.parts, strict=True)
        )
        return Parts(slots, self.price_amount)

    def missing_units(self, types: Sequence[UnitType], index: LineIndex) -> int:
        """How many units the parts lack, each looked at alone and all together."""
        mask = index.mask(self.match)
        touched = [unit for unit in types if mask >> unit.index & 1]
        fits = self._fitting(touched, index)
        apart = sum(
            max(part.quantity - sum(unit.quantity for unit in fitting), 0)
            for part, fitting in zip(self.parts, fits, strict=True)
        )
        any_part = {unit.index: unit.quantity for fitting in fits for unit in fitting}
        wanted = sum(part.quantity for part in self.parts)
        return max(apart, wanted - sum(any_part.values()))

    def _fitting(self, types: Sequence[UnitType], index: LineIndex) -> list[list[UnitType]]:
        masks = [index.mask(part.match) for part in self.parts]
        return [[unit for unit in types if mask >> unit.index & 1] for mask in masks]


_Units = tuple[tuple[int, int], ...]


def _dearest_apart(slots: "_Slots") -> Iterator[dict[int, int]]:
    """The dearest set, the dearest of the units that one leaves, and so on."""
    stock = {unit.index: unit.quantity for fitting, _ in slots for unit in fitting}
    for _ in range(SETS_APART_MAX):
        counts = _dearest(slots, stock)
        if not counts:
            return
        yield counts
        times = min(stock[i] // n for i, n in counts.items())
        for i, n in counts.items():
            stock[i] -= n * times


def _dearest(slots: "_Slots", stock: Mapping[int, int]) -> dict[int, int]:
    """The dearest units left for each part; nothing where a part cannot be filled."""
    counts: dict[int, int] = {}
    for fitting, quantity in slots:
        wanted = quantity
        for unit in fitting:
            taken = min(wanted, stock[unit.index] - counts.get(unit.index, 0))
            if taken:
                counts[unit.index] = counts.get(unit.index, 0) + taken
                wanted -= taken
        if wanted:
            return {}
    return counts


_Slots = Sequence[tuple[Sequence[UnitType], int]]


def _choices(slots: _Slots, counts: dict[int, int]) -> Iterator[dict[int, int] | None]:
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
