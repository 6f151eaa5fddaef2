"""Shapes of promotions as operators send and see them."""

from app.promotions.schemas.promotions import (
    ActivatePromotion,
    AddPromotion,
    EditPromotion,
    PromotionListed,
    PromotionShown,
    PromotionsStopped,
    said,
)
from app.promotions.schemas.templates import (
    PromotionTemplate,
    PromotionTemplateList,
    TemplateField,
)

__all__ = [
    "ActivatePromotion",
    "AddPromotion",
    "EditPromotion",
    "PromotionListed",
    "PromotionShown",
    "PromotionTemplate",
    "PromotionTemplateList",
    "PromotionsStopped",
    "TemplateField",
    "said",
]
