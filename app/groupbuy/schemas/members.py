"""Shapes of campaigns, groups and seats as members see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from app.core.http.schema import Shown
from app.core.i18n import Language, money_text
from app.groupbuy.models import CampaignPhase, GroupStatus, LatePayment, SeatStatus
from app.groupbuy.rules.campaigns import ladder_of
from app.groupbuy.schemas.operators import (
    ID,
    CampaignAudience,
    CampaignTier,
    audience_shown,
)
from app.groupbuy.service.pages import CampaignCard, CampaignView, GroupView, ShareView
from app.promotions.schemas.mechanics import example


class CampaignListed(Shown):
    """A running campaign in a list."""

    model_config = example(
        id=f"{ID}1",
        shop_id=f"{ID}2",
        product_id=f"{ID}3",
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

    @classmethod
    def of(cls, card: CampaignCard) -> Self:
        """A card of the list."""
        return cls(
            **_fields(card.campaign, cls),
            currency=card.currency,
            lowest_group_amount=card.lowest_group_amount,
        )


class CampaignPriceShown(Shown):
    """What a variant costs: as listed, bought alone, together, and for who opens a group."""

    model_config = example(
        variant_id=f"{ID}4",
        title="2.5kg",
        list_amount=19_900,
        solo_amount=15_900,
        group_amount=9_900,
        leader_amount=8_900,
        is_available=True,
    )

    variant_id: UUID
    title: str
    list_amount: int
    solo_amount: int | None
    group_amount: int
    leader_amount: int | None
    is_available: bool


class CampaignShown(Shown):
    """A campaign as members see it; count down from `server_now`, not from the device's clock."""

    model_config = example(
        id=f"{ID}1",
        shop_id=f"{ID}2",
        product_id=f"{ID}3",
        name="杨梅三人团",
        phase="running",
        size=3,
        group_seconds=86_400,
        units_per_order_max=2,
        member_units_max=4,
        newcomers_only=False,
        audience={"community_ids": [f"{ID}8"]},
        ladder=[{"size": 5, "prices": [{"variant_id": f"{ID}4", "group_amount": 8_800}]}],
        min_paid=None,
        leader_reward_amount=None,
        late_payment="refund",
        starts_at="2026-06-18T00:00:00Z",
        ends_at="2026-06-25T00:00:00Z",
        server_now="2026-06-18T04:00:00Z",
        currency="CNY",
        prices=[
            {
                "variant_id": f"{ID}4",
                "title": "2.5kg",
                "list_amount": 19_900,
                "solo_amount": 15_900,
                "group_amount": 9_900,
                "leader_amount": 8_900,
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
    member_units_max: int | None
    newcomers_only: bool = Field(description="Only who has no paid order in the shop may join.")
    audience: CampaignAudience
    ladder: list[CampaignTier] = Field(
        description="Tiers above `size`: the difference to the one reached is paid back."
    )
    min_paid: int | None = Field(
        description="So many paid members are enough at the deadline; null: only a complete group."
    )
    leader_reward_amount: int | None = Field(description="Paid back to the leader at success.")
    late_payment: LatePayment
    starts_at: datetime
    ends_at: datetime
    server_now: datetime
    currency: str
    prices: list[CampaignPriceShown]

    @classmethod
    def of(cls, view: CampaignView, now: datetime) -> Self:
        """As its members see it now."""
        said = {
            "phase": view.phase,
            "server_now": now,
            "currency": view.currency,
            "audience": audience_shown(view.audience),
            "ladder": [CampaignTier.of(tier) for tier in ladder_of(view.campaign["ladder"])],
            "prices": [CampaignPriceShown.model_validate(price) for price in view.prices],
        }
        return cls(**_fields(view.campaign, cls) | said)


class OpenGroupShown(Shown):
    """A group one may join."""

    model_config = example(
        id=f"{ID}5",
        community_id=f"{ID}8",
        is_near=True,
        size=3,
        paid=2,
        seats_left=1,
        deadline_at="2026-06-19T04:00:00Z",
        server_now="2026-06-18T04:00:00Z",
    )

    id: UUID
    community_id: UUID | None
    is_near: bool = Field(description="It was opened in a community the caller belongs to.")
    size: int = Field(description="Places in all.")
    paid: int
    seats_left: int
    deadline_at: datetime
    server_now: datetime

    @classmethod
    def of(cls, row: Mapping[Any, Any], now: datetime) -> Self:
        """A row of the list."""
        return cls(
            id=row["id"],
            community_id=row["community_id"],
            is_near=row["far"] == 0,
            size=row["capacity"],
            paid=row["paid"],
            seats_left=row["capacity"] - row["taken"],
            deadline_at=row["deadline_at"],
            server_now=now,
        )


class GroupShown(Shown):
    """A group. The caller reads its own name and those of its fellows, members of a community of
    the shop that it belongs to, where they agreed to be shown; never for private goods.
    """

    model_config = example(
        id=f"{ID}5",
        shop_id=f"{ID}2",
        campaign_id=f"{ID}1",
        campaign_name="杨梅三人团",
        product_id=f"{ID}3",
        status="open",
        size=5,
        paid_min=3,
        paid=2,
        seats_left=3,
        opened_at="2026-06-18T04:00:00Z",
        deadline_at="2026-06-19T04:00:00Z",
        server_now="2026-06-18T05:00:00Z",
        leader_name="阿梅",
        member_names=[],
        others_count=1,
        fellows_count=1,
        fill_chance_bp=None,
        is_short=False,
        mine=False,
    )

    id: UUID
    shop_id: UUID
    campaign_id: UUID
    campaign_name: str
    product_id: UUID
    status: GroupStatus
    size: int = Field(description="Places in all.")
    paid_min: int = Field(description="So many paid members are enough at the deadline.")
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
    fellows_count: int | None = Field(
        description="Paid members the caller shares a community with; null for private goods."
    )
    fill_chance_bp: int | None = Field(
        description="Estimated chance in basis points that it comes together; null: no estimate."
    )
    is_short: bool = Field(description="It succeeded at its deadline with places left.")
    mine: bool = Field(description="The caller has a seat in it.")

    @classmethod
    def of(cls, view: GroupView, now: datetime) -> Self:
        """As its viewer sees it now."""
        row = view.group
        said = {
            "size": row["capacity"],
            "seats_left": row["capacity"] - row["taken"],
            "server_now": now,
            "leader_name": view.leader_name,
            "member_names": list(view.member_names),
            "others_count": view.others_count,
            "fellows_count": view.fellows_count,
            "fill_chance_bp": view.fill_chance_bp,
            "is_short": view.is_short,
            "mine": view.is_mine,
        }
        return cls(**_fields(row, cls) | said)


class GroupShareShown(Shown):
    """What a link or a poster for a group needs; the texts in the caller's language."""

    model_config = example(
        group_id=f"{ID}5",
        scene="AZLwwaXocACgAAAAAAAABQ",
        path=f"/groups/{ID}5",
        title="还差 1 人成团：杨梅三人团",
        text="拼团价 ¥99.00 起",
        currency="CNY",
        lowest_amount=9_900,
        seats_left=1,
        deadline_at="2026-06-19T04:00:00Z",
        server_now="2026-06-18T05:00:00Z",
    )

    group_id: UUID
    scene: str = Field(
        description="The group's id in 22 characters (base64url): fits a mini-program code."
    )
    path: str = Field(description="Of the group's page, to be put behind the shop's own address.")
    title: str
    text: str
    currency: str
    lowest_amount: int
    seats_left: int
    deadline_at: datetime | None
    server_now: datetime

    @classmethod
    def of(cls, view: ShareView, language: Language, now: datetime) -> Self:
        """In the words of a language."""
        row = view.group
        missing = max(row["paid_min"] - row["paid"], 0)
        price = money_text(view.lowest_amount, view.currency, language)
        titles, texts = _SHARED[language]
        title = titles[min(missing, len(titles) - 1)]
        return cls(
            group_id=row["id"],
            scene=view.scene,
            path=f"/groups/{row['id']}",
            title=title.format(missing=missing, name=row["campaign_name"]),
            text=texts.format(price=price),
            currency=view.currency,
            lowest_amount=view.lowest_amount,
            seats_left=row["capacity"] - row["taken"],
            deadline_at=row["deadline_at"],
            server_now=now,
        )


# Titles by how many members are missing: none, one, more; and what follows.
_SHARED: Mapping[Language, tuple[Sequence[str], str]] = {
    "zh-CN": (
        ("一起拼：{name}", "还差 1 人成团：{name}", "还差 {missing} 人成团：{name}"),
        "拼团价 {price} 起",
    ),
    "en": (
        ("Buy together: {name}", "1 more to go: {name}", "{missing} more to go: {name}"),
        "From {price} together",
    ),
}


class SeatShown(Shown):
    """One of the caller's seats, and how its group stands."""

    model_config = example(
        id=f"{ID}6",
        order_id=f"{ID}7",
        shop_id=f"{ID}2",
        campaign_id=f"{ID}1",
        campaign_name="杨梅三人团",
        product_id=f"{ID}3",
        group_id=f"{ID}5",
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


def _fields(row: Mapping[Any, Any], shape: type[Shown]) -> dict[str, Any]:
    return {name: row[name] for name in shape.model_fields if name in row}
