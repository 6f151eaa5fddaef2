"""Promotions drafted, edited and copied, and what there is to be warned about."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.core.errors import VersionMismatch
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.promotions.models import PromotionStatus
from app.promotions.repository import promotions as repository
from app.promotions.rules import PromotionState, PromotionWish, check_edit, fault_of
from app.promotions.rules.warnings import Caution, Rival, warnings_of
from app.promotions.service.checks import check, check_cost, check_meant, check_said, scene
from app.promotions.service.limits import keep
from app.promotions.service.records import (
    change,
    differing,
    note_change,
    promotion,
    state,
    wish_of,
)

_JUDGED = frozenset({"rule", "match", "conditions"})
_WINDOW = frozenset({"starts_at", "ends_at"})


async def list_promotions(
    db: AsyncSession,
    shop_id: UUID,
    state: PromotionState | None,
    paging: Paging,
    *,
    now: datetime,
) -> Slice[sa.RowMapping]:
    """A page of a shop's promotions that are in this state now, the newest first."""
    return await repository.list_promotions(db, shop_id, state, paging, now=now)


async def create(
    db: AsyncSession, shop_id: UUID, wish: PromotionWish, *, now: datetime
) -> sa.RowMapping:
    """Draft a promotion; it applies to nothing before it is activated."""
    promotion_id = new_id()
    await check(db, shop_id, promotion_id, wish)
    values = wish.stored()
    made = await repository.add(
        db,
        {
            **values,
            "id": promotion_id,
            "shop_id": shop_id,
            "status": PromotionStatus.DRAFT,
            "version": 1,
            "created_at": now,
        },
    )
    if _limited(made):
        await _keep_limits(db, made)
    await note_change(db, "created", made, (None, values), now=now)
    return made


def _tier_limits(row: sa.RowMapping) -> list[int | None]:
    return [tier.get("quota_units") for tier in row["rule"].get("tiers", ())]


def _limited(row: sa.RowMapping) -> bool:
    return any((*row["limits"].values(), *_tier_limits(row)))


async def _keep_limits(db: AsyncSession, row: sa.RowMapping) -> None:
    await keep(db, row["id"], row["limits"], _tier_limits(row))


async def copy(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID, *, now: datetime
) -> sa.RowMapping:
    """Draft a new promotion that says what this one says, whatever its state."""
    return await create(db, shop_id, wish_of(await promotion(db, shop_id, promotion_id)), now=now)


async def edit(
    db: AsyncSession,
    shop_id: UUID,
    promotion_id: UUID,
    changes: Mapping[str, Any],
    *,
    version: int,
    now: datetime,
) -> sa.RowMapping:
    """Change what may still be changed; orders already placed keep the version they had.

    A scheduled promotion has been activated: one that would then sell below cost needs
    `confirm_below_cost` among the changes, unless that was confirmed of what it still says. What it
    says of goods is judged only where that changes: a name is corrected also when the gift has run
    out.
    """
    before = await promotion(db, shop_id, promotion_id)
    if before["version"] != version:
        raise VersionMismatch
    said = dict(changes)
    is_confirmed = said.pop("confirm_below_cost", False)
    wish = replace(wish_of(before), **said)
    stored = wish.stored()
    changed = differing(before, stored)
    at = state(before, now)
    check_edit(at, before["limits"], changed, now)
    await check_said(db, shop_id, wish)
    if not changed:
        return before
    if changed.keys() & _JUDGED:
        # Judged with the live ones: a rival's activation must not come between.
        await repository.hold(db, shop_id)
        await check_meant(db, shop_id, promotion_id, wish)
    confirmed_at = None if changed.keys() & _JUDGED else before["below_cost_confirmed_at"]
    if confirmed_at is None and _is_asked(at, changed):
        cheap = await check_cost(db, shop_id, stored, is_confirmed=is_confirmed)
        confirmed_at = now if cheap else None
    changed |= differing(before, {"below_cost_confirmed_at": confirmed_at})
    after = await change(db, before, changed)
    if changed.keys() & {"limits", "rule"} and (_limited(before) or _limited(after)):
        await _keep_limits(db, after)
    told = ({name: before[name] for name in changed}, changed)
    await note_change(db, "edited", after, told, now=now)
    return after


def _is_asked(at: PromotionState, changed: Mapping[str, Any]) -> bool:
    """Whether nobody else will ask: a draft is judged when it is activated."""
    return at is PromotionState.SCHEDULED and bool(changed.keys() & (_JUDGED | _WINDOW))


async def warnings(db: AsyncSession, row: sa.RowMapping, *, now: datetime) -> list[Caution]:
    """What the operator of a promotion should know about it now, by four statements at most."""
    fault = fault_of(row["rule"], row["match"], row["conditions"], row["limits"])
    if fault is not None:
        return [Caution("broken", {"detail": fault})]
    shop = await catalog.shop(db, row["shop_id"])
    seen = await scene(db, shop, dict(row))
    others = await repository.others(db, row["shop_id"], beside=row["id"], over_at=now)
    rivals = [
        Rival(one["id"], one["rule"], one["match"])
        for one in others
        if fault_of(one["rule"], one["match"], {}, {}) is None
    ]
    return warnings_of(replace(seen, rivals=rivals))
