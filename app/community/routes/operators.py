"""Communities as the operators of a shop keep them."""

from uuid import UUID

from fastapi import APIRouter, Response

from app.catalog.deps import STALE, WorkIn, needs, refusals
from app.community import service
from app.community.errors import CapacityBelowMembers
from app.community.models import Community
from app.community.rules import NewCommunity
from app.community.schemas import (
    CommunityMemberShown,
    EditCommunity,
    FoundCommunity,
    OperatorCommunityShown,
)
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import InvalidCursor
from app.core.http.paging import Page, Paged
from app.core.http.route import Transactional
from app.core.http.versions import IfMatch, etag
from app.identity.rules import Right

router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/communities",
    tags=["community"],
    route_class=Transactional,
)

_READ = needs(Right.COMMUNITY_READ)
_WRITE = needs(Right.COMMUNITY_WRITE)
_ONE = "/{community_id}"


@router.post("", status_code=201, dependencies=_WRITE, responses=refusals())
async def create_community(
    shop_id: UUID, wish: FoundCommunity, response: Response, db: Db, now: Now
) -> OperatorCommunityShown:
    """Found a community."""
    wanted = NewCommunity(**wish.model_dump())
    return _shown(await service.create_community(db, shop_id, wanted, now=now), response)


@router.get("", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_own_communities(
    shop_id: UUID, paging: Paged, db: ReadDb
) -> Page[OperatorCommunityShown]:
    """List all communities of a shop, hidden and archived ones too."""
    found = await service.list_all_communities(db, shop_id, paging)
    return paging.page(found, OperatorCommunityShown.model_validate)


@router.get(_ONE, dependencies=_READ, responses=refusals())
async def get_own_community(
    shop_id: UUID, community_id: UUID, response: Response, db: ReadDb
) -> OperatorCommunityShown:
    """Show a community to its shop's operators, its version as ETag."""
    return _shown(await service.community_of_shop(db, shop_id, community_id), response)


@router.patch(_ONE, dependencies=_WRITE, responses=refusals(CapacityBelowMembers, *STALE))
async def edit_community(
    shop_id: UUID,
    community_id: UUID,
    wish: EditCommunity,
    version: IfMatch,
    response: Response,
    work: WorkIn,
) -> OperatorCommunityShown:
    """Change a community; those who are in stay in."""
    changes = wish.model_dump(exclude_unset=True)
    after = await service.edit_community(
        work.db, shop_id, community_id, changes, version=version, now=work.now
    )
    return _shown(after, response)


@router.post(_ONE + "/archive", dependencies=_WRITE, responses=refusals(*STALE[1:]))
async def archive_community(
    shop_id: UUID, community_id: UUID, response: Response, db: Db, now: Now
) -> OperatorCommunityShown:
    """Close a community for good."""
    after = await service.archive_community(db, shop_id, community_id, now=now)
    return _shown(after, response)


@router.get(_ONE + "/members", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_community_members(
    shop_id: UUID, community_id: UUID, paging: Paged, db: ReadDb
) -> Page[CommunityMemberShown]:
    """List who belongs to a community; by name only those who agreed."""
    found = await service.members_of(db, shop_id, community_id, paging)
    return paging.page(found, CommunityMemberShown.model_validate)


def _shown(community: Community, response: Response) -> OperatorCommunityShown:
    response.headers["ETag"] = etag(community.version)
    return OperatorCommunityShown.model_validate(community)
