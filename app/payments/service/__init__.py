"""The verbs of payments, refunds, disputes and providers' messages."""

from app.payments.rules import Verdict
from app.payments.service.charges import (
    ASK_AGAIN_AFTER,
    NewPayment,
    attempt_of,
    being_paid,
    charge_wish,
    live_charge_wish,
    open_payment,
    payments_of_order,
    payments_of_shop,
    record_charge,
    unwant,
)
from app.payments.service.disputes import dispute_of_order, disputes_of_shop, record_dispute
from app.payments.service.hooks import (
    GIVE_UP_AFTER,
    give_up_hook,
    hook_events,
    keep_hook,
    note_fault,
    replay_hook,
    told_by,
    work_hook,
)
from app.payments.service.refunds import (
    RESEND_AFTER_SECONDS,
    RefundOrder,
    hold,
    owe_refund,
    postpone_refund,
    refunds_of_order,
    refunds_of_shop,
    retry_refund,
)
from app.payments.service.returns import MADE_AT_PROVIDER, record_refund
from app.payments.service.told import record_told

__all__ = [
    "ASK_AGAIN_AFTER",
    "GIVE_UP_AFTER",
    "MADE_AT_PROVIDER",
    "RESEND_AFTER_SECONDS",
    "NewPayment",
    "RefundOrder",
    "Verdict",
    "attempt_of",
    "being_paid",
    "charge_wish",
    "dispute_of_order",
    "disputes_of_shop",
    "give_up_hook",
    "hold",
    "hook_events",
    "keep_hook",
    "live_charge_wish",
    "note_fault",
    "open_payment",
    "owe_refund",
    "payments_of_order",
    "payments_of_shop",
    "postpone_refund",
    "record_charge",
    "record_dispute",
    "record_refund",
    "record_told",
    "refunds_of_order",
    "refunds_of_shop",
    "replay_hook",
    "retry_refund",
    "told_by",
    "unwant",
    "work_hook",
]
