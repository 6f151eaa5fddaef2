"""Campaigns, groups and seats; the states are checked by the database too."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import enum_column


class CampaignStatus(StrEnum):
    """What the operator decided; whether it runs right now is the clock's affair."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    STOPPED = "stopped"


class CampaignPhase(StrEnum):
    """What a campaign is at a moment: the operator's decision seen by the clock."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    ENDED = "ended"
    STOPPED = "stopped"


class GroupStatus(StrEnum):
    """A group waits for its leader's payment, gathers, and ends in one of three ways."""

    PENDING = "pending"
    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SeatStatus(StrEnum):
    """A seat is held for an unpaid order, paid, confirmed with the group, or given up."""

    RESERVED = "reserved"
    PAID = "paid"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"


_LIVE = sa.text("status IN ('reserved', 'paid', 'confirmed')")
_GATHERING = sa.text("status IN ('reserved', 'paid')")


class Campaign(SQLModel, table=True):
    """An operator's offer to buy together: size, time, prices and how much of it there is."""

    __tablename__ = "campaigns"
    __table_args__ = (
        sa.Index("ix_campaigns_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("size >= 2", "size"),
        sa.CheckConstraint(
            "0 <= quota_taken AND (stock_quota IS NULL OR quota_taken <= stock_quota)", "quota"
        ),
        sa.CheckConstraint("starts_at < ends_at", "window"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    product_id: UUID = Field(foreign_key="products.id", index=True)
    name: str = Field(max_length=120)
    status: CampaignStatus = Field(sa_type=enum_column(CampaignStatus))
    size: int
    group_seconds: int
    starts_at: datetime
    ends_at: datetime
    stock_quota: int | None = None
    quota_taken: int = 0
    units_per_order_max: int | None = None
    version: int = 1
    created_at: datetime


class CampaignPrice(SQLModel, table=True):
    """The group price of one variant in a campaign."""

    __tablename__ = "campaign_prices"
    __table_args__ = (sa.CheckConstraint("group_amount >= 0", "amount"),)

    campaign_id: UUID = Field(primary_key=True, foreign_key="campaigns.id")
    variant_id: UUID = Field(primary_key=True, foreign_key="variants.id")
    group_amount: int = Field(sa_type=sa.BigInteger)


class Group(SQLModel, table=True):
    """One group: `taken` counts its live seats, `paid` those of them whose money is here."""

    __tablename__ = "groups"
    __table_args__ = (
        sa.CheckConstraint("0 <= paid AND paid <= taken AND taken <= capacity", "seats"),
        sa.CheckConstraint("status <> 'succeeded' OR succeeded_at IS NOT NULL", "succeeded"),
        sa.Index("ix_groups_campaign_id_status", "campaign_id", "status", "deadline_at"),
        sa.Index(
            "ix_groups_due",
            "deadline_at",
            postgresql_where=sa.text("status = 'open'"),
            sqlite_where=sa.text("status = 'open'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(index=True)
    campaign_id: UUID = Field(foreign_key="campaigns.id")
    community_id: UUID | None = Field(default=None, foreign_key="communities.id")
    leader_member_id: UUID = Field(foreign_key="members.id")
    status: GroupStatus = Field(sa_type=enum_column(GroupStatus))
    capacity: int
    group_seconds: int
    taken: int
    paid: int
    created_at: datetime
    opened_at: datetime | None = None
    deadline_at: datetime | None = None
    succeeded_at: datetime | None = None
    ended_at: datetime | None = None
    version: int = 1


class Seat(SQLModel, table=True):
    """One member's place in one group, tied to the order that pays for it."""

    __tablename__ = "seats"
    __table_args__ = (
        sa.Index(
            "uq_seats_live_group_member",
            "group_id",
            "member_id",
            unique=True,
            postgresql_where=_LIVE,
            sqlite_where=_LIVE,
        ),
        sa.Index(
            "uq_seats_gathering_campaign_member",
            "campaign_id",
            "member_id",
            unique=True,
            postgresql_where=_GATHERING,
            sqlite_where=_GATHERING,
        ),
        sa.UniqueConstraint("order_id"),
        sa.Index("ix_seats_member_id", "member_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    group_id: UUID = Field(foreign_key="groups.id")
    campaign_id: UUID = Field(foreign_key="campaigns.id")
    member_id: UUID = Field(foreign_key="members.id")
    order_id: UUID
    quantity: int
    status: SeatStatus = Field(sa_type=enum_column(SeatStatus))
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    ended_at: datetime | None = None
