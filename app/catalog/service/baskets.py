"""What is for sale of what somebody wants."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.errors import ShopPaused, VariantNotFound
from app.catalog.models import ShopStatus
from app.catalog.repository import baskets as repository
from app.catalog.rules import BasketGoods, Wanted, summed


async def basket(db: AsyncSession, shop_id: UUID, wanted: Sequence[Wanted]) -> BasketGoods:
    """The wanted goods with all that prices depend on, by one statement; nothing is held.

    Units of one variant over several lines are summed. A variant that is unknown, archived, not on
    sale or another shop's is `VariantNotFound`, all alike; a paused shop is `ShopPaused`. Whether
    enough is available is for `reserve` to decide.
    """
    units = summed(wanted)
    if not units:
        raise ValueError("a basket has at least one line")
    shop, found = await repository.goods(db, shop_id, units)
    missing = [str(variant_id) for variant_id in units if variant_id not in found]
    if shop is None or missing:
        raise VariantNotFound(variant_ids=missing)
    if shop.status is not ShopStatus.OPEN:
        raise ShopPaused
    return BasketGoods(shop=shop, goods={v: found[v] for v in units})
