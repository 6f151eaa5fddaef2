"""Orders, their lines, their address and what was refunded of them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.catalog.models import RefundPolicy
from app.core.sql import Json, enum_column


class OrderStatus(StrEnum):
    """Where an order stands between buyer and shop."""

    PLACED = "placed"
    PAID = "paid"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Fulfilment(StrEnum):
    """Where the goods are; it begins when the order is confirmed."""

    NONE = "none"
    FULFILLING = "fulfilling"
    SHIPPED = "shipped"
    RECEIVED = "received"


class RefundShare(StrEnum):
    """How much of the money is back with the buyer; derived from the refunds."""

    NONE = "none"
    PARTLY = "partly"
    FULL = "full"


class OrderDispute(StrEnum):
    """How the order's payment stands with the banks; derived from its disputes."""

    NONE = "none"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class LineOrigin(StrEnum):
    """Why a line is in the order: wanted, chosen from an add-on offer, or given."""

    GOODS = "goods"
    ADD_ON = "add_on"
    GIFT = "gift"


class AfterSalesKind(StrEnum):
    """Money alone, or goods for money."""

    REFUND_ONLY = "refund_only"
    RETURN_AND_REFUND = "return_and_refund"


class AfterSalesReason(StrEnum):
    """Why a buyer wants money back; a change of mind has its time, a fault has the order's."""

    CHANGED_MIND = "changed_mind"
    DAMAGED = "damaged"
    WRONG_ITEM = "wrong_item"
    MISSING = "missing"
    NOT_AS_DESCRIBED = "not_as_described"
    LATE = "late"
    OTHER = "other"


class AfterSalesState(StrEnum):
    """Where a request stands; it is open until it is approved, rejected or withdrawn."""

    REQUESTED = "requested"
    RETURNING = "returning"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class ApprovalState(StrEnum):
    """Whether a second operator has decided."""

    AWAITING = "awaiting"
    APPROVED = "approved"
    REJECTED = "rejected"


_PLACED = sa.text("status = 'placed'")
_RECEIVED = sa.text("status = 'paid' AND fulfilment = 'received'")
_OPEN = sa.text("state IN ('requested', 'returning', 'awaiting_approval')")
_AWAITING = sa.text("state = 'awaiting'")


