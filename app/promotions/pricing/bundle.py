"""组合套装 bundle: parts of so many units each, together for one price below their sum."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import ClassVar

from app.core.money import PRICE_AMOUNT_MAX, QUANTITY_MAX
from app.promotions.pricing.item_layer import SetDiscount, UnitSet
from app.promotions.pricing.match import LineIndex, Match
from app.promotions.pricing.promotion import Promotion, check_range
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

    def sets(self, types: Sequence[UnitType], index: LineIndex) -> Iterator[UnitSet]:
        """Every choice of units for the parts, each multiset of units once."""
        by_index = {unit.index: unit for unit in types}
        seen: set[tuple[tuple[int, int], ...]] = set()
        for counts in self._choices(self._parts_of(types, index), {}):
            units = tuple(sorted(counts.items()))
            if units in seen or any(count > by_index[i].quantity for i, count in units):
                continue
            seen.add(units)
            whole = sum(by_index[i].price_amount * count for i, count in units)
            room = sum(by_index[i].room_amount * count for i, count in units)
            if whole > self.price_amount and room:
                yield UnitSet(units, min(whole - self.price_amount, room))

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
        self, fitting: Sequence[Sequence[UnitType]], counts: dict[int, int]
    ) -> Iterator[dict[int, int]]:
        done = len(self.parts) - len(fitting)
        if not fitting:
            yield dict(counts)
            return
        for chosen in combinations_with_replacement(fitting[0], self.parts[done].quantity):
            with_these = dict(counts)
            for unit in chosen:
                with_these[unit.index] = with_these.get(unit.index, 0) + 1
            yield from self._choices(fitting[1:], with_these)
