"""What is for sale of what somebody wants, and which goods a promotion is about."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.errors import ShopPaused, VariantNotFound
from app.catalog.models import ShopStatus
from app.catalog.repository import baskets as repository
from app.catalog.rules import BasketGoods, GoodsAsked, Stocked, Wanted, summed

STOCKED_MAX = 2_000


async def basket(
    db: AsyncSession, shop_id: UUID, wanted: Sequence[Wanted], *, also: Collection[UUID] = ()
) -> BasketGoods:
    """The wanted goods with all that prices depend on, by one statement; nothing is held.

    Units of one variant over several lines are summed. Of the variants in `also` those for sale
    come along. A variant that is unknown, archived, not on
    sale or another shop's is `VariantNotFound`, all alike; a paused shop is `ShopPaused`. Whether
    enough is available is for `reserve` to decide.
    """
    units = summed(wanted)
    if not units:
        raise ValueError("a basket has at least one line")
    shop, found = await repository.goods(db, shop_id, {**dict.fromkeys(also, 0), **units})
    missing = [str(variant_id) for variant_id in units if variant_id not in found]
    if shop is None or missing:
        raise VariantNotFound(variant_ids=missing)
    if shop.status is not ShopStatus.OPEN:
        raise ShopPaused
    return BasketGoods(
        shop=shop,
        goods={v: found[v] for v in units},
        also={v: found[v] for v in also if v in found},
    )


async def stocked(db: AsyncSession, shop_id: UUID, asked: Sequence[GoodsAsked]) -> list[Stocked]:
    """The goods of the shop that meet one of these, by one statement; the dearest 2,000 at most."""
    return await repository.stocked(db, shop_id, asked, most=STOCKED_MAX) if asked else []


async def goods_of(
    db: AsyncSession, shop_id: UUID, variant_ids: Collection[UUID]
) -> dict[UUID, Stocked]:
    """All that the shop knows of these variants, whether or not they are for sale still.

    By one statement, or none where nothing is asked; another shop's are left out.
    """
    return await repository.goods_of(db, shop_id, variant_ids) if variant_ids else {}


async def unknown_goods(
    db: AsyncSession,
    shop_id: UUID,
    *,
    product_ids: Sequence[UUID] = (),
    variant_ids: Sequence[UUID] = (),
    category_ids: Sequence[UUID] = (),
) -> list[UUID]:
    """Those of the ids that name nothing in the shop, archived goods included, by one statement."""
    if not (product_ids or variant_ids or category_ids):
        return []
    return await repository.unknown(
        db,
        shop_id,
        product_ids=product_ids,
        variant_ids=variant_ids,
        category_ids=category_ids,
    )
