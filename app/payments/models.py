"""Payments, refunds, disputes, providers' messages, and the sandbox provider's own books."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import enum_column
from app.payments.gateway import DisputeState, RefundState


class PaymentState(StrEnum):
    """Our view of a payment; only the provider's word moves it.

    `surplus` was captured while another payment of its order was: it counts for nothing, and its
    money goes back.
    """

    CREATED = "created"
    PENDING = "pending"
    CAPTURED = "captured"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    SURPLUS = "surplus"


class RefundStatus(StrEnum):
    """`failed` is not the end: it is shown to operators and tried again."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class HookState(StrEnum):
    """What became of a provider's message; `failed` waits for a person."""

    WAITING = "waiting"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"


UNSETTLED_STATES = (PaymentState.CREATED, PaymentState.PENDING)
LIVE_STATES = (*UNSETTLED_STATES, PaymentState.CAPTURED)
HELD_STATES = (PaymentState.CAPTURED, PaymentState.SURPLUS)
_LIVE = sa.text("state IN ('created', 'pending', 'captured')")
_UNSETTLED = sa.text("state IN ('created', 'pending')")
_QUARANTINED = sa.text("quarantine_reason IS NOT NULL")
_WAITING = sa.text("state = 'waiting'")
_ZERO = {"server_default": "0"}


class Payment(SQLModel, table=True):
    """One attempt to take the money of one order; an order has at most one that is alive.

    `quarantine_reason` says what a provider told of it that was not believed. Of `disputed_amount`
    nobody knows yet whose it is; `lost_amount` went back to the buyer by a bank's decision.
    `is_unwanted` where the order has ended meanwhile, and the provider has not been told yet.
    """

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
        sa.Index(
            "ix_payments_quarantined",
            "shop_id",
            "id",
            postgresql_where=_QUARANTINED,
            sqlite_where=_QUARANTINED,
        ),
        sa.Index("ix_payments_reference", "reference"),
        # For whoever holds the last days against a provider's books.
        sa.Index("ix_payments_created_at", "created_at"),
        sa.UniqueConstraint("order_id", "attempt"),
        sa.CheckConstraint("amount >= 0", "amount"),
        sa.CheckConstraint(
            "0 <= refunded_amount AND refunded_amount <= refund_owed_amount "
            "AND refund_owed_amount <= amount",
            "refunds",
        ),
        sa.CheckConstraint("disputed_amount >= 0 AND lost_amount >= 0", "disputes"),
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
    fee_amount: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs=_ZERO)
    disputed_amount: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs=_ZERO)
    lost_amount: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs=_ZERO)
    quarantine_reason: str | None = Field(default=None, max_length=64)
    is_unwanted: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})


class Refund(SQLModel, table=True):
    """Money owed back from one payment: decided here, sent by the worker.

    State, `round` and `gateway_reference` follow from what was told of its rounds.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        sa.UniqueConstraint("shop_id", "reference"),
        sa.Index("ix_refunds_payment_id", "payment_id"),
        sa.Index("ix_refunds_shop_id_id", "shop_id", "id"),
        sa.Index("ix_refunds_created_at", "created_at"),
        sa.Index(
            "ix_refunds_unsent",
            "send_after",
            postgresql_where=sa.text("state <> 'succeeded'"),
            sqlite_where=sa.text("state <> 'succeeded'"),
        ),
        sa.CheckConstraint("amount > 0", "amount"),
        sa.CheckConstraint("round >= 1", "round"),
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
    round: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    gateway_reference: str | None = Field(default=None, max_length=120)
    last_error: str | None = Field(default=None, max_length=200)


class RefundRound(SQLModel, table=True):
    """The furthest that a provider has told of one try to send a refund, by its name of the try."""

    __tablename__ = "refund_rounds"
    __table_args__ = (sa.Index("ix_refund_rounds_reference", "reference"),)

    refund_id: UUID = Field(primary_key=True, foreign_key="refunds.id")
    reference: str = Field(primary_key=True, max_length=120)
    state: RefundState = Field(sa_type=enum_column(RefundState))
    told_at: datetime


class PaymentDispute(SQLModel, table=True):
    """A buyer's complaint at their bank about one payment; only the provider's word moves it.

    Of `fee_amount` the provider has given `fee_returned_amount` back.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        sa.UniqueConstraint("gateway", "reference"),
        sa.Index("ix_disputes_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("amount > 0 AND fee_amount >= 0 AND fee_returned_amount >= 0", "amount"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    order_id: UUID = Field(index=True)
    payment_id: UUID = Field(foreign_key="payments.id", index=True)
    gateway: str = Field(max_length=24)
    reference: str = Field(max_length=120)
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)
    state: DisputeState = Field(sa_type=enum_column(DisputeState))
    reason: str | None = Field(default=None, max_length=120)
    fee_amount: int = Field(default=0, sa_type=sa.BigInteger)
    fee_returned_amount: int = Field(default=0, sa_type=sa.BigInteger)
    opened_at: datetime
    closed_at: datetime | None = None


class StrayCapture(SQLModel, table=True):
    """Money that a provider took for a payment, but not as it was asked for: a person decides.

    Of another amount or currency, or a second time under another name. `is_void` where the
    provider has said since that this capture was as it was asked for after all.
    """

    __tablename__ = "stray_captures"
    __table_args__ = (
        sa.UniqueConstraint("gateway", "reference"),
        sa.Index("ix_stray_captures_payment_id", "payment_id"),
        sa.Index("ix_stray_captures_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("amount > 0 AND fee_amount >= 0", "amount"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    payment_id: UUID = Field(foreign_key="payments.id")
    gateway: str = Field(max_length=24)
    reference: str = Field(max_length=120)
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)
    fee_amount: int = Field(default=0, sa_type=sa.BigInteger)
    captured_at: datetime
    is_void: bool = False


class StrayRefund(SQLModel, table=True):
    """The furthest that a provider has told of a refund, made there, of a stray capture."""

    __tablename__ = "stray_refunds"
    __table_args__ = (sa.CheckConstraint("amount > 0", "amount"),)

    stray_id: UUID = Field(primary_key=True, foreign_key="stray_captures.id")
    reference: str = Field(primary_key=True, max_length=120)
    amount: int = Field(sa_type=sa.BigInteger)
    state: RefundState = Field(sa_type=enum_column(RefundState))
    told_at: datetime


class HookEventRow(SQLModel, table=True):
    """A genuine message of a provider, kept before it is answered and worked on afterwards.

    `faults` counts the tries that ended in an accident; waiting for its payment is none. `body`
    holds personal data: it is shown to nobody, and goes with its row.
    """

    __tablename__ = "hook_events"
    __table_args__ = (
        sa.UniqueConstraint("gateway", "event_id"),
        sa.Index(
            "ix_hook_events_waiting",
            "try_after",
            postgresql_where=_WAITING,
            sqlite_where=_WAITING,
        ),
        sa.Index("ix_hook_events_state_id", "state", "id"),
    )

    id: UUID = Field(primary_key=True)
    gateway: str = Field(max_length=24)
    event_id: str = Field(max_length=255)
    kind: str = Field(max_length=120)
    told_at: datetime
    received_at: datetime
    body: str = Field(sa_type=sa.Text)
    state: HookState = Field(sa_type=enum_column(HookState))
    attempts: int = 0
    faults: int = 0
    try_after: datetime
    give_up_at: datetime
    lease_until: datetime | None = None
    done_at: datetime | None = None
    error: str | None = Field(default=None, max_length=200)
    payment_id: UUID | None = Field(default=None, foreign_key="payments.id")


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
