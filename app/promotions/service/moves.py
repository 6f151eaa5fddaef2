"""Promotions on their way: activated, paused, resumed, ended, and all stopped at once."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.core.audit_log import note
from app.promotions.errors import TooManyPromotions
from app.promotions.repository import promotions as repository
from app.promotions.rules import LIVE_MAX, Move, check_not_over, status_after
from app.promotions.service.checks import check, check_cost
from app.promotions.service.records import change, differing, note_change, promotion, state, wish_of


async def activate(
    db: AsyncSession,
    shop_id: UUID,
    promotion_id: UUID,
    *,
    confirm_below_cost: bool = False,
    now: datetime,
) -> sa.RowMapping:
    """Let a draft take part in quotes from its start on; checked again, as the shop may differ."""
    before = await _held(db, shop_id, promotion_id)
    status_after(Move.ACTIVATE, state(before, now))
    check_not_over(before["ends_at"], now)
    return await _go_live(db, before, Move.ACTIVATE, is_confirmed=confirm_below_cost, now=now)


async def pause(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID, *, now: datetime
) -> sa.RowMapping:
    """Take a promotion out of quotes until it is resumed; its window goes on."""
    return await _move(db, await promotion(db, shop_id, promotion_id), Move.PAUSE, now=now)


async def resume(
    db: AsyncSession,
    shop_id: UUID,
    promotion_id: UUID,
    *,
    confirm_below_cost: bool = False,
    now: datetime,
) -> sa.RowMapping:
    """Let a paused promotion take part in quotes again; checked as at its activation."""
    before = await _held(db, shop_id, promotion_id)
    status_after(Move.RESUME, state(before, now))
    return await _go_live(db, before, Move.RESUME, is_confirmed=confirm_below_cost, now=now)


async def end(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID, *, now: datetime
) -> sa.RowMapping:
    """Take a promotion out of all further quotes for good."""
    return await _move(db, await promotion(db, shop_id, promotion_id), Move.END, now=now)


async def stop_all(db: AsyncSession, shop_id: UUID, *, now: datetime) -> list[UUID]:
    """Pause every live promotion of a shop at once; returns which, the oldest first.

    Whoever activates one meanwhile is waited for, so that nothing is live afterwards but what
    somebody activates or resumes later.
    """
    await catalog.shop(db, shop_id)
    await repository.hold(db, shop_id)
    paused = await repository.pause_all(db, shop_id, now)
    told = {"paused": [str(each) for each in paused]}
    subject = ("shop", shop_id)
    await note(db, "promotion.all_paused", subject, at=now, shop_id=shop_id, change=(None, told))
    return paused


async def _held(db: AsyncSession, shop_id: UUID, promotion_id: UUID) -> sa.RowMapping:
    """The promotion, with no other one becoming live meanwhile: they are judged together."""
    await repository.hold(db, shop_id)
    return await promotion(db, shop_id, promotion_id)


async def _go_live(
    db: AsyncSession, before: sa.RowMapping, move: Move, *, is_confirmed: bool, now: datetime
) -> sa.RowMapping:
    """Judged by the goods of now: what was fair when it was paused may sell below cost today."""
    shop_id = before["shop_id"]
    await check(db, shop_id, before["id"], wish_of(before))
    if await repository.count_live(db, shop_id, now) >= LIVE_MAX:
        raise TooManyPromotions(promotions_max=LIVE_MAX)
    confirmed_at = before["below_cost_confirmed_at"]
    if confirmed_at is None and await check_cost(
        db, shop_id, dict(before), is_confirmed=is_confirmed
    ):
        confirmed_at = now
    return await _move(db, before, move, ("below_cost_confirmed_at", confirmed_at), now=now)


_VERBS = {
    Move.ACTIVATE: "activated",
    Move.PAUSE: "paused",
    Move.RESUME: "resumed",
    Move.END: "ended",
}
assert _VERBS.keys() == set(Move), "every move has a name in the log"


async def _move(
    db: AsyncSession,
    before: sa.RowMapping,
    move: Move,
    *also: tuple[str, Any],
    now: datetime,
) -> sa.RowMapping:
    status = status_after(move, state(before, now))
    changed = differing(before, {"status": status, **dict(also)})
    after = await change(db, before, changed)
    told = ({name: before[name] for name in changed}, changed)
    await note_change(db, _VERBS[move], after, told, now=now)
    return after
