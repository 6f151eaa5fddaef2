"""A member's data told and erased: by the member, or by the platform for a request by mail."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from app.core.clock import Now
from app.core.db import Db, database_of
from app.core.errors import Forbidden, NotFound, TooManyRequests, Unauthenticated
from app.core.http.limits import guard
from app.core.http.problem import problems
from app.core.http.route import Transactional
from app.core.http.stream import Streamed, begun
from app.core.security import Principal
from app.identity.deps import SignedIn, knock, platform
from app.identity.rules import Right
from app.privacy import schemas, service
from app.privacy.errors import ErasureWaits

router = APIRouter(
    prefix="/v1/me",
    tags=["me"],
    route_class=Transactional,
    responses=problems(Unauthenticated, Forbidden),
)
operators = APIRouter(
    prefix="/v1/operator/members",
    tags=["operator"],
    route_class=Transactional,
    responses=problems(Unauthenticated, Forbidden),
)
PlatformManager = Annotated[Principal, Depends(platform(Right.PLATFORM_WRITE))]


@router.get(
    "/export",
    response_class=JSONResponse,
    response_model=schemas.MemberExportShown,
    dependencies=[Depends(guard("me.export"))],
    responses=problems(TooManyRequests),
)
async def export(member: SignedIn, request: Request) -> Streamed:
    """Everything that is kept of oneself, as one JSON document of one moment.

    It leaves out only what opens something (tokens) and what others wrote among themselves.
    """
    await knock(request, "me.export", str(member.id))
    parts = await begun(service.export_parts(database_of(request), member.id))
    headers = {"Content-Disposition": 'attachment; filename="quanpu-my-data.json"'}
    return Streamed(parts, media_type="application/json", headers=headers)


@router.post("/erasure", responses=problems(ErasureWaits))
async def erase(_: schemas.ErasureWish, member: SignedIn, db: Db, now: Now) -> schemas.ErasureShown:
    """Erase one's account for good: names, phone, addresses, tags, notes, every way in.

    Orders, seats and books stay, under an id that leads to nobody. While something is on its way
    it is refused, and `params.waiting` counts what. The same WeChat account is a new member then.
    """
    return schemas.ErasureShown.model_validate(await service.erase(db, member.id, now=now))


@operators.post("/{member_id}/erasure", responses=problems(NotFound, ErasureWaits))
async def erase_for(
    member_id: UUID, wish: schemas.RequestedErasure, _: PlatformManager, db: Db, now: Now
) -> schemas.ErasureShown:
    """Erase a member who has asked for it by letter or mail; once more changes nothing."""
    erased = await service.erase(db, member_id, now=now, reference=wish.reference)
    return schemas.ErasureShown.model_validate(erased)


ROUTERS = (router, operators)
