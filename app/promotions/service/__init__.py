"""What others may ask of promotions; each takes the caller's session first."""

from app.promotions.service.editing import copy, create, edit, list_promotions, warnings
from app.promotions.service.limits import (
    CouponUse,
    Limits,
    Use,
    release,
    reserve,
    retake,
    standing,
)
from app.promotions.service.live import LivePromotions, live, terms_of
from app.promotions.service.moves import activate, end, pause, resume, stop_all
from app.promotions.service.past import as_taken
from app.promotions.service.previews import Preview, PreviewWish, preview
from app.promotions.service.purse import (
    NO_COUPONS,
    CouponRefused,
    CouponWish,
    Purse,
    present,
)
from app.promotions.service.records import promotion
from app.promotions.service.trials import Rehearsal, draft_of, rehearsal

__all__ = [
    "NO_COUPONS",
    "CouponRefused",
    "CouponUse",
    "CouponWish",
    "Limits",
    "LivePromotions",
    "Preview",
    "PreviewWish",
    "Purse",
    "Rehearsal",
    "Use",
    "activate",
    "as_taken",
    "copy",
    "create",
    "draft_of",
    "edit",
    "end",
    "list_promotions",
    "live",
    "pause",
    "present",
    "preview",
    "promotion",
    "rehearsal",
    "release",
    "reserve",
    "resume",
    "retake",
    "standing",
    "stop_all",
    "terms_of",
    "warnings",
]
