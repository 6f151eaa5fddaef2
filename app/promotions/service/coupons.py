"""Coupons: given out in batches, claimed by members, and read when one is presented."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
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
from app.promotions.pricing.basket import Coupon
from app.promotions.repository import coupons as repository
from app.promotions.repository.coupons import Presented
from app.promotions.rules.coupons import (
    CODE_ALPHABET,
    CODE_LENGTH,
    BatchWish,
    CouponReason,
    WalletState,
    check_batch,
    check_claimable,
    normalised,
    valid_until,
    wallet_state,
)
from app.promotions.service.editing import promotion
from app.promotions.service.limits import CouponUse

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CouponRefused:
    """A code or coupon that was presented and changes nothing, and why."""

    code: str | None
    coupon_id: UUID | None
    promotion_id: UUID | None
    reason: CouponReason


@dataclass(frozen=True, slots=True)
class Purse:
    """The coupons somebody presents, as the engine takes them, and those that do not hold.

    The first for a promotion is the one that is used: one that holds, and of these the one that
    ends first.
    """

    coupons: tuple[Coupon, ...] = ()
    refused: tuple[CouponRefused, ...] = ()
    shared_ids: frozenset[UUID] = frozenset()

    @property
    def promotion_ids(self) -> frozenset[UUID]:
        """The promotions there is a coupon for."""
        return frozenset(coupon.promotion_id for coupon in self.coupons)

    def use_of(self, promotion_id: UUID) -> CouponUse | None:
        """The coupon that is used up when this promotion is applied."""
        for coupon in self.coupons:
            if coupon.promotion_id == promotion_id:
                return CouponUse(coupon.id, promotion_id, coupon.id in self.shared_ids)
        return None

    def without(self, live_ids: frozenset[UUID]) -> tuple[CouponRefused, ...]:
        """Those that change nothing, also because their promotion is not live."""
        lost = [c for c in self.coupons if c.promotion_id not in live_ids]
        return (
            *self.refused,
            *(CouponRefused(None, c.id, c.promotion_id, "coupon_stopped") for c in lost),
        )


NO_COUPONS = Purse()


@dataclass(frozen=True, slots=True)
class CouponWish:
    """What a buyer puts on the counter: codes as they were typed, and ids of own coupons."""

    codes: tuple[str, ...]
    coupon_ids: tuple[UUID, ...]

    def __bool__(self) -> bool:
        """Whether there is anything at all."""
        return bool(self.codes or self.coupon_ids)


async def present(
    db: AsyncSession, shop_id: UUID, member_id: UUID | None, shown: CouponWish, *, now: datetime
) -> Purse:
    """Look up what is presented, by one statement; nothing presented is nothing asked.

    Somebody who has not signed in learns nothing about a code, not even that it exists.
    """
    if not shown:
        return NO_COUPONS
    if member_id is None:
        return Purse(refused=_all_refused(shown, "needs_sign_in"))
    codes = {normalised(code): code for code in shown.codes}
    rows = await repository.presented(db, shop_id, codes.keys(), shown.coupon_ids)
    by_code = {row.code: row for row in rows if row.code is not None}
    by_id = {row.id: row for row in rows}
    looks = [
        _look(by_code.get(plain), member_id, now, code=typed) for plain, typed in codes.items()
    ]
    looks += [_look(by_id.get(id_), member_id, now, coupon_id=id_) for id_ in shown.coupon_ids]
    refused = tuple(look for look in looks if isinstance(look, CouponRefused))
    held = {look.id: look for look in looks if isinstance(look, Presented)}
    return Purse(
        coupons=tuple(_coupon(row) for row in sorted(held.values(), key=_soonest)),
        refused=refused,
        shared_ids=frozenset(id_ for id_, row in held.items() if row.state is CouponState.SHARED),
    )


def _all_refused(shown: CouponWish, reason: CouponReason) -> tuple[CouponRefused, ...]:
    return (
        *(CouponRefused(code, None, None, reason) for code in shown.codes),
        *(CouponRefused(None, coupon_id, None, reason) for coupon_id in shown.coupon_ids),
    )


def _look(
    row: Presented | None,
    member_id: UUID,
    now: datetime,
    *,
    code: str | None = None,
    coupon_id: UUID | None = None,
) -> Presented | CouponRefused:
    reason = _why_not(row, member_id, now, by_code=code is not None)
    if row is None or reason is not None:
        promotion_id = None if reason in _TELL_NOTHING or row is None else row.promotion_id
        return CouponRefused(code, coupon_id, promotion_id, reason or "coupon_unknown")
    return row


_TELL_NOTHING = ("coupon_unknown", "coupon_foreign")


def _why_not(
    row: Presented | None, member_id: UUID, now: datetime, *, by_code: bool
) -> CouponReason | None:
    # An id is no code: it opens only what is the member's own.
    if row is None or (row.member_id is None and not by_code):
        return "coupon_unknown"
    if row.member_id not in (None, member_id):
        return "coupon_foreign"
    return _why_not_now(row, now)


def _why_not_now(row: Presented, now: datetime) -> CouponReason | None:
    if row.batch_status is BatchStatus.STOPPED:
        return "coupon_stopped"
    if row.state is CouponState.RESERVED:
        return "coupon_used"
    if row.valid_until is not None and now >= row.valid_until:
        return "coupon_expired"
    if row.valid_from is not None and now < row.valid_from:
        return "coupon_not_started"
    return None


def _soonest(row: Presented) -> tuple[datetime, int]:
    return row.valid_until or _LAST, row.id.int


def _coupon(row: Presented) -> Coupon:
    return Coupon(row.id, row.promotion_id, row.valid_from, row.valid_until)


async def create_batch(
    db: AsyncSession, shop_id: UUID, wish: BatchWish, *, now: datetime
) -> sa.RowMapping:
    """Make coupons to be given out; codes that nobody chose are random."""
    needs_coupon = (await promotion(db, shop_id, wish.promotion_id))["needs_coupon"]
    check_batch(wish, needs_coupon=needs_coupon, now=now)
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
        "valid_from": batch["valid_from"],
        "valid_until": batch["valid_until"],
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
    window = (batch["claim_from"], batch["claim_until"])
    check_claimable(batch["kind"], batch["status"], window, now=now)
    own = {
        "member_id": member_id,
        "state": CouponState.CLAIMED,
        "claimed_at": now,
        "valid_until": valid_until(batch["valid_until"], batch["valid_seconds"], claimed_at=now),
    }
    coupon = {**_coupon_row(batch, now), **own}
    if not await repository.add_claim(db, coupon, batch["member_max"]):
        raise ClaimLimitReached(member_max=batch["member_max"])
    if batch["coupons_max"] is not None and not await repository.count_claim(db, batch_id):
        raise CouponsGone
    await _tell(db, coupon, now)
    return _with_batch(coupon, batch)


async def claim_code(
    db: AsyncSession, member_id: UUID, shop_id: UUID, code: str, *, now: datetime
) -> Mapping[Any, Any]:
    """Put the coupon behind a single code into the purse of whoever has it first."""
    found = await repository.behind_code(db, shop_id, normalised(code))
    if found is None:
        raise NotFound
    batch = await repository.batch_to_claim(db, found["batch_id"])
    assert batch is not None, "a coupon is of a batch"
    check_claimable(batch["kind"], batch["status"], (None, found["valid_until"]), now=now)
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
    window = (row["valid_from"], row["valid_until"])
    return wallet_state(row["state"], row["batch_status"], window, now=now)
