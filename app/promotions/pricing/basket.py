"""What is priced: lines, the one price-setting of the basket, and what is known of the buyer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.money import LINES_MAX, PRICE_AMOUNT_MAX, QUANTITY_MAX
from app.promotions.pricing.group_price import GroupPrice


def _check_amount(name: str, amount: int) -> None:
    if not 0 <= amount <= PRICE_AMOUNT_MAX:
        raise ValueError(f"{name} {amount} is outside 0..{PRICE_AMOUNT_MAX}")


@dataclass(frozen=True, slots=True)
class ListPrice:
    """Every unit starts from its list price."""

    kind: ClassVar[str] = "list_price"

    @property
    def source(self) -> tuple[UUID | None, int | None]:
        """Nothing to name: a list price belongs to no campaign."""
        return None, None

    def amount_for(self, variant_id: UUID, list_amount: int) -> int | None:
        """The list price itself, for any variant."""
        return list_amount


@dataclass(frozen=True, slots=True)
class SoloPrice:
    """The price of buying alone what is also sold in groups; other promotions may follow."""

    kind: ClassVar[str] = "solo_price"

    amounts: Mapping[UUID, int]

    @property
    def source(self) -> tuple[UUID | None, int | None]:
        """Nothing to name: a solo price is the variant's own."""
        return None, None

    def amount_for(self, variant_id: UUID, list_amount: int) -> int | None:
        """The solo price of one unit, or None for a variant that has none."""
        return self.amounts.get(variant_id)


PriceSetting = ListPrice | SoloPrice | GroupPrice


@dataclass(frozen=True, slots=True)
class Buyer:
    """What conditions may ask of a buyer; all of it is declared or counted, never inferred."""

    paid_orders: int
    tags: frozenset[str]
    community_ids: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class BasketLine:
    """Units of one variant; `floor_amount` is the unit price no discount may go under.

    A floor above the list price forbids every discount but never raises the price.
    """

    key: str
    variant_id: UUID
    product_id: UUID
    category_ids: frozenset[UUID]
    tags: frozenset[str]
    quantity: int
    list_amount: int
    floor_amount: int = 0

    def __post_init__(self) -> None:
        """Refuse quantities and amounts beyond the bounds that keep totals in 64 bits."""
        # A merged line may carry all the units of a full basket.
        if not 1 <= self.quantity <= QUANTITY_MAX * LINES_MAX:
            raise ValueError(f"quantity {self.quantity} is outside 1..{QUANTITY_MAX * LINES_MAX}")
        _check_amount("list_amount", self.list_amount)
        _check_amount("floor_amount", self.floor_amount)


@dataclass(frozen=True, slots=True)
class Basket:
    """Lines to price together in one currency under exactly one price-setting."""

    currency: str
    lines: tuple[BasketLine, ...]
    shipping_amount: int
    price_setting: PriceSetting
    buyer: Buyer

    def __post_init__(self) -> None:
        """Refuse a basket out of bounds, with repeated keys, or with a variant left unpriced."""
        if len(self.lines) > LINES_MAX:
            raise ValueError(f"{len(self.lines)} lines are more than {LINES_MAX}")
        if len({line.key for line in self.lines}) < len(self.lines):
            raise ValueError("two lines share a key")
        _check_amount("shipping_amount", self.shipping_amount)
        for line in self.lines:
            self._check_line(line)

    def _check_line(self, line: BasketLine) -> None:
        if line.quantity > QUANTITY_MAX:
            raise ValueError(f"quantity {line.quantity} is above {QUANTITY_MAX}")
        amount = self.price_setting.amount_for(line.variant_id, line.list_amount)
        if amount is None:
            raise ValueError(f"{self.price_setting.kind} has no amount for {line.variant_id}")
        _check_amount(self.price_setting.kind, amount)