class Order(SQLModel, table=True):
    """What was promised at which price; `priced` is the quote it was placed on and never changes.

    `units` maps variant ids to quantities, so that stock follows the order without its lines.
    `refund_policy` is the shop's of when it was placed.
    """

    __tablename__ = "orders"
    __table_args__ = (
        sa.Index("ix_orders_member_id", "member_id", "id"),
        sa.Index("ix_orders_shop_id", "shop_id", "id"),
        sa.Index("ix_orders_group_id", "group_id"),
        sa.Index("ix_orders_due", "expires_at", postgresql_where=_PLACED, sqlite_where=_PLACED),
        sa.Index(
            "ix_orders_received",
            "received_at",
            postgresql_where=_RECEIVED,
            sqlite_where=_RECEIVED,
        ),
        sa.CheckConstraint(
            "total_amount = goods_amount + shipping_amount AND total_amount >= 0", "total"
        ),
        sa.CheckConstraint("0 <= refunded_amount AND refunded_amount <= total_amount", "refunded"),
        sa.CheckConstraint("fulfilment = 'none' OR confirmed_at IS NOT NULL", "confirmed_first"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    member_id: UUID = Field(foreign_key="members.id")
    community_id: UUID | None = Field(default=None, foreign_key="communities.id")
    group_id: UUID | None = Field(default=None, foreign_key="groups.id")
    campaign_id: UUID | None = Field(default=None, foreign_key="campaigns.id")
    status: OrderStatus = Field(sa_type=enum_column(OrderStatus))
    fulfilment: Fulfilment = Field(sa_type=enum_column(Fulfilment))
    refund: RefundShare = Field(sa_type=enum_column(RefundShare))
    dispute: OrderDispute = Field(
        default=OrderDispute.NONE,
        sa_type=enum_column(OrderDispute),
        sa_column_kwargs={"server_default": OrderDispute.NONE.value},
    )
    currency: str = Field(max_length=3)
    goods_amount: int = Field(sa_type=sa.BigInteger)
    shipping_amount: int = Field(sa_type=sa.BigInteger)
    total_amount: int = Field(sa_type=sa.BigInteger)
    refunded_amount: int = Field(default=0, sa_type=sa.BigInteger)
    priced: dict[str, Any] = Field(sa_type=Json)
    units: dict[str, int] = Field(sa_type=Json)
    placed_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    confirmed_at: datetime | None = None
    shipped_at: datetime | None = None
    received_at: datetime | None = None
    ended_at: datetime | None = None
    refund_due_reason: str | None = Field(default=None, max_length=32)
    refund_policy: RefundPolicy = Field(
        default=RefundPolicy.KEEP,
        sa_type=enum_column(RefundPolicy),
        sa_column_kwargs={"server_default": RefundPolicy.KEEP.value},
    )
    carrier: str | None = Field(default=None, max_length=60)
    tracking_number: str | None = Field(default=None, max_length=60)


class OrderLine(SQLModel, table=True):
    """One variant of an order; `unit_shares` are the frozen shares a refund pays back, as runs.

    `promotion_id` says which promotion an add-on or a gift came with. The brand and its share of
    the sale are those of the moment it was placed. `unit_rebate_amount` is what a group has earned
    back on each unit since: a refund of the unit pays its share less that.
    """

    __tablename__ = "order_lines"
    __table_args__ = (
        sa.UniqueConstraint("order_id", "position"),
        sa.CheckConstraint(
            "0 <= refunded_quantity AND refunded_quantity <= quantity", "refunded_quantity"
        ),
        sa.CheckConstraint(
            "0 <= refunded_amount AND refunded_amount <= payable_amount", "refunded_amount"
        ),
        sa.CheckConstraint(
            "0 <= unit_rebate_amount AND unit_rebate_amount * quantity <= payable_amount", "rebate"
        ),
    )

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(foreign_key="orders.id")
    position: int
    variant_id: UUID = Field(foreign_key="variants.id", index=True)
    product_id: UUID = Field(foreign_key="products.id")
    origin: LineOrigin = Field(
        default=LineOrigin.GOODS,
        sa_type=enum_column(LineOrigin),
        sa_column_kwargs={"server_default": LineOrigin.GOODS.value},
    )
    promotion_id: UUID | None = Field(default=None, foreign_key="promotions.id")
    brand_id: UUID | None = None
    brand_share_bp: int | None = None
    product_title: str = Field(max_length=120)
    variant_title: str = Field(max_length=120)
    sku: str = Field(max_length=64)
    quantity: int
    list_amount: int = Field(sa_type=sa.BigInteger)
    price_amount: int = Field(sa_type=sa.BigInteger)
    payable_amount: int = Field(sa_type=sa.BigInteger)
    unit_shares: list[dict[str, int]] = Field(sa_type=Json)
    unit_rebate_amount: int = Field(
        default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    refunded_quantity: int = 0
    refunded_amount: int = Field(default=0, sa_type=sa.BigInteger)


class OrderAddress(SQLModel, table=True):
    """Where an order goes, as it was when placed; personal, so a table of its own."""

    __tablename__ = "order_addresses"

    order_id: UUID = Field(primary_key=True, foreign_key="orders.id")
    recipient: str = Field(max_length=120)
    phone: str = Field(max_length=32)
    province: str = Field(max_length=120)
    city: str = Field(max_length=120)
    district: str = Field(max_length=120)
    street: str = Field(max_length=120)
    detail: str = Field(max_length=400)
    postal_code: str | None = Field(default=None, max_length=16)


class OrderRefundPart(SQLModel, table=True):
    """What a refund pays back for: units of a line, money on a line, or (no line) the shipping.

    `restocked_quantity` of the units went up for sale again. `withheld_amount` is what of their
    shares was kept back, because the rest costs more alone; below zero it was given back.
    """

    __tablename__ = "order_refund_parts"
    __table_args__ = (
        sa.CheckConstraint("quantity >= 0 AND amount >= 0", "part"),
        sa.CheckConstraint("restocked_quantity IN (0, quantity)", "restocked"),
    )

    id: UUID = Field(primary_key=True)
    refund_id: UUID = Field(foreign_key="refunds.id", index=True)
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    line_id: UUID | None = Field(default=None, foreign_key="order_lines.id", index=True)
    quantity: int
    restocked_quantity: int = 0
    amount: int = Field(sa_type=sa.BigInteger)
    withheld_amount: int = Field(
        default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"}
    )


class AfterSales(SQLModel, table=True):
    """What a buyer wants back of a confirmed order, at the amount it was asked at.

    An order has at most one that is open. `note` is the buyer's, `decision_note` the shop's.
    """

    __tablename__ = "after_sales"
    __table_args__ = (
        sa.Index("ix_after_sales_shop_id_state", "shop_id", "state", "id"),
        sa.Index("ix_after_sales_shop_id_id", "shop_id", "id"),
        sa.Index("ix_after_sales_order_id", "order_id"),
        sa.Index(
            "uq_after_sales_open_order",
            "order_id",
            unique=True,
            postgresql_where=_OPEN,
            sqlite_where=_OPEN,
        ),
        sa.CheckConstraint("0 <= shipping_amount AND shipping_amount <= amount", "shipping"),
        sa.CheckConstraint("amount > 0", "amount"),
        sa.CheckConstraint("state <> 'approved' OR refund_id IS NOT NULL", "approved"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    order_id: UUID = Field(foreign_key="orders.id")
    member_id: UUID = Field(foreign_key="members.id", index=True)
    kind: AfterSalesKind = Field(sa_type=enum_column(AfterSalesKind))
    reason: AfterSalesReason = Field(sa_type=enum_column(AfterSalesReason))
    note: str = Field(max_length=500)
    shipping_amount: int = Field(sa_type=sa.BigInteger)
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)
    state: AfterSalesState = Field(sa_type=enum_column(AfterSalesState))
    requested_at: datetime
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    decision_note: str | None = Field(default=None, max_length=500)
    refund_id: UUID | None = Field(default=None, foreign_key="refunds.id")


class AfterSalesLine(SQLModel, table=True):
    """Units of an order line that a request is about."""

    __tablename__ = "after_sales_lines"
    __table_args__ = (sa.CheckConstraint("quantity > 0", "quantity"),)

    after_sales_id: UUID = Field(primary_key=True, foreign_key="after_sales.id")
    line_id: UUID = Field(primary_key=True, foreign_key="order_lines.id")
    quantity: int


class RefundApproval(SQLModel, table=True):
    """A refund above the shop's limit that waits for a second operator; nothing is owed before.

    `wish` is what was asked for, and `amount` what it came to then.
    """

    __tablename__ = "refund_approvals"
    __table_args__ = (
        sa.Index("ix_refund_approvals_shop_id_state", "shop_id", "state", "id"),
        sa.Index("ix_refund_approvals_shop_id_id", "shop_id", "id"),
        sa.Index("ix_refund_approvals_order_id", "order_id"),
        sa.Index(
            "uq_refund_approvals_awaiting_order",
            "order_id",
            unique=True,
            postgresql_where=_AWAITING,
            sqlite_where=_AWAITING,
        ),
        sa.CheckConstraint("amount > 0", "amount"),
        sa.CheckConstraint(
            "state <> 'approved' OR (decided_by IS NOT NULL AND decided_by <> requested_by)",
            "second_person",
        ),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    order_id: UUID = Field(foreign_key="orders.id")
    after_sales_id: UUID | None = Field(default=None, foreign_key="after_sales.id")
    wish: dict[str, Any] = Field(sa_type=Json)
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)
    state: ApprovalState = Field(sa_type=enum_column(ApprovalState))
    requested_by: UUID | None = None
    requested_by_kind: str = Field(max_length=16)
    requested_at: datetime
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    decision_note: str | None = Field(default=None, max_length=500)
    refund_id: UUID | None = Field(default=None, foreign_key="refunds.id")
