"""Shapes of quotes, orders, payments, refunds and replays."""

from app.orders.schemas.quotes import (
    CouponRefusedShown,
    QuoteShown,
)
from app.orders.schemas.replays import PromotionReplayShown, PromotionReplayWish
from app.orders.schemas.shown import (
    BegunPaymentShown,
    DeliveryAddressShown,
    OrderBriefShown,
    OrderLineShown,
    OrderPage,
    OrderShown,
    OwedRefundShown,
    PaymentAnswer,
    PaymentShown,
    RefundPage,
    RefundShown,
)
from app.orders.schemas.wishes import (
    AddOnChoiceWish,
    DeliveryAddressWish,
    GroupChoice,
    LineWish,
    OrderWish,
    PaymentWish,
    QuoteWish,
    RefundLineWish,
    RefundRequest,
    ShipWish,
)

__all__ = [
    "AddOnChoiceWish",
    "BegunPaymentShown",
    "CouponRefusedShown",
    "DeliveryAddressShown",
    "DeliveryAddressWish",
    "GroupChoice",
    "LineWish",
    "OrderBriefShown",
    "OrderLineShown",
    "OrderPage",
    "OrderShown",
    "OrderWish",
    "OwedRefundShown",
    "PaymentAnswer",
    "PaymentShown",
    "PaymentWish",
    "PromotionReplayShown",
    "PromotionReplayWish",
    "QuoteShown",
    "QuoteWish",
    "RefundLineWish",
    "RefundPage",
    "RefundRequest",
    "RefundShown",
    "ShipWish",
]
