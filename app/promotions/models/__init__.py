"""Tables of promotions, by what they are about."""

from app.promotions.models.coupons import BatchStatus, Coupon, CouponBatch, CouponKind, CouponState
from app.promotions.models.promotions import Promotion, PromotionKind, PromotionStatus
from app.promotions.models.quotas import PromotionMemberUse, PromotionQuota, PromotionUse

__all__ = [
    "BatchStatus",
    "Coupon",
    "CouponBatch",
    "CouponKind",
    "CouponState",
    "Promotion",
    "PromotionKind",
    "PromotionMemberUse",
    "PromotionQuota",
    "PromotionStatus",
    "PromotionUse",
]
