"""Promotions as the operators of a shop keep them."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Response

from app.catalog.deps import STALE, WorkIn, needs, refusals
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import InvalidCursor, VersionMismatch
from app.core.http.paging import Page, Paged
from app.core.http.route import Transactional
from app.core.http.versions import IfMatch, etag
from app.identity.rules import Right
from app.promotions import service
from app.promotions.errors import BadPromotion, TooManyPromotions, WrongPromotionStatus
from app.promotions.models import PromotionStatus
from app.promotions.rules import PromotionWish
from app.promotions.schemas import AddPromotion, EditPromotion, PromotionShown

router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/promotions",
    tags=["promotions"],
    route_class=Transactional,
)

_READ = needs(Right.PROMOTIONS_READ)
_WRITE = needs(Right.PROMOTIONS_WRITE)
_ONE = "/{promotion_id}"


@router.post("", status_code=201, dependencies=_WRITE, responses=refusals(BadPromotion))
async def create_promotion(
    shop_id: UUID, wish: AddPromotion, response: Response, db: Db, now: Now
) -> PromotionShown:
    """Draft a promotion; nothing is cheaper before it is activated."""
    wanted = PromotionWish(**_said(wish))
    return _shown(await service.create(db, shop_id, wanted, now=now), response)


@router.get("", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_promotions(
    shop_id: UUID, paging: Paged, db: ReadDb, status: PromotionStatus | None = None
) -> Page[PromotionShown]:
    """List a shop's promotions in one status or all, the newest first."""
    found = await service.list_promotions(db, shop_id, status, paging)
    return paging.page(found, lambda row: PromotionShown.model_validate(dict(row)))


@router.get(_ONE, dependencies=_READ, responses=refusals())
async def get_promotion(
    shop_id: UUID, promotion_id: UUID, response: Response, db: ReadDb
) -> PromotionShown:
    """Show a promotion, its version as ETag."""
    return _shown(await service.promotion(db, shop_id, promotion_id), response)


@router.patch(
    _ONE, dependencies=_WRITE, responses=refusals(BadPromotion, WrongPromotionStatus, *STALE)
)
async def edit_promotion(
    shop_id: UUID,
    promotion_id: UUID,
    wish: EditPromotion,
    version: IfMatch,
    response: Response,
    work: WorkIn,
) -> PromotionShown:
    """Change a draft or an active promotion; placed orders keep the version they were priced by."""
    after = await service.edit(
        work.db, shop_id, promotion_id, _said(wish), version=version, now=work.now
    )
    return _shown(after, response)


@router.post(
    _ONE + "/activate",
    dependencies=_WRITE,
    responses=refusals(BadPromotion, WrongPromotionStatus, TooManyPromotions, VersionMismatch),
)
async def activate_promotion(
    shop_id: UUID, promotion_id: UUID, response: Response, db: Db, now: Now
) -> PromotionShown:
    """Let a draft take part in every quote from its start on."""
    return _shown(await service.activate(db, shop_id, promotion_id, now=now), response)


@router.post(
    _ONE + "/stop",
    dependencies=_WRITE,
    responses=refusals(WrongPromotionStatus, VersionMismatch),
)
async def stop_promotion(
    shop_id: UUID, promotion_id: UUID, response: Response, db: Db, now: Now
) -> PromotionShown:
    """Take a promotion out of all further quotes for good; copy it to use it again."""
    return _shown(await service.stop(db, shop_id, promotion_id, now=now), response)


@router.post(_ONE + "/copy", status_code=201, dependencies=_WRITE, responses=refusals(BadPromotion))
async def copy_promotion(
    shop_id: UUID, promotion_id: UUID, response: Response, db: Db, now: Now
) -> PromotionShown:
    """Draft a new promotion that says what this one says."""
    return _shown(await service.copy(db, shop_id, promotion_id, now=now), response)


def _said(wish: AddPromotion | EditPromotion) -> dict[str, Any]:
    """What was sent, with rule and match in the form they are stored in."""
    said = wish.model_dump(exclude_unset=isinstance(wish, EditPromotion))
    if "match" in said:
        said["match"] = _plain(said["match"])
    if "rule" in said:
        # Once the kind is known every parameter is said, also those left to their defaults.
        rule = wish.rule.model_dump()
        parts = [{**part, "match": _plain(part["match"])} for part in rule.get("parts", ())]
        said["rule"] = {**rule, "parts": parts} if parts else rule
    return said


def _plain(match: Mapping[str, Iterable[Any]]) -> dict[str, list[str]]:
    return {name: sorted(map(str, values)) for name, values in match.items() if values}


def _shown(row: sa.RowMapping, response: Response) -> PromotionShown:
    response.headers["ETag"] = etag(row["version"])
    return PromotionShown.model_validate(dict(row))
