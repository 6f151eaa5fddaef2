"""Single promotions: read, written under the version they were read at, and noted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import NotFound, VersionMismatch
from app.promotions.errors import BadPromotion
from app.promotions.repository import promotions as repository
from app.promotions.rules import PromotionState, PromotionWish, fault_of, state_of

_STORED = tuple(name for name in PromotionWish.__dataclass_fields__ if name != "currency")


async def promotion(db: AsyncSession, shop_id: UUID, promotion_id: UUID) -> sa.RowMapping:
    """A promotion of this shop; `NotFound` for another shop's."""
    found = await repository.promotion(db, shop_id, promotion_id)
    if found is None:
        raise NotFound
    return found


def state(row: sa.RowMapping, now: datetime) -> PromotionState:
    """Where a stored promotion is now."""
    return state_of(row["status"], row["starts_at"], row["ends_at"], now)


def check_readable(row: sa.RowMapping) -> None:
    """Refuse a stored promotion that the engine cannot price with."""
    fault = fault_of(row["rule"], row["match"], row["conditions"], row["limits"])
    if fault is not None:
        raise BadPromotion(reason="broken", detail=fault)


def wish_of(row: sa.RowMapping) -> PromotionWish:
    """What a stored promotion says; `BadPromotion` where the engine refuses it."""
    check_readable(row)
    return PromotionWish(**{name: row[name] for name in _STORED})


def differing(before: sa.RowMapping, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are not stored already."""
    return {name: value for name, value in values.items() if before[name] != value}


async def change(
    db: AsyncSession, before: sa.RowMapping, values: Mapping[str, Any]
) -> sa.RowMapping:
    """Write new values into a promotion that nobody has changed since it was read."""
    after = await repository.change(db, before, values)
    if after is None:
        raise VersionMismatch
    return after


async def note_change(
    db: AsyncSession,
    verb: str,
    row: sa.RowMapping,
    told: tuple[dict[str, Any] | None, dict[str, Any]],
    *,
    now: datetime,
) -> None:
    """Write into the log what was before and what is now."""
    subject = ("promotion", row["id"])
    await note(db, f"promotion.{verb}", subject, at=now, shop_id=row["shop_id"], change=told)
