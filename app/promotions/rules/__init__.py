"""Pure decisions about configured promotions: states, contradictions, goods, and mechanics."""

from app.promotions.rules.edits import check_edit
from app.promotions.rules.mechanics import (
    conditions_of,
    fault_of,
    match_of,
    mechanic,
    promotion_of,
)
from app.promotions.rules.states import (
    PROMOTION_MOVES,
    Move,
    PromotionState,
    check_not_over,
    state_of,
    status_after,
)
from app.promotions.rules.wishes import LIVE_MAX, PromotionWish, ShopLimits, check_wish

__all__ = [
    "LIVE_MAX",
    "PROMOTION_MOVES",
    "Move",
    "PromotionState",
    "PromotionWish",
    "ShopLimits",
    "check_edit",
    "check_not_over",
    "check_wish",
    "conditions_of",
    "fault_of",
    "match_of",
    "mechanic",
    "promotion_of",
    "state_of",
    "status_after",
]
