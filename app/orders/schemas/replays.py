"""Shapes of replays: a promotion tried on past orders."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.core.http.schema import Shown
from app.orders.rules import Replayed, dearest, nearest_rank
from app.orders.service.replay import Replay
from app.promotions.rules.drafts import DRAFT_ID
from app.promotions.rules.trials import Outcome
from app.promotions.schemas.mechanics import example
from app.promotions.schemas.previews import PromotionTried

DAYS_MAX = 90

_DRAFT = {
    "name_zh": "满200减20",
    "name_en": "20 off 200",
    "rule": {
        "kind": "spend_threshold",
        "tiers": [{"threshold_amount": 20_000, "off_amount": 2_000}],
    },
}
_ORDER = {
    "order_id": "0192f0c1-a5e8-7000-a000-000000000007",
    "placed_at": "2026-06-17T04:00:00Z",
    "total_amount": 20_400,
    "with_amount": 18_400,
    "without_amount": 20_400,
    "cost_amount": 2_000,
    "margin_amount": 6_400,
}
_SUMS: dict[str, Any] = {"pay_amount": 57_300, "margin_amount": 21_300, "below_cost_orders": 0}


class PromotionReplayWish(PromotionTried):
    """What to try, on the paid orders of how many days."""

    model_config = example(promotion=_DRAFT, days=30)

    days: Annotated[int, Field(strict=True, ge=1, le=DAYS_MAX)] = 30


class ReplayedOrder(Shown):
    """An order on which it applied: what was paid, and what would have been."""

    model_config = example(**_ORDER)

    order_id: UUID
    placed_at: datetime
    total_amount: int = Field(description="As it was placed.")
    with_amount: int
    without_amount: int = Field(description="With the live promotions of today.")
    cost_amount: int
    margin_amount: int | None = Field(description="With it; null where a cost is unknown.")

    @staticmethod
    def of(row: Replayed) -> "ReplayedOrder":
        """A row of the list."""
        return ReplayedOrder(
            order_id=row.order.id,
            placed_at=row.order.placed_at,
            total_amount=row.order.total_amount,
            with_amount=row.pair.with_promotion.pay_amount,
            without_amount=row.pair.without_promotion.pay_amount,
            cost_amount=row.cost_amount,
            margin_amount=row.pair.with_promotion.margin_amount,
        )


class ReplaySums(Shown):
    """All orders looked at together."""

    model_config = example(**_SUMS)

    pay_amount: int
    margin_amount: int = Field(description="Of the orders of which all costs are known.")
    below_cost_orders: int = Field(description="Orders with a line that brings less than it costs.")

    @staticmethod
    def of(found: Iterable[Outcome]) -> "ReplaySums":
        """The sums of one side."""
        rows = list(found)
        margins = [row.margin_amount for row in rows if row.margin_amount is not None]
        return ReplaySums(
            pay_amount=sum(row.pay_amount for row in rows),
            margin_amount=sum(margins),
            below_cost_orders=sum(1 for row in rows if row.below_cost),
        )


class PromotionReplayShown(Shown):
    """What a promotion would have cost; orders in groups are counted and left out."""

    model_config = example(
        promotion_id=str(DRAFT_ID),
        currency="CNY",
        since="2026-05-19T04:00:00Z",
        channel=None,
        orders_total=3,
        group_orders=12,
        is_whole=True,
        orders_replayed=3,
        proven_orders=3,
        hits=1,
        unlocked_orders=0,
        cost_amount=2_000,
        cost_median_amount=2_000,
        cost_p90_amount=2_000,
        costed_orders=3,
        with_promotion=_SUMS,
        without_promotion={**_SUMS, "pay_amount": 59_300, "margin_amount": 23_300},
        dearest_orders=[_ORDER],
    )

    promotion_id: UUID = Field(description=f"{DRAFT_ID} for one that is not saved.")
    currency: str
    since: datetime = Field(description="Orders placed from then on.")
    channel: str | None = Field(
        description="Orders do not say where they came from: all are taken to come through this."
    )
    orders_total: int = Field(description="Paid and not refunded in full, without a group.")
    group_orders: int
    is_whole: bool = Field(
        description="False: more were placed than are looked through, the newest 10,000."
    )
    orders_replayed: int = Field(description="The newest 500 at most; all that follows is theirs.")
    proven_orders: int = Field(description="Whose price with it is proven to be the least.")
    hits: int = Field(description="On which it applied.")
    unlocked_orders: int = Field(
        description="Whose add-ons it would have unlocked; nobody knows who would have chosen one."
    )
    cost_amount: int = Field(
        description="How much less would have been paid; below zero where it displaces better ones."
    )
    cost_median_amount: int | None = Field(description="Over the hits; null without any.")
    cost_p90_amount: int | None
    costed_orders: int = Field(description="Of which all costs are known: those of the margins.")
    with_promotion: ReplaySums
    without_promotion: ReplaySums
    dearest_orders: list[ReplayedOrder] = Field(description="The ten hits that cost most.")

    @staticmethod
    def of(found: Replay) -> "PromotionReplayShown":
        """The whole answer."""
        rows: Sequence[Replayed] = found.rows
        costs = [row.cost_amount for row in rows if row.is_hit]
        with_it = [row.pair.with_promotion for row in rows]
        return PromotionReplayShown(
            promotion_id=found.tried.draft.id,
            currency=found.tried.shop.currency,
            since=found.since,
            channel=found.channel,
            orders_total=found.orders_total,
            group_orders=found.group_orders,
            is_whole=found.is_whole,
            orders_replayed=len(rows),
            proven_orders=sum(1 for one in with_it if one.quote.optimality == "proven"),
            hits=len(costs),
            unlocked_orders=sum(1 for row in rows if row.is_unlocked),
            cost_amount=sum(costs),
            cost_median_amount=nearest_rank(costs, 50),
            cost_p90_amount=nearest_rank(costs, 90),
            costed_orders=sum(1 for one in with_it if one.margin_amount is not None),
            with_promotion=ReplaySums.of(with_it),
            without_promotion=ReplaySums.of(row.pair.without_promotion for row in rows),
            dearest_orders=[ReplayedOrder.of(row) for row in dearest(rows)],
        )
