"""Shapes of communities; nobody's name or number is in them but a nickname shown by consent."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.community.models import Access, CommunityKind, CommunityRole, Visibility
from app.core.http.schema import EachOnce, Line, Shown, Tag, Text, Wish

TAGS_MAX = 50
CAPACITY_MAX = 1_000_000
ADDED_AT_ONCE_MAX = 500

Capacity = Annotated[
    int, Field(strict=True, ge=1, le=CAPACITY_MAX, description="The most members it takes.")
]


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class CommunityListed(Shown):
    """A community that may be found."""

    id: UUID
    shop_id: UUID
    name: str
    kind: CommunityKind
    access: Access
    visibility: Visibility
    description: str
    capacity: int | None
    member_count: int
    created_at: datetime


class CommunityShown(CommunityListed):
    """A community as the caller sees it."""

    my_role: CommunityRole | None = Field(description="Null for who is no member.")


class OperatorCommunityShown(CommunityListed):
    """A community as its shop's operators see it."""

    version: int
    archived_at: datetime | None


class FoundCommunity(Wish):
    """A community to be founded."""

    model_config = _example(name="杨梅爱好者", kind="fan", access="open", visibility="public")

    name: Line
    kind: CommunityKind
    access: Access = Access.OPEN
    visibility: Visibility = Visibility.LISTED
    description: Text = ""
    capacity: Capacity | None = None


class EditCommunity(Wish):
    """Changes to a community; only what is sent is changed."""

    model_config = _example(access="approval", capacity=500)

    # The factories are never read: they make a field optional without allowing null.
    name: Line = Field(default_factory=str)
    access: Access = Field(default_factory=lambda: Access.OPEN)
    visibility: Visibility = Field(default_factory=lambda: Visibility.LISTED)
    description: Text = Field(default_factory=str)
    capacity: Capacity | None = None


class CommunityMemberShown(Shown):
    """Somebody who belongs to a community."""

    member_id: UUID
    role: CommunityRole
    joined_at: datetime
    nickname: str | None = Field(description="Only of one who agreed to be shown.")


class TagList(Shown):
    """What a member has declared of itself."""

    tags: list[str]


class DeclareTags(Wish):
    """All tags a member wants to be described by; none of them is inferred."""

    model_config = _example(tags=["fruit", "running"])

    tags: Annotated[frozenset[Tag], Field(max_length=TAGS_MAX), EachOnce]


class AudienceShown(Shown):
    """A named audience as its shop's operators see it."""

    model_config = _example(
        id="0192f0c1-a5e8-7000-a000-000000000001",
        shop_id="0192f0c1-a5e8-7000-a000-000000000002",
        name="去年的杨梅客",
        created_at="2026-06-18T04:00:00Z",
        member_count=120,
    )

    id: UUID
    shop_id: UUID
    name: str
    created_at: datetime
    member_count: int


class NameAudience(Wish):
    """An audience to be named; members are added to it afterwards."""

    model_config = _example(name="去年的杨梅客")

    name: Line


class AddAudienceMembers(Wish):
    """Members to be put into an audience: of the shop's communities, or buyers of it."""

    model_config = _example(member_ids=["0192f0c1-a5e8-7000-a000-000000000003"])

    member_ids: Annotated[
        frozenset[UUID], Field(min_length=1, max_length=ADDED_AT_ONCE_MAX), EachOnce
    ]


class AudienceMemberShown(Shown):
    """Somebody who belongs to an audience."""

    model_config = _example(member_id="0192f0c1-a5e8-7000-a000-000000000003")

    member_id: UUID
