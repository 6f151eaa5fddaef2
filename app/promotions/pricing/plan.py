"""A chosen combination laid out: who consumes which units, and what each layer takes off them."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.promotions.pricing.add_on import AddOn, Bargain
from app.promotions.pricing.later_layers import OrderPart, Outturn
from app.promotions.pricing.order_layer import Rest
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.shipping import ShippingDiscount
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class Use:
    """`units` units of one type consumed by a promotion, which takes `amount` off them together."""

    promotion: Promotion
    type_index: int
    units: int
    amount: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The uses chosen, what they save, what no combination can exceed, and the next best.

    `rests` are the units after the item layer; `outturn` is what the later layers do to them.
    `runner_up_saving_amount` is the most that can be saved without one of the promotions used;
    None when none is.
    """

    uses: tuple[Use, ...]
    rests: tuple[Rest, ...]
    outturn: Outturn
    bound_saving_amount: int
    runner_up_saving_amount: int | None = None

    @property
    def saving_amount(self) -> int:
        """What all layers save together."""
        return self.outturn.saving_amount

    @property
    def below_coupon_amount(self) -> int:
        """What the item and the order layer save."""
        item = sum([use.amount for use in self.uses])
        order = [row for row in self.order_parts if not row.promotion.needs_coupon]
        return item + sum([sum(row.parts) for row in order])

    @property
    def order_parts(self) -> tuple[OrderPart, ...]:
        """What order discounts and the coupon take off the rests."""
        return self.outturn.order_parts

    @property
    def bargains(self) -> tuple[tuple[AddOn, Bargain], ...]:
        """The chosen add-on units that have their token price."""
        return self.outturn.bargains

    @property
    def shipping_parts(self) -> tuple[tuple[ShippingDiscount, int], ...]:
        """What is taken off the shipping."""
        return self.outturn.shipping_parts

    @property
    def amounts(self) -> dict[int, int]:
        """What each promotion takes off, by the number of its id."""
        rows: list[tuple[Promotion, int]] = [(use.promotion, use.amount) for use in self.uses]
        rows += [(row.promotion, sum(row.parts)) for row in self.order_parts]
        rows += [(promotion, one.saving_amount * one.units) for promotion, one in self.bargains]
        rows += self.shipping_parts
        amounts: dict[int, int] = {}
        for promotion, amount in rows:
            amounts[promotion.id.int] = amounts.get(promotion.id.int, 0) + amount
        return amounts

    @property
    def used(self) -> list[Promotion]:
        """The promotions that took something off, oldest first."""
        found: dict[int, Promotion] = {}
        for use in self.uses:
            found[use.promotion.id.int] = use.promotion
        for row in self.order_parts:
            found[row.promotion.id.int] = row.promotion
        for add_on, _ in self.bargains:
            found[add_on.id.int] = add_on
        for discount, _ in self.shipping_parts:
            found[discount.id.int] = discount
        return [found[number] for number in sorted(found)]

    def left_by_type(self, count: int) -> list[int]:
        """What is left to pay of each type after all discounts of goods."""
        left = [0] * count
        for place, rest in enumerate(self.rests):
            off = sum([row.parts[place] for row in self.order_parts])
            back = self.outturn.given_back[place] if self.outturn.given_back else 0
            left[rest.type_index] += rest.amount * rest.units - off + back
        return left

    def weakest(self, count: int) -> list[Promotion]:
        """So many of the promotions used, those that take least off first."""
        amounts = self.amounts
        return sorted(self.used, key=lambda one: (amounts[one.id.int], one.id.int))[:count]

    def preference(self) -> tuple[int, int, list[int]]:
        """The most saved, then the fewest promotions, then the older ones, come first."""
        used = self.used
        return -self.saving_amount, len(used), [promotion.id.int for promotion in used]


def rests_of(types: Sequence[UnitType], uses: Sequence[Use]) -> tuple[Rest, ...]:
    """The units after the item layer in canonical order, like ones together."""
    by_type: dict[int, list[Use]] = {}
    for use in uses:
        by_type.setdefault(use.type_index, []).append(use)
    rests: list[Rest] = []
    for unit in types:
        left = unit.quantity
        for use in by_type.get(unit.index, ()):
            left -= use.units
            less, more = divmod(use.amount, use.units)
            rests += _rest(unit, more, less + 1) + _rest(unit, use.units - more, less)
        rests += _rest(unit, left, 0)
    return tuple(rests)


def _rest(unit: UnitType, units: int, off_amount: int) -> list[Rest]:
    if not units:
        return []
    amount, room = unit.price_amount - off_amount, unit.room_amount - off_amount
    return [Rest(unit.index, units, amount, room, unit.price_amount, unit.line.list_amount)]
