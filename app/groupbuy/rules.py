"""The states of groups and seats as tables, when a campaign runs, and what it may not say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.groupbuy.errors import BadCampaign
from app.groupbuy.models import CampaignPhase, CampaignStatus, GroupStatus, SeatStatus

GROUP_MOVES: Mapping[GroupStatus, frozenset[GroupStatus]] = {
    GroupStatus.PENDING: frozenset({GroupStatus.OPEN, GroupStatus.CANCELLED}),
    GroupStatus.OPEN: frozenset({GroupStatus.SUCCEEDED, GroupStatus.FAILED, GroupStatus.CANCELLED}),
    GroupStatus.SUCCEEDED: frozenset(),
    GroupStatus.FAILED: frozenset(),
    GroupStatus.CANCELLED: frozenset(),
}
assert GROUP_MOVES.keys() == set(GroupStatus), "every state has a row"

SEAT_MOVES: Mapping[SeatStatus, frozenset[SeatStatus]] = {
    SeatStatus.RESERVED: frozenset({SeatStatus.PAID, SeatStatus.RELEASED}),
    SeatStatus.PAID: frozenset({SeatStatus.CONFIRMED, SeatStatus.REFUND_DUE}),
    SeatStatus.CONFIRMED: frozenset(),
    # Money may come for a seat that was given up: it goes back.
    SeatStatus.RELEASED: frozenset({SeatStatus.REFUND_DUE}),
    SeatStatus.REFUND_DUE: frozenset({SeatStatus.REFUNDED}),
    SeatStatus.REFUNDED: frozenset(),
}
assert SEAT_MOVES.keys() == set(SeatStatus), "every state has a row"


def phase(
    status: CampaignStatus, starts_at: datetime, ends_at: datetime, now: datetime
) -> CampaignPhase:
    """What a campaign is right now: draft, scheduled, running, ended or stopped."""
    if status is not CampaignStatus.SCHEDULED:
        return CampaignPhase(status.value)
    if now < starts_at:
        return CampaignPhase.SCHEDULED
    return CampaignPhase.RUNNING if now < ends_at else CampaignPhase.ENDED


def seat_expiry(now: datetime, ttl_seconds: int, deadline_at: datetime | None) -> datetime:
    """How long a seat is held unpaid: never past its group's deadline.

    Money taken after the deadline would have to go back, so no payment may begin then; the grace
    is for news of money that was taken before.
    """
    until = now + timedelta(seconds=ttl_seconds)
    return until if deadline_at is None else min(until, deadline_at)


@dataclass(frozen=True, slots=True)
class GroupPriceWish:
    """What one unit of a variant shall cost together."""

    variant_id: UUID
    group_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignWish:
    """What an operator says about a campaign."""

    name: str
    product_id: UUID
    size: int
    group_seconds: int
    starts_at: datetime
    ends_at: datetime
    stock_quota: int | None
    units_per_order_max: int | None
    prices: Sequence[GroupPriceWish]


@dataclass(frozen=True, slots=True)
class VariantTerms:
    """What of a variant a group price is held against."""

    list_amount: int
    solo_amount: int | None
    floor_amount: int
    is_archived: bool


def check_campaign(wish: CampaignWish, variants: Mapping[UUID, VariantTerms]) -> None:
    """Refuse a campaign that contradicts itself or its product, whose variants are given."""
    if wish.starts_at >= wish.ends_at:
        raise BadCampaign(reason="window")
    if wish.stock_quota is not None and wish.stock_quota < wish.size:
        raise BadCampaign(reason="quota_below_size", size=wish.size)
    named = Counter(price.variant_id for price in wish.prices)
    twice = sorted(str(variant_id) for variant_id, times in named.items() if times > 1)
    if twice:
        raise BadCampaign(reason="duplicate_variant", variant_ids=twice)
    for price in wish.prices:
        _check_price(price, variants.get(price.variant_id))


def _check_price(price: GroupPriceWish, variant: VariantTerms | None) -> None:
    variant_id = str(price.variant_id)
    if variant is None:
        raise BadCampaign(reason="variant_not_of_product", variant_id=variant_id)
    if variant.is_archived:
        raise BadCampaign(reason="variant_archived", variant_id=variant_id)
    alone = variant.list_amount if variant.solo_amount is None else variant.solo_amount
    if price.group_amount > alone:
        raise BadCampaign(reason="above_solo", variant_id=variant_id, most_amount=alone)
    if price.group_amount < variant.floor_amount:
        least = variant.floor_amount
        raise BadCampaign(reason="below_floor", variant_id=variant_id, least_amount=least)
