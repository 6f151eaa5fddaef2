"""Short ways to limit promotions and to give out coupons, and to read what was taken."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.db import Database
from app.core.ids import new_id
from app.core.sql import table
from app.promotions.models import (
    Coupon,
    CouponKind,
    Promotion,
    PromotionKind,
    PromotionMemberUse,
    PromotionQuota,
    PromotionStatus,
    PromotionUse,
)
from app.promotions.rules.coupons import BatchWish
from app.promotions.service import coupons, limits
from tests.factories import Stand

_promotions = table(Promotion)
TWENTY = {"kind": "percent_off", "off_bp": 2_000}


async def promoted(stand: Stand, shop_id: UUID, **more: Any) -> UUID:
    """A live promotion of 20 %, as it is stored."""
    row = {
        "id": new_id(),
        "shop_id": shop_id,
        "kind": PromotionKind.PERCENT_OFF,
        "status": PromotionStatus.LIVE,
        "name_zh": "八折",
        "name_en": "20% off",
        "rule": TWENTY,
        "match": {},
        "conditions": {},
        "priority": 0,
        "exclusive": False,
        "limits": {},
        "needs_coupon": False,
        "version": 1,
        "created_at": stand.now,
        **more,
    }
    promotion_id: UUID = row["id"]

    async def add(db: AsyncSession) -> None:
        await db.execute(sa.insert(_promotions), row)
        subject = ("promotion", promotion_id)
        await note(db, "promotion.activated", subject, at=stand.now, shop_id=shop_id)

    await stand.database.transact(add)
    return promotion_id


async def change(stand: Stand, promotion_id: UUID, **values: Any) -> None:
    """Change a promotion behind its operator's back."""
    statement = sa.update(_promotions).where(_promotions.c.id == promotion_id).values(**values)
    await stand.database.transact(lambda db: db.execute(statement))


async def limited(stand: Stand, promotion_id: UUID, *tiers: int | None, **said: int | None) -> None:
    """Limit a promotion as an operator does."""
    kept: dict[str, int | None] = dict.fromkeys(("uses_max", "member_uses_max", "budget_amount"))
    kept |= said

    async def limit(db: AsyncSession) -> None:
        change = sa.update(_promotions).where(_promotions.c.id == promotion_id)
        await db.execute(change.values(limits=kept))
        await limits.keep(db, promotion_id, kept, tiers)

    await stand.database.transact(limit)


async def taken(database: Database, promotion_id: UUID) -> dict[str, int]:
    """What is taken of each slot that was ever limited."""
    quotas = table(PromotionQuota)
    statement = sa.select(quotas.c.slot, quotas.c.taken_amount)
    async with database.reading() as db:
        rows = await db.execute(statement.where(quotas.c.promotion_id == promotion_id))
    return {row.slot: row.taken_amount for row in rows}


async def turns(database: Database, promotion_id: UUID) -> dict[UUID, int]:
    """How often each member has used a promotion."""
    counted = table(PromotionMemberUse)
    statement = sa.select(counted.c.member_id, counted.c.uses)
    async with database.reading() as db:
        rows = await db.execute(statement.where(counted.c.promotion_id == promotion_id))
    return {row.member_id: row.uses for row in rows}


async def held(database: Database, promotion_id: UUID) -> Sequence[tuple[str, int]]:
    """What orders hold of a promotion now: slots and amounts."""
    uses = table(PromotionUse)
    statement = sa.select(uses.c.slot, uses.c.amount).where(
        uses.c.promotion_id == promotion_id, uses.c.released_at.is_(None)
    )
    async with database.reading() as db:
        return sorted((row.slot, row.amount) for row in await db.execute(statement))


async def batch(
    stand: Stand, shop_id: UUID, promotion_id: UUID, kind: CouponKind, **more: Any
) -> UUID:
    """Coupons of a kind, given out by the service."""
    wish = BatchWish(promotion_id=promotion_id, kind=kind, **more)

    async def make(db: AsyncSession) -> UUID:
        made = await coupons.create_batch(db, shop_id, wish, now=stand.now)
        batch_id: UUID = made["id"]
        return batch_id

    return await stand.database.transact(make)


async def coupon_rows(database: Database, batch_id: UUID) -> Sequence[Mapping[Any, Any]]:
    """The coupons of a batch, the oldest first."""
    rows = table(Coupon)
    statement = sa.select(rows).where(rows.c.batch_id == batch_id).order_by(rows.c.id)
    async with database.reading() as db:
        return (await db.execute(statement)).mappings().all()
