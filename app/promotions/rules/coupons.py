"""Pure decisions about coupons: how codes are spelled, when a coupon holds, what a batch may be."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from app.promotions.errors import BadCouponBatch, CouponNotClaimable
from app.promotions.models import BatchStatus, CouponKind, CouponState
from app.promotions.rules.states import PromotionState

# No letter or digit that looks like another; 14 of them make 68 bits.
CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 14
CODES_MAX = 10_000
MEMBER_COUPONS_MAX = 100
_CODE = re.compile(r"\w[\w-]{2,31}")

CouponReason = Literal[
    "coupon_unknown",
    "coupon_foreign",
    "coupon_used",
    "coupon_expired",
    "coupon_not_started",
    "coupon_stopped",
    "needs_sign_in",
]
WalletState = Literal["usable", "used", "expired", "not_yet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchWish:
    """What an operator says about coupons to be given out; `code` as it is stored."""

    promotion_id: UUID
    kind: CouponKind
    code: str | None = None
    codes_count: int = 0
    coupons_max: int | None = None
    member_max: int | None = None
    claims_start_at: datetime | None = None
    claims_end_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    valid_seconds: int | None = None


def normalised(code: str) -> str:
    """One spelling for one code, however it was typed: full width, small letters, blanks around."""
    folded = unicodedata.normalize("NFKC", code).upper()
    return unicodedata.normalize("NFKC", folded).strip()


def is_code(code: str) -> bool:
    """Whether a normalised code has the form of one."""
    return _CODE.fullmatch(code) is not None


def check_batch(
    wish: BatchWish, state: PromotionState, *, needs_coupon: bool, now: datetime
) -> None:
    """Refuse coupons that could never be claimed or used."""
    if not needs_coupon:
        raise BadCouponBatch(reason="promotion")
    if state is PromotionState.ENDED:
        raise BadCouponBatch(reason="ended")
    windows = {
        "valid_window": (wish.starts_at, wish.ends_at),
        # What no longer holds is not given out either.
        "claim_window": (wish.claims_start_at, earliest(wish.claims_end_at, wish.ends_at)),
    }
    for reason, (start, end) in windows.items():
        if end is not None and (end <= now or (start is not None and start >= end)):
            raise BadCouponBatch(reason=reason)


def check_claimable(
    kind: CouponKind,
    status: BatchStatus,
    state: PromotionState,
    window: tuple[datetime | None, datetime | None],
    *,
    now: datetime,
) -> None:
    """Refuse a claim where the batch is not for claiming now, or its promotion is over."""
    if kind is CouponKind.SHARED_CODE:
        raise CouponNotClaimable(reason="kind")
    if status is BatchStatus.STOPPED:
        raise CouponNotClaimable(reason="stopped")
    if state is PromotionState.ENDED:
        raise CouponNotClaimable(reason="ended")
    start, end = window
    if start is not None and now < start:
        raise CouponNotClaimable(reason="not_started", claims_start_at=start.isoformat())
    if end is not None and now >= end:
        raise CouponNotClaimable(reason="ended", claims_end_at=end.isoformat())


def end_of(
    window: tuple[datetime | None, datetime | None],
    valid_seconds: int | None,
    *,
    claimed_at: datetime,
) -> datetime | None:
    """When a coupon claimed now ends: with its batch or its own time, whichever is first.

    Its own time runs from the claim, or from the moment it begins to hold if that is later.
    """
    start, end = window
    if valid_seconds is None:
        return end
    begins_at = claimed_at if start is None else max(claimed_at, start)
    return earliest(begins_at + timedelta(seconds=valid_seconds), end)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The first of two ends, of which either may never come."""
    return min((end for end in (one, other) if end is not None), default=None)


def wallet_state(
    state: CouponState,
    status: BatchStatus,
    window: tuple[datetime | None, datetime | None],
    *,
    now: datetime,
) -> WalletState:
    """How a member's own coupon stands; one of a stopped batch has ended with it."""
    start, end = window
    if state is CouponState.RESERVED:
        return "used"
    if status is BatchStatus.STOPPED or (end is not None and now >= end):
        return "expired"
    return "not_yet" if start is not None and now < start else "usable"
