"""Coupons over HTTP: given out by the operators of a shop, claimed and kept by members."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.catalog.deps import needs, refusals
from app.core.clock import Now
from app.core.csv import write_csv
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.paging import Page, Paged
from app.core.http.problem import problems
from app.core.http.route import Transactional
from app.identity.deps import SignedIn
from app.identity.rules import Right
from app.promotions.deps import CodeGuesses
from app.promotions.errors import (
    BadCouponBatch,
    ClaimLimitReached,
    CodeInUse,
    CouponNotClaimable,
    CouponsGone,
)
from app.promotions.schemas.coupons import (
    AddCouponBatch,
    ClaimWish,
    CouponBatchShown,
    CouponShown,
)
from app.promotions.service import coupons

operators = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/coupon-batches",
    tags=["coupons"],
    route_class=Transactional,
)
members = APIRouter(prefix="/v1", tags=["coupons"], route_class=Transactional)

_READ = needs(Right.PROMOTIONS_READ)
_WRITE = needs(Right.PROMOTIONS_WRITE)
_ONE = "/{batch_id}"
CSV = "text/csv"
_COLUMNS = ("code", "state", "ends_at")

OfPromotion = Annotated[UUID | None, Query(description="Only the batches of this promotion.")]
OfShop = Annotated[UUID | None, Query(description="Only the coupons of this shop.")]


@operators.post(
    "", status_code=201, dependencies=_WRITE, responses=refusals(BadCouponBatch, CodeInUse)
)
async def create_batch(shop_id: UUID, wish: AddCouponBatch, db: Db, now: Now) -> CouponBatchShown:
    """Give out coupons for a promotion that needs one."""
    made = await coupons.create_batch(db, shop_id, wish.batch(), now=now)
    return CouponBatchShown.model_validate(dict(made))


@operators.get("", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_batches(
    shop_id: UUID, paging: Paged, db: ReadDb, promotion_id: OfPromotion = None
) -> Page[CouponBatchShown]:
    """List a shop's batches, the newest first."""
    found = await coupons.list_batches(db, shop_id, promotion_id, paging)
    return paging.page(found, lambda row: CouponBatchShown.model_validate(dict(row)))


@operators.get(_ONE, dependencies=_READ, responses=refusals())
async def get_batch(shop_id: UUID, batch_id: UUID, db: ReadDb) -> CouponBatchShown:
    """Show a batch, and how many of its coupons members have."""
    found = await coupons.get_batch(db, shop_id, batch_id)
    return CouponBatchShown.model_validate(dict(found))


@operators.post(_ONE + "/stop", dependencies=_WRITE, responses=refusals())
async def stop_batch(shop_id: UUID, batch_id: UUID, db: Db, now: Now) -> CouponBatchShown:
    """Void the coupons of a batch for all further orders, for good."""
    after = await coupons.stop_batch(db, shop_id, batch_id, now=now)
    return CouponBatchShown.model_validate(dict(after))


@operators.get(
    _ONE + "/codes",
    # Whoever has a code has what it is worth: reading is not enough.
    dependencies=_WRITE,
    response_class=Response,
    responses={
        **refusals(),
        200: {
            "description": "One code a line below a header.",
            "content": {CSV: {"schema": {"type": "string"}}},
        },
    },
)
async def export_codes(shop_id: UUID, batch_id: UUID, db: ReadDb) -> Response:
    """The codes of a batch as CSV, to be handed out."""
    rows = await coupons.codes_of(db, shop_id, batch_id)
    cells = ((row["code"], row["state"].value, _said(row["ends_at"])) for row in rows)
    return Response(
        "".join(write_csv(_COLUMNS, cells)),
        media_type=CSV,
        headers={"Content-Disposition": f'attachment; filename="codes-{batch_id}.csv"'},
    )


def _said(moment: datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""


@members.post(
    "/coupons/claims",
    status_code=201,
    responses=problems(
        Unauthenticated,
        Forbidden,
        NotFound,
        CouponNotClaimable,
        CouponsGone,
        ClaimLimitReached,
    ),
)
async def claim_coupon(
    wish: ClaimWish, member: SignedIn, db: Db, now: Now, guesses: CodeGuesses
) -> CouponShown:
    """Take a coupon of a batch, or keep the one behind a single code.

    Who has tried too many codes that do not exist is told to come again later.
    """
    if wish.batch_id is not None:
        made = await coupons.claim(db, member.id, wish.batch_id, now=now)
    else:
        assert wish.code is not None
        assert wish.shop_id is not None
        await guesses.check()
        try:
            made = await coupons.claim_code(db, member.id, wish.shop_id, wish.code, now=now)
        except NotFound:
            await guesses.count(1)
            raise
    return _shown(made, now)


@members.get("/me/coupons", responses=problems(Unauthenticated, Forbidden, InvalidCursor))
async def list_own_coupons(
    member: SignedIn, paging: Paged, db: ReadDb, now: Now, shop_id: OfShop = None
) -> Page[CouponShown]:
    """The caller's coupons, the newest first; one of an unpaid order counts as used."""
    found = await coupons.coupons_of(db, member.id, shop_id, paging)
    return paging.page(found, lambda row: _shown(row, now))


def _shown(row: Mapping[Any, Any], now: datetime) -> CouponShown:
    return CouponShown.model_validate({**row, "state": coupons.state_of(row, now=now)})
