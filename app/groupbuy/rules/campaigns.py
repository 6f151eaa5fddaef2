"""What an operator says about a campaign, when it runs, and what it may not say."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from app.groupbuy.errors import BadCampaign
from app.groupbuy.models import CampaignPhase, CampaignStatus, LatePayment
from app.promotions.pricing.conditions import NOTHING_ASKED, Conditions
from app.promotions.pricing.group_price import LadderTier, earned_amount

# What a campaign may ask of who takes part: declared by the member or given by the shop.
AUDIENCE_IDS = ("community_ids", "audience_ids")
AUDIENCE_TAGS = ("member_tags_any", "member_tags_all", "member_tags_none")


def phase(
    status: CampaignStatus, starts_at: datetime, ends_at: datetime, now: datetime
) -> CampaignPhase:
    """What a campaign is right now: draft, scheduled, running, ended or stopped."""
    if status is not CampaignStatus.SCHEDULED:
        return CampaignPhase(status.value)
    if now < starts_at:
        return CampaignPhase.SCHEDULED
    return CampaignPhase.RUNNING if now < ends_at else CampaignPhase.ENDED


@dataclass(frozen=True, slots=True)
class GroupPriceWish:
    """What one unit of a variant shall cost together, and whoever opens the group."""

    variant_id: UUID
    group_amount: int
    leader_amount: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignWish:
    """What an operator says about a campaign.

    `ladder` has the tiers above `size`; `min_paid` turns complete short on.
    """

    name: str
    product_id: UUID
    size: int
    group_seconds: int
    starts_at: datetime
    ends_at: datetime
    stock_quota: int | None = None
    units_per_order_max: int | None = None
    member_units_max: int | None = None
    newcomers_only: bool = False
    audience: Conditions = NOTHING_ASKED
    ladder: tuple[LadderTier, ...] = ()
    min_paid: int | None = None
    leader_reward_amount: int | None = None
    late_payment: LatePayment = LatePayment.REFUND
    prices: Sequence[GroupPriceWish] = field(default_factory=tuple)

    @property
    def capacity(self) -> int:
        """How many a group has room for: the largest tier."""
        return capacity_of(self.size, self.ladder)


def capacity_of(size: int, ladder: Iterable[LadderTier]) -> int:
    """How many places a group has by its smallest size and the tiers above it."""
    return max((tier.size for tier in ladder), default=size)


def audience_of(stored: Mapping[str, Any]) -> Conditions:
    """What a stored audience asks for; `ValueError` where it contradicts itself."""
    if not stored:
        return NOTHING_ASKED
    ids = [frozenset(map(UUID, map(str, stored.get(name, ())))) for name in AUDIENCE_IDS]
    tags = [frozenset(map(str, stored.get(name, ()))) for name in AUDIENCE_TAGS]
    if not any((*ids, *tags)):
        return NOTHING_ASKED
    return Conditions(
        community_ids=ids[0],
        audience_ids=ids[1],
        member_tags_any=tags[0],
        member_tags_all=tags[1],
        member_tags_none=tags[2],
    )


def stored_audience(audience: Conditions) -> dict[str, list[str]]:
    """An audience as it is kept: only what is asked for, in one order."""
    named = {n: sorted(map(str, getattr(audience, n))) for n in (*AUDIENCE_IDS, *AUDIENCE_TAGS)}
    return {name: asked for name, asked in named.items() if asked}


def ladder_of(stored: Sequence[Mapping[str, Any]]) -> tuple[LadderTier, ...]:
    """The tiers of a stored ladder, the smallest first."""
    return tuple(
        LadderTier(tier["size"], {UUID(v): amount for v, amount in tier["amounts"].items()})
        for tier in stored
    )


def stored_ladder(ladder: Iterable[LadderTier]) -> list[dict[str, Any]]:
    """A ladder as it is kept."""
    return [
        {"size": tier.size, "amounts": {str(v): a for v, a in sorted(tier.amounts.items())}}
        for tier in ladder
    ]


def rebate_per_unit(
    unit_amount: int, variant_id: UUID, ladder: Sequence[LadderTier], paid: int
) -> int:
    """What a group of so many has earned back on a unit that was paid at this amount."""
    return unit_amount - earned_amount(unit_amount, variant_id, ladder, paid)


@dataclass(frozen=True, slots=True)
class VariantTerms:
    """What of a variant a group price is held against."""

    list_amount: int
    solo_amount: int | None
    floor_amount: int
    is_archived: bool


def check_campaign(wish: CampaignWish, variants: Mapping[UUID, VariantTerms]) -> None:
    """Refuse a campaign that contradicts itself or its product, whose variants are given."""
    _check_terms(wish)
    named = Counter(price.variant_id for price in wish.prices)
    twice = sorted(str(variant_id) for variant_id, times in named.items() if times > 1)
    if twice:
        raise BadCampaign(reason="duplicate_variant", variant_ids=twice)
    for price in wish.prices:
        _check_price(price, variants.get(price.variant_id))
    _check_ladder(wish, variants)
    _check_leader(wish, variants)


def _check_terms(wish: CampaignWish) -> None:
    if wish.starts_at >= wish.ends_at:
        raise BadCampaign(reason="window")
    if wish.stock_quota is not None and wish.stock_quota < wish.size:
        raise BadCampaign(reason="quota_below_size", size=wish.size)
    if wish.min_paid is not None and not 2 <= wish.min_paid < wish.size:
        raise BadCampaign(reason="min_paid", size=wish.size)


def _check_price(price: GroupPriceWish, variant: VariantTerms | None) -> None:
    variant_id = str(price.variant_id)
    if variant is None:
        raise BadCampaign(reason="variant_not_of_product", variant_id=variant_id)
    if variant.is_archived:
        raise BadCampaign(reason="variant_archived", variant_id=variant_id)
    alone = variant.list_amount if variant.solo_amount is None else variant.solo_amount
    if price.group_amount > alone:
        raise BadCampaign(reason="above_solo", variant_id=variant_id, most_amount=alone)
    leads = price.group_amount if price.leader_amount is None else price.leader_amount
    if leads > price.group_amount:
        most = price.group_amount
        raise BadCampaign(reason="leader_above_group", variant_id=variant_id, most_amount=most)
    _check_floor(price.variant_id, min(price.group_amount, leads), variant)


def _check_floor(variant_id: UUID, amount: int, variant: VariantTerms) -> None:
    least = variant.floor_amount
    if amount < least:
        raise BadCampaign(reason="below_floor", variant_id=str(variant_id), least_amount=least)


def _check_ladder(wish: CampaignWish, variants: Mapping[UUID, VariantTerms]) -> None:
    sizes = [wish.size, *(tier.size for tier in wish.ladder)]
    if any(larger <= smaller for smaller, larger in pairwise(sizes)):
        raise BadCampaign(reason="ladder_sizes", sizes=sizes)
    earned = {price.variant_id: price.group_amount for price in wish.prices}
    for tier in wish.ladder:
        strange = sorted(str(v) for v in tier.amounts if v not in earned)
        if strange:
            raise BadCampaign(reason="ladder_variant", variant_ids=strange)
        if not _falls(tier, earned):
            raise BadCampaign(reason="ladder_not_falling", size=tier.size)
        earned |= tier.amounts
        for variant_id, amount in tier.amounts.items():
            _check_floor(variant_id, amount, variants[variant_id])


def _falls(tier: LadderTier, before: Mapping[UUID, int]) -> bool:
    """Whether a tier makes something cheaper and nothing dearer."""
    changes = [amount - before[variant_id] for variant_id, amount in tier.amounts.items()]
    return any(change < 0 for change in changes) and all(change <= 0 for change in changes)


def _check_leader(wish: CampaignWish, variants: Mapping[UUID, VariantTerms]) -> None:
    """A reward is money back on what the leader paid: it may not go under the floor either."""
    if wish.leader_reward_amount is None:
        return
    if any(price.leader_amount is not None for price in wish.prices):
        raise BadCampaign(reason="leader_twice")
    for price in wish.prices:
        least_paid = earned_amount(price.group_amount, price.variant_id, wish.ladder, wish.capacity)
        most = least_paid - variants[price.variant_id].floor_amount
        if wish.leader_reward_amount > most:
            variant_id = str(price.variant_id)
            raise BadCampaign(reason="reward_too_high", variant_id=variant_id, most_amount=most)
