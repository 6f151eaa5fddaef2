"""Shapes of quotes, orders, payments, refunds and replays."""

from app.orders.schemas.quotes import (
    AppliedShown,
    CouponRefusedShown,
    NotAppliedShown,
    PriceAdjustmentShown,
    QuoteLineShown,
    QuoteShown,
)
from app.orders.schemas.replays import PromotionReplayShown, PromotionReplayWish
from app.orders.schemas.shown import (
    DeliveryAddressShown,
    OrderBriefShown,
    OrderLineShown,
    OrderPage,
    OrderShown,
    PaymentAnswer,
    PaymentShown,
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
    "AppliedShown",
    "CouponRefusedShown",
    "DeliveryAddressShown",
    "DeliveryAddressWish",
    "GroupChoice",
    "LineWish",
    "NotAppliedShown",
    "OrderBriefShown",
    "OrderLineShown",
    "OrderPage",
    "OrderShown",
    "OrderWish",
    "PaymentAnswer",
    "PaymentShown",
    "PaymentWish",
    "PriceAdjustmentShown",
    "PromotionReplayShown",
    "PromotionReplayWish",
    "QuoteLineShown",
    "QuoteShown",
    "QuoteWish",
    "RefundLineWish",
    "RefundRequest",
    "RefundShown",
    "ShipWish",
]
