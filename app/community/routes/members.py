"""Communities as members find, join and leave them, and what members declare of themselves."""

from uuid import UUID

from fastapi import APIRouter

from app.community import service
from app.community.errors import CommunityFull, JoinNeedsApproval, NotAMember
from app.community.rules import CommunityView
from app.community.schemas import CommunityListed, CommunityShown, DeclareTags, TagList
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.paging import Page, Paged
from app.core.http.problem import problems
from app.core.http.route import Transactional
from app.identity.deps import MaybeMember, SignedIn

router = APIRouter(prefix="/v1", tags=["community"], route_class=Transactional)

_OWN = (Unauthenticated, Forbidden)


@router.get("/shops/{shop_id}/communities", responses=problems(NotFound, InvalidCursor))
async def list_communities(shop_id: UUID, paging: Paged, db: ReadDb) -> Page[CommunityListed]:
    """List the communities of a shop that anybody may find."""
    found = await service.list_communities(db, shop_id, paging)
    return paging.page(found, CommunityListed.model_validate)


@router.get("/communities/{community_id}", responses=problems(Unauthenticated, NotFound))
async def get_community(community_id: UUID, member: MaybeMember, db: ReadDb) -> CommunityShown:
    """Show a community; a hidden one to its members only."""
    viewer_id = member.id if member else None
    return _shown(await service.community(db, community_id, viewer_id))


@router.post(
    "/communities/{community_id}/join",
    responses=problems(*_OWN, NotFound, JoinNeedsApproval, CommunityFull),
)
async def join_community(community_id: UUID, member: SignedIn, db: Db, now: Now) -> CommunityShown:
    """Join an open community; a member stays one."""
    return _shown(await service.join(db, member.id, community_id, now=now))


@router.post(
    "/communities/{community_id}/leave",
    status_code=204,
    responses=problems(*_OWN, NotFound, NotAMember),
)
async def leave_community(community_id: UUID, member: SignedIn, db: Db, now: Now) -> None:
    """Leave a community."""
    await service.leave(db, member.id, community_id, now=now)


@router.get("/me/communities", responses=problems(*_OWN, InvalidCursor))
async def list_my_communities(member: SignedIn, paging: Paged, db: ReadDb) -> Page[CommunityShown]:
    """List the communities the caller belongs to."""
    return paging.page(await service.my_communities(db, member.id, paging), _shown)


@router.get("/me/tags", responses=problems(*_OWN))
async def get_my_tags(member: SignedIn, db: ReadDb) -> TagList:
    """Show what the caller has declared of itself."""
    return TagList(tags=await service.tags_of(db, member.id))


@router.put("/me/tags", responses=problems(*_OWN))
async def put_my_tags(wish: DeclareTags, member: SignedIn, db: Db, now: Now) -> TagList:
    """Replace what the caller declares of itself."""
    return TagList(tags=await service.declare_tags(db, member.id, wish.tags, now=now))


def _shown(view: CommunityView) -> CommunityShown:
    return CommunityShown(**view.community.model_dump(), my_role=view.my_role)
