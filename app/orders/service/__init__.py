"""The verbs of the line of sale, one a file."""

from app.orders.service.after_sales import (
    AfterSalesView,
    AfterSalesWish,
    Granting,
    after_sales_of,
    approve_after_sales,
    await_return,
    decide_approval,
    list_after_sales,
    reject_after_sales,
    request_after_sales,
    withdraw_after_sales,
)
from app.orders.service.approvals import approvals_of_shop
from app.orders.service.capture import (
    confirm_group,
    count_buyer,
    end_group_orders,
    mark_paid,
    note_dispute,
    note_refund,
    note_returned_refund,
    recount_buyer,
    refund_late_seat,
    uncount_buyer,
)
from app.orders.service.close import close_received
from app.orders.service.end import Doors, cancel, end_unpaid, stop_paying
from app.orders.service.forgetting import forget_member
from app.orders.service.fulfil import receive, ship
from app.orders.service.partners import share_with_partners
from app.orders.service.pay import PayWish, pay
from app.orders.service.place import PlaceWish, place
from app.orders.service.plan import Plan, RefundWish, preview
from app.orders.service.pricing import (
    BasketWish,
    PriceChanged,
    Priced,
    expiry,
    price,
    seal,
)
from app.orders.service.read import (
    OrderView,
    order_of_member,
    order_of_shop,
    orders_of_member,
    orders_of_shop,
    overdue,
)
from app.orders.service.refund import Decision, adopt_refund, pay_back, pay_rebate, refund
from app.orders.service.replay import Replay, replay
from app.orders.service.timeline import Entry, timeline

__all__ = [
    "AfterSalesView",
    "AfterSalesWish",
    "BasketWish",
    "Decision",
    "Doors",
    "Entry",
    "Granting",
    "OrderView",
    "PayWish",
    "PlaceWish",
    "Plan",
    "PriceChanged",
    "Priced",
    "RefundWish",
    "Replay",
    "adopt_refund",
    "after_sales_of",
    "approvals_of_shop",
    "approve_after_sales",
    "await_return",
    "cancel",
    "close_received",
    "confirm_group",
    "count_buyer",
    "decide_approval",
    "end_group_orders",
    "end_unpaid",
    "expiry",
    "forget_member",
    "list_after_sales",
    "mark_paid",
    "note_dispute",
    "note_refund",
    "note_returned_refund",
    "order_of_member",
    "order_of_shop",
    "orders_of_member",
    "orders_of_shop",
    "overdue",
    "pay",
    "pay_back",
    "pay_rebate",
    "place",
    "preview",
    "price",
    "receive",
    "recount_buyer",
    "refund",
    "refund_late_seat",
    "reject_after_sales",
    "replay",
    "request_after_sales",
    "seal",
    "share_with_partners",
    "ship",
    "stop_paying",
    "timeline",
    "uncount_buyer",
    "withdraw_after_sales",
]
