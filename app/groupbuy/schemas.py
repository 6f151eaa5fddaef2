"""Shapes of group buys: what operators send and see, and what members see."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.core.http.schema import Amount, Line, Moment, Quantity, Shown, Wish
from app.groupbuy.models import CampaignPhase, GroupStatus, SeatStatus

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

_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_PRICE = {"variant_id": f"{_ID}4", "group_amount": 9_900}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class GroupAmount(Wish):
    """What one unit of a variant costs together."""

    model_config = _example(**_PRICE)

    variant_id: UUID
    group_amount: Amount


Prices = Annotated[tuple[GroupAmount, ...], Field(min_length=1, max_length=PRICES_MAX)]
_TERMS: dict[str, Any] = {
    "name": "杨梅三人团",
    "size": 3,
    "group_seconds": 86_400,
    "starts_at": "2026-06-18T00:00:00Z",
    "ends_at": "2026-06-25T00:00:00Z",
    "stock_quota": 600,
    "units_per_order_max": 2,
    "prices": [_PRICE],
}


class AddCampaign(Wish):
    """A campaign to be drafted: one product, and a group price for each variant that takes part."""

    model_config = _example(product_id=f"{_ID}3", **_TERMS)

    name: Line
    product_id: UUID
    size: Size
    group_seconds: GroupSeconds
    starts_at: Moment
    ends_at: Moment
    stock_quota: Quota | None = None
    units_per_order_max: Quantity | None = None
    prices: Prices


def _never_read() -> datetime:
    return datetime(2000, 1, 1, tzinfo=UTC)


class EditCampaign(Wish):
    """Changes before the start; only what is sent is changed, and `prices` replaces all prices.

    The default factories are never read: they make a field optional without allowing null.
    """

    model_config = _example(size=5, prices=[_PRICE])

    name: Line = Field(default_factory=str)
    size: Size = Field(default_factory=int)
    group_seconds: GroupSeconds = Field(default_factory=int)
    starts_at: Moment = Field(default_factory=_never_read)
    ends_at: Moment = Field(default_factory=_never_read)
    stock_quota: Quota | None = None
    units_per_order_max: Quantity | None = None
    prices: Prices = Field(default_factory=tuple)


class GroupCounts(Shown):
    """Groups of a campaign by status."""

    model_config = _example(pending=1, open=4, succeeded=20, failed=3, cancelled=0)

    pending: int = 0
    open: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0


_COUNTS = {"pending": 1, "open": 4, "succeeded": 20, "failed": 3, "cancelled": 0}


class OperatorCampaignShown(Shown):
    """A campaign as its operators see it, with live figures."""

    model_config = _example(
        id=f"{_ID}1",
        shop_id=f"{_ID}2",
        product_id=f"{_ID}3",
        phase="running",
        **_TERMS,
        quota_taken=71,
        groups=_COUNTS,
        seats_taken=69,
        seats_paid=66,
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
    prices: list[GroupAmount]
    quota_taken: int = Field(description="Units promised or sold; 0 where there is no quota.")
    groups: GroupCounts
    seats_taken: int = Field(description="Seats held or paid in groups that live or succeeded.")
    seats_paid: int
    version: int
    created_at: datetime


class CampaignListed(Shown):
    """A running campaign in a list."""

    model_config = _example(
        id=f"{_ID}1",
        shop_id=f"{_ID}2",
        product_id=f"{_ID}3",
        name="杨梅三人团",
        size=3,
        ends_at="2026-06-25T00:00:00Z",
        currency="CNY",
        lowest_group_amount=9_900,
    )

    id: UUID
    shop_id: UUID
    product_id: UUID
    name: str
    size: int
    ends_at: datetime
    currency: str
    lowest_group_amount: int


class CampaignPriceShown(Shown):
    """What a variant costs: as listed, bought alone, and together."""

    model_config = _example(
        variant_id=f"{_ID}4",
        title="2.5kg",
        list_amount=19_900,
        solo_amount=15_900,
        group_amount=9_900,
        is_available=True,
    )

    variant_id: UUID
    title: str
    list_amount: int
    solo_amount: int | None
    group_amount: int
    is_available: bool


class CampaignShown(Shown):
    """A campaign as members see it; count down from `server_now`, not from the device's clock."""

    model_config = _example(
        id=f"{_ID}1",
        shop_id=f"{_ID}2",
        product_id=f"{_ID}3",
        name="杨梅三人团",
        phase="running",
        size=3,
        group_seconds=86_400,
        units_per_order_max=2,
        starts_at="2026-06-18T00:00:00Z",
        ends_at="2026-06-25T00:00:00Z",
        server_now="2026-06-18T04:00:00Z",
        currency="CNY",
        prices=[
            {
                "variant_id": f"{_ID}4",
                "title": "2.5kg",
                "list_amount": 19_900,
                "solo_amount": 15_900,
                "group_amount": 9_900,
                "is_available": True,
            }
        ],
    )

    id: UUID
    shop_id: UUID
    product_id: UUID
    name: str
    phase: CampaignPhase
    size: int
    group_seconds: int
    units_per_order_max: int | None
    starts_at: datetime
    ends_at: datetime
    server_now: datetime
    currency: str
    prices: list[CampaignPriceShown]


