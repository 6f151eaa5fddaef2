"""What happened to orders."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(Event):
    """A fact about an order and its buyer."""

    aggregate: ClassVar[str] = "order"

    order_id: UUID
    member_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced(OrderEvent):
    """A price was promised, stock and perhaps a seat are held until `expires_at`."""

    kind: ClassVar[str] = "order.placed"

    group_id: UUID | None
    total_amount: int
    currency: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPaid(OrderEvent):
    """The money is here; a group order still waits for its group."""

    kind: ClassVar[str] = "order.paid"

    total_amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderConfirmed(OrderEvent):
    """Paid and, in a group, the group has succeeded: fulfilment and statistics start here."""

    kind: ClassVar[str] = "order.confirmed"

    group_id: UUID | None
    community_id: UUID | None
    total_amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled(OrderEvent):
    """The buyer gave the order up; `was_paid` when a paid seat was left."""

    kind: ClassVar[str] = "order.cancelled"

    was_paid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExpired(OrderEvent):
    """Nobody paid in time; what was held is free again."""

    kind: ClassVar[str] = "order.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShipped(OrderEvent):
    """The goods are on their way."""

    kind: ClassVar[str] = "order.shipped"

    carrier: str
    tracking_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReceived(OrderEvent):
    """The buyer has the goods."""

    kind: ClassVar[str] = "order.received"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderClosed(OrderEvent):
    """The time for returns and complaints is over; what the buyer has kept is kept."""

    kind: ClassVar[str] = "order.closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterSalesRequested(OrderEvent):
    """A buyer wants so much money back."""

    kind: ClassVar[str] = "order.after_sales_requested"

    after_sales_id: UUID
    reason: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterSalesDecided(OrderEvent):
    """A request has moved on: `state` says to where, by the shop or by the buyer."""

    kind: ClassVar[str] = "order.after_sales_decided"

    after_sales_id: UUID
    state: str
    refund_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefundOwed(OrderEvent):
    """All the money of this order has to go back, for the stated reason."""

    kind: ClassVar[str] = "order.refund_owed"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRebateOwed(OrderEvent):
    """Some money of a confirmed order goes back: so much a unit, and a reward for the whole."""

    kind: ClassVar[str] = "order.rebate_owed"

    unit_amount: int
    reward_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefunded(OrderEvent):
    """Money came back to the buyer; `was_counted` when the order had counted as paid."""

    kind: ClassVar[str] = "order.refunded"

    amount: int
    refunded_amount: int
    currency: str
    is_full: bool
    was_counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefundReturned(OrderEvent):
    """Money that was back with the buyer has bounced; `was_full` when all of it had been back."""

    kind: ClassVar[str] = "order.refund_returned"

    amount: int
    refunded_amount: int
    currency: str
    was_full: bool
    was_counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSharesChanged(OrderEvent):
    """A partner brand's goods are in this order, and what the brand is owed of it has changed."""

    kind: ClassVar[str] = "order.shares_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPaymentLeft(OrderEvent):
    """The order has ended while a payment of it was under way, which nobody wants any more."""

    kind: ClassVar[str] = "order.payment_left"


EVENTS: tuple[type[Event], ...] = (
    OrderPlaced,
    OrderPaid,
    OrderConfirmed,
    OrderCancelled,
    OrderExpired,
    OrderShipped,
    OrderReceived,
    OrderClosed,
    AfterSalesRequested,
    AfterSalesDecided,
    OrderRefundOwed,
    OrderRebateOwed,
    OrderRefunded,
    OrderRefundReturned,
    OrderSharesChanged,
    OrderPaymentLeft,
)
