"""What they get: orders whole or in brief, payments and refunds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator

from app.core.http.paging import Page
from app.core.http.schema import Shown
from app.orders.models import Fulfilment, LineOrigin, OrderStatus, RefundShare
from app.orders.rules import OF_THE_SHOP
from app.orders.service.read import OrderBrief, OrderView
from app.payments.models import PaymentState, RefundStatus

_AT = "2026-06-18T04:00:00Z"
_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_OF_LINE = {"variant_id": f"{_ID}4", "product_id": f"{_ID}3", "quantity": 1, "list_amount": 19_900}
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


class OwedRefundShown(RefundShown):
    """A refund as the shop watches it: of which order, how often it was tried, and what failed."""

    model_config = _example(
        id=f"{_ID}a",
        order_id=f"{_ID}1",
        amount=9_900,
        currency="CNY",
        reason="group_failed",
        reference=f"group_failed:{_ID}1",
        state="failed",
        attempts=1,
        last_error="account_closed",
        next_try_at=_AT,
        created_at=_AT,
        done_at=None,
    )

    order_id: UUID
    attempts: int
    last_error: str | None
    next_try_at: datetime = Field(description="When it is sent again, where it is not back yet.")

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        """As the shop watches it."""
        return cls.model_validate({**row, "next_try_at": row["send_after"]})


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
RefundPage = Page[OwedRefundShown]


_STRIPE_STEP = {
    "kind": "stripe",
    "client_secret": "pi_3Xyz_secret_abc",
    "publishable_key": "pk_test_abc",
}


class BegunPaymentShown(PaymentShown):
    """A payment as its payer sees it, and nobody else: with what is left to do."""

    model_config = _example(
        **{**_PAYMENT, "state": "pending", "gateway": "stripe", "captured_at": None},
        next_step=_STRIPE_STEP,
    )

    next_step: dict[str, str] | None = Field(
        description="What the payer's device needs to go on, by `kind`; null once it is decided."
    )


class PaymentAnswer(Shown):
    """The payment and the order as they now stand."""

    payment: BegunPaymentShown
    order: OrderShown
