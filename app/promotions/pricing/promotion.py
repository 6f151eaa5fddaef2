"""What every promotion has, whatever its mechanic: identity, scope, conditions, exclusivity."""

from abc import ABC
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.promotions.pricing.match import EVERYTHING, Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion(ABC):
    """One mechanic with its conditions; ids are UUIDv7, so the smaller id is the older promotion.

    The window includes `starts_at` and excludes `ends_at`. An empty set of communities or member
    tags asks for nothing. An exclusive promotion is used alone or not at all.
    """

    kind: ClassVar[str]

    id: UUID
    version: int
    match: Match = EVERYTHING
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    new_buyers_only: bool = False
    community_ids: frozenset[UUID] = frozenset()
    member_tags_any: frozenset[str] = frozenset()
    exclusive: bool = False

    def __post_init__(self) -> None:
        """Refuse a window that is naive or never open."""
        for moment in (self.starts_at, self.ends_at):
            if moment is not None and moment.utcoffset() is None:
                raise ValueError("a promotion's window needs aware datetimes")
        if self.starts_at and self.ends_at and self.starts_at >= self.ends_at:
            raise ValueError("a promotion must start before it ends")


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Refuse a parameter out of its bounds."""
    if not low <= value <= high:
        raise ValueError(f"{name} {value} is outside {low}..{high}")
