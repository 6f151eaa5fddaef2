"""The canonical basket: identical units become one type with a count, dearest type first.

Everything after this sees types and counts, so neither the order of lines nor the splitting of a
line can change a price.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.promotions.pricing.basket import Basket, BasketLine, PriceSetting


@dataclass(frozen=True, slots=True)
class UnitType:
    """All units of one merged line: `index` in canonical order, `position` of first appearance.

    `price_amount` is one unit after price-setting; `room_amount` is what discounts may take of it
    before they reach the floor.
    """

    index: int
    position: int
    line: BasketLine
    quantity: int
    price_amount: int
    room_amount: int


def unit_types(basket: Basket) -> tuple[UnitType, ...]:
    """Merge and price-set the lines of a basket, dearest first, then by variant id."""
    priced = [
        (set_price(line, basket.price_setting), position, line)
        for position, line in enumerate(_merge(basket.lines))
    ]
    priced.sort(key=lambda row: (-row[0], row[2].variant_id.int))
    return tuple(
        UnitType(
            index=index,
            position=position,
            line=line,
            quantity=line.quantity,
            price_amount=price_amount,
            room_amount=max(price_amount - line.floor_amount, 0),
        )
        for index, (price_amount, position, line) in enumerate(priced)
    )


def _merge(lines: Iterable[BasketLine]) -> Iterable[BasketLine]:
    merged: dict[int, BasketLine] = {}
    for line in lines:
        first = merged.get(line.variant_id.int)
        if first is None:
            merged[line.variant_id.int] = line
            continue
        if replace(line, key=first.key, quantity=first.quantity) != first:
            raise ValueError(f"lines of variant {line.variant_id} describe different goods")
        merged[line.variant_id.int] = replace(first, quantity=first.quantity + line.quantity)
    return merged.values()


def set_price(line: BasketLine, setting: PriceSetting) -> int:
    """Never above the list price, and never under the floor unless the list price already is."""
    amount = setting.amount_for(line.variant_id, line.list_amount)
    if amount is None:
        raise ValueError(f"{setting.kind} has no amount for {line.variant_id}")
    return min(line.list_amount, max(line.floor_amount, amount))
