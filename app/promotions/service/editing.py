"""Promotions: drafted, activated, edited, stopped and copied; and the live ones for a quote."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.community import service as community
from app.core.audit_log import note
from app.core.errors import NotFound, VersionMismatch
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.promotions.errors import TooManyPromotions
from app.promotions.models import PromotionStatus
from app.promotions.repository import promotions as repository
from app.promotions.rules import (
    LIVE_MAX,
    PromotionWish,
    ShopLimits,
    check_editable,
    check_move,
    check_not_over,
    check_wish,
)

log = structlog.get_logger("promotions")
# A buyer who comes a day late still learns that the offer has ended, and when.
EXPLAINED_AFTER_END = timedelta(days=1)
_WISH_FIELDS = tuple(PromotionWish.__dataclass_fields__)


async def promotion(db: AsyncSession, shop_id: UUID, promotion_id: UUID) -> sa.RowMapping:
    """A promotion of this shop; `NotFound` for another shop's."""
    found = await repository.promotion(db, shop_id, promotion_id)
    if found is None:
        raise NotFound
    return found


async def list_promotions(
    db: AsyncSession, shop_id: UUID, status: PromotionStatus | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a shop's promotions, the newest first."""
    return await repository.list_promotions(db, shop_id, status, paging)


async def create(
    db: AsyncSession, shop_id: UUID, wish: PromotionWish, *, now: datetime
) -> sa.RowMapping:
    """Draft a promotion; it applies to nothing before it is activated."""
    await _check(db, shop_id, wish)
    values = _stored(wish)
    made = await repository.add(
        db,
        {
            **values,
            "id": new_id(),
            "shop_id": shop_id,
            "status": PromotionStatus.DRAFT,
            "version": 1,
            "created_at": now,
        },
    )
    await _note(db, "created", made, (None, values), now=now)
    return made


async def copy(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID, *, now: datetime
) -> sa.RowMapping:
    """Draft a new promotion that says what this one says, whatever its status."""
    return await create(db, shop_id, _wish(await promotion(db, shop_id, promotion_id)), now=now)


async def edit(
    db: AsyncSession,
    shop_id: UUID,
    promotion_id: UUID,
    changes: Mapping[str, Any],
    *,
    version: int,
    now: datetime,
) -> sa.RowMapping:
    """Change a draft or an active promotion; orders already placed keep the version they had."""
    before = await promotion(db, shop_id, promotion_id)
    if before["version"] != version:
        raise VersionMismatch
    check_editable(before["status"])
    wish = replace(_wish(before), **changes)
    await _check(db, shop_id, wish)
    changed = {name: value for name, value in _stored(wish).items() if before[name] != value}
    if not changed:
        return before
    after = await _change(db, before, changed)
    await _note(db, "edited", after, ({name: before[name] for name in changed}, changed), now=now)
    return after


async def activate(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID, *, now: datetime
) -> sa.RowMapping:
    """Let a draft take part in quotes from its start on; checked again, as the shop may differ."""
    before = await promotion(db, shop_id, promotion_id)
    check_move(before["status"], PromotionStatus.ACTIVE)
    check_not_over(before["ends_at"], now)
    await _check(db, shop_id, _wish(before))
    if await repository.count_active(db, shop_id) >= LIVE_MAX:
        raise TooManyPromotions(promotions_max=LIVE_MAX)
    return await _move(db, before, PromotionStatus.ACTIVE, "activated", now=now)


async def stop(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID, *, now: datetime
) -> sa.RowMapping:
    """Take a promotion out of all further quotes for good."""
    before = await promotion(db, shop_id, promotion_id)
    check_move(before["status"], PromotionStatus.STOPPED)
    return await _move(db, before, PromotionStatus.STOPPED, "stopped", now=now)


async def _move(
    db: AsyncSession, before: sa.RowMapping, status: PromotionStatus, verb: str, *, now: datetime
) -> sa.RowMapping:
    after = await _change(db, before, {"status": status})
    change = ({"status": before["status"].value}, {"status": status.value})
    await _note(db, verb, after, change, now=now)
    return after


async def _change(
    db: AsyncSession, before: sa.RowMapping, values: Mapping[str, Any]
) -> sa.RowMapping:
    after = await repository.change(db, before, values)
    if after is None:
        raise VersionMismatch
    return after


async def _check(db: AsyncSession, shop_id: UUID, wish: PromotionWish) -> None:
    shop = await catalog.shop(db, shop_id)
    check_wish(wish, ShopLimits(shop.allow_free_orders, shop.shipping_flat_amount))
    for community_id in wish.community_ids:
        await community.community_of_shop(db, shop_id, community_id)


def _stored(wish: PromotionWish) -> dict[str, Any]:
    return {
        **asdict(wish),
        "kind": wish.kind,
        "rule": dict(wish.rule),
        "match": {name: sorted(map(str, v)) for name, v in sorted(wish.match.items()) if v},
        "community_ids": sorted(map(str, wish.community_ids)),
        "member_tags_any": sorted(wish.member_tags_any),
    }


def _wish(row: sa.RowMapping) -> PromotionWish:
    said = {name: row[name] for name in _WISH_FIELDS}
    return PromotionWish(**{**said, "community_ids": tuple(map(UUID, row["community_ids"]))})


async def _note(
    db: AsyncSession,
    verb: str,
    row: sa.RowMapping,
    change: tuple[dict[str, Any] | None, dict[str, Any]],
    *,
    now: datetime,
) -> None:
    subject = ("promotion", row["id"])
    await note(db, f"promotion.{verb}", subject, at=now, shop_id=row["shop_id"], change=change)
