"""Shapes of quotes, orders, payments and refunds."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.catalog.rules import Wanted
from app.core.http.paging import Page
from app.core.http.schema import Flag, Line, PositiveAmount, Quantity, Shown, Wish
from app.core.money import LINES_MAX, QUANTITY_MAX
from app.groupbuy.service import GroupWish
from app.identity.service import Address
from app.orders.models import Fulfilment, OrderStatus, RefundShare
from app.orders.service.pricing import BasketWish, Priced
from app.orders.service.read import OrderBrief, OrderView
from app.payments.models import PaymentState, RefundStatus

_ID = "0192f0c1-a5e8-7000-a000-000000000001"
_LINE = {"variant_id": _ID, "quantity": 1}
_BASKET = {"shop_id": _ID, "lines": [_LINE], "group": {"open": _ID}}
_ADDRESS = {
    "recipient": "林小禾",
    "phone": "+8613800000000",
    "province": "浙江省",
    "city": "台州市",
    "district": "仙居县",
    "street": "福应街道",
    "detail": "环城南路 1 号",
}


def _example(*examples: Mapping[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [dict(e) for e in examples]})


class LineWish(Wish):
    """Units of one variant."""

    model_config = _example(_LINE)

    variant_id: UUID
    quantity: Quantity


class GroupChoice(Wish):
    """Open a group of a campaign, or join a group that is open."""

    model_config = _example({"open": _ID}, {"join": _ID})

    open: UUID | None = Field(default=None, description="The campaign to open a group of.")
    join: UUID | None = Field(default=None, description="The group to join.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.open is None) == (self.join is None):
            raise ValueError("either open or join")
        return self


class QuoteWish(Wish):
    """A basket to price: alone, or as a group order with exactly one line."""

    model_config = _example(_BASKET)

    shop_id: UUID
    lines: Annotated[list[LineWish], Field(min_length=1, max_length=LINES_MAX)]
    group: GroupChoice | None = None
    community_id: UUID | None = Field(default=None, description="The community it is bought in.")

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        units = Counter[UUID]()
        for line in self.lines:
            units[line.variant_id] += line.quantity
        if max(units.values()) > QUANTITY_MAX:
            raise ValueError(f"more than {QUANTITY_MAX} units of one variant")
        return self

    def basket(self) -> BasketWish:
        """The wish as the service knows it."""
        choice = self.group
        group = GroupWish(campaign_id=choice.open, group_id=choice.join) if choice else None
        return BasketWish(
            shop_id=self.shop_id,
            lines=tuple(Wanted(line.variant_id, line.quantity) for line in self.lines),
            group=group,
            community_id=self.community_id,
        )


_Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 -]{4,22}$")]
_Detail = Annotated[Line, Field(max_length=400)]


class DeliveryAddressWish(Wish):
    """Where the parcel goes, in China's four levels and a free line."""

    model_config = _example(_ADDRESS)

    recipient: Line
    phone: _Phone
    province: Line
    city: Line
    district: Line
    street: Line
    detail: _Detail
    postal_code: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z -]{3,12}$")] | None = None


class OrderWish(QuoteWish):
    """The quoted basket again, the quote it was shown with, and one address."""

    model_config = _example({**_BASKET, "quote_id": "c2VhbGVk", "address": _ADDRESS})

    quote_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,1000}$")]
    address_id: UUID | None = Field(default=None, description="One of the buyer's own addresses.")
    address: DeliveryAddressWish | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.address_id is None) == (self.address is None):
            raise ValueError("either address_id or address")
        return self

    def goes_to(self) -> Address | UUID:
        """The address itself, or the id of one of the buyer's."""
        if self.address is not None:
            return Address(**self.address.model_dump())
        assert self.address_id is not None
        return self.address_id


class PriceAdjustmentShown(Shown):
    """What one rule took off a line."""

    kind: str
    promotion_id: UUID | None
    promotion_version: int | None
    amount: int
    units: int


