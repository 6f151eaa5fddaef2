"""The parts of an answer of the engine, as both quotes and previews show them.

Each adds to these shapes what only its readers may see: a preview costs, a quote texts and shares.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.catalog.rules import Goods
from app.core.http.schema import Shown
from app.promotions.pricing.answer import (
    AddOnItem,
    Adjustment,
    Applied,
    GiftLine,
    NotApplied,
    Nudge,
    QuoteLine,
)

# Two integers: so much of so much.
Share = Annotated[list[int], Field(min_length=2, max_length=2)]


class PriceAdjustmentShown(Shown):
    """What one rule took off a line."""

    kind: str
    promotion_id: UUID | None
    promotion_version: int | None
    amount: int
    units: int

    @staticmethod
    def of(row: Adjustment) -> "PriceAdjustmentShown":
        """As the engine tells it."""
        return PriceAdjustmentShown(**asdict(row))


class AppliedShown(PriceAdjustmentShown):
    """A rule that made this price, with its name in both languages where it has one."""

    names: dict[str, str]


class ReasonShown(Shown):
    """A promotion that took nothing off, and the stable reason why."""

    kind: str
    promotion_id: UUID
    names: dict[str, str]
    code: str
    params: dict[str, Any]


class PricedLineShown(Shown):
    """A line with every adjustment; amounts are minor units, `*_amount` of one unit as named."""

    origin: Literal["goods", "add_on"]
    add_on_id: UUID | None = Field(description="The add-on promotion it was chosen from.")
    variant_id: UUID
    title: str
    quantity: int
    list_amount: int = Field(description="List price of one unit.")
    price_amount: int = Field(description="Price of one unit before promotions.")
    payable_amount: int = Field(description="For all units, after promotions.")
    adjustments: list[PriceAdjustmentShown]


class GivenShown(Shown):
    """Units given for nothing."""

    promotion_id: UUID
    names: dict[str, str]
    variant_id: UUID
    title: str
    quantity: int


class OfferedShown(Shown):
    """Goods that the basket unlocks at a token price, or would with `missing_amount` more."""

    promotion_id: UUID
    names: dict[str, str]
    variant_id: UUID
    title: str
    list_amount: int
    price_amount: int = Field(description="Of one unit, once unlocked.")
    units_max: int
    missing_amount: int = Field(description="0: it is unlocked.")
    felt_return: Share = Field(description="What a unit saves, for what it costs.")
    true_discount: Share = Field(
        description="What a unit saves, of the goods that qualify and its own price."
    )


@dataclass(frozen=True, slots=True)
class Telling:
    """What the shapes above have in common with the engine's rows, with names and titles added.

    Fields rather than shapes, as each answer has shapes of its own that begin with them.
    """

    names: Mapping[UUID, Mapping[str, str]]
    goods_of: Callable[[UUID], Goods]

    def names_of(self, promotion_id: UUID | None) -> dict[str, str]:
        """None for what no promotion made: a solo price, a group price, the shop's cap."""
        return dict(self.names.get(promotion_id, {})) if promotion_id else {}

    def applied(self, row: Applied) -> AppliedShown:
        """The same in every answer."""
        return AppliedShown(**asdict(row), names=self.names_of(row.promotion_id))

    def reason(self, row: NotApplied | Nudge) -> dict[str, Any]:
        """Of a `ReasonShown`."""
        return {
            "kind": row.kind,
            "promotion_id": row.promotion_id,
            "names": self.names_of(row.promotion_id),
            "code": row.code,
            "params": dict(row.params),
        }

    def line(self, row: QuoteLine) -> dict[str, Any]:
        """Of a `PricedLineShown`."""
        return {
            "origin": row.origin,
            "add_on_id": row.add_on_id,
            "variant_id": row.variant_id,
            "title": self.goods_of(row.variant_id).product_title,
            "quantity": row.quantity,
            "list_amount": row.list_amount,
            "price_amount": row.price_amount,
            "payable_amount": row.payable_amount,
            "adjustments": [PriceAdjustmentShown.of(one) for one in row.adjustments],
        }

    def given(self, row: GiftLine) -> dict[str, Any]:
        """Of a `GivenShown`."""
        return {
            "promotion_id": row.promotion_id,
            "names": self.names_of(row.promotion_id),
            "variant_id": row.variant_id,
            "title": self.goods_of(row.variant_id).product_title,
            "quantity": row.quantity,
        }

    def offered(self, row: AddOnItem) -> dict[str, Any]:
        """Of an `OfferedShown`."""
        return {
            "promotion_id": row.promotion_id,
            "names": self.names_of(row.promotion_id),
            "variant_id": row.variant_id,
            "title": self.goods_of(row.variant_id).product_title,
            "list_amount": row.list_amount,
            "price_amount": row.price_amount,
            "units_max": row.units_max,
            "missing_amount": row.missing_amount,
            "felt_return": list(row.felt_return),
            "true_discount": list(row.true_discount),
        }
