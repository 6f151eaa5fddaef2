"""Short ways to say a basket, a line, a buyer and a promotion; ids are small numbers as UUIDv7."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.promotions.pricing.basket import Basket, BasketLine, Buyer, ListPrice, PriceSetting
from app.promotions.pricing.conditions import Conditions
from app.promotions.pricing.percent_off import PercentOff

NOW = datetime(2025, 6, 18, 4, 0, tzinfo=UTC)
ANYONE = Buyer(paid_orders=0, tags=frozenset(), community_ids=frozenset())


def uid(number: int) -> UUID:
    """A valid UUIDv7 whose order is the order of the numbers."""
    return UUID(int=(0x7 << 76) | (0b10 << 62) | number)


def line(variant: int, quantity: int = 1, list_amount: int = 5000, **fields: Any) -> BasketLine:
    values: dict[str, Any] = {
        "key": f"line-{variant}",
        "variant_id": uid(variant),
        "product_id": uid(1000 + variant),
        "category_ids": frozenset(),
        "tags": frozenset(),
    }
    return BasketLine(**{**values, **fields}, quantity=quantity, list_amount=list_amount)


def basket(
    *lines: BasketLine,
    price_setting: PriceSetting | None = None,
    buyer: Buyer = ANYONE,
    shipping_amount: int = 0,
) -> Basket:
    return Basket("CNY", lines, shipping_amount, price_setting or ListPrice(), buyer)


ASKED = frozenset(Conditions.__dataclass_fields__)


def conditioned(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a promotion, those that are conditions put under `conditions`."""
    asked = {name: value for name, value in fields.items() if name in ASKED}
    rest = {name: value for name, value in fields.items() if name not in ASKED}
    return {**rest, "conditions": Conditions(**asked)} if asked else rest


def percent(number: int, off_bp: int, **fields: Any) -> PercentOff:
    return PercentOff(id=uid(number), version=1, off_bp=off_bp, **conditioned(fields))


def ids(numbers: Iterable[int]) -> frozenset[UUID]:
    return frozenset(uid(number) for number in numbers)