class OpenGroupShown(Shown):
    """A group one may join."""

    model_config = _example(
        id=f"{_ID}5",
        size=3,
        paid=2,
        seats_left=1,
        deadline_at="2026-06-19T04:00:00Z",
        server_now="2026-06-18T04:00:00Z",
    )

    id: UUID
    size: int
    paid: int
    seats_left: int
    deadline_at: datetime
    server_now: datetime


class GroupShown(Shown):
    """A group. The caller reads its own name and those of its fellows, members of a community of
    the shop that it belongs to, where they agreed to be shown; never for private goods.
    """

    model_config = _example(
        id=f"{_ID}5",
        shop_id=f"{_ID}2",
        campaign_id=f"{_ID}1",
        campaign_name="杨梅三人团",
        product_id=f"{_ID}3",
        status="open",
        size=3,
        paid=2,
        seats_left=1,
        opened_at="2026-06-18T04:00:00Z",
        deadline_at="2026-06-19T04:00:00Z",
        server_now="2026-06-18T05:00:00Z",
        leader_name="阿梅",
        member_names=[],
        others_count=1,
        mine=False,
    )

    id: UUID
    shop_id: UUID
    campaign_id: UUID
    campaign_name: str
    product_id: UUID
    status: GroupStatus
    size: int
    paid: int
    seats_left: int
    opened_at: datetime | None
    deadline_at: datetime | None = Field(description="Null until the leader has paid.")
    server_now: datetime
    leader_name: str | None = Field(
        description="Null unless the leader may be named to the caller."
    )
    member_names: list[str] = Field(description="Paid members besides the leader who are named.")
    others_count: int = Field(description="Paid members who are not named.")
    mine: bool = Field(description="The caller has a seat in it.")


class SeatShown(Shown):
    """One of the caller's seats, and how its group stands."""

    model_config = _example(
        id=f"{_ID}6",
        order_id=f"{_ID}7",
        shop_id=f"{_ID}2",
        campaign_id=f"{_ID}1",
        campaign_name="杨梅三人团",
        product_id=f"{_ID}3",
        group_id=f"{_ID}5",
        quantity=1,
        status="paid",
        group_status="open",
        size=3,
        paid=2,
        seats_left=1,
        created_at="2026-06-18T04:00:00Z",
        expires_at="2026-06-18T04:15:00Z",
        deadline_at="2026-06-19T04:00:00Z",
    )

    id: UUID
    order_id: UUID
    shop_id: UUID
    campaign_id: UUID
    campaign_name: str
    product_id: UUID
    group_id: UUID
    quantity: int
    status: SeatStatus
    group_status: GroupStatus
    size: int
    paid: int
    seats_left: int
    created_at: datetime
    expires_at: datetime = Field(description="Until when the seat is held unpaid.")
    deadline_at: datetime | None
