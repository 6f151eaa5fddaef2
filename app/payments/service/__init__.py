"""The verbs of payments and refunds."""

from app.payments.service.charges import (
    ASK_AGAIN_AFTER,
    NewPayment,
    attempt_of,
    charge_wish,
    live_charge_wish,
    open_payment,
    payments_of_order,
    record_charge,
)
from app.payments.service.refunds import (
    RESEND_AFTER_SECONDS,
    RefundOrder,
    hold,
    owe_refund,
    postpone_refund,
    record_refund,
    refunds_of_order,
    refunds_of_shop,
    retry_refund,
)

__all__ = [
    "ASK_AGAIN_AFTER",
    "RESEND_AFTER_SECONDS",
    "NewPayment",
    "RefundOrder",
    "attempt_of",
    "charge_wish",
    "hold",
    "live_charge_wish",
    "open_payment",
    "owe_refund",
    "payments_of_order",
    "postpone_refund",
    "record_charge",
    "record_refund",
    "refunds_of_order",
    "refunds_of_shop",
    "retry_refund",
]
