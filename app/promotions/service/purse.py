"""Coupons at the counter: what somebody presents, and whether it holds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.promotions.models import BatchStatus, CouponState
from app.promotions.pricing.basket import Coupon
from app.promotions.repository import coupons as repository
from app.promotions.repository.coupons import Presented
from app.promotions.rules.coupons import CouponReason, normalised
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
class Held:
    """A coupon that holds now, and the code it was presented by."""

    coupon: Coupon
    code: str | None
    is_shared: bool

    @property
    def promotion_id(self) -> UUID:
        """What it is a right to."""
        return self.coupon.promotion_id


@dataclass(frozen=True, slots=True)
class Purse:
    """The coupons somebody presents that hold, and those that do not.

    The first for a promotion is the one that is used: the one that ends first.
    """

    held: tuple[Held, ...] = ()
    refused: tuple[CouponRefused, ...] = ()

    @property
    def coupons(self) -> tuple[Coupon, ...]:
        """As the engine takes them."""
        return tuple(one.coupon for one in self.held)

    @property
    def promotion_ids(self) -> frozenset[UUID]:
        """The promotions there is a coupon for."""
        return frozenset(one.promotion_id for one in self.held)

    @property
    def wrong_codes(self) -> int:
        """How many codes the shop does not have."""
        return sum(one.code is not None and one.reason == "coupon_unknown" for one in self.refused)

    def use_of(self, promotion_id: UUID) -> CouponUse | None:
        """The coupon that is used up when this promotion is applied."""
        for one in self.held:
            if one.promotion_id == promotion_id:
                return CouponUse(one.coupon.id, promotion_id, one.is_shared)
        return None

    def good_for(self, promotion_ids: frozenset[UUID]) -> "Purse":
        """What is left of it where only these promotions are live and need a coupon."""
        good = tuple(one for one in self.held if one.promotion_id in promotion_ids)
        void = (
            CouponRefused(
                one.code,
                None if one.code else one.coupon.id,
                one.promotion_id,
                "coupon_stopped",
            )
            for one in self.held
            if one.promotion_id not in promotion_ids
        )
        return Purse(good, (*self.refused, *void))


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
    held = {one.coupon.id: one for one in looks if isinstance(one, Held)}
    return Purse(
        held=tuple(sorted(held.values(), key=_soonest)),
        refused=tuple(one for one in looks if isinstance(one, CouponRefused)),
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
) -> Held | CouponRefused:
    reason = _why_not(row, member_id, now, by_code=code is not None)
    if row is None or reason is not None:
        promotion_id = None if reason in _TELL_NOTHING or row is None else row.promotion_id
        return CouponRefused(code, coupon_id, promotion_id, reason or "coupon_unknown")
    coupon = Coupon(row.id, row.promotion_id, row.starts_at, row.ends_at)
    return Held(coupon, code, row.state is CouponState.SHARED)


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
    if row.ends_at is not None and now >= row.ends_at:
        return "coupon_expired"
    if row.starts_at is not None and now < row.starts_at:
        return "coupon_not_started"
    return None


def _soonest(one: Held) -> tuple[datetime, int]:
    return one.coupon.ends_at or _LAST, one.coupon.id.int
