"""What is still on its way, and since when."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.repository.tables import (
    answers,
    deliveries,
    disputes,
    groups,
    hooks,
    notices,
    orders,
    outbox,
    payments,
    refunds,
    stray_refunds,
    strays,
)
from app.core.sql import all_rows

Query = sa.Select[Any]


def _work(name: str, source: sa.Table, since: Any, waiting: Any, shop_id: UUID | None) -> Query:
    mine = waiting
    if shop_id is not None:
        mine = sa.and_(waiting, source.c.shop_id == shop_id)
    return sa.select(
        sa.literal(name).label("name"),
        sa.func.count().label("count"),
        sa.func.min(since).label("oldest_at"),
    ).where(mine)


def _lost_of(order_id: Any) -> sa.ScalarSelect[Any]:
    """What the buyer of an order has won by disputes."""
    lost = sa.func.coalesce(sa.func.sum(payments.c.lost_amount), 0)
    return sa.select(lost).where(payments.c.order_id == order_id).scalar_subquery()


def _of_shop(shop_id: UUID | None, now: datetime, grace: timedelta) -> list[Query]:
    owed = sa.and_(
        orders.c.refund_due_reason.is_not(None),
        orders.c.refunded_amount + _lost_of(orders.c.id) != orders.c.total_amount,
    )
    back = sa.select(sa.func.coalesce(sa.func.sum(stray_refunds.c.amount), 0)).where(
        stray_refunds.c.stray_id == strays.c.id, stray_refunds.c.state == "succeeded"
    )
    stray = sa.and_(~strays.c.is_void, strays.c.amount != back.scalar_subquery())
    kinds: Mapping[str, tuple[sa.Table, Any, Any]] = {
        "facts_unheard": (outbox, outbox.c.at, outbox.c.done_at.is_(None)),
        "facts_failing": (
            outbox,
            outbox.c.at,
            sa.and_(outbox.c.done_at.is_(None), outbox.c.last_error.is_not(None)),
        ),
        "orders_overdue": (
            orders,
            orders.c.expires_at,
            sa.and_(orders.c.status == "placed", orders.c.expires_at <= now),
        ),
        "orders_owed_money": (orders, orders.c.ended_at, owed),
        "groups_overdue": (
            groups,
            groups.c.deadline_at,
            sa.and_(groups.c.status == "open", groups.c.deadline_at <= now - grace),
        ),
        "payments_unsettled": (
            payments,
            payments.c.created_at,
            payments.c.state.in_(("created", "pending")),
        ),
        "payments_quarantined": (
            payments,
            payments.c.created_at,
            payments.c.quarantine_reason.is_not(None),
        ),
        "captures_stray": (strays, strays.c.captured_at, stray),
        "webhooks_unsent": (
            deliveries,
            deliveries.c.created_at,
            deliveries.c.state == "pending",
        ),
        "refunds_unsent": (refunds, refunds.c.created_at, refunds.c.state == "pending"),
        "refunds_failed": (refunds, refunds.c.created_at, refunds.c.state == "failed"),
        "disputes_open": (disputes, disputes.c.opened_at, disputes.c.state == "open"),
    }
    return [_work(name, *kind, shop_id) for name, kind in kinds.items()]


def _of_all(now: datetime) -> list[Query]:
    due = sa.and_(notices.c.heard_at.is_(None), notices.c.due_at <= now)
    waiting, failed = (hooks.c.state == state for state in ("waiting", "failed"))
    return [
        _work("hook_events_waiting", hooks, hooks.c.received_at, waiting, None),
        _work("hook_events_failed", hooks, hooks.c.received_at, failed, None),
        _work("notices_unheard", notices, notices.c.due_at, due, None),
        _work(
            "requests_in_flight", answers, answers.c.created_at, answers.c.status.is_(None), None
        ),
    ]


async def pending(
    db: AsyncSession, shop_id: UUID | None, *, now: datetime, grace_seconds: int
) -> list[sa.RowMapping]:
    """Each kind of unfinished work with its number and the oldest of it, by one statement."""
    queries = _of_shop(shop_id, now, timedelta(seconds=grace_seconds))
    if shop_id is None:
        queries += _of_all(now)
    return list(await all_rows(db, sa.union_all(*queries)))
