"""Named audiences as the operators of a shop keep them."""

from uuid import UUID

from fastapi import APIRouter

from app.catalog.deps import needs, refusals
from app.community import service
from app.community.errors import MemberNotVisible
from app.community.schemas import (
    AddAudienceMembers,
    AudienceMemberShown,
    AudienceShown,
    NameAudience,
)
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import InvalidCursor
from app.core.http.paging import Page, Paged
from app.core.http.route import Transactional
from app.identity.rules import Right

router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/audiences",
    tags=["community"],
    route_class=Transactional,
)

_READ = needs(Right.COMMUNITY_READ)
_WRITE = needs(Right.COMMUNITY_WRITE)
_MEMBERS = "/{audience_id}/members"


@router.post("", status_code=201, dependencies=_WRITE, responses=refusals())
async def create_audience(shop_id: UUID, wish: NameAudience, db: Db, now: Now) -> AudienceShown:
    """Name an audience, empty at first."""
    made = await service.create_audience(db, shop_id, wish.name, now=now)
    return AudienceShown.model_validate(made)


@router.get("", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_audiences(shop_id: UUID, paging: Paged, db: ReadDb) -> Page[AudienceShown]:
    """List the named audiences of a shop, the youngest first."""
    found = await service.list_audiences(db, shop_id, paging)
    return paging.page(found, AudienceShown.model_validate)


@router.get(_MEMBERS, dependencies=_READ, responses=refusals(InvalidCursor))
async def list_audience_members(
    shop_id: UUID, audience_id: UUID, paging: Paged, db: ReadDb
) -> Page[AudienceMemberShown]:
    """List who belongs to an audience."""
    found = await service.audience_members(db, shop_id, audience_id, paging)
    return paging.page(found, lambda row: AudienceMemberShown(**row))


@router.post(_MEMBERS, dependencies=_WRITE, responses=refusals(MemberNotVisible))
async def add_audience_members(
    shop_id: UUID, audience_id: UUID, wish: AddAudienceMembers, db: Db, now: Now
) -> AudienceShown:
    """Put members into an audience: all of them, or nobody where the shop may not see one."""
    member_ids = sorted(wish.member_ids)
    after = await service.add_to_audience(db, shop_id, audience_id, member_ids, now=now)
    return AudienceShown.model_validate(after)


@router.delete(
    _MEMBERS + "/{member_id}", status_code=204, dependencies=_WRITE, responses=refusals()
)
async def remove_audience_member(
    shop_id: UUID, audience_id: UUID, member_id: UUID, db: Db, now: Now
) -> None:
    """Take a member out of an audience."""
    await service.remove_from_audience(db, shop_id, audience_id, member_id, now=now)
