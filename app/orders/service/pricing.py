"""What a basket costs this buyer now, and the seal that holds a quote to it."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.rules import BasketGoods, Goods, Wanted, summed
from app.community import service as community
from app.community.rules import Standing
from app.core.money import split
from app.core.security import Tokens
from app.groupbuy import service as groupbuy
from app.groupbuy.errors import OneLineOnly
from app.groupbuy.service import GroupOffer, GroupWish, OfferWish
from app.orders.errors import QuoteExpired, QuoteInvalid
from app.promotions import service as promotions
from app.promotions.errors import CouponWithGroup
from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.engine import quote
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.lines import DISCOUNT_CAP
from app.promotions.rules.baskets import AddOnWish, Asked, basket_of
from app.promotions.rules.coupons import normalised
from app.promotions.service import CouponUse, CouponWish, LivePromotions, Purse, Use

SEAL = "quote"
# The shop's cap is on what is taken off the goods that were wanted.
_UNCAPPED = frozenset({"add_on", "free_shipping", "shipping_off", "group_price"})
NO_COUPON_WISH = CouponWish((), ())


@dataclass(frozen=True, slots=True)
class BasketWish:
    """What somebody wants to buy, and how: alone, by opening a group, or by joining one."""

    shop_id: UUID
    lines: tuple[Wanted, ...]
    group: GroupWish | None = None
    community_id: UUID | None = None
    coupons: CouponWish = NO_COUPON_WISH
    channel: str | None = None
    add_ons: tuple[AddOnWish, ...] = ()

    def digest(self) -> str:
        """The same for the same wish, whatever the order of its parts and the spelling of codes."""
        lines = sorted((str(line.variant_id), line.quantity) for line in self.lines)
        group = [str(self.group.campaign_id), str(self.group.group_id)] if self.group else None
        codes = sorted(set(map(normalised, self.coupons.codes)))
        coupons = [codes, sorted(map(str, self.coupons.coupon_ids))]
        add_ons = sorted((str(a.promotion_id), str(a.variant_id), a.quantity) for a in self.add_ons)
        basket = [str(self.shop_id), str(self.community_id), self.channel]
        wish = [basket, lines, group, coupons, add_ons]
        return hashlib.sha256(json.dumps(wish).encode()).hexdigest()

    def goods(self) -> tuple[Wanted, ...]:
        """Everything that is asked for, the chosen add-ons last."""
        return (*self.lines, *(Wanted(a.variant_id, a.quantity) for a in self.add_ons))


@dataclass(frozen=True, slots=True)
class Priced:
    """A basket with its price, its goods and, in a group, the offer it stands on."""

    goods: BasketGoods
    quote: Quote
    offer: GroupOffer | None
    live: LivePromotions
    purse: Purse

    def goods_of(self, variant_id: UUID) -> Goods:
        """What is known of a variant in the basket, or of one that a promotion adds."""
        return self.goods.goods.get(variant_id) or self.goods.also[variant_id]

    def digest(self) -> str:
        """What the buyer was promised: the total and the rules, by version, that made it."""
        rules = [
            [str(a.promotion_id), a.promotion_version, a.kind, a.amount] for a in self.quote.applied
        ]
        gifts = [[str(g.promotion_id), str(g.variant_id), g.quantity] for g in self.quote.gifts]
        lines = [
            [line.key, line.quantity, line.list_amount, line.price_amount, line.payable_amount]
            for line in sorted(self.quote.lines, key=lambda line: line.key)
        ]
        promise = [self.quote.total_amount, self.quote.shipping_amount, lines, rules, gifts]
        return hashlib.sha256(json.dumps(promise).encode()).hexdigest()

    def units(self) -> dict[UUID, int]:
        """Units by variant over all lines and gifts: what the order takes from stock."""
        rows = [(line.variant_id, line.quantity) for line in self.quote.lines]
        rows += [(gift.variant_id, gift.quantity) for gift in self.quote.gifts]
        return summed(Wanted(variant_id, quantity) for variant_id, quantity in rows)

    def uses(self) -> list[Use]:
        """What the order takes of the limited promotions that made its price, or gave a gift."""
        return [
            Use(id_, self.live.limits[id_], amount, self._tier_units(id_))
            for id_, amount in self._amounts().items()
            if id_ in self.live.limits
        ]

    def _amounts(self) -> dict[UUID, int]:
        """What each promotion that took part took off; a gift takes nothing off.

        What the shop's cap gave back was not taken off: it is spread over those it was taken by.
        """
        applied = [a for a in self.quote.applied if a.promotion_id]
        amounts = {a.promotion_id: a.amount for a in applied if a.promotion_id}
        capped = [a for a in applied if a.kind not in _UNCAPPED]
        given_back = -sum(a.amount for a in self.quote.applied if a.kind == DISCOUNT_CAP)
        if given_back:
            shares = split(given_back, [a.amount for a in capped])
            for row, share in zip(capped, shares, strict=True):
                if row.promotion_id:
                    amounts[row.promotion_id] -= share
        return amounts | dict.fromkeys((gift.promotion_id for gift in self.quote.gifts), 0)

    def _tier_units(self, promotion_id: UUID) -> dict[int, int]:
        """Units that have an add-on's token price, by tier."""
        tiers: dict[int, int] = {}
        for line in self.quote.lines:
            for row in line.adjustments if line.add_on_id == promotion_id else ():
                if row.promotion_id == promotion_id:
                    tier = self.live.tier_of(promotion_id, line.variant_id)
                    tiers[tier] = tiers.get(tier, 0) + row.units
        return tiers

    def coupon_uses(self) -> list[CouponUse]:
        """The coupons that made its price."""
        uses = (self.purse.use_of(id_) for id_ in self._amounts())
        return [use for use in uses if use is not None]


