"""All SQL of configured promotions."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import Paging, Slice
from app.core.sql import all_rows, first_row, is_postgresql, table
from app.promotions.models import Promotion, PromotionKind, PromotionStatus
from app.promotions.rules import LIVE_MAX, PromotionState
from app.promotions.rules.offers import Giving

_promotions = table(Promotion)
_c = _promotions.c
_is_live = _c.status == PromotionStatus.LIVE


def _of(shop_id: UUID, promotion_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return _promotions.c.id == promotion_id, _promotions.c.shop_id == shop_id


# Built once: every quote runs it. Documents come as text, to be read once for each version.
_live = (
    sa.select(
        _c.id,
        _c.version,
        _c.kind,
        _c.name_zh,
        _c.name_en,
        sa.cast(_c.rule, sa.Text).label("rule"),
        sa.cast(_c.match, sa.Text).label("match"),
        _c.starts_at,
        _c.ends_at,
        sa.cast(_c.conditions, sa.Text).label("conditions"),
        sa.cast(_c.limits, sa.Text).label("limits"),
        _c.needs_coupon,
        _c.exclusive,
        _c.stacking_group,
        _c.priority,
    )
    .where(
        _promotions.c.shop_id == sa.bindparam("of_shop", type_=sa.Uuid()),
        _is_live,
        sa.or_(
            _promotions.c.ends_at.is_(None),
            _promotions.c.ends_at > sa.bindparam("over_at", type_=_promotions.c.ends_at.type),
        ),
    )
    # Those that are merely explained must not push out any that hold.
    .order_by(sa.case((_c.ends_at <= sa.bindparam("at", type_=_c.ends_at.type), 1), else_=0), _c.id)
    .limit(LIVE_MAX)
)


class Live(NamedTuple):
    """A live promotion as it is stored; its documents are JSON texts."""

    id: UUID
    version: int
    kind: PromotionKind
    name_zh: str
    name_en: str
    rule: str
    match: str
    starts_at: datetime | None
    ends_at: datetime | None
    conditions: str
    limits: str
    needs_coupon: bool
    exclusive: bool
    stacking_group: str | None
    priority: int


async def live(
    db: AsyncSession, shop_id: UUID, *, over_at: datetime, now: datetime
) -> Sequence[Live]:
    """The live promotions of a shop that were not over then; those that hold, the oldest first."""
    result = await db.execute(_live, {"of_shop": shop_id, "over_at": over_at, "at": now})
    return [Live(*row) for row in result]


async def add(db: AsyncSession, values: Mapping[str, Any]) -> sa.RowMapping:
    """Insert a promotion."""
    made = await first_row(db, sa.insert(_promotions).values(**values).returning(_promotions))
    assert made is not None, "an insert that does not raise returns its row"
    return made


async def promotion(db: AsyncSession, shop_id: UUID, promotion_id: UUID) -> sa.RowMapping | None:
    """One promotion of a shop."""
    return await first_row(db, sa.select(_promotions).where(*_of(shop_id, promotion_id)))


async def by_ids(
    db: AsyncSession, shop_id: UUID, promotion_ids: Collection[UUID]
) -> Sequence[sa.RowMapping]:
    """Promotions of a shop in any state, the oldest first."""
    mine = sa.and_(_c.shop_id == shop_id, _c.id.in_(sorted(promotion_ids)))
    return await all_rows(db, sa.select(_promotions).where(mine).order_by(_c.id))


def _in(state: PromotionState, now: datetime) -> sa.ColumnElement[bool]:
    """The rows for which `state_of` gives this state."""
    is_draft = _c.status == PromotionStatus.DRAFT
    is_over = sa.and_(sa.not_(is_draft), _c.ends_at.is_not(None), _c.ends_at <= now)
    is_ended = sa.or_(_c.status == PromotionStatus.ENDED, is_over)
    is_early = sa.and_(_c.starts_at.is_not(None), _c.starts_at > now)
    found: dict[PromotionState, sa.ColumnElement[bool]] = {
        PromotionState.DRAFT: is_draft,
        PromotionState.SCHEDULED: sa.and_(_is_live, sa.not_(is_ended), is_early),
        PromotionState.RUNNING: sa.and_(_is_live, sa.not_(is_ended), sa.not_(is_early)),
        PromotionState.PAUSED: sa.and_(_c.status == PromotionStatus.PAUSED, sa.not_(is_ended)),
        PromotionState.ENDED: is_ended,
    }
    return found[state]


async def list_promotions(
    db: AsyncSession, shop_id: UUID, state: PromotionState | None, paging: Paging, *, now: datetime
) -> Slice[sa.RowMapping]:
    """A page of a shop's promotions in one state or all, the newest first."""
    statement = sa.select(_promotions).where(_promotions.c.shop_id == shop_id)
    if state is not None:
        statement = statement.where(_in(state, now))
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(_promotions.c.id < after[0])
    rows = await all_rows(db, statement.order_by(_promotions.c.id.desc()).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["id"],))


