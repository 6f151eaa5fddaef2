"""Tables of communities; `member_count` is kept with the memberships and bounds them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import enum_column


class CommunityKind(StrEnum):
    """What a community is for: to interest, to sell to, to delight."""

    LEAD = "lead"
    CONVERSION = "conversion"
    FAN = "fan"


class Access(StrEnum):
    """How one gets in."""

    OPEN = "open"
    APPROVAL = "approval"
    INVITE = "invite"


class Visibility(StrEnum):
    """Who may find it, which is not who may enter."""

    PUBLIC = "public"
    LISTED = "listed"
    HIDDEN = "hidden"


class CommunityRole(StrEnum):
    """What a member is in a community."""

    OWNER = "owner"
    ADMIN = "admin"
    KOL = "kol"
    ASSISTANT = "assistant"
    MEMBER = "member"


class MembershipStatus(StrEnum):
    """Whether a member belongs to the community now."""

    ACTIVE = "active"
    LEFT = "left"


class TagSource(StrEnum):
    """Where a tag comes from; conditions may ask for declared ones only."""

    DECLARED = "declared"


class Community(SQLModel, table=True):
    """A community of one shop."""

    __tablename__ = "communities"
    __table_args__ = (
        sa.Index("ix_communities_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("member_count >= 0", "member_count"),
        sa.CheckConstraint("capacity IS NULL OR member_count <= capacity", "capacity"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    name: str = Field(max_length=120)
    kind: CommunityKind = Field(sa_type=enum_column(CommunityKind))
    access: Access = Field(sa_type=enum_column(Access))
    visibility: Visibility = Field(sa_type=enum_column(Visibility))
    description: str = Field(default="", sa_type=sa.Text)
    capacity: int | None = None
    member_count: int = 0
    version: int = 1
    created_at: datetime
    archived_at: datetime | None = None


class Membership(SQLModel, table=True):
    """That a member belongs, or once belonged, to a community."""

    __tablename__ = "memberships"
    __table_args__ = (
        sa.Index("ix_memberships_member_id_status", "member_id", "status", "community_id"),
    )

    community_id: UUID = Field(primary_key=True, foreign_key="communities.id")
    member_id: UUID = Field(primary_key=True, foreign_key="members.id")
    role: CommunityRole = Field(sa_type=enum_column(CommunityRole))
    status: MembershipStatus = Field(sa_type=enum_column(MembershipStatus))
    joined_at: datetime
    left_at: datetime | None = None


class MemberTag(SQLModel, table=True):
    """A word a member is described by, and where it comes from."""

    __tablename__ = "member_tags"
    __table_args__ = (sa.Index("ix_member_tags_tag_member_id", "tag", "member_id"),)

    member_id: UUID = Field(primary_key=True, foreign_key="members.id")
    tag: str = Field(primary_key=True, max_length=64)
    source: TagSource = Field(sa_type=enum_column(TagSource))
    at: datetime


class Buyer(SQLModel, table=True):
    """How many paid, unrefunded orders a member has in a shop."""

    __tablename__ = "buyers"
    __table_args__ = (sa.CheckConstraint("paid_orders >= 0", "paid_orders"),)

    shop_id: UUID = Field(primary_key=True, foreign_key="shops.id")
    member_id: UUID = Field(primary_key=True, foreign_key="members.id")
    paid_orders: int = 0


class Audience(SQLModel, table=True):
    """Members named one by one, by the shop or a system of its own; promotions may ask for it."""

    __tablename__ = "audiences"
    __table_args__ = (sa.Index("ix_audiences_shop_id_id", "shop_id", "id"),)

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    name: str = Field(max_length=120)
    created_at: datetime


class AudienceMember(SQLModel, table=True):
    """That somebody belongs to a named audience."""

    __tablename__ = "audience_members"
    __table_args__ = (sa.Index("ix_audience_members_member_id", "member_id", "audience_id"),)

    audience_id: UUID = Field(primary_key=True, foreign_key="audiences.id")
    member_id: UUID = Field(primary_key=True, foreign_key="members.id")
