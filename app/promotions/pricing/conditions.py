"""What a promotion may ask of the moment, the buyer and the basket, beyond its window and goods."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from app.core.money import LINES_MAX, PRICE_AMOUNT_MAX, QUANTITY_MAX
from app.promotions.pricing.ranges import check_range

DAY_MINUTES = 24 * 60
WEEKDAYS = range(1, 8)
NTH_ORDER_MAX = 1_000
HOURS_MAX = 28
SECOND = timedelta(seconds=1)
# Hours of one weekday may be over today, and be skipped with the clocks a week later.
DAYS_LOOKED_AT = 22


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of some weekdays (ISO, Monday is 1) of the shop: from the first, before the last."""

    weekdays: frozenset[int]
    from_minute: int = 0
    to_minute: int = DAY_MINUTES

    def __post_init__(self) -> None:
        """Refuse hours that never come."""
        if not self.weekdays or not self.weekdays <= set(WEEKDAYS):
            raise ValueError("hours need weekdays from 1 (Monday) to 7")
        check_range("from_minute", self.from_minute, 0, DAY_MINUTES - 1)
        check_range("to_minute", self.to_minute, self.from_minute + 1, DAY_MINUTES)

    def hold(self, local: datetime) -> bool:
        """Whether a moment of the shop's own clock lies within."""
        minute = local.hour * 60 + local.minute
        return local.isoweekday() in self.weekdays and self.from_minute <= minute < self.to_minute

    def next_start(self, local: datetime) -> datetime:
        """The next moment, in UTC, they begin after one of the shop's own clock outside them."""
        now, zone = local.astimezone(UTC), local.tzinfo
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return next(
            moment
            for days in range(DAYS_LOOKED_AT)
            for moment in self._may_begin(midnight + timedelta(days=days))
            if moment > now and self.hold(moment.astimezone(zone))
        )

    def _may_begin(self, day: datetime) -> list[datetime]:
        """The moments of a day at which hours begin: by the clock, or when the clock is changed."""
        start = day + timedelta(minutes=self.from_minute)
        # A time that a change repeats comes twice; one that it skips is told by the change.
        moments = [start.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
        return sorted([*moments, *_clock_changes(day)])


def _clock_changes(day: datetime) -> Iterator[datetime]:
    """The moment of a day, to the second, at which its zone sets the clocks."""
    early, late = day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC)
    before = day.utcoffset()
    if late.astimezone(day.tzinfo).utcoffset() == before:
        return
    while late - early > SECOND:
        middle = early + (late - early) // SECOND // 2 * SECOND
        if middle.astimezone(day.tzinfo).utcoffset() == before:
            early = middle
        else:
            late = middle
    yield late


@dataclass(frozen=True, slots=True)
class Minimum:
    """The least subtotal of the matching goods, inclusive.

    `gross` counts list prices. `running` counts what the layers before have left: prices as set
    for the item layer, the item layer's subtotal for the order layer, the order layer's for a
    coupon, and all goods discounts for what follows them.
    """

    amount: int
    basis: Literal["gross", "running"] = "running"

    def __post_init__(self) -> None:
        """Refuse a minimum of nothing, and one of nothing that is counted."""
        check_range("amount", self.amount, 1, PRICE_AMOUNT_MAX)
        if self.basis not in ("gross", "running"):
            raise ValueError("a minimum is gross or running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Each one that is set must hold; an empty set asks for nothing.

    `nth_order` wants the order to be the buyer's nth paid one in the shop. Roles are asked for in
    one of the communities named, or in any of the shop's where none is.
    """

    hours: tuple[Hours, ...] = ()
    new_buyers_only: bool = False
    nth_order: int | None = None
    community_ids: frozenset[UUID] = frozenset()
    roles: frozenset[str] = frozenset()
    member_tags_any: frozenset[str] = frozenset()
    member_tags_all: frozenset[str] = frozenset()
    member_tags_none: frozenset[str] = frozenset()
    audience_ids: frozenset[UUID] = frozenset()
    channels: frozenset[str] = frozenset()
    minimum: Minimum | None = None
    units_min: int | None = None

    def __post_init__(self) -> None:
        """Refuse conditions that contradict one another or lie out of bounds."""
        check_range("hours", len(self.hours), 0, HOURS_MAX)
        if self.nth_order is not None:
            check_range("nth_order", self.nth_order, 1, NTH_ORDER_MAX)
            if self.new_buyers_only and self.nth_order > 1:
                raise ValueError("a new buyer's order is the first")
        if self.units_min is not None:
            check_range("units_min", self.units_min, 1, QUANTITY_MAX * LINES_MAX)
        if (self.member_tags_any and self.member_tags_any <= self.member_tags_none) or (
            self.member_tags_all & self.member_tags_none
        ):
            raise ValueError("a member's tag is both asked for and forbidden")

    @property
    def ask_who(self) -> bool:
        """Whether the buyer has to be known."""
        return bool(
            self.new_buyers_only
            or self.nth_order
            or self.community_ids
            or self.roles
            or self.member_tags_any
            or self.member_tags_all
            or self.member_tags_none
            or self.audience_ids
        )


NOTHING_ASKED = Conditions()


def next_start(hours: Sequence[Hours], local: datetime) -> datetime:
    """When, in UTC, the first of them begins after a moment of the shop's own clock."""
    return min(one.next_start(local) for one in hours)
