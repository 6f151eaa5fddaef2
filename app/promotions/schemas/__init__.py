"""Shapes of promotions as operators send and see them."""

from app.promotions.schemas.promotions import (
    ActivatePromotion,
    AddPromotion,
    EditPromotion,
    PromotionListed,
    PromotionShown,
    PromotionsStopped,
)

__all__ = [
    "ActivatePromotion",
    "AddPromotion",
    "EditPromotion",
    "PromotionListed",
    "PromotionShown",
    "PromotionsStopped",
]