async def giving(db: AsyncSession, shop_id: UUID, *, beside: UUID) -> list[Giving]:
    """The other add-ons and gifts of a shop that have not ended, the newest first."""
    statement = (
        sa.select(_c.id, _c.rule, _c.match)
        .where(
            _c.shop_id == shop_id,
            _c.kind.in_((PromotionKind.ADD_ON, PromotionKind.GIFT)),
            _c.status != PromotionStatus.ENDED,
            _c.id != beside,
        )
        .order_by(_c.id.desc())
        .limit(LIVE_MAX)
    )
    return [Giving(**row) for row in await all_rows(db, statement)]


async def others(
    db: AsyncSession, shop_id: UUID, *, beside: UUID, over_at: datetime
) -> Sequence[sa.RowMapping]:
    """The rules of a shop's other live promotions that are not over then, the oldest first."""
    statement = (
        sa.select(_c.id, _c.rule, _c.match)
        .where(
            _c.shop_id == shop_id,
            _is_live,
            sa.or_(_c.ends_at.is_(None), _c.ends_at > over_at),
            _c.id != beside,
        )
        .order_by(_c.id)
        .limit(LIVE_MAX)
    )
    return await all_rows(db, statement)


async def pause_all(db: AsyncSession, shop_id: UUID, now: datetime) -> list[UUID]:
    """Pause every promotion of a shop that is live and not over, by one statement."""
    statement = (
        sa.update(_promotions)
        .where(_c.shop_id == shop_id, _is_live, sa.or_(_c.ends_at.is_(None), _c.ends_at > now))
        .values(status=PromotionStatus.PAUSED, version=_c.version + 1)
        .returning(_c.id)
    )
    return sorted((await db.execute(statement)).scalars())


async def change(
    db: AsyncSession, row: sa.RowMapping, values: Mapping[str, Any]
) -> sa.RowMapping | None:
    """Change a promotion that nobody has changed since it was read; its version goes up by one."""
    statement = (
        sa.update(_promotions)
        .where(_promotions.c.id == row["id"], _promotions.c.version == row["version"])
        .values(**values, version=row["version"] + 1)
        .returning(_promotions)
    )
    return await first_row(db, statement)


async def hold(db: AsyncSession, shop_id: UUID) -> None:
    """Let one transaction at a time decide which promotions of a shop are live.

    The lock is on the shop's number, not on a row: SQLite's writer holds everything anyway.
    """
    if is_postgresql(db):
        number = int.from_bytes(shop_id.bytes[8:], "big", signed=True)
        await db.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


async def count_live(db: AsyncSession, shop_id: UUID, now: datetime) -> int:
    """How many promotions of a shop are live and not over."""
    is_over = _c.ends_at <= now
    statement = sa.select(sa.func.count()).where(
        _c.shop_id == shop_id, _is_live, sa.or_(_c.ends_at.is_(None), sa.not_(is_over))
    )
    return int((await db.execute(statement)).scalar_one())