class QuoteLineShown(Shown):
    """A line with every adjustment; amounts are minor units, `*_amount` of one unit as named."""

    variant_id: UUID
    product_id: UUID
    title: str
    quantity: int
    list_amount: int = Field(description="List price of one unit.")
    price_amount: int = Field(description="Price of one unit before promotions.")
    payable_amount: int = Field(description="For all units, after promotions.")
    adjustments: list[PriceAdjustmentShown]


class AppliedShown(PriceAdjustmentShown):
    """A rule that made this price, with its name in both languages where it has one."""

    names: dict[str, str]


class NotAppliedShown(Shown):
    """A rule that did not, and the stable reason why."""

    kind: str
    promotion_id: UUID
    names: dict[str, str]
    code: str
    params: dict[str, Any]


class QuoteShown(Shown):
    """The price of a basket, explained; `quote_id` holds the shop to it until `expires_at`."""

    quote_id: str
    expires_at: datetime
    currency: str
    lines: list[QuoteLineShown]
    goods_list_amount: int
    goods_discount_amount: int
    goods_payable_amount: int
    shipping_amount: int
    total_amount: int
    applied: list[AppliedShown]
    not_applied: list[NotAppliedShown]
    optimality: Literal["proven", "best_found"]
    bound_amount: int
    runner_up_amount: int | None
    rounding: str
    allocation: str

    @staticmethod
    def of(priced: Priced, quote_id: str, expires_at: datetime) -> "QuoteShown":
        """The quote as the buyer sees it."""
        quote, names = priced.quote, priced.names
        return QuoteShown(
            quote_id=quote_id,
            expires_at=expires_at,
            lines=[
                QuoteLineShown(
                    variant_id=line.variant_id,
                    product_id=line.product_id,
                    title=priced.goods.goods[line.variant_id].product_title,
                    quantity=line.quantity,
                    list_amount=line.list_amount,
                    price_amount=line.price_amount,
                    payable_amount=line.payable_amount,
                    adjustments=[PriceAdjustmentShown.model_validate(a) for a in line.adjustments],
                )
                for line in quote.lines
            ],
            applied=[
                AppliedShown(
                    kind=a.kind,
                    promotion_id=a.promotion_id,
                    promotion_version=a.promotion_version,
                    amount=a.amount,
                    units=a.units,
                    names=dict(names.get(a.promotion_id, {})) if a.promotion_id else {},
                )
                for a in quote.applied
            ],
            not_applied=[
                NotAppliedShown(
                    kind=n.kind,
                    promotion_id=n.promotion_id,
                    names=dict(names.get(n.promotion_id, {})),
                    code=n.code,
                    params=dict(n.params),
                )
                for n in quote.not_applied
            ],
            **{name: getattr(quote, name) for name in _QUOTE_AMOUNTS},
        )


_QUOTE_AMOUNTS = (
    "currency",
    "goods_list_amount",
    "goods_discount_amount",
    "goods_payable_amount",
    "shipping_amount",
    "total_amount",
    "optimality",
    "bound_amount",
    "runner_up_amount",
    "rounding",
    "allocation",
)


class OrderLineShown(Shown):
    """A line of an order; `refunded_*` count what went back."""

    id: UUID
    variant_id: UUID
    product_id: UUID
    product_title: str
    variant_title: str
    sku: str
    quantity: int
    list_amount: int
    price_amount: int
    payable_amount: int
    refunded_quantity: int
    refunded_amount: int


