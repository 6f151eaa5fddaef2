"""Price past orders again with a promotion: what it would have cost, had it been there."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.rules import BasketGoods, Goods, Stocked, Wanted
from app.community import service as community
from app.community.rules import Standing
from app.core.beside import think
from app.core.db import let_go
from app.orders.models import LineOrigin
from app.orders.repository import orders as repository
from app.orders.repository import past
from app.orders.rules import REPLAYED_MAX, PastOrder, Replayed, replayed
from app.orders.service.pricing import buyer_of
from app.promotions import service as promotions
from app.promotions.pricing.add_on import AddOn
from app.promotions.pricing.promotion import Promotion
from app.promotions.rules import PromotionWish
from app.promotions.rules.baskets import AddOnWish, Asked
from app.promotions.rules.drafts import channel_for
from app.promotions.rules.trials import Stage, coupons_for
from app.promotions.service import Rehearsal


@dataclass(frozen=True, slots=True)
class Replay:
    """What a promotion would have done, and to how many of how many orders.

    `is_whole` is False where the shop has more orders in these days than are looked through.
    """

    tried: Rehearsal
    since: datetime
    channel: str | None
    orders_total: int
    group_orders: int
    is_whole: bool
    rows: Sequence[Replayed]


async def replay(
    db: AsyncSession, shop_id: UUID, said: PromotionWish | UUID, *, days: int, now: datetime
) -> Replay:
    """Price the newest 500 paid orders of some days again, with the promotion and without it.

    By a constant number of statements; nothing is written. The promotion's own window and all
    limits are left out of account, its hours are not.
    """
    shop = await catalog.shop_terms(db, shop_id)
    draft = await promotions.draft_of(db, shop_id, said)
    since = now - timedelta(days=days)
    counted = await past.count_paid(db, shop_id, since)
    rows = await past.paid_alone(db, shop_id, since, REPLAYED_MAX)
    lines = await repository.lines_of(db, [row["id"] for row in rows])
    used = {row["id"]: _used(row) for row in rows}
    presented = frozenset().union(*used.values())
    tried = await promotions.rehearsal(db, shop, draft, at=now, presented=presented)
    variant_ids = {line["variant_id"] for line in lines} | tried.live.added_variant_ids
    shelf = await catalog.goods_of(db, shop_id, variant_ids)
    standings = await community.memberships(db, {row["member_id"] for row in rows}, shop_id)
    await let_go(db)
    stage = tried.stage(at_any_time=True)
    channel = channel_for(draft.promotion)
    past_ones = _Past(tried, stage, channel, _by_order(lines), shelf, used, standings)
    found = await think(lambda is_over: past_ones.replayed(rows, is_over))
    oldest_at = counted["oldest_at"]
    return Replay(
        tried=tried,
        since=since,
        channel=channel,
        orders_total=counted["orders"],
        group_orders=counted["group_orders"],
        is_whole=oldest_at is None or oldest_at < since,
        rows=found,
    )


def _used(row: sa.RowMapping) -> frozenset[UUID]:
    """The promotions that made the order's price or gave it something."""
    told = [one for name in ("applied", "gifts") for one in json.loads(row[name] or "null") or ()]
    return frozenset(UUID(one["promotion_id"]) for one in told if one["promotion_id"])


def _by_order(lines: Iterable[sa.RowMapping]) -> Mapping[UUID, list[sa.RowMapping]]:
    found: dict[UUID, list[sa.RowMapping]] = {}
    for line in lines:
        # What was given is given anew, if it is.
        if line["origin"] is not LineOrigin.GIFT:
            found.setdefault(line["order_id"], []).append(line)
    return found


@dataclass(frozen=True, slots=True)
class _Past:
    """Everything that past orders are priced from; nothing is read any more."""

    tried: Rehearsal
    stage: Stage
    channel: str | None
    lines: Mapping[UUID, Sequence[sa.RowMapping]]
    shelf: Mapping[UUID, Stocked]
    used: Mapping[UUID, frozenset[UUID]]
    standings: Mapping[UUID, Standing]

    def replayed(
        self, rows: Iterable[sa.RowMapping], is_over: Callable[[], bool]
    ) -> list[Replayed]:
        """Orders of a large shop take seconds: it ends with the one at hand when nobody waits."""
        waited_for = takewhile(lambda _: not is_over(), rows)
        return replayed(self.stage, (self._order(row) for row in waited_for))

    def _order(self, row: sa.RowMapping) -> PastOrder:
        lines = self.lines[row["id"]]
        offered = {one.id: one.variant_ids for one in self.stage.all if isinstance(one, AddOn)}
        chosen = [
            line
            for line in lines
            if line["variant_id"] in offered.get(line["promotion_id"], frozenset())
        ]
        # What an add-on offered that is gone by now was wanted like any other goods.
        ids = {line["id"] for line in chosen}
        plain = [line for line in lines if line["id"] not in ids]
        buyer = buyer_of(self.standings[row["member_id"]])
        asked = Asked(
            lines=[Wanted(line["variant_id"], line["quantity"]) for line in plain],
            buyer=replace(buyer, paid_orders=row["paid_before"]),
            channel=self.channel,
            coupons=coupons_for(self._with_coupon(row["id"])),
            add_ons=[
                AddOnWish(line["promotion_id"], line["variant_id"], line["quantity"])
                for line in chosen
            ],
        )
        goods = self._goods(lines, row["shipping_amount"])
        return PastOrder(row["id"], row["placed_at"], row["total_amount"], goods, asked)

    def _with_coupon(self, order_id: UUID) -> list[Promotion]:
        """The promotion that is tried, as if everybody had one, and what the order had one for."""
        own = self.stage.promotion
        return [own, *(one for one in self.stage.others if one.id in self.used[order_id])]

    def _goods(self, lines: Sequence[sa.RowMapping], shipping_amount: int) -> BasketGoods:
        goods: dict[UUID, Goods] = {}
        for line in lines:
            before = goods.get(line["variant_id"])
            goods[line["variant_id"]] = replace(
                self.shelf[line["variant_id"]].goods,
                list_amount=line["list_amount"],
                solo_amount=_alone(line),
                quantity=line["quantity"] + (before.quantity if before else 0),
            )
        also = {
            id_: replace(self.shelf[id_].goods, quantity=0)
            for id_ in self.tried.live.added_variant_ids
            if id_ in self.shelf and self.shelf[id_].is_on_sale
        }
        shop = replace(self.tried.shop, shipping_flat_amount=shipping_amount)
        return BasketGoods(shop=shop, goods=goods, also=also)


def _alone(line: sa.RowMapping) -> int | None:
    price: int = line["price_amount"]
    return None if price == line["list_amount"] else price
