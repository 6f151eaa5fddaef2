"""Campaigns, groups and seats; the states are checked by the database too."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import Json, enum_column


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


class LatePayment(StrEnum):
    """What becomes of money that comes for a seat that was given up: back, or seated again."""

    REFUND = "refund"
    RESEAT = "reseat"


class GroupStatus(StrEnum):
    """A group waits for its leader's payment, gathers, and ends in one of three ways."""

    PENDING = "pending"
    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SeatStatus(StrEnum):
    """A seat is held for an unpaid order, paid, confirmed with the group, or given up.

    `refund_failed`: the provider has refused to send the money back, and will be asked again.
    """

    RESERVED = "reserved"
    PAID = "paid"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    REFUND_DUE = "refund_due"
    REFUND_FAILED = "refund_failed"
    REFUNDED = "refunded"


LIVE_SEATS = (SeatStatus.RESERVED, SeatStatus.PAID, SeatStatus.CONFIRMED)

_LIVE = sa.text("status IN ('reserved', 'paid', 'confirmed')")
_GATHERING = sa.text("status IN ('reserved', 'paid')")
_NEWCOMER = sa.text("is_newcomer AND status IN ('reserved', 'paid')")


def _since(default: str) -> dict[str, Any]:
    """What rows have that are older than their column."""
    return {"server_default": sa.text(default)}


class Campaign(SQLModel, table=True):
    """An operator's offer to buy together: size, time, prices, for whom and how much there is.

    `ladder` has the tiers above `size`, each with its prices by variant; `audience` what a member
    must be to take part; `min_paid` (complete short) how many paid members are enough at the
    deadline, NULL where only a complete group succeeds.
    """

    __tablename__ = "campaigns"
    __table_args__ = (
        sa.Index("ix_campaigns_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("size >= 2", "size"),
        sa.CheckConstraint(
            "0 <= quota_taken AND (stock_quota IS NULL OR quota_taken <= stock_quota)", "quota"
        ),
        sa.CheckConstraint("starts_at < ends_at", "window"),
        sa.CheckConstraint("min_paid IS NULL OR (2 <= min_paid AND min_paid < size)", "min_paid"),
        sa.CheckConstraint("leader_reward_amount > 0", "reward"),
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
    member_units_max: int | None = None
    newcomers_only: bool = Field(default=False, sa_column_kwargs=_since("false"))
    audience: dict[str, Any] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs=_since("'{}'")
    )
    ladder: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=Json, sa_column_kwargs=_since("'[]'")
    )
    min_paid: int | None = None
    leader_reward_amount: int | None = Field(default=None, sa_type=sa.BigInteger)
    late_payment: LatePayment = Field(
        default=LatePayment.REFUND,
        sa_type=enum_column(LatePayment),
        sa_column_kwargs=_since("'refund'"),
    )
    stop_ends_groups: bool = Field(default=False, sa_column_kwargs=_since("false"))
    version: int = 1
    created_at: datetime


class CampaignPrice(SQLModel, table=True):
    """The group price of one variant in a campaign, and what it costs whoever opens a group."""

    __tablename__ = "campaign_prices"
    __table_args__ = (
        sa.CheckConstraint("group_amount >= 0", "amount"),
        sa.CheckConstraint("0 <= leader_amount AND leader_amount <= group_amount", "leader"),
    )

    campaign_id: UUID = Field(primary_key=True, foreign_key="campaigns.id")
    variant_id: UUID = Field(primary_key=True, foreign_key="variants.id")
    group_amount: int = Field(sa_type=sa.BigInteger)
    leader_amount: int | None = Field(default=None, sa_type=sa.BigInteger)


class CampaignMember(SQLModel, table=True):
    """How many units a member's live seats hold of a campaign that limits them."""

    __tablename__ = "campaign_members"
    __table_args__ = (sa.CheckConstraint("units >= 0", "units"),)

    campaign_id: UUID = Field(primary_key=True, foreign_key="campaigns.id")
    member_id: UUID = Field(primary_key=True, foreign_key="members.id")
    units: int


