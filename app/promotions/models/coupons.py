"""Coupons: the right to a promotion that needs one, given out in batches."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import enum_column

CODE_LENGTH_MAX = 32


class CouponKind(StrEnum):
    """How a batch reaches people."""

    SHARED_CODE = "shared_code"
    SINGLE_CODES = "single_codes"
    CLAIMED = "claimed"


class BatchStatus(StrEnum):
    """Whether the coupons of a batch hold at all."""

    ACTIVE = "active"
    STOPPED = "stopped"


class CouponState(StrEnum):
    """Whose a coupon is: everybody's with the code, nobody's yet, a member's, or an order's."""

    SHARED = "shared"
    OPEN = "open"
    CLAIMED = "claimed"
    RESERVED = "reserved"


class CouponBatch(SQLModel, table=True):
    """What an operator gives out: coupons of one kind for one promotion.

    `claimed` counts the claims of a batch with `coupons_max`; one without touches no counter.
    """

    __tablename__ = "coupon_batches"
    __table_args__ = (
        sa.Index("ix_coupon_batches_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("claimed >= 0 AND claimed <= coupons_max", "claimed"),
        sa.CheckConstraint("claims_start_at < claims_end_at", "claim_window"),
        sa.CheckConstraint("starts_at < ends_at", "valid_window"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    promotion_id: UUID = Field(foreign_key="promotions.id", index=True)
    kind: CouponKind = Field(sa_type=enum_column(CouponKind))
    status: BatchStatus = Field(sa_type=enum_column(BatchStatus))
    coupons_max: int | None = None
    member_max: int | None = None
    claims_start_at: datetime | None = None
    claims_end_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    valid_seconds: int | None = None
    claimed: int = 0
    created_at: datetime


class Coupon(SQLModel, table=True):
    """One coupon; `code` opens it, `number` says which of its member's claims of the batch it is.

    One shared code is one row, whose uses are rows of `promotion_uses`. Any other belongs to one
    order at a time; that it was redeemed is told by that order being paid.
    """

    __tablename__ = "coupons"
    __table_args__ = (
        sa.UniqueConstraint("shop_id", "code"),
        sa.UniqueConstraint("batch_id", "member_id", "number"),
        sa.Index("ix_coupons_member_id_id", "member_id", "id"),
        sa.Index("ix_coupons_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("(state = 'reserved') = (order_id IS NOT NULL)", "reserved"),
        sa.CheckConstraint("state <> 'claimed' OR member_id IS NOT NULL", "claimed"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    batch_id: UUID = Field(foreign_key="coupon_batches.id")
    code: str | None = Field(default=None, max_length=CODE_LENGTH_MAX)
    member_id: UUID | None = Field(default=None, foreign_key="members.id")
    number: int | None = None
    state: CouponState = Field(sa_type=enum_column(CouponState))
    order_id: UUID | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    claimed_at: datetime | None = None
    created_at: datetime
