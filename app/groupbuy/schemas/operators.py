"""Shapes of campaigns as operators send and see them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.core.http.schema import (
    Amount,
    Flag,
    Line,
    Moment,
    PositiveAmount,
    Quantity,
    Shown,
    Wish,
)
from app.groupbuy.models import CampaignPhase, LatePayment, SeatStatus
from app.groupbuy.rules.campaigns import GroupPriceWish, audience_of
from app.groupbuy.service.campaigns import OperatorView, SeatFigures
from app.promotions.pricing.group_price import LADDER_MAX, LadderTier
from app.promotions.schemas.conditions import Groups
from app.promotions.schemas.mechanics import NO_IDS, NO_TAGS, Tags, example

SIZE_MAX = 100
GROUP_SECONDS_MAX = 7 * 86_400
QUOTA_MAX = 10**9
PRICES_MAX = 100

Size = Annotated[int, Field(strict=True, ge=2, le=SIZE_MAX, description="Members of one group.")]
GroupSeconds = Annotated[
    int,
    Field(strict=True, ge=60, le=GROUP_SECONDS_MAX, description="From the leader's payment on."),
]
Quota = Annotated[
    int, Field(strict=True, ge=1, le=QUOTA_MAX, description="Units of the whole campaign.")
]

ID = "0192f0c1-a5e8-7000-a000-00000000000"
_PRICE = {"variant_id": f"{ID}4", "group_amount": 9_900, "leader_amount": 8_900}
_AUDIENCE = {"community_ids": [f"{ID}8"], "member_tags_any": ["parent"]}
_LADDER = [{"size": 5, "prices": [{"variant_id": f"{ID}4", "group_amount": 8_800}]}]


class GroupAmount(Wish):
    """What one unit of a variant costs together."""

    model_config = example(variant_id=f"{ID}4", group_amount=9_900)

    variant_id: UUID
    group_amount: Amount


class CampaignPrice(GroupAmount):
    """What one unit of a variant costs together, and whoever opens the group."""

    model_config = example(**_PRICE)

    leader_amount: Amount | None = Field(
        default=None, description="What the leader pays; null: what everybody pays."
    )


TierPrices = Annotated[tuple[GroupAmount, ...], Field(min_length=1, max_length=PRICES_MAX)]
Prices = Annotated[tuple[CampaignPrice, ...], Field(min_length=1, max_length=PRICES_MAX)]


class CampaignTier(Wish):
    """From so many members on, the lower price that all of them have paid in the end."""

    model_config = example(**_LADDER[0])

    size: Size
    prices: TierPrices

    @model_validator(mode="after")
    def _each_variant_once(self) -> Self:
        if len({price.variant_id for price in self.prices}) < len(self.prices):
            raise ValueError("a variant has one price in a tier")
        return self

    def tier(self) -> LadderTier:
        """As the rules take it."""
        return LadderTier(self.size, {p.variant_id: p.group_amount for p in self.prices})

    @classmethod
    def of(cls, tier: LadderTier) -> Self:
        """As it is shown."""
        prices = tuple(
            GroupAmount(variant_id=v, group_amount=a) for v, a in sorted(tier.amounts.items())
        )
        return cls(size=tier.size, prices=prices)


class CampaignAudience(Wish):
    """Who may take part; everything that is set must hold, nothing set is everybody."""

    model_config = example(**_AUDIENCE)

    community_ids: Groups = Field(
        default=NO_IDS, description="Members of one of these communities of the shop."
    )
    audience_ids: Groups = Field(
        default=NO_IDS, description="Members of one of these named audiences of the shop."
    )
    member_tags_any: Tags = NO_TAGS
    member_tags_all: Tags = NO_TAGS
    member_tags_none: Tags = NO_TAGS

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        audience_of(self.model_dump())
        return self


Ladder = Annotated[tuple[CampaignTier, ...], Field(max_length=LADDER_MAX)]
_TERMS: dict[str, Any] = {
    "name": "杨梅三人团",
    "size": 3,
    "group_seconds": 86_400,
    "starts_at": "2026-06-18T00:00:00Z",
    "ends_at": "2026-06-25T00:00:00Z",
    "stock_quota": 600,
    "units_per_order_max": 2,
    "member_units_max": 4,
    "newcomers_only": False,
    "audience": _AUDIENCE,
    "ladder": _LADDER,
    "min_paid": None,
    "leader_reward_amount": None,
    "late_payment": "refund",
    "prices": [_PRICE],
}
_MIN_PAID = (
    "Complete short: so many paid members are enough at the deadline; null: only a complete group"
    " succeeds. Members are told, and nobody is made up."
)
_REWARD = "Money back for whoever leads a group that succeeds; not beside a leader's price."
_LATE = "Money that comes for a seat given up: back to its member, or seated again where it can be."
MinPaid = Annotated[int, Field(strict=True, ge=2, le=SIZE_MAX, description=_MIN_PAID)]
Reward = Annotated[PositiveAmount, Field(description=_REWARD)]


class AddCampaign(Wish):
    """A campaign to be drafted: one product, and a group price for each variant that takes part."""

    model_config = example(product_id=f"{ID}3", **_TERMS)

    name: Line
    product_id: UUID
    size: Size
    group_seconds: GroupSeconds
    starts_at: Moment
    ends_at: Moment
    stock_quota: Quota | None = None
    units_per_order_max: Quantity | None = None
    member_units_max: Quantity | None = Field(
        default=None, description="Units that one member may have of the whole campaign."
    )
    newcomers_only: Flag = Field(
        default=False, description="Only who has no paid order in the shop may join a group."
    )
    audience: CampaignAudience = CampaignAudience()
    ladder: Ladder = Field(
        default=(),
        description="Tiers above `size`: everybody pays the first price at once, and gets the"
        " difference to the tier that the group has reached back when it succeeds.",
    )
    min_paid: MinPaid | None = None
    leader_reward_amount: Reward | None = None
    late_payment: LatePayment = Field(default=LatePayment.REFUND, description=_LATE)
    prices: Prices


def _never_read() -> datetime:
    return datetime(2000, 1, 1, tzinfo=UTC)


class EditCampaign(Wish):
    """Changes before the start; only what is sent is changed, and `prices` replaces all prices.

    The default factories are never read: they make a field optional without allowing null.
    """

    model_config = example(size=5, prices=[_PRICE])

    name: Line = Field(default_factory=str)
    size: Size = Field(default_factory=int)
    group_seconds: GroupSeconds = Field(default_factory=int)
    starts_at: Moment = Field(default_factory=_never_read)
    ends_at: Moment = Field(default_factory=_never_read)
    stock_quota: Quota | None = None
    units_per_order_max: Quantity | None = None
    member_units_max: Quantity | None = None
    newcomers_only: Flag = False
    audience: CampaignAudience = CampaignAudience()
    ladder: Ladder = ()
    min_paid: MinPaid | None = None
    leader_reward_amount: Reward | None = None
    late_payment: LatePayment = LatePayment.REFUND
    prices: Prices = Field(default_factory=tuple)


def wished(wish: AddCampaign | EditCampaign) -> dict[str, Any]:
    """What was said about a campaign, as the rules take it; of an edit only what was sent."""
    said = wish.model_dump(exclude_unset=isinstance(wish, EditCampaign))
    read: Mapping[str, Any] = {
        "prices": lambda: tuple(sorted(map(_price, wish.prices), key=lambda p: p.variant_id)),
        "ladder": lambda: tuple(tier.tier() for tier in wish.ladder),
        "audience": lambda: audience_of(wish.audience.model_dump()),
    }
    return said | {name: value() for name, value in read.items() if name in said}


def _price(price: CampaignPrice) -> GroupPriceWish:
    return GroupPriceWish(price.variant_id, price.group_amount, price.leader_amount)


class StopCampaign(Wish):
    """What becomes of groups that gather: they run on, or end now with every paid seat refunded."""

    model_config = example(end_groups=True)

    end_groups: Flag = False


class GroupCounts(Shown):
    """Groups of a campaign by status."""

    model_config = example(pending=1, open=4, succeeded=20, failed=3, cancelled=0)

    pending: int = 0
    open: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0


class SeatSums(Shown):
    """Seats in one state: how many, their units, and what these cost as promised."""

    model_config = example(seats=66, units=71, goods_amount=702_900)

    seats: int = 0
    units: int = 0
    goods_amount: int = 0


class SeatCounts(Shown):
    """Seats of a campaign by state; `paid` is money received for groups that still gather."""

    model_config = example(
        reserved={"seats": 3, "units": 3, "goods_amount": 29_700},
        paid={"seats": 6, "units": 8, "goods_amount": 79_200},
        confirmed={"seats": 60, "units": 63, "goods_amount": 623_700},
        refund_due={"seats": 1, "units": 1, "goods_amount": 9_900},
        refund_failed={"seats": 0, "units": 0, "goods_amount": 0},
        refunded={"seats": 4, "units": 4, "goods_amount": 39_600},
        released={"seats": 9, "units": 9, "goods_amount": 89_100},
    )

    reserved: SeatSums = SeatSums()
    paid: SeatSums = SeatSums()
    confirmed: SeatSums = SeatSums()
    refund_due: SeatSums = SeatSums()
    refund_failed: SeatSums = SeatSums()
    refunded: SeatSums = SeatSums()
    released: SeatSums = SeatSums()

    @classmethod
    def of(cls, figures: Mapping[SeatStatus, SeatFigures]) -> Self:
        """As it is counted."""
        return cls(**{status.value: SeatSums(**asdict(sums)) for status, sums in figures.items()})


_COUNTS = {"pending": 1, "open": 4, "succeeded": 20, "failed": 3, "cancelled": 0}


class OperatorCampaignShown(Shown):
    """A campaign as its operators see it, with live figures."""

    model_config = example(
        id=f"{ID}1",
        shop_id=f"{ID}2",
        product_id=f"{ID}3",
        phase="running",
        **_TERMS,
        stop_ends_groups=False,
        quota_taken=71,
        groups=_COUNTS,
        seats={"paid": {"seats": 6, "units": 8, "goods_amount": 79_200}},
        version=2,
        created_at="2026-06-17T04:00:00Z",
    )

    id: UUID
    shop_id: UUID
    product_id: UUID
    name: str
    phase: CampaignPhase
    size: int
    group_seconds: int
    starts_at: datetime
    ends_at: datetime
    stock_quota: int | None
    units_per_order_max: int | None
    member_units_max: int | None
    newcomers_only: bool
    audience: CampaignAudience
    ladder: list[CampaignTier]
    min_paid: int | None
    leader_reward_amount: int | None
    late_payment: LatePayment
    prices: list[CampaignPrice]
    stop_ends_groups: bool = Field(description="It was stopped, and its groups with it.")
    quota_taken: int = Field(description="Units promised or sold; 0 where there is no quota.")
    groups: GroupCounts
    seats: SeatCounts
    version: int
    created_at: datetime

    @classmethod
    def of(cls, view: OperatorView) -> Self:
        """As an operator sees it."""
        wish = view.wish
        row = {n: view.campaign[n] for n in cls.model_fields if n in view.campaign}
        return cls(
            **row
            | {
                "phase": view.phase,
                "audience": audience_shown(wish.audience),
                "ladder": [CampaignTier.of(tier) for tier in wish.ladder],
                "prices": [CampaignPrice(**asdict(price)) for price in wish.prices],
                "groups": GroupCounts(**{s.value: n for s, n in view.board.groups.items()}),
                "seats": SeatCounts.of(view.board.seats),
            }
        )


def audience_shown(audience: Any) -> CampaignAudience:
    """What a campaign asks of who takes part, published."""
    return CampaignAudience(**{n: getattr(audience, n) for n in CampaignAudience.model_fields})
