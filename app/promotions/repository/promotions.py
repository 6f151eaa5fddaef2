"""All SQL of configured promotions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import Paging, Slice
from app.core.sql import all_rows, first_row, is_postgresql, table
from app.promotions.models import Promotion, PromotionKind, PromotionStatus
from app.promotions.rules import LIVE_MAX

_promotions = table(Promotion)
_is_active = _promotions.c.status == PromotionStatus.ACTIVE


def _of(shop_id: UUID, promotion_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return _promotions.c.id == promotion_id, _promotions.c.shop_id == shop_id


_c = _promotions.c
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
        _c.new_buyers_only,
        sa.cast(_c.community_ids, sa.Text).label("community_ids"),
        sa.cast(_c.member_tags_any, sa.Text).label("member_tags_any"),
        _c.exclusive,
        sa.cast(_c.limits, sa.Text).label("limits"),
        _c.needs_coupon,
    )
    .where(
        _promotions.c.shop_id == sa.bindparam("of_shop", type_=sa.Uuid()),
        _is_active,
        sa.or_(
            _promotions.c.ends_at.is_(None),
            _promotions.c.ends_at > sa.bindparam("over_at", type_=_promotions.c.ends_at.type),
        ),
    )
    .order_by(_promotions.c.id)
    .limit(LIVE_MAX)
)


class Live(NamedTuple):
    """An active promotion as it is stored; fields that are JSON are told as texts."""

    id: UUID
    version: int
    kind: PromotionKind
    name_zh: str
    name_en: str
    rule: str
    match: str
    starts_at: datetime | None
    ends_at: datetime | None
    new_buyers_only: bool
    community_ids: str
    member_tags_any: str
    exclusive: bool
    limits: str
    needs_coupon: bool


async def live(db: AsyncSession, shop_id: UUID, *, over_at: datetime) -> Sequence[Live]:
    """The active promotions of a shop that were not over then, the oldest first."""
    result = await db.execute(_live, {"of_shop": shop_id, "over_at": over_at})
    return [Live(*row) for row in result]


async def add(db: AsyncSession, values: Mapping[str, Any]) -> sa.RowMapping:
    """Insert a promotion."""
    made = await first_row(db, sa.insert(_promotions).values(**values).returning(_promotions))
    assert made is not None, "an insert that does not raise returns its row"
    return made


async def promotion(db: AsyncSession, shop_id: UUID, promotion_id: UUID) -> sa.RowMapping | None:
    """One promotion of a shop."""
    return await first_row(db, sa.select(_promotions).where(*_of(shop_id, promotion_id)))


async def list_promotions(
    db: AsyncSession, shop_id: UUID, status: PromotionStatus | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a shop's promotions in one status or all, the newest first."""
    statement = sa.select(_promotions).where(_promotions.c.shop_id == shop_id)
    if status is not None:
        statement = statement.where(_promotions.c.status == status)
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(_promotions.c.id < after[0])
    rows = await all_rows(db, statement.order_by(_promotions.c.id.desc()).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["id"],))


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


async def count_active(db: AsyncSession, shop_id: UUID) -> int:
    """How many promotions of a shop are active; rivals who activate wait until this one is done.

    The lock is on the shop's number, not on a row: SQLite's writer holds everything anyway.
    """
    if is_postgresql(db):
        number = int.from_bytes(shop_id.bytes[8:], "big", signed=True)
        await db.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
    statement = sa.select(sa.func.count()).where(_promotions.c.shop_id == shop_id, _is_active)
    return int((await db.execute(statement)).scalar_one())
