"""Promotions as an order took them: what they give does not change once somebody has bought."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.promotions.pricing.conditions import Conditions
from app.promotions.pricing.promotion import Promotion
from app.promotions.repository import promotions as repository
from app.promotions.rules import promotion_of


async def as_taken(
    db: AsyncSession, shop_id: UUID, promotion_ids: Collection[UUID]
) -> tuple[Promotion, ...]:
    """Promotions of past orders, asking of the basket what they asked, of time and buyer nothing.

    By one statement, or none. ValueError for one that the engine refuses.
    """
    if not promotion_ids:
        return ()
    rows = await repository.by_ids(db, shop_id, promotion_ids)
    made = (promotion_of({**row}, id=row["id"], version=row["version"]) for row in rows)
    return tuple(map(_of_basket_alone, made))


def _of_basket_alone(found: Promotion) -> Promotion:
    asked = found.conditions
    basket = Conditions(minimum=asked.minimum, units_min=asked.units_min)
    return replace(found, starts_at=None, ends_at=None, conditions=basket)
