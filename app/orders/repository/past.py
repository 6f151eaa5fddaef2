"""SQL over a shop's past orders, bounded whatever their number."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, table
from app.orders.models import Order, RefundShare

# However many orders a shop has, no more of the newest ones are looked through.
LOOKED_BACK_MAX = 10_000

_orders = table(Order)
_PICKED = ("id", "member_id", "group_id", "placed_at", "paid_at", "refund", "total_amount")


def _paid_since(shop_id: UUID, since: datetime) -> tuple[sa.Subquery, sa.ColumnElement[bool]]:
    """The shop's newest orders, and which of them were paid and not refunded in full."""
    recent = (
        sa.select(*(_orders.c[name] for name in _PICKED))
        .where(_orders.c.shop_id == shop_id)
        .order_by(_orders.c.id.desc())
        .limit(LOOKED_BACK_MAX)
        .subquery("recent")
    )
    is_paid = sa.and_(recent.c.paid_at.is_not(None), recent.c.refund != RefundShare.FULL)
    return recent, sa.and_(is_paid, recent.c.placed_at >= since)


async def count_paid(db: AsyncSession, shop_id: UUID, since: datetime) -> sa.RowMapping:
    """Paid orders placed since then, those in groups apart; `oldest_at` where there may be more."""
    recent, is_paid = _paid_since(shop_id, since)
    in_group = recent.c.group_id.is_not(None)
    is_cut = sa.func.count() >= LOOKED_BACK_MAX
    statement = sa.select(
        sa.func.count().filter(is_paid, sa.not_(in_group)).label("orders"),
        sa.func.count().filter(is_paid, in_group).label("group_orders"),
        sa.case((is_cut, sa.func.min(recent.c.placed_at))).label("oldest_at"),
    )
    found: sa.RowMapping = (await db.execute(statement)).mappings().one()
    return found


async def paid_alone(
    db: AsyncSession, shop_id: UUID, since: datetime, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Paid orders without a group placed since then, the newest first, and how they were priced.

    `paid_before` counts the buyer's earlier orders that were paid, and not all refunded, by then.
    `applied` and `gifts` are JSON texts of the quote the order was placed on.
    """
    recent, is_paid = _paid_since(shop_id, since)
    newest = recent.select().where(is_paid, recent.c.group_id.is_(None))
    picked = newest.order_by(recent.c.id.desc()).limit(rows_max).subquery("picked")
    priced = _orders.c.priced
    statement = (
        sa.select(
            picked.c.id,
            picked.c.member_id,
            picked.c.placed_at,
            picked.c.total_amount,
            _paid_before(picked, shop_id).label("paid_before"),
            # Orders of before there were shipping discounts say nothing of it.
            sa.func.coalesce(
                sa.cast(priced["shipping_list_amount"].as_string(), sa.BigInteger),
                _orders.c.shipping_amount,
            ).label("shipping_amount"),
            sa.cast(priced["applied"], sa.Text).label("applied"),
            sa.cast(priced["gifts"], sa.Text).label("gifts"),
        )
        .join(_orders, _orders.c.id == picked.c.id)
        .order_by(picked.c.id.desc())
    )
    return await all_rows(db, statement)


def _paid_before(picked: sa.Subquery, shop_id: UUID) -> sa.ScalarSelect[int]:
    earlier = _orders.alias("earlier")
    was_back = sa.and_(
        earlier.c.refund == RefundShare.FULL,
        earlier.c.ended_at.is_not(None),
        earlier.c.ended_at <= picked.c.placed_at,
    )
    return (
        sa.select(sa.func.count())
        .where(
            earlier.c.member_id == picked.c.member_id,
            earlier.c.shop_id == shop_id,
            earlier.c.id < picked.c.id,
            earlier.c.paid_at <= picked.c.placed_at,
            sa.not_(was_back),
        )
        .correlate(picked)
        .scalar_subquery()
    )
