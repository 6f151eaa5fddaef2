"""What kept goods cost without those that go back, under the order's own promotions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.rules import BasketGoods, Goods, ShopTerms, Stocked, Wanted
from app.core.errors import Problem
from app.orders.models import LineOrigin
from app.orders.repository import after_sales as repository
from app.promotions import service as promotions
from app.promotions.pricing.add_on import AddOn
from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.engine import quote
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Terms
from app.promotions.rules.baskets import AddOnWish, Asked, basket_of
from app.promotions.rules.trials import coupons_for


@dataclass(frozen=True, slots=True)
class Lost:
    """A promotion of the order that gives the kept goods nothing any more."""

    promotion_id: UUID
    kind: str
    amount: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What the kept goods cost now, and the promotions that are lost to them."""

    amount: int
    lost: Sequence[Lost]


async def price_kept(
    db: AsyncSession,
    row: sa.RowMapping,
    lines: Sequence[sa.RowMapping],
    kept: Mapping[UUID, int],
) -> Kept | None:
    """Price what is kept of an order's lines again; `None` where the engine can not.

    With the promotions that made the order's price, whose rules do not change once somebody has
    bought, at the order's own prices. What they asked of time and buyer was met and stays met;
    limits, price floors and the shop's cap are left out of account. Gifts cost nothing.

    Tags and categories are those of today. Where all of the order would cost more by them than was
    paid, goods that a promotion was for have left it, and nobody who keeps them pays for that.
    """
    priced = await repository.snapshot(db, row["id"])
    before = {UUID(one["promotion_id"]): one for one in priced["applied"] if one["promotion_id"]}
    bought = [line for line in lines if line["origin"] is not LineOrigin.GIFT]
    shelf = await catalog.goods_of(db, row["shop_id"], {line["variant_id"] for line in bought})
    shop = await catalog.shop_terms(db, row["shop_id"])
    all_units = {line["id"]: line["quantity"] for line in bought}
    wanted = [line for line in bought if kept[line["id"]]]
    try:
        taken = await promotions.as_taken(db, row["shop_id"], before.keys())
        whole = _quoted(_Kept(row, shop, bought, all_units, shelf), taken)
        found = _quoted(_Kept(row, shop, wanted, kept, shelf), taken)
    except (ValueError, KeyError, Problem):
        return None
    if whole.goods_payable_amount > row["goods_amount"]:
        return None
    after = {one.promotion_id for one in found.applied if one.amount}
    lost = [
        Lost(promotion_id, one["kind"], one["amount"])
        for promotion_id, one in before.items()
        if promotion_id not in after and one["amount"]
    ]
    return Kept(found.goods_payable_amount, lost)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Everything that kept goods are priced from."""

    row: sa.RowMapping
    shop: ShopTerms
    lines: Sequence[sa.RowMapping]
    kept: Mapping[UUID, int]
    shelf: Mapping[UUID, Stocked]

    def goods(self) -> BasketGoods:
        goods: dict[UUID, Goods] = {}
        for line in self.lines:
            before = goods.get(line["variant_id"])
            goods[line["variant_id"]] = replace(
                self.shelf[line["variant_id"]].goods,
                list_amount=line["list_amount"],
                solo_amount=_alone(line),
                floor_amount=0,
                quantity=self.kept[line["id"]] + (before.quantity if before else 0),
            )
        return BasketGoods(shop=self.shop, goods=goods, also={})


def _quoted(kept: _Kept, taken: Sequence[Promotion]) -> Quote:
    offered = {one.id: one.variant_ids for one in taken if isinstance(one, AddOn)}
    chosen = [ln for ln in kept.lines if ln["variant_id"] in offered.get(ln["promotion_id"], ())]
    chosen_ids = {line["id"] for line in chosen}
    plain = [line for line in kept.lines if line["id"] not in chosen_ids]
    goods = kept.goods()
    asked = Asked(
        lines=[Wanted(line["variant_id"], kept.kept[line["id"]]) for line in plain],
        buyer=Buyer(0, frozenset(), frozenset()),
        coupons=coupons_for(taken),
        add_ons=[
            AddOnWish(line["promotion_id"], line["variant_id"], kept.kept[line["id"]])
            for line in chosen
        ],
    )
    basket = basket_of(goods, asked, taken)
    terms = Terms(time_zone=ZoneInfo(kept.shop.time_zone))
    return quote(basket, taken, now=kept.row["placed_at"], terms=terms, left={})


def _alone(line: Mapping[Any, Any]) -> int | None:
    price: int = line["price_amount"]
    return None if price == line["list_amount"] else price
