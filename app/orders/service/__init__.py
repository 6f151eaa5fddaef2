"""The verbs of the line of sale, one a file."""

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
from app.orders.service.end import Doors, cancel, end_unpaid
from app.orders.service.fulfil import receive, ship
from app.orders.service.partners import share_with_partners
from app.orders.service.pay import PayWish, pay
from app.orders.service.place import PlaceWish, place
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
from app.orders.service.refund import RefundWish, adopt_refund, pay_back, pay_rebate, refund
from app.orders.service.replay import Replay, replay

__all__ = [
    "BasketWish",
    "Doors",
    "OrderView",
    "PayWish",
    "PlaceWish",
    "PriceChanged",
    "Priced",
    "RefundWish",
    "Replay",
    "adopt_refund",
    "cancel",
    "confirm_group",
    "count_buyer",
    "end_group_orders",
    "end_unpaid",
    "expiry",
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
    "price",
    "receive",
    "recount_buyer",
    "refund",
    "refund_late_seat",
    "replay",
    "seal",
    "share_with_partners",
    "ship",
    "uncount_buyer",
]
