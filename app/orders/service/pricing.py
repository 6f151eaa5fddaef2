"""What a basket costs this buyer now, and the seal that holds a quote to it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.rules import BasketGoods, Goods, Wanted
from app.community import service as community
from app.core.security import Tokens
from app.groupbuy import service as groupbuy
from app.groupbuy.errors import OneLineOnly
from app.groupbuy.service import GroupOffer, GroupWish
from app.orders.errors import QuoteChanged, QuoteExpired, QuoteInvalid
from app.promotions import service as promotions
from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import (
    Basket,
    BasketLine,
    Buyer,
    ListPrice,
    PriceSetting,
    SoloPrice,
)
from app.promotions.pricing.engine import quote
from app.promotions.pricing.group_price import GroupPrice

SEAL = "quote"


@dataclass(frozen=True, slots=True)
class BasketWish:
    """What somebody wants to buy, and how: alone, by opening a group, or by joining one."""

    shop_id: UUID
    lines: tuple[Wanted, ...]
    group: GroupWish | None = None
    community_id: UUID | None = None

    def digest(self) -> str:
        """The same for the same wish, whatever the order of its lines."""
        lines = sorted((str(line.variant_id), line.quantity) for line in self.lines)
        group = [str(self.group.campaign_id), str(self.group.group_id)] if self.group else None
        wish = [str(self.shop_id), lines, group, str(self.community_id)]
        return hashlib.sha256(json.dumps(wish).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Priced:
    """A basket with its price, its goods and, in a group, the offer it stands on."""

    goods: BasketGoods
    quote: Quote
    offer: GroupOffer | None
    names: Mapping[UUID, Mapping[str, str]]

    def digest(self) -> str:
        """What the buyer was promised: the total and the rules, by version, that made it."""
        rules = [
            [str(a.promotion_id), a.promotion_version, a.kind, a.amount] for a in self.quote.applied
        ]
        promise = [self.quote.total_amount, self.quote.shipping_amount, rules]
        return hashlib.sha256(json.dumps(promise).encode()).hexdigest()


async def price(db: AsyncSession, wish: BasketWish, member_id: UUID, *, now: datetime) -> Priced:
    """Price a basket: five statements at most, then the pure engine."""
    if wish.group is not None and len(wish.lines) != 1:
        raise OneLineOnly
    goods = await catalog.basket(db, wish.shop_id, wish.lines)
    standing = await community.membership(db, member_id, wish.shop_id)
    live = await promotions.live(db, wish.shop_id, now=now)
    offer = await _offer(db, wish, now)
    basket = Basket(
        currency=goods.shop.currency,
        lines=tuple(_line(g) for g in goods.goods.values()),
        shipping_amount=goods.shop.shipping_flat_amount,
        price_setting=_setting(goods, offer),
        buyer=Buyer(
            standing.paid_orders,
            standing.tags,
            standing.community_ids,
            standing.roles,
            standing.audience_ids,
        ),
    )
    terms = promotions.terms_of(goods.shop)
    priced = quote(basket, live.promotions, now=now, terms=terms)
    return Priced(goods, priced, offer, live.names)


async def _offer(db: AsyncSession, wish: BasketWish, now: datetime) -> GroupOffer | None:
    if wish.group is None:
        return None
    line = wish.lines[0]
    return await groupbuy.offer(
        db,
        wish.shop_id,
        wish.group,
        variant_id=line.variant_id,
        quantity=line.quantity,
        now=now,
    )


def _setting(goods: BasketGoods, offer: GroupOffer | None) -> PriceSetting:
    if offer is not None:
        return GroupPrice(offer.campaign_id, offer.campaign_version, offer.group_amounts)
    if all(g.solo_amount is None for g in goods.goods.values()):
        return ListPrice()
    return SoloPrice(
        {v: g.solo_amount for v, g in goods.goods.items() if g.solo_amount is not None}
    )


def _line(goods: Goods) -> BasketLine:
    return BasketLine(
        key=str(goods.variant_id),
        variant_id=goods.variant_id,
        product_id=goods.product_id,
        category_ids=goods.category_ids,
        tags=goods.tags,
        quantity=goods.quantity,
        list_amount=goods.list_amount,
        floor_amount=goods.floor_amount,
    )


def seal(
    tokens: Tokens, wish: BasketWish, priced: Priced, member_id: UUID, expires_at: datetime
) -> str:
    """The quote id: basket, promise and expiry, signed; nothing is stored."""
    told = [wish.digest(), priced.digest(), str(member_id), int(expires_at.timestamp())]
    return tokens.seal(SEAL, told)


def unseal(
    tokens: Tokens, quote_id: str, wish: BasketWish, member_id: UUID, *, now: datetime
) -> str:
    """The promise of a quote id that is for this basket and buyer and still holds."""
    try:
        basket, promise, buyer, expires = _four(tokens.unseal(SEAL, quote_id))
    except (ValueError, TypeError, UnicodeError) as error:
        raise QuoteInvalid from error
    if basket != wish.digest() or buyer != str(member_id):
        raise QuoteInvalid
    if expires <= int(now.timestamp()):
        raise QuoteExpired
    return promise


def _four(told: Any) -> tuple[str, str, str, int]:
    basket, promise, buyer, expires = told
    return str(basket), str(promise), str(buyer), int(expires)


def hold_to(promise: str, priced: Priced) -> None:
    """Refuse when the price of now is not the price that was quoted."""
    if priced.digest() != promise:
        raise QuoteChanged(total_amount=priced.quote.total_amount)


def expiry(now: datetime, ttl_seconds: int) -> datetime:
    """Until when a quote made now holds."""
    return now + timedelta(seconds=ttl_seconds)
