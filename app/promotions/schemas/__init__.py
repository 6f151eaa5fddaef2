"""Shapes of promotions as operators send and see them."""

from app.promotions.schemas.promotions import AddPromotion, EditPromotion, PromotionShown

__all__ = ["AddPromotion", "EditPromotion", "PromotionShown"]
