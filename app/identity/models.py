"""Tables of identity. What identifies a person stands in tables of its own: erasing is a delete.

Shop ids are opaque tenant ids here, without a foreign key: shops live in a feature above.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import Json, enum_column
from app.identity.rules import InvitedRole, PlatformRole, ShopRole


class MemberStatus(StrEnum):
    """Whether a member may sign in; of an erased one nothing tells any more who it was."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    ERASED = "erased"


class OperatorStatus(StrEnum):
    """Whether an operator may sign in."""

    ACTIVE = "active"
    DISABLED = "disabled"


class SessionKind(StrEnum):
    """Whose session it is."""

    MEMBER = "member"
    OPERATOR = "operator"


_ERASED = sa.text("erased_at IS NOT NULL")


class Member(SQLModel, table=True):
    """A customer of any shop; carries nothing that tells who it is."""

    __tablename__ = "members"
    __table_args__ = (
        sa.Index("ix_members_erased", "erased_at", postgresql_where=_ERASED, sqlite_where=_ERASED),
        sa.CheckConstraint("(status = 'erased') = (erased_at IS NOT NULL)", "erased"),
    )

    id: UUID = Field(primary_key=True)
    created_at: datetime
    status: MemberStatus = Field(sa_type=enum_column(MemberStatus))
    language: str = Field(max_length=8)
    erased_at: datetime | None = None


class MemberProfile(SQLModel, table=True):
    """How a member wants to be called, and whether fellow members may read it."""

    __tablename__ = "member_profiles"

    member_id: UUID = Field(primary_key=True, foreign_key="members.id")
    nickname: str | None = Field(default=None, max_length=120)
    avatar_url: str | None = Field(default=None, max_length=500)
    shown_to_fellows: bool = False


class MemberWechat(SQLModel, table=True):
    """A WeChat account; the key makes one member of any number of first sign-ins at once."""

    __tablename__ = "member_wechats"

    app_id: str = Field(primary_key=True, max_length=64)
    openid: str = Field(primary_key=True, max_length=128)
    unionid: str | None = Field(default=None, max_length=128)
    member_id: UUID = Field(foreign_key="members.id", index=True)


class MemberPhone(SQLModel, table=True):
    """The phone a member is reached by, in E.164."""

    __tablename__ = "member_phones"

    member_id: UUID = Field(primary_key=True, foreign_key="members.id")
    phone: str = Field(max_length=16)


class MemberAddress(SQLModel, table=True):
    """Where a member's parcels go; the partial index keeps the default unique."""

    __tablename__ = "member_addresses"
    __table_args__ = (
        sa.Index("ix_member_addresses_member_id_id", "member_id", "id"),
        sa.Index(
            "uq_member_addresses_default",
            "member_id",
            unique=True,
            postgresql_where=sa.text("is_default"),
            sqlite_where=sa.text("is_default"),
        ),
    )

    id: UUID = Field(primary_key=True)
    member_id: UUID = Field(foreign_key="members.id")
    recipient: str = Field(max_length=120)
    phone: str = Field(max_length=16)
    province: str = Field(max_length=120)
    city: str = Field(max_length=120)
    district: str = Field(max_length=120)
    street: str = Field(max_length=120)
    detail: str = Field(max_length=120)
    postal_code: str | None = Field(default=None, max_length=12)
    is_default: bool = False
    created_at: datetime


class Operator(SQLModel, table=True):
    """Somebody who runs shops, or the platform."""

    __tablename__ = "operators"

    id: UUID = Field(primary_key=True)
    created_at: datetime
    status: OperatorStatus = Field(sa_type=enum_column(OperatorStatus))
    platform_role: PlatformRole | None = Field(
        default=None,
        sa_type=enum_column(PlatformRole),
    )


class OperatorLogin(SQLModel, table=True):
    """How an operator proves who it is; `failures` in a row lead to `locked_until`."""

    __tablename__ = "operator_logins"

    operator_id: UUID = Field(primary_key=True, foreign_key="operators.id")
    email: str = Field(max_length=254, unique=True)
    password_hash: str = Field(max_length=255)
    failures: int = 0
    locked_until: datetime | None = None
    password_changed_at: datetime


class OperatorRole(SQLModel, table=True):
    """The one role an operator has in a shop."""

    __tablename__ = "operator_roles"
    __table_args__ = (sa.Index("ix_operator_roles_shop_id", "shop_id", "operator_id"),)

    operator_id: UUID = Field(primary_key=True, foreign_key="operators.id")
    shop_id: UUID = Field(primary_key=True)
    role: ShopRole = Field(sa_type=enum_column(ShopRole))


class Invitation(SQLModel, table=True):
    """An offer of a role, taken once with its token; without a shop it is a platform role."""

    __tablename__ = "invitations"
    __table_args__ = (sa.Index("ix_invitations_shop_id_email", "shop_id", "email"),)

    id: UUID = Field(primary_key=True)
    email: str = Field(max_length=254)
    shop_id: UUID | None = None
    role: InvitedRole = Field(sa_type=enum_column(InvitedRole))
    token_hash: str = Field(max_length=64, unique=True)
    invited_by: UUID = Field(foreign_key="operators.id")
    created_at: datetime
    expires_at: datetime = Field(index=True)
    accepted_at: datetime | None = None


class Session(SQLModel, table=True):
    """One signed-in device. `previous_hash` coming back means that a refresh token was copied."""

    __tablename__ = "sessions"
    __table_args__ = (sa.Index("ix_sessions_subject_id_id", "subject_id", "id"),)

    id: UUID = Field(primary_key=True)
    kind: SessionKind = Field(sa_type=enum_column(SessionKind))
    subject_id: UUID
    refresh_hash: str = Field(max_length=64, unique=True)
    previous_hash: str | None = Field(default=None, max_length=64, index=True)
    created_at: datetime
    expires_at: datetime = Field(index=True)
    revoked_at: datetime | None = None


class ApiKey(SQLModel, table=True):
    """An integrator's key to one shop; its text is shown once and kept as a fingerprint only."""

    __tablename__ = "api_keys"
    __table_args__ = (sa.Index("ix_api_keys_shop_id_id", "shop_id", "id"),)

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    name: str = Field(max_length=120)
    prefix: str = Field(max_length=10)
    key_hash: str = Field(max_length=64, unique=True)
    scopes: list[str] = Field(sa_type=Json)
    created_by: UUID = Field(foreign_key="operators.id")
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
