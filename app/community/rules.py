"""Pure decisions of communities, and what the features above read of a member."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.community.errors import JoinNeedsApproval
from app.community.models import Access, Community, CommunityKind, CommunityRole, Visibility


@dataclass(frozen=True, slots=True)
class Standing:
    """What prices may depend on: declared by the member, given by the shop, or counted.

    `roles` are those in the shop's communities; `audience_ids` its named audiences.
    """

    paid_orders: int
    community_ids: frozenset[UUID]
    tags: frozenset[str]
    roles: Mapping[UUID, str] = field(default_factory=dict)
    audience_ids: frozenset[UUID] = frozenset()


NOBODY = Standing(paid_orders=0, community_ids=frozenset(), tags=frozenset())


@dataclass(frozen=True, slots=True)
class NewCommunity:
    """A community to be founded."""

    name: str
    kind: CommunityKind = CommunityKind.FAN
    access: Access = Access.OPEN
    visibility: Visibility = Visibility.PUBLIC
    description: str = ""
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class CommunityView:
    """A community and what the viewer is in it."""

    community: Community
    my_role: CommunityRole | None


@dataclass(frozen=True, slots=True)
class MemberListed:
    """A member of a community; the nickname only of one who agreed to be shown."""

    member_id: UUID
    role: CommunityRole
    joined_at: datetime
    nickname: str | None


@dataclass(frozen=True, slots=True)
class AudienceView:
    """A named audience of a shop and how many belong to it."""

    id: UUID
    shop_id: UUID
    name: str
    created_at: datetime
    member_count: int


def may_see(community: Community, role: CommunityRole | None) -> bool:
    """Hidden communities exist for their members only; archived ones for nobody."""
    if community.archived_at is not None:
        return False
    return community.visibility is not Visibility.HIDDEN or role is not None


def check_open(community: Community) -> None:
    """Refuse whoever wants to walk into a community that admits otherwise."""
    if community.access is not Access.OPEN:
        raise JoinNeedsApproval(access=community.access.value)
