"""Orders, their lines, their address and what was refunded of them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

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


_PLACED = sa.text("status = 'placed'")


class Order(SQLModel, table=True):
    """What was promised at which price; `priced` is the quote it was placed on and never changes.

    `units` maps variant ids to quantities, so that stock follows the order without its lines.
    """

    __tablename__ = "orders"
    __table_args__ = (
        sa.Index("ix_orders_member_id", "member_id", "id"),
        sa.Index("ix_orders_shop_id", "shop_id", "id"),
        sa.Index("ix_orders_group_id", "group_id"),
        sa.Index("ix_orders_due", "expires_at", postgresql_where=_PLACED, sqlite_where=_PLACED),
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

    `restocked_quantity` of the units went up for sale again.
    """

    __tablename__ = "order_refund_parts"
    __table_args__ = (
        sa.CheckConstraint("quantity >= 0 AND amount >= 0", "part"),
        sa.CheckConstraint("restocked_quantity IN (0, quantity)", "restocked"),
    )

    id: UUID = Field(primary_key=True)
    refund_id: UUID = Field(foreign_key="refunds.id", index=True)
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    line_id: UUID | None = Field(default=None, foreign_key="order_lines.id")
    quantity: int
    restocked_quantity: int = 0
    amount: int = Field(sa_type=sa.BigInteger)
