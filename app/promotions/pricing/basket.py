"""What is priced: lines, the one price-setting of the basket, and what is known of the buyer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.core.money import BASIS_POINTS, LINES_MAX, PRICE_AMOUNT_MAX, QUANTITY_MAX
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.ranges import check_range

COUPONS_MAX = 20
ADD_ONS_MAX = 20


def _check_amount(name: str, amount: int) -> None:
    check_range(name, amount, 0, PRICE_AMOUNT_MAX)


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
    """The price of buying alone what is also sold in groups; other promotions may follow.

    Variants without one cost their list price.
    """

    kind: ClassVar[str] = "solo_price"

    amounts: Mapping[UUID, int]

    @property
    def source(self) -> tuple[UUID | None, int | None]:
        """Nothing to name: the price is the variant's own."""
        return None, None

    def amount_for(self, variant_id: UUID, list_amount: int) -> int | None:
        """The price of one unit."""
        return self.amounts.get(variant_id, list_amount)


@dataclass(frozen=True, slots=True)
class MemberPrice(SoloPrice):
    """What members of the shop's communities pay per variant; other promotions may follow."""

    kind: ClassVar[str] = "member_price"


PriceSetting = ListPrice | SoloPrice | GroupPrice


@dataclass(frozen=True, slots=True)
class Buyer:
    """What conditions may ask of a buyer; all of it is declared or counted, never inferred.

    `roles` are those in the shop's communities. Of somebody who has not signed in nothing is known.
    """

    paid_orders: int
    tags: frozenset[str]
    community_ids: frozenset[UUID]
    roles: Mapping[UUID, str] = field(default_factory=dict)
    audience_ids: frozenset[UUID] = frozenset()
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Coupon:
    """The buyer's right to a promotion that needs one, and when it holds."""

    id: UUID
    promotion_id: UUID
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """Points the buyer spends, by their worth; they pay at most a share of what is left to pay."""

    redeem_amount: int
    share_max_bp: int = BASIS_POINTS

    def __post_init__(self) -> None:
        """Refuse amounts and shares out of bounds."""
        _check_amount("redeem_amount", self.redeem_amount)
        check_range("share_max_bp", self.share_max_bp, 0, BASIS_POINTS)


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
class AddOnChoice:
    """Units the buyer chose of what an add-on offers; they have no part in anything else."""

    key: str
    promotion_id: UUID
    variant_id: UUID
    quantity: int

    def __post_init__(self) -> None:
        """Refuse a choice of nothing."""
        check_range("quantity", self.quantity, 1, QUANTITY_MAX)


@dataclass(frozen=True, slots=True)
class Basket:
    """Lines to price together in one currency under exactly one price-setting.

    `offered` describes the goods that add-ons offer, the chosen ones among them, whatever quantity
    they name. `stock` has the units to be had of goods that promotions may give; one not named
    has plenty.
    """

    currency: str
    lines: tuple[BasketLine, ...]
    shipping_amount: int
    price_setting: PriceSetting
    buyer: Buyer
    channel: str | None = None
    coupons: tuple[Coupon, ...] = ()
    add_ons: tuple[AddOnChoice, ...] = ()
    offered: Mapping[UUID, BasketLine] = field(default_factory=dict)
    points: Points | None = None
    stock: Mapping[UUID, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a basket out of bounds, with repeated keys, or with a variant left unpriced."""
        keys = [line.key for line in self.lines] + [choice.key for choice in self.add_ons]
        if len(keys) > LINES_MAX:
            raise ValueError(f"{len(keys)} lines are more than {LINES_MAX}")
        check_range("coupons", len(self.coupons), 0, COUPONS_MAX)
        check_range("add_ons", len(self.add_ons), 0, ADD_ONS_MAX)
        if len(set(keys)) < len(keys):
            raise ValueError("two lines share a key")
        _check_amount("shipping_amount", self.shipping_amount)
        for line in self.lines:
            self._check_line(line)
        for choice in self.add_ons:
            if choice.variant_id not in self.offered:
                raise ValueError(f"nothing is known of the add-on {choice.variant_id}")

    def _check_line(self, line: BasketLine) -> None:
        if line.quantity > QUANTITY_MAX:
            raise ValueError(f"quantity {line.quantity} is above {QUANTITY_MAX}")
        amount = self.price_setting.amount_for(line.variant_id, line.list_amount)
        if amount is None:
            raise ValueError(f"{self.price_setting.kind} has no amount for {line.variant_id}")
        _check_amount(self.price_setting.kind, amount)
