"""What they get: quotes explained, orders whole or in brief, payments and refunds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator

from app.core.http.paging import Page
from app.core.http.schema import Shown
from app.orders.models import Fulfilment, LineOrigin, OrderStatus, RefundShare
from app.orders.rules import OF_THE_SHOP
from app.orders.service.pricing import Priced
from app.orders.service.read import OrderBrief, OrderView
from app.payments.models import PaymentState, RefundStatus
from app.promotions.rules.coupons import CouponReason

_AT = "2026-06-18T04:00:00Z"
_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_OF_LINE = {"variant_id": f"{_ID}4", "product_id": f"{_ID}3", "quantity": 1, "list_amount": 19_900}
_OFF = {
    "kind": "group_price",
    "promotion_id": None,
    "promotion_version": None,
    "amount": 10_000,
    "units": 1,
}
_PAYMENT = {
    "id": f"{_ID}8",
    "state": "captured",
    "amount": 9_900,
    "currency": "CNY",
    "gateway": "sandbox",
    "reason": None,
    "created_at": _AT,
    "captured_at": _AT,
    "refunded_amount": 0,
}
_ORDER = {
    "id": f"{_ID}7",
    "shop_id": f"{_ID}2",
    "group_id": f"{_ID}5",
    "campaign_id": f"{_ID}1",
    "community_id": None,
    "status": "paid",
    "fulfilment": "none",
    "refund": "none",
    "currency": "CNY",
    "goods_amount": 9_900,
    "shipping_amount": 0,
    "total_amount": 9_900,
    "refunded_amount": 0,
    "placed_at": _AT,
    "expires_at": "2026-06-18T04:15:00Z",
    "paid_at": _AT,
    "confirmed_at": None,
    "shipped_at": None,
    "received_at": None,
    "refund_due_reason": None,
    "carrier": None,
    "tracking_number": None,
    "lines": [
        {
            "id": f"{_ID}9",
            **_OF_LINE,
            "origin": "goods",
            "promotion_id": None,
            "product_title": "东魁杨梅",
            "variant_title": "2.5kg",
            "sku": "YM-25",
            "price_amount": 9_900,
            "payable_amount": 9_900,
            "refunded_quantity": 0,
            "refunded_amount": 0,
        }
    ],
}
_ADDRESS = {
    "recipient": "林小禾",
    "phone": "+8613800000000",
    "province": "浙江省",
    "city": "台州市",
    "district": "仙居县",
    "street": "福应街道",
    "detail": "环城南路 1 号",
    "postal_code": None,
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


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


class CouponRefusedShown(Shown):
    """A code or coupon that changes nothing, and the stable reason why."""

    model_config = _example(
        code="BAYBERRY26", coupon_id=None, promotion_id=f"{_ID}6", reason="coupon_expired"
    )

    code: str | None = Field(description="As it was typed.")
    coupon_id: UUID | None
    promotion_id: UUID | None
    reason: CouponReason


class QuoteShown(Shown):
    """The price of a basket, explained; `quote_id` holds the shop to it until `expires_at`."""

    model_config = _example(
        quote_id="c2VhbGVk",
        expires_at="2026-06-18T04:15:00Z",
        currency="CNY",
        lines=[
            {
                **_OF_LINE,
                "title": "东魁杨梅",
                "price_amount": 9_900,
                "payable_amount": 9_900,
                "adjustments": [_OFF],
            }
        ],
        goods_list_amount=19_900,
        goods_discount_amount=10_000,
        goods_payable_amount=9_900,
        shipping_amount=0,
        total_amount=9_900,
        applied=[{**_OFF, "names": {}}],
        not_applied=[],
        coupons=[],
        optimality="proven",
        bound_amount=9_900,
        runner_up_amount=None,
        rounding="half_up_per_unit",
        allocation="largest_remainder_ties_to_earlier",
    )

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
    coupons: list[CouponRefusedShown] = Field(description="Those presented that change nothing.")
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
            coupons=[CouponRefusedShown.model_validate(one) for one in priced.refused],
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
    """A line of an order; `refunded_*` count what went back.

    `promotion_id` names the promotion of an add-on or a gift.
    """

    id: UUID
    origin: LineOrigin
    promotion_id: UUID | None
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

    model_config = _example(**_ORDER)

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

    model_config = _example(**_ADDRESS)

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

    model_config = _example(**_PAYMENT)

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

    model_config = _example(
        id=f"{_ID}a",
        amount=9_900,
        currency="CNY",
        reason="damaged",
        reference="R-1001",
        state="pending",
        created_at=_AT,
        done_at=None,
    )

    id: UUID
    amount: int
    currency: str
    reason: str
    reference: str
    state: RefundStatus
    created_at: datetime
    done_at: datetime | None

    @field_validator("reference")
    @classmethod
    def _as_the_shop_gave_it(cls, reference: str) -> str:
        return reference.removeprefix(OF_THE_SHOP)


class OrderShown(OrderBriefShown):
    """An order with all that belongs to it."""

    model_config = _example(**_ORDER, address=_ADDRESS, payments=[_PAYMENT], refunds=[])

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
