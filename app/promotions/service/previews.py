"""Show what a promotion would do to baskets, by the engine that prices them for buyers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.rules import BasketGoods, Stocked, Wanted
from app.core.beside import think
from app.core.db import let_go
from app.promotions.pricing.basket import Buyer
from app.promotions.rules import PromotionWish
from app.promotions.rules.baskets import Asked
from app.promotions.rules.drafts import buyer_for, channel_for, moment_for
from app.promotions.rules.previews import Trial, TrialBasket, baskets_for
from app.promotions.rules.shelf import asked, offered
from app.promotions.rules.trials import (
    Conflict,
    Pair,
    Shelf,
    Stage,
    conflicts_of,
    coupons_for,
    goods_for,
    priced,
    priced_without,
)
from app.promotions.service.live import terms_of
from app.promotions.service.trials import Rehearsal, draft_of, left_for_a_newcomer, rehearsal


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewWish:
    """What is tried on which baskets; whatever is left out is chosen for it."""

    promotion: PromotionWish | UUID
    baskets: Sequence[TrialBasket] = ()
    buyer: Buyer | None = None
    at: datetime | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Previewed:
    """A basket with its goods, and its price with the promotion and without."""

    basket: TrialBasket
    goods: BasketGoods
    pair: Pair

    @property
    def is_in_stock(self) -> bool:
        """Whether all that it asks for could be had now; gifts are told apart."""
        return all(one.available >= one.quantity for one in self.goods.goods.values())


@dataclass(frozen=True, slots=True)
class Preview:
    """What a promotion would do, for whom and when."""

    tried: Rehearsal
    at: datetime
    channel: str | None
    buyer: Buyer
    baskets: Sequence[Previewed]
    conflicts: Sequence[Conflict]


async def preview(db: AsyncSession, shop_id: UUID, wish: PreviewWish, *, now: datetime) -> Preview:
    """Price baskets with a promotion among the shop's live ones and without it.

    By a constant number of statements; nothing is written. Without baskets some are made around
    its thresholds, of the dearest 2,000 goods that match.
    """
    shop = await catalog.shop_terms(db, shop_id)
    draft = await draft_of(db, shop_id, wish.promotion)
    at = wish.at or moment_for(draft.promotion, terms_of(shop).time_zone, now=now)
    tried = await rehearsal(db, shop, draft, at=at)
    baskets = wish.baskets or await _made(db, tried)
    left = await left_for_a_newcomer(db, tried)
    named = {line.variant_id for basket in baskets for line in _goods_of(basket)}
    shelf = await catalog.goods_of(db, shop_id, named | tried.live.added_variant_ids)
    stand = _Stand(
        tried,
        tried.stage(left=left),
        shelf,
        at,
        wish.channel or channel_for(draft.promotion),
        wish.buyer or buyer_for(draft.promotion),
    )
    await let_go(db)
    return await think(lambda _: stand.preview(baskets))


async def _made(db: AsyncSession, tried: Rehearsal) -> Sequence[TrialBasket]:
    draft = tried.draft
    rule, match = draft.said["rule"], draft.said["match"]
    goods = await catalog.stocked(db, tried.shop.id, asked(rule, match))
    given = await catalog.goods_of(db, tried.shop.id, offered(rule))
    conditions = draft.promotion.conditions
    trial = Trial(draft.id, rule, match, conditions, goods, _in_a_row(given))
    await let_go(db)
    return await think(lambda _: baskets_for(trial))


def _in_a_row(shelf: Shelf) -> Sequence[Stocked]:
    return [shelf[variant_id] for variant_id in sorted(shelf)]


def _goods_of(basket: TrialBasket) -> tuple[Wanted, ...]:
    return (*basket.lines, *(Wanted(one.variant_id, one.quantity) for one in basket.add_ons))


@dataclass(frozen=True, slots=True)
class _Stand:
    """Everything that a preview is worked out from; nothing is read any more."""

    tried: Rehearsal
    stage: Stage
    shelf: Shelf
    at: datetime
    channel: str | None
    buyer: Buyer

    def preview(self, baskets: Sequence[TrialBasket]) -> Preview:
        found = [self._previewed(basket) for basket in baskets]
        conflicts = conflicts_of(self.stage, [one.pair for one in found])
        return Preview(self.tried, self.at, self.channel, self.buyer, found, conflicts)

    def _previewed(self, basket: TrialBasket) -> Previewed:
        also = self.tried.live.added_variant_ids
        goods = goods_for(self.tried.shop, self.shelf, _goods_of(basket), also)
        wanted = Asked(
            lines=basket.lines,
            buyer=self.buyer,
            channel=self.channel,
            coupons=coupons_for([self.stage.promotion]),
            add_ons=basket.add_ons,
        )
        pair = Pair(
            priced(self.stage, goods, wanted, at=self.at),
            priced_without(self.stage, goods, wanted, at=self.at),
        )
        return Previewed(basket, goods, pair)