async def price(
    db: AsyncSession,
    wish: BasketWish,
    member_id: UUID | None,
    *,
    now: datetime,
    count_wrong_codes: Callable[[int], Awaitable[None]] | None = None,
) -> Priced:
    """Price a basket: seven statements at most, then the pure engine.

    Each of coupons, limits and groups costs one where there is any. Of somebody who has not signed
    in nothing is known. Wrong codes are counted before anything is made of the right ones: a
    refusal further on may tell that a code is wrong too. An order has the codes of its quote.
    """
    _check(wish)
    purse = await promotions.present(db, wish.shop_id, member_id, wish.coupons, now=now)
    if count_wrong_codes is not None:
        await count_wrong_codes(purse.wrong_codes)
    live = await promotions.live(db, wish.shop_id, now=now, presented=purse.promotion_ids)
    purse = purse.good_for(frozenset(p.id for p in live.promotions if p.needs_coupon))
    goods = await catalog.basket(db, wish.shop_id, wish.goods(), also=live.added_variant_ids)
    buyer = await _buyer(db, wish.shop_id, member_id)
    left = await promotions.standing(db, live.limits, member_id)
    offer = await _offer(db, wish, buyer, member_id, now=now)
    asked = Asked(
        lines=wish.lines,
        buyer=buyer,
        group_price=_group_price(offer),
        channel=wish.channel,
        coupons=purse.coupons,
        add_ons=wish.add_ons,
    )
    basket = basket_of(goods, asked, live.promotions)
    terms = promotions.terms_of(goods.shop)
    priced = quote(basket, live.promotions, now=now, terms=terms, left=left)
    return Priced(goods, priced, offer, live, purse)


def _check(wish: BasketWish) -> None:
    if wish.group is None:
        return
    if len(wish.lines) != 1 or wish.add_ons:
        raise OneLineOnly
    if wish.coupons:
        raise CouponWithGroup


async def _buyer(db: AsyncSession, shop_id: UUID, member_id: UUID | None) -> Buyer:
    if member_id is None:
        return Buyer(0, frozenset(), frozenset(), is_known=False)
    return buyer_of(await community.membership(db, member_id, shop_id))


def buyer_of(standing: Standing) -> Buyer:
    """What conditions may ask of a member, as the engine takes it."""
    return Buyer(
        standing.paid_orders,
        standing.tags,
        standing.community_ids,
        standing.roles,
        standing.audience_ids,
    )


async def _offer(
    db: AsyncSession, wish: BasketWish, buyer: Buyer, member_id: UUID | None, *, now: datetime
) -> GroupOffer | None:
    if wish.group is None:
        return None
    line = wish.lines[0]
    wanted = OfferWish(line.variant_id, line.quantity, buyer, member_id)
    return await groupbuy.offer(db, wish.shop_id, wish.group, wanted, now=now)


def _group_price(offer: GroupOffer | None) -> GroupPrice | None:
    if offer is None:
        return None
    return GroupPrice(
        offer.campaign_id,
        offer.campaign_version,
        offer.group_amounts,
        leader_amounts=offer.leader_amounts,
    )


def seal(
    tokens: Tokens, wish: BasketWish, priced: Priced, member_id: UUID | None, expires_at: datetime
) -> str:
    """The quote id: basket, promise, buyer and expiry, signed; nothing is stored."""
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


class PriceChanged(Exception):  # noqa: N818 - told to the buyer as a new quote
    """The price of now, where it is not the one that was quoted."""

    def __init__(self, priced: Priced) -> None:
        super().__init__(priced.quote.total_amount)
        self.priced = priced


def hold_to(promise: str, priced: Priced) -> None:
    """Raise `PriceChanged` when the price of now is not the price that was quoted."""
    if priced.digest() != promise:
        raise PriceChanged(priced)


def expiry(now: datetime, ttl_seconds: int) -> datetime:
    """Until when a quote made now holds."""
    return now + timedelta(seconds=ttl_seconds)
