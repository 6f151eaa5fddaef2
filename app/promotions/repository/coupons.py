"""All SQL of coupons and the batches they are given out in."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import Paging, Slice
from app.core.sql import (
    all_rows,
    changed,
    first_row,
    given_later,
    ids_in,
    is_postgresql,
    table,
    told,
    upsert,
)
from app.promotions.models import BatchStatus, Coupon, CouponBatch, CouponState, Promotion

_batches = table(CouponBatch)
_coupons = table(Coupon)
_promotions = table(Promotion)
_IDS: Mapping[str, sa.types.TypeEngine[Any]] = {"id": sa.Uuid()}
_CODES: Mapping[str, sa.types.TypeEngine[Any]] = {"code": sa.Text()}
_IS_FREE = _coupons.c.state.in_((CouponState.OPEN, CouponState.CLAIMED))
CODES_AT_ONCE = 1_000

# What batches are shown with: how many of their coupons somebody has claimed or ordered with.
_given = (
    sa.select(sa.func.count())
    .where(_coupons.c.batch_id == _batches.c.id, _coupons.c.member_id.is_not(None))
    .scalar_subquery()
    .label("claimed_count")
)


class Presented(NamedTuple):
    """A coupon behind a code or an id, with what decides whether it holds."""

    id: UUID
    code: str | None
    state: CouponState
    member_id: UUID | None
    starts_at: datetime | None
    ends_at: datetime | None
    promotion_id: UUID
    batch_status: BatchStatus


@cache
def _presented(*, on_postgresql: bool) -> sa.CompoundSelect[Any]:
    """Two ways in, each by its own index; built once, as quotes run it."""
    codes = given_later("codes", _CODES, on_postgresql=on_postgresql)
    ids = given_later("ids", _IDS, on_postgresql=on_postgresql)
    c = _coupons.c
    found = sa.select(
        c.id,
        c.code,
        c.state,
        c.member_id,
        c.starts_at,
        c.ends_at,
        _batches.c.promotion_id,
        _batches.c.status,
    ).where(c.shop_id == sa.bindparam("of_shop", type_=sa.Uuid()))
    with_batch = _coupons.join(_batches, _batches.c.id == c.batch_id)
    return sa.union_all(
        found.select_from(with_batch.join(codes, codes.c.code == c.code)),
        found.select_from(with_batch.join(ids, ids.c.id == c.id)),
    )


async def presented(
    db: AsyncSession, shop_id: UUID, codes: Collection[str], ids: Collection[UUID]
) -> Sequence[Presented]:
    """The coupons of a shop behind these codes and ids; unknown ones are absent."""
    values = {
        "of_shop": shop_id,
        "codes": told(db, _CODES, [{"code": code} for code in codes]),
        "ids": told(db, _IDS, [{"id": coupon_id} for coupon_id in ids]),
    }
    result = await db.execute(_presented(on_postgresql=is_postgresql(db)), values)
    return [Presented(*row) for row in result]


async def reserve(
    db: AsyncSession, order_id: UUID, member_id: UUID, coupon_ids: Collection[UUID]
) -> set[UUID]:
    """Give free coupons to an order of this member; those that it got."""
    statement = (
        sa.update(_coupons)
        .where(
            ids_in(db, _coupons.c.id, list(coupon_ids)),
            _IS_FREE,
            sa.or_(_coupons.c.member_id.is_(None), _coupons.c.member_id == member_id),
        )
        .values(state=CouponState.RESERVED, order_id=order_id)
        .returning(_coupons.c.id)
    )
    return set((await db.execute(statement)).scalars())


async def release(
    db: AsyncSession, coupon_ids: Collection[UUID], order_ids: Collection[UUID]
) -> None:
    """Give the coupons of ended orders back to their members, or to whoever has the code."""
    unclaimed = _coupons.c.member_id.is_(None)
    statement = (
        sa.update(_coupons)
        .where(
            ids_in(db, _coupons.c.id, list(coupon_ids)),
            _coupons.c.order_id.in_(order_ids),
        )
        .values(
            state=sa.case((unclaimed, CouponState.OPEN.value), else_=CouponState.CLAIMED.value),
            order_id=None,
        )
    )
    await db.execute(statement)


async def shared_of(db: AsyncSession, coupon_ids: Collection[UUID]) -> set[UUID]:
    """Which of these are shared codes."""
    statement = sa.select(_coupons.c.id).where(
        ids_in(db, _coupons.c.id, list(coupon_ids)), _coupons.c.state == CouponState.SHARED
    )
    return set((await db.execute(statement)).scalars())


async def add_batch(
    db: AsyncSession, batch: Mapping[str, Any], coupons: Sequence[Mapping[str, Any]]
) -> bool:
    """Insert a batch with its coupons; False where one of its codes is known in the shop."""
    await db.execute(sa.insert(_batches), dict(batch))
    added = 0
    for start in range(0, len(coupons), CODES_AT_ONCE):
        rows = [dict(row) for row in coupons[start : start + CODES_AT_ONCE]]
        added += await changed(db, upsert(db, _coupons).values(rows).on_conflict_do_nothing())
    return added == len(coupons)


async def batch(db: AsyncSession, shop_id: UUID, batch_id: UUID) -> sa.RowMapping | None:
    """One batch of a shop."""
    which = (_batches.c.id == batch_id, _batches.c.shop_id == shop_id)
    return await first_row(db, sa.select(_batches, _given).where(*which))


async def batch_to_claim(db: AsyncSession, batch_id: UUID) -> sa.RowMapping | None:
    """One batch, of whichever shop, with what decides whether its promotion is over."""
    statement = sa.select(
        _batches,
        _promotions.c.status.label("promotion_status"),
        _promotions.c.starts_at.label("promotion_starts_at"),
        _promotions.c.ends_at.label("promotion_ends_at"),
    ).join(_promotions, _promotions.c.id == _batches.c.promotion_id)
    return await first_row(db, statement.where(_batches.c.id == batch_id))


async def list_batches(
    db: AsyncSession, shop_id: UUID, promotion_id: UUID | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a shop's batches, of one promotion or of all, the newest first."""
    statement = sa.select(_batches, _given).where(_batches.c.shop_id == shop_id)
    if promotion_id is not None:
        statement = statement.where(_batches.c.promotion_id == promotion_id)
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(_batches.c.id < after[0])
    rows = await all_rows(db, statement.order_by(_batches.c.id.desc()).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["id"],))


