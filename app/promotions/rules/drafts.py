"""A promotion that is only tried, and for whom and when it is tried where nobody says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from uuid import UUID

from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.conditions import Conditions, next_start
from app.promotions.pricing.promotion import Promotion
from app.promotions.rules.mechanics import conditions_of, match_of, mechanic

# One that is not stored yet is the newest of all, and named alike in every answer.
DRAFT_ID = UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")
# Stands for a community that nobody has named.
SOME_COMMUNITY = UUID(int=0)

_OF_ALL = ("starts_at", "ends_at", "needs_coupon", "exclusive", "stacking_group", "priority")


@dataclass(frozen=True, slots=True)
class Draft:
    """A promotion as it is or would be stored, whatever its status, and what prices with it."""

    id: UUID
    version: int
    said: Mapping[Any, Any]
    promotion: Promotion = field(init=False)

    def __post_init__(self) -> None:
        """Make the mechanic; ValueError for one that the engine refuses."""
        made = mechanic(
            self.said["rule"],
            id=self.id,
            version=self.version,
            match=match_of(self.said["match"]),
            conditions=conditions_of(self.said["conditions"]),
            **{name: self.said[name] for name in _OF_ALL},
        )
        object.__setattr__(self, "promotion", made)

    @property
    def names(self) -> dict[str, str]:
        """Its name in both languages."""
        return {"zh": self.said["name_zh"], "en": self.said["name_en"]}

    def at_any_time(self) -> Promotion:
        """The same without its window; its hours stay."""
        return replace(self.promotion, starts_at=None, ends_at=None)


def moment_for(promotion: Promotion, zone: tzinfo, *, now: datetime) -> datetime:
    """Now, or its start where that is to come; and if its hours are closed then, their next."""
    at = max(now, promotion.starts_at or now)
    hours, local = promotion.conditions.hours, at.astimezone(zone)
    if hours and not any(one.hold(local) for one in hours):
        at = next_start(hours, local).astimezone(UTC)
    return at


def channel_for(promotion: Promotion) -> str | None:
    """A channel that it asks for, if it asks."""
    return min(promotion.conditions.channels, default=None)


def buyer_for(promotion: Promotion) -> Buyer:
    """A newcomer who is known and has what the conditions ask for, and nothing else."""
    asked = promotion.conditions
    communities = frozenset(sorted(asked.community_ids)[:1])
    roles: dict[UUID, str] = {}
    if asked.roles:
        roles = {min(communities, default=SOME_COMMUNITY): min(asked.roles)}
    return Buyer(
        paid_orders=(asked.nth_order or 1) - 1,
        tags=_tags_for(asked),
        community_ids=communities | roles.keys(),
        roles=roles,
        audience_ids=frozenset(sorted(asked.audience_ids)[:1]),
    )


def _tags_for(asked: Conditions) -> frozenset[str]:
    any_of = sorted(asked.member_tags_any - asked.member_tags_none)
    if asked.member_tags_any & asked.member_tags_all:
        any_of = []
    return asked.member_tags_all | frozenset(any_of[:1])
