"""What every promotion has, whatever its mechanic: identity, scope, conditions, stacking."""

from abc import ABC
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.promotions.pricing.conditions import NOTHING_ASKED, Conditions
from app.promotions.pricing.match import EVERYTHING, Match

PRIORITY_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion(ABC):
    """One mechanic with its conditions; ids are UUIDv7, so the smaller id is the older promotion.

    The window includes `starts_at` and excludes `ends_at`. One with `needs_coupon` takes part only
    where the buyer presents a coupon for it. An exclusive promotion is used alone or not at all;
    the conflict matrix may keep stacking groups apart. `priority` counts under that policy alone:
    the higher comes first.
    """

    kind: ClassVar[str]
    # Whether a running subtotal is only known once the item layer is done.
    is_later: ClassVar[bool] = False

    id: UUID
    version: int
    match: Match = EVERYTHING
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    conditions: Conditions = NOTHING_ASKED
    needs_coupon: bool = False
    exclusive: bool = False
    stacking_group: str | None = None
    priority: int = 0

    def __post_init__(self) -> None:
        """Refuse a window that is naive or never open."""
        for moment in (self.starts_at, self.ends_at):
            if moment is not None and moment.utcoffset() is None:
                raise ValueError("a promotion's window needs aware datetimes")
        if self.starts_at and self.ends_at and self.starts_at >= self.ends_at:
            raise ValueError("a promotion must start before it ends")