async def stop_batch(db: AsyncSession, batch_id: UUID) -> bool:
    """Stop a batch that is active; says whether it was."""
    statement = (
        sa.update(_batches)
        .where(_batches.c.id == batch_id, _batches.c.status == BatchStatus.ACTIVE)
        .values(status=BatchStatus.STOPPED)
    )
    return await changed(db, statement) > 0


async def codes_of(db: AsyncSession, batch_id: UUID) -> Sequence[sa.RowMapping]:
    """The codes of a batch, in the order they were made."""
    statement = sa.select(_coupons.c.code, _coupons.c.state, _coupons.c.ends_at).where(
        _coupons.c.batch_id == batch_id, _coupons.c.code.is_not(None)
    )
    return await all_rows(db, statement.order_by(_coupons.c.id))


async def add_claim(db: AsyncSession, coupon: Mapping[str, Any], member_max: int | None) -> bool:
    """Insert a member's coupon under the next number it may have; False where it has them all.

    A rival of the same member may take the number first: the next try sees it. There are at most
    as many tries as there are numbers.
    """
    if member_max is None:
        await db.execute(sa.insert(_coupons), {**coupon, "number": None})
        return True
    statement = _claiming(db, coupon, member_max)
    for _ in range(member_max):
        if await changed(db, statement):
            return True
    return False


def _claiming(db: AsyncSession, coupon: Mapping[str, Any], member_max: int) -> Any:
    latest = sa.func.coalesce(sa.func.max(_coupons.c.number), 0)
    values = [sa.literal(value, _coupons.c[name].type) for name, value in coupon.items()]
    row = (
        sa.select(*values, latest + 1)
        .where(
            _coupons.c.batch_id == coupon["batch_id"],
            _coupons.c.member_id == coupon["member_id"],
        )
        .having(latest < member_max)
    )
    insert = upsert(db, _coupons).from_select([*coupon, "number"], row)
    return insert.on_conflict_do_nothing(index_elements=["batch_id", "member_id", "number"])


async def count_claim(db: AsyncSession, batch_id: UUID) -> bool:
    """Count one claim of a limited batch that still has one."""
    statement = (
        sa.update(_batches)
        .where(_batches.c.id == batch_id, _batches.c.claimed < _batches.c.coupons_max)
        .values(claimed=_batches.c.claimed + 1)
    )
    return await changed(db, statement) > 0


async def claim_code(
    db: AsyncSession, coupon_id: UUID, member_id: UUID, *, now: datetime
) -> sa.RowMapping | None:
    """Make a coupon behind a code this member's own, if it is still nobody's."""
    statement = (
        sa.update(_coupons)
        .where(_coupons.c.id == coupon_id, _coupons.c.state == CouponState.OPEN)
        .values(state=CouponState.CLAIMED, member_id=member_id, claimed_at=now)
        .returning(_coupons)
    )
    return await first_row(db, statement)


async def behind_code(db: AsyncSession, shop_id: UUID, code: str) -> sa.RowMapping | None:
    """The coupon behind a code of a shop."""
    return await first_row(
        db, sa.select(_coupons).where(_coupons.c.shop_id == shop_id, _coupons.c.code == code)
    )


async def coupons_of(
    db: AsyncSession, member_id: UUID, shop_id: UUID | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a member's own coupons, in one shop or in all, the newest first."""
    statement = (
        sa.select(_coupons, _batches.c.promotion_id, (_batches.c.status).label("batch_status"))
        .join(_batches, _batches.c.id == _coupons.c.batch_id)
        .where(_coupons.c.member_id == member_id)
    )
    if shop_id is not None:
        statement = statement.where(_coupons.c.shop_id == shop_id)
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(_coupons.c.id < after[0])
    rows = await all_rows(db, statement.order_by(_coupons.c.id.desc()).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["id"],))