class OrderBriefShown(Shown):
    """An order as lists show it."""

    id: UUID
    shop_id: UUID
    group_id: UUID | None
    campaign_id: UUID | None
    community_id: UUID | None
    status: OrderStatus
    fulfilment: Fulfilment
    refund: RefundShare
    currency: str
    goods_amount: int
    shipping_amount: int
    total_amount: int
    refunded_amount: int
    placed_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    confirmed_at: datetime | None
    shipped_at: datetime | None
    received_at: datetime | None
    refund_due_reason: str | None
    carrier: str | None
    tracking_number: str | None
    lines: list[OrderLineShown]

    @staticmethod
    def of(brief: OrderBrief) -> "OrderBriefShown":
        """An order and its lines as a client sees them."""
        lines = [OrderLineShown.model_validate(dict(line)) for line in brief.lines]
        return OrderBriefShown(**_own(OrderBriefShown, brief.order), lines=lines)


class DeliveryAddressShown(Shown):
    """Where an order goes."""

    recipient: str
    phone: str
    province: str
    city: str
    district: str
    street: str
    detail: str
    postal_code: str | None


class PaymentShown(Shown):
    """One attempt to pay; `declined` means nothing was taken and another may be made."""

    id: UUID
    state: PaymentState
    amount: int
    currency: str
    gateway: str
    reason: str | None
    created_at: datetime
    captured_at: datetime | None
    refunded_amount: int


class RefundShown(Shown):
    """Money on its way back, or back; a failed one is tried again."""

    id: UUID
    amount: int
    currency: str
    reason: str
    reference: str
    state: RefundStatus
    created_at: datetime
    done_at: datetime | None


class OrderShown(OrderBriefShown):
    """An order with all that belongs to it."""

    address: DeliveryAddressShown | None
    payments: list[PaymentShown]
    refunds: list[RefundShown]

    @staticmethod
    def whole(view: OrderView) -> "OrderShown":
        """The whole order as its buyer or its shop sees it."""
        goes_to = dict(view.address) if view.address else None
        return OrderShown(
            **_own(OrderBriefShown, view.order),
            lines=[OrderLineShown.model_validate(dict(line)) for line in view.lines],
            address=DeliveryAddressShown.model_validate(dict(view.address))
            if view.address
            else None,
            payments=[PaymentShown.model_validate(dict(p)) for p in view.payments],
            refunds=[RefundShown.model_validate(dict(r)) for r in view.refunds],
        )


def _own(shape: type[Shown], row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: row[name] for name in shape.model_fields if name != "lines"}


OrderPage = Page[OrderBriefShown]


class PaymentWish(Wish):
    """How to pay; sandbox tokens: `sandbox_success`, `_decline`, `_delay`, `_duplicate`."""

    model_config = _example({"token": "sandbox_success"})

    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$")]


class PaymentAnswer(Shown):
    """The payment and the order as they now stand."""

    payment: PaymentShown
    order: OrderShown


class ShipWish(Wish):
    """Who carries the parcel, under which number."""

    model_config = _example({"carrier": "SF Express", "tracking_number": "SF1234567890"})

    carrier: Annotated[Line, Field(max_length=60)]
    tracking_number: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{4,60}$")]


class RefundLineWish(Wish):
    """Units of one order line to take back."""

    model_config = _example({"line_id": _ID, "quantity": 1})

    line_id: UUID
    quantity: Quantity


class RefundRequest(Wish):
    """Units by line at their frozen shares, or an amount, or (neither) all that is left."""

    model_config = _example(
        {"lines": [{"line_id": _ID, "quantity": 1}], "reason": "damaged", "reference": "R-1001"},
        {"amount": 500, "reason": "goodwill", "reference": "R-1002"},
        {"reason": "cancelled_by_shop", "reference": "R-1003"},
    )

    lines: Annotated[list[RefundLineWish], Field(min_length=1, max_length=LINES_MAX)] | None = None
    amount: PositiveAmount | None = None
    reason: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
    reference: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{1,80}$")]
    restock: Flag = True

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.lines is not None and self.amount is not None:
            raise ValueError("either lines or amount")
        if self.lines and len({line.line_id for line in self.lines}) < len(self.lines):
            raise ValueError("a line is named twice")
        return self
