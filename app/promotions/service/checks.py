"""What saving a promotion looks at beyond itself, by a constant number of statements."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.models import Shop
from app.catalog.rules import GoodsAsked
from app.community import service as community
from app.promotions.errors import BadPromotion, BelowCostUnconfirmed
from app.promotions.models import PromotionKind
from app.promotions.repository import promotions as repository
from app.promotions.rules import PromotionWish, ShopLimits, check_wish
from app.promotions.rules.offers import Giving, check_cycle, check_goods
from app.promotions.rules.shelf import GIVING, Document, Shelf, asked, named, offered
from app.promotions.rules.warnings import Scene, below_cost

_JUDGED_BY_GOODS = GIVING | {PromotionKind.BUNDLE}


async def check(db: AsyncSession, shop_id: UUID, promotion_id: UUID, wish: PromotionWish) -> None:
    """Refuse what contradicts itself, its shop, its goods, or the shop's other promotions."""
    await check_said(db, shop_id, wish)
    await check_meant(db, shop_id, promotion_id, wish)


async def check_said(db: AsyncSession, shop_id: UUID, wish: PromotionWish) -> None:
    """Refuse what contradicts itself or the shop's terms."""
    shop = await catalog.shop(db, shop_id)
    limits = ShopLimits(
        currency=shop.currency,
        allow_free_orders=shop.allow_free_orders,
        shipping_flat_amount=shop.shipping_flat_amount,
        discount_cap_bp=shop.discount_cap_bp,
    )
    check_wish(wish, limits)


async def check_meant(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID, wish: PromotionWish
) -> None:
    """Refuse what the shop does not have, and what its goods or other promotions contradict."""
    said = wish.stored()
    rule, match = said["rule"], said["match"]
    await _check_names(db, shop_id, rule, match)
    await _check_groups(db, shop_id, said["conditions"])
    if wish.kind in _JUDGED_BY_GOODS:
        shelf = Shelf(await catalog.stocked(db, shop_id, asked(rule, match)))
        check_goods(rule, match, shelf, await _given(db, shop_id, rule))
    if wish.kind in GIVING:
        others = await repository.giving(db, shop_id, beside=promotion_id)
        fresh = Giving(promotion_id, rule, match)
        given = await _given(db, shop_id, rule, *(one.rule for one in others))
        check_cycle(fresh, others, given)


async def scene(db: AsyncSession, shop: Shop, said: Mapping[str, Any]) -> Scene:
    """A promotion as it is stored among its goods, without rivals: by two statements at most."""
    rule, match = said["rule"], said["match"]
    shelf = Shelf(await catalog.stocked(db, shop.id, asked(rule, match)))
    given = await _given(db, shop.id, rule)
    return Scene(rule, match, shelf, given, shop.shipping_flat_amount, said["conditions"])


async def check_cost(
    db: AsyncSession, shop_id: UUID, said: Mapping[str, Any], *, is_confirmed: bool
) -> bool:
    """Whether it sells below cost, which somebody has confirmed; refused where nobody has."""
    cheap = below_cost(await scene(db, await catalog.shop(db, shop_id), said))
    if cheap and not is_confirmed:
        raise BelowCostUnconfirmed(variant_ids=[str(each) for each in cheap])
    return bool(cheap)


async def _given(db: AsyncSession, shop_id: UUID, *rules: Document) -> Shelf:
    variant_ids = frozenset().union(*(offered(rule) for rule in rules))
    wanted = [GoodsAsked(variant_ids=variant_ids)] if variant_ids else []
    return Shelf(await catalog.stocked(db, shop_id, wanted))


async def _check_names(db: AsyncSession, shop_id: UUID, rule: Document, match: Document) -> None:
    unknown = await catalog.unknown_goods(db, shop_id, **named(rule, match))
    if unknown:
        raise BadPromotion(reason="unknown_goods", ids=[str(each) for each in unknown])


async def _check_groups(db: AsyncSession, shop_id: UUID, conditions: Document) -> None:
    wanted = {
        name: frozenset(map(UUID, conditions.get(name, ())))
        for name in ("community_ids", "audience_ids")
    }
    unknown = await community.unknown_groups(db, shop_id, **wanted)
    if unknown:
        raise BadPromotion(reason="unknown_groups", ids=[str(each) for each in unknown])
