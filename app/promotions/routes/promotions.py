"""Promotions as the operators of a shop keep them."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Response

from app.catalog.deps import STALE, Work, WorkIn, needs, refusals
from app.core.clock import Now
from app.core.db import ReadDb
from app.core.errors import InvalidCursor, VersionMismatch
from app.core.http.paging import Page, Paged
from app.core.http.route import Transactional
from app.core.http.versions import IfMatch, etag
from app.identity.rules import Right
from app.promotions import service
from app.promotions.errors import (
    BadPromotion,
    BelowCostUnconfirmed,
    LimitBelowTaken,
    TooManyPromotions,
    WrongPromotionStatus,
)
from app.promotions.rules import PromotionState, PromotionWish, state_of
from app.promotions.schemas import (
    ActivatePromotion,
    AddPromotion,
    EditPromotion,
    PromotionListed,
    PromotionShown,
    PromotionsStopped,
    said,
)
from app.promotions.schemas.stored import DOCUMENTS, is_broken

router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/promotions",
    tags=["promotions"],
    route_class=Transactional,
)

_READ = needs(Right.PROMOTIONS_READ)
_WRITE = needs(Right.PROMOTIONS_WRITE)
_ONE = "/{promotion_id}"
_UNCONFIRMED = ActivatePromotion()
_GOING_LIVE = (
    BadPromotion,
    WrongPromotionStatus,
    TooManyPromotions,
    BelowCostUnconfirmed,
    VersionMismatch,
)


@router.post("", status_code=201, dependencies=_WRITE, responses=refusals(BadPromotion))
async def create_promotion(
    shop_id: UUID, wish: AddPromotion, response: Response, work: WorkIn
) -> PromotionShown:
    """Draft a promotion; nothing is cheaper before it is activated."""
    wanted = PromotionWish(**said(wish))
    made = await service.create(work.db, shop_id, wanted, now=work.now)
    return await _shown(made, response, work)


@router.get("", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_promotions(
    shop_id: UUID, paging: Paged, db: ReadDb, now: Now, status: PromotionState | None = None
) -> Page[PromotionListed]:
    """List a shop's promotions in one status or all, the newest first."""
    found = await service.list_promotions(db, shop_id, status, paging, now=now)
    return paging.page(found, lambda row: PromotionListed(**_seen(row, now)))


@router.get(_ONE, dependencies=_READ, responses=refusals())
async def get_promotion(
    shop_id: UUID, promotion_id: UUID, response: Response, db: ReadDb, now: Now
) -> PromotionShown:
    """Show a promotion with what to be warned about, its version as ETag."""
    found = await service.promotion(db, shop_id, promotion_id)
    return await _shown(found, response, Work(db, now))


@router.patch(
    _ONE,
    dependencies=_WRITE,
    responses=refusals(
        BadPromotion, WrongPromotionStatus, BelowCostUnconfirmed, LimitBelowTaken, *STALE
    ),
)
async def edit_promotion(
    shop_id: UUID,
    promotion_id: UUID,
    wish: EditPromotion,
    version: IfMatch,
    response: Response,
    work: WorkIn,
) -> PromotionShown:
    """Change a promotion; once started, only its names, end, priority, and limits upwards."""
    after = await service.edit(
        work.db, shop_id, promotion_id, said(wish), version=version, now=work.now
    )
    return await _shown(after, response, work)


@router.post(
    _ONE + "/activate",
    dependencies=_WRITE,
    responses=refusals(*_GOING_LIVE),
)
async def activate_promotion(
    shop_id: UUID,
    promotion_id: UUID,
    response: Response,
    work: WorkIn,
    wish: ActivatePromotion = _UNCONFIRMED,
) -> PromotionShown:
    """Let a draft take part in every quote from its start on."""
    after = await service.activate(
        work.db,
        shop_id,
        promotion_id,
        confirm_below_cost=wish.confirm_below_cost,
        now=work.now,
    )
    return await _shown(after, response, work)


@router.post(
    _ONE + "/pause",
    dependencies=_WRITE,
    responses=refusals(WrongPromotionStatus, VersionMismatch),
)
async def pause_promotion(
    shop_id: UUID, promotion_id: UUID, response: Response, work: WorkIn
) -> PromotionShown:
    """Take a promotion out of quotes until it is resumed; its window goes on."""
    after = await service.pause(work.db, shop_id, promotion_id, now=work.now)
    return await _shown(after, response, work)


@router.post(
    _ONE + "/resume",
    dependencies=_WRITE,
    responses=refusals(*_GOING_LIVE),
)
async def resume_promotion(
    shop_id: UUID,
    promotion_id: UUID,
    response: Response,
    work: WorkIn,
    wish: ActivatePromotion = _UNCONFIRMED,
) -> PromotionShown:
    """Let a paused promotion take part in quotes again."""
    after = await service.resume(
        work.db,
        shop_id,
        promotion_id,
        confirm_below_cost=wish.confirm_below_cost,
        now=work.now,
    )
    return await _shown(after, response, work)


@router.post(
    _ONE + "/end",
    dependencies=_WRITE,
    responses=refusals(WrongPromotionStatus, VersionMismatch),
)
async def end_promotion(
    shop_id: UUID, promotion_id: UUID, response: Response, work: WorkIn
) -> PromotionShown:
    """Take a promotion out of all further quotes for good; copy it to use it again."""
    after = await service.end(work.db, shop_id, promotion_id, now=work.now)
    return await _shown(after, response, work)


@router.post("/stop-all", dependencies=_WRITE, responses=refusals())
async def stop_all_promotions(shop_id: UUID, work: WorkIn) -> PromotionsStopped:
    """Pause every live promotion of the shop at once; each can be resumed."""
    paused = await service.stop_all(work.db, shop_id, now=work.now)
    return PromotionsStopped(promotion_ids=paused)


@router.post(_ONE + "/copy", status_code=201, dependencies=_WRITE, responses=refusals(BadPromotion))
async def copy_promotion(
    shop_id: UUID, promotion_id: UUID, response: Response, work: WorkIn
) -> PromotionShown:
    """Draft a new promotion that says what this one says."""
    made = await service.copy(work.db, shop_id, promotion_id, now=work.now)
    return await _shown(made, response, work)


def _seen(row: sa.RowMapping, now: datetime) -> dict[str, Any]:
    seen = {**row, "status": state_of(row["status"], row["starts_at"], row["ends_at"], now)}
    if is_broken(row):
        stored = {name: row[name] for name in DOCUMENTS}
        seen |= {name: {} for name in DOCUMENTS} | {"rule": {"kind": "broken", "stored": stored}}
    return seen


async def _shown(row: sa.RowMapping, response: Response, work: Work) -> PromotionShown:
    response.headers["ETag"] = etag(row["version"])
    found = await service.warnings(work.db, row, now=work.now)
    return PromotionShown(**_seen(row, work.now), warnings=[asdict(one) for one in found])
