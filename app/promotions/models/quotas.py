"""What is limited of promotions, how much of it is taken, and by which orders."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

SLOT_LENGTH_MAX = 16


class PromotionQuota(SQLModel, table=True):
    """One limited thing of a promotion: its uses, its budget, or the units of an add-on tier.

    There is no row where nothing was ever limited. One whose limit was taken off again stays, with
    `limit_amount` NULL, so that orders which took from it can give back.
    """

    __tablename__ = "promotion_quotas"
    __table_args__ = (
        sa.CheckConstraint(
            "taken_amount >= 0 AND (limit_amount IS NULL OR taken_amount <= limit_amount)", "taken"
        ),
    )

    promotion_id: UUID = Field(primary_key=True, foreign_key="promotions.id")
    slot: str = Field(primary_key=True, max_length=SLOT_LENGTH_MAX)
    limit_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    taken_amount: int = Field(sa_type=sa.BigInteger)


class PromotionMemberUse(SQLModel, table=True):
    """How often a member has used a promotion that limits each member's uses."""

    __tablename__ = "promotion_member_uses"
    __table_args__ = (sa.CheckConstraint("uses >= 0", "uses"),)

    promotion_id: UUID = Field(primary_key=True, foreign_key="promotions.id")
    member_id: UUID = Field(primary_key=True, foreign_key="members.id")
    uses: int


class PromotionUse(SQLModel, table=True):
    """What an order took of a promotion; `released_at` once it was given back.

    The slot is a quota's, `member` for the member's own count, or `coupon` for the coupon that the
    order was placed with.
    """

    __tablename__ = "promotion_uses"
    __table_args__ = (
        sa.CheckConstraint("amount > 0", "amount"),
        sa.CheckConstraint("(slot = 'coupon') = (coupon_id IS NOT NULL)", "coupon"),
        sa.Index("ix_promotion_uses_promotion_id_slot", "promotion_id", "slot"),
    )

    order_id: UUID = Field(primary_key=True)
    promotion_id: UUID = Field(primary_key=True, foreign_key="promotions.id")
    slot: str = Field(primary_key=True, max_length=SLOT_LENGTH_MAX)
    member_id: UUID = Field(foreign_key="members.id")
    amount: int = Field(sa_type=sa.BigInteger)
    coupon_id: UUID | None = Field(default=None, foreign_key="coupons.id", index=True)
    released_at: datetime | None = None
