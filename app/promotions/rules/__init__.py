"""Pure decisions about configured promotions: their states, contradictions, and mechanics."""

from app.promotions.rules.mechanics import match_of, mechanic
from app.promotions.rules.wishes import (
    EDITABLE,
    LIVE_MAX,
    PROMOTION_MOVES,
    PromotionWish,
    ShopLimits,
    check_editable,
    check_move,
    check_not_over,
    check_wish,
)

__all__ = [
    "EDITABLE",
    "LIVE_MAX",
    "PROMOTION_MOVES",
    "PromotionWish",
    "ShopLimits",
    "check_editable",
    "check_move",
    "check_not_over",
    "check_wish",
    "match_of",
    "mechanic",
]
