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
from app.promotions.service.live import LivePromotions, live

__all__ = [
    "LivePromotions",
    "activate",
    "copy",
    "create",
    "edit",
    "list_promotions",
    "live",
    "promotion",
    "stop",
]
