"""What they get: quotes explained, orders whole or in brief, payments and refunds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from app.core.http.paging import Page
from app.core.http.schema import Shown
from app.orders.models import Fulfilment, OrderStatus, RefundShare
from app.orders.service.pricing import Priced
from app.orders.service.read import OrderBrief, OrderView
from app.payments.models import PaymentState, RefundStatus


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
            address=DeliveryAddressShown.model_validate(goes_to) if goes_to else None,
            payments=[PaymentShown.model_validate(dict(p)) for p in view.payments],
            refunds=[RefundShown.model_validate(dict(r)) for r in view.refunds],
        )


def _own(shape: type[Shown], row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: row[name] for name in shape.model_fields if name != "lines"}


OrderPage = Page[OrderBriefShown]


class PaymentAnswer(Shown):
    """The payment and the order as they now stand."""

    payment: PaymentShown
    order: OrderShown
