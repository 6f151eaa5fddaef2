"""Coupons: given out in batches by operators, claimed and kept by members."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.events import record
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.promotions.errors import ClaimLimitReached, CodeInUse, CouponsGone
from app.promotions.events import CouponClaimed
from app.promotions.models import BatchStatus, CouponKind, CouponState
from app.promotions.repository import coupons as repository
from app.promotions.rules import PromotionState
from app.promotions.rules import state_of as promotion_state_of
from app.promotions.rules.coupons import (
    CODE_ALPHABET,
    CODE_LENGTH,
    BatchWish,
    WalletState,
    check_batch,
    check_claimable,
    earliest,
    end_of,
    normalised,
    wallet_state,
)
from app.promotions.service.records import promotion, state


async def create_batch(
    db: AsyncSession, shop_id: UUID, wish: BatchWish, *, now: datetime
) -> sa.RowMapping:
    """Make coupons to be given out; codes that nobody chose are random."""
    of = await promotion(db, shop_id, wish.promotion_id)
    check_batch(wish, state(of, now), needs_coupon=of["needs_coupon"], now=now)
    said = asdict(wish)
    code, codes_count = said.pop("code"), said.pop("codes_count")
    batch = {
        "id": new_id(),
        "shop_id": shop_id,
        "status": BatchStatus.ACTIVE,
        "claimed": 0,
        "created_at": now,
        **said,
    }
    codes = [code] if code is not None else [_new_code() for _ in range(codes_count)]
    coupons = [{**_coupon_row(batch, now), **_behind(code, wish.kind)} for code in codes]
    if not await repository.add_batch(db, batch, coupons):
        raise CodeInUse
    told = {name: value for name, value in said.items() if value is not None}
    told |= {"codes_count": codes_count} if codes_count else {}
    subject = ("coupon_batch", batch["id"])
    await note(db, "coupon_batch.created", subject, at=now, shop_id=shop_id, change=(None, told))
    return await get_batch(db, shop_id, batch["id"])


def _new_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def _behind(code: str, kind: CouponKind) -> dict[str, Any]:
    shared = kind is CouponKind.SHARED_CODE
    return {"code": code, "state": CouponState.SHARED if shared else CouponState.OPEN}


def _coupon_row(batch: Mapping[Any, Any], now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "shop_id": batch["shop_id"],
        "batch_id": batch["id"],
        "code": None,
        "member_id": None,
        "state": CouponState.OPEN,
        "order_id": None,
        "starts_at": batch["starts_at"],
        "ends_at": batch["ends_at"],
        "claimed_at": None,
        "created_at": now,
    }


async def get_batch(db: AsyncSession, shop_id: UUID, batch_id: UUID) -> sa.RowMapping:
    """A batch of this shop; `NotFound` for another shop's."""
    found = await repository.batch(db, shop_id, batch_id)
    if found is None:
        raise NotFound
    return found


async def list_batches(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a shop's batches, the newest first."""
    return await repository.list_batches(db, shop_id, promotion_id, paging)


async def stop_batch(
    db: AsyncSession, shop_id: UUID, batch_id: UUID, *, now: datetime
) -> sa.RowMapping:
    """Void the coupons of a batch for all further orders, for good; stopping twice is once."""
    await get_batch(db, shop_id, batch_id)
    if await repository.stop_batch(db, batch_id):
        change = ({"status": BatchStatus.ACTIVE.value}, {"status": BatchStatus.STOPPED.value})
        subject = ("coupon_batch", batch_id)
        await note(db, "coupon_batch.stopped", subject, at=now, shop_id=shop_id, change=change)
    return await get_batch(db, shop_id, batch_id)


async def codes_of(db: AsyncSession, shop_id: UUID, batch_id: UUID) -> Sequence[sa.RowMapping]:
    """The codes of a batch of this shop, in the order they were made."""
    await get_batch(db, shop_id, batch_id)
    return await repository.codes_of(db, batch_id)


async def claim(
    db: AsyncSession, member_id: UUID, batch_id: UUID, *, now: datetime
) -> Mapping[Any, Any]:
    """Give a member a coupon of a batch: of a limited one only while there is one left."""
    batch = await repository.batch_to_claim(db, batch_id)
    # Behind a code is what only the code opens.
    if batch is None or batch["kind"] is not CouponKind.CLAIMED:
        raise NotFound
    # What no longer holds is not given out either.
    validity = (batch["starts_at"], batch["ends_at"])
    window = (batch["claims_start_at"], earliest(batch["claims_end_at"], batch["ends_at"]))
    check_claimable(batch["kind"], batch["status"], _state(batch, now), window, now=now)
    own = {
        "member_id": member_id,
        "state": CouponState.CLAIMED,
        "claimed_at": now,
        "ends_at": end_of(validity, batch["valid_seconds"], claimed_at=now),
    }
    coupon = {**_coupon_row(batch, now), **own}
    if not await repository.add_claim(db, coupon, batch["member_max"]):
        raise ClaimLimitReached(member_max=batch["member_max"])
    if batch["coupons_max"] is not None and not await repository.count_claim(db, batch_id):
        raise CouponsGone
    await _tell(db, coupon, now)
    return _with_batch(coupon, batch)


def _state(batch: Mapping[Any, Any], now: datetime) -> PromotionState:
    """Where the promotion of a batch is."""
    window = (batch["promotion_starts_at"], batch["promotion_ends_at"])
    return promotion_state_of(batch["promotion_status"], *window, now)


async def claim_code(
    db: AsyncSession, member_id: UUID, shop_id: UUID, code: str, *, now: datetime
) -> Mapping[Any, Any]:
    """Put the coupon behind a single code into the purse of whoever has it first."""
    found = await repository.behind_code(db, shop_id, normalised(code))
    if found is None:
        raise NotFound
    batch = await repository.batch_to_claim(db, found["batch_id"])
    assert batch is not None, "a coupon is of a batch"
    window = (None, found["ends_at"])
    check_claimable(batch["kind"], batch["status"], _state(batch, now), window, now=now)
    coupon = await repository.claim_code(db, found["id"], member_id, now=now)
    if coupon is None:
        raise CouponsGone
    await _tell(db, coupon, now)
    return _with_batch(coupon, batch)


async def _tell(db: AsyncSession, coupon: Mapping[Any, Any], now: datetime) -> None:
    claimed = CouponClaimed(
        at=now,
        shop_id=coupon["shop_id"],
        aggregate_id=coupon["id"],
        coupon_id=coupon["id"],
        batch_id=coupon["batch_id"],
        member_id=coupon["member_id"],
    )
    await record(db, claimed)


def _with_batch(coupon: Mapping[Any, Any], batch: Mapping[Any, Any]) -> dict[Any, Any]:
    of_batch = {"promotion_id": batch["promotion_id"], "batch_status": batch["status"]}
    return {**coupon, **of_batch}


async def coupons_of(
    db: AsyncSession, member_id: UUID, shop_id: UUID | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A member's own coupons, the newest first."""
    return await repository.coupons_of(db, member_id, shop_id, paging)


def state_of(row: Mapping[Any, Any], *, now: datetime) -> WalletState:
    """How a coupon of a member stands now."""
    window = (row["starts_at"], row["ends_at"])
    return wallet_state(row["state"], row["batch_status"], window, now=now)
