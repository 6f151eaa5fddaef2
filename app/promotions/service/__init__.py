"""What others may ask of promotions; each takes the caller's session first."""

from app.promotions.service.editing import (
    activate,
    copy,
    create,
    edit,
    list_promotions,
    promotion,
    stop,
)
from app.promotions.service.limits import (
    CouponUse,
    Limits,
    Use,
    release,
    reserve,
    retake,
    standing,
)
from app.promotions.service.live import LivePromotions, live
from app.promotions.service.purse import (
    NO_COUPONS,
    CouponRefused,
    CouponWish,
    Purse,
    present,
)

__all__ = [
    "NO_COUPONS",
    "CouponRefused",
    "CouponUse",
    "CouponWish",
    "Limits",
    "LivePromotions",
    "Purse",
    "Use",
    "activate",
    "copy",
    "create",
    "edit",
    "list_promotions",
    "live",
    "present",
    "promotion",
    "release",
    "reserve",
    "retake",
    "standing",
    "stop",
]