class Group(SQLModel, table=True):
    """One group: `taken` counts its live seats, `paid` those of them whose money is here.

    `paid_min` paid members are enough at the deadline, `capacity` at once. What its campaign says
    of late payments, newcomers and money back at success is copied here, where it is asked for.
    """

    __tablename__ = "groups"
    __table_args__ = (
        sa.CheckConstraint("0 <= paid AND paid <= taken AND taken <= capacity", "seats"),
        sa.CheckConstraint("2 <= paid_min AND paid_min <= capacity", "paid_min"),
        sa.CheckConstraint("status <> 'succeeded' OR succeeded_at IS NOT NULL", "succeeded"),
        sa.Index("ix_groups_campaign_id_status", "campaign_id", "status", "deadline_at"),
        sa.Index(
            "ix_groups_due",
            "deadline_at",
            postgresql_where=sa.text("status = 'open'"),
            sqlite_where=sa.text("status = 'open'"),
        ),
        sa.Index("ix_groups_shop_id_id", "shop_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    campaign_id: UUID = Field(foreign_key="campaigns.id")
    community_id: UUID | None = Field(default=None, foreign_key="communities.id")
    leader_member_id: UUID = Field(foreign_key="members.id")
    status: GroupStatus = Field(sa_type=enum_column(GroupStatus))
    capacity: int
    paid_min: int
    group_seconds: int
    late_payment: LatePayment = Field(
        default=LatePayment.REFUND,
        sa_type=enum_column(LatePayment),
        sa_column_kwargs=_since("'refund'"),
    )
    newcomers_only: bool = Field(default=False, sa_column_kwargs=_since("false"))
    pays_back: bool = Field(default=False, sa_column_kwargs=_since("false"))
    taken: int
    paid: int
    created_at: datetime
    opened_at: datetime | None = None
    deadline_at: datetime | None = None
    succeeded_at: datetime | None = None
    ended_at: datetime | None = None
    version: int = 1


class Seat(SQLModel, table=True):
    """One member's place in one group, tied to the order that pays for it.

    `unit_amount` is what a unit was promised at; `is_newcomer` says that the seat is for somebody
    who has bought nothing in the shop before.
    """

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
        # Of two first orders only one can be the first.
        sa.Index(
            "uq_seats_newcomer_shop_member",
            "shop_id",
            "member_id",
            unique=True,
            postgresql_where=_NEWCOMER,
            sqlite_where=_NEWCOMER,
        ),
        sa.UniqueConstraint("order_id"),
        sa.Index("ix_seats_member_id", "member_id", "id"),
        sa.Index("ix_seats_campaign_id", "campaign_id"),
        sa.Index("ix_seats_shop_id_id", "shop_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    group_id: UUID = Field(foreign_key="groups.id", index=True)
    campaign_id: UUID = Field(foreign_key="campaigns.id")
    member_id: UUID = Field(foreign_key="members.id")
    order_id: UUID
    variant_id: UUID
    unit_amount: int = Field(sa_type=sa.BigInteger)
    quantity: int
    is_newcomer: bool = Field(default=False, sa_column_kwargs=_since("false"))
    status: SeatStatus = Field(sa_type=enum_column(SeatStatus))
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    ended_at: datetime | None = None


class ProofShown(SQLModel, table=True):
    """That somebody was shown how many fellows are in a group; what came of it is counted later."""

    __tablename__ = "proofs_shown"
    __table_args__ = (
        sa.Index("ix_proofs_shown_at", "at"),
        sa.Index("ix_proofs_shown_shop_id_id", "shop_id", "id"),
        sa.Index("ix_proofs_shown_member_id", "member_id"),
    )

    id: UUID = Field(primary_key=True)
    at: datetime
    shop_id: UUID
    group_id: UUID = Field(foreign_key="groups.id", index=True)
    member_id: UUID | None = Field(default=None, foreign_key="members.id")
    fellows_count: int
    paid_count: int
