"""Payments, refunds, and the sandbox provider's own books."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import enum_column


class PaymentState(StrEnum):
    """Our view of a payment; only the provider's word moves it."""

    CREATED = "created"
    PENDING = "pending"
    CAPTURED = "captured"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class RefundStatus(StrEnum):
    """`failed` is not the end: it is shown to operators and tried again."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


UNSETTLED_STATES = (PaymentState.CREATED, PaymentState.PENDING)
LIVE_STATES = (*UNSETTLED_STATES, PaymentState.CAPTURED)
_LIVE = sa.text("state IN ('created', 'pending', 'captured')")
_UNSETTLED = sa.text("state IN ('created', 'pending')")


class Payment(SQLModel, table=True):
    """One attempt to take the money of one order; an order has at most one that is alive."""

    __tablename__ = "payments"
    __table_args__ = (
        sa.Index(
            "uq_payments_live_order",
            "order_id",
            unique=True,
            postgresql_where=_LIVE,
            sqlite_where=_LIVE,
        ),
        sa.Index(
            "ix_payments_unsettled",
            "ask_after",
            postgresql_where=_UNSETTLED,
            sqlite_where=_UNSETTLED,
        ),
        sa.UniqueConstraint("order_id", "attempt"),
        sa.CheckConstraint("amount >= 0", "amount"),
        sa.CheckConstraint(
            "0 <= refunded_amount AND refunded_amount <= refund_owed_amount "
            "AND refund_owed_amount <= amount",
            "refunds",
        ),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(index=True)
    order_id: UUID
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)
    gateway: str = Field(max_length=24)
    token: str = Field(max_length=200)
    attempt: str = Field(max_length=64)
    state: PaymentState = Field(sa_type=enum_column(PaymentState))
    reference: str | None = Field(default=None, max_length=120)
    reason: str | None = Field(default=None, max_length=120)
    created_at: datetime
    captured_at: datetime | None = None
    ask_after: datetime
    refund_owed_amount: int = Field(default=0, sa_type=sa.BigInteger)
    refunded_amount: int = Field(default=0, sa_type=sa.BigInteger)


class Refund(SQLModel, table=True):
    """Money owed back from one payment: decided here, sent by the worker."""

    __tablename__ = "refunds"
    __table_args__ = (
        sa.UniqueConstraint("shop_id", "reference"),
        sa.Index("ix_refunds_payment_id", "payment_id"),
        sa.Index("ix_refunds_shop_id_id", "shop_id", "id"),
        sa.Index(
            "ix_refunds_unsent",
            "send_after",
            postgresql_where=sa.text("state <> 'succeeded'"),
            sqlite_where=sa.text("state <> 'succeeded'"),
        ),
        sa.CheckConstraint("amount > 0", "amount"),
    )

    id: UUID = Field(primary_key=True)
    payment_id: UUID = Field(foreign_key="payments.id")
    shop_id: UUID
    order_id: UUID = Field(index=True)
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)
    reason: str = Field(max_length=64)
    reference: str = Field(max_length=120)
    state: RefundStatus = Field(sa_type=enum_column(RefundStatus))
    created_at: datetime
    send_after: datetime
    lease_until: datetime | None = None
    attempts: int = 0
    done_at: datetime | None = None
    gateway_reference: str | None = Field(default=None, max_length=120)
    last_error: str | None = Field(default=None, max_length=200)


class SandboxEntry(SQLModel, table=True):
    """A line in the sandbox provider's books: appended, never changed.

    `slot` is unique, so of a charge and a cancellation of one payment the first one counts.
    """

    __tablename__ = "sandbox_entries"
    __table_args__ = (
        sa.Index("ix_sandbox_entries_payment_id", "payment_id"),
        sa.Index("ix_sandbox_entries_subject_id", "subject_id"),
    )

    id: UUID = Field(primary_key=True)
    slot: str = Field(max_length=80, unique=True)
    kind: str = Field(max_length=16)
    payment_id: UUID
    subject_id: UUID
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)
    at: datetime
    settles_at: datetime


class SandboxNotice(SQLModel, table=True):
    """A message the sandbox provider still has to send, as a real one would by webhook."""

    __tablename__ = "sandbox_notices"

    id: UUID = Field(primary_key=True)
    payment_id: UUID
    due_at: datetime
    heard_at: datetime | None = Field(default=None, index=True)
