"""All that happened to an order, in the order of time, told in codes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.errors import NotFound
from app.orders.models import ApprovalState
from app.orders.repository import after_sales as repository
from app.orders.repository import orders
from app.orders.rules import OF_THE_SHOP
from app.payments import service as payments

FACTS_MAX = 500
APPROVALS_MAX = 100
# Facts that a timeline tells, and what of them it tells.
_TOLD: Mapping[str, tuple[str, ...]] = {
    "order.placed": ("total_amount", "currency"),
    "order.paid": (),
    "order.confirmed": (),
    "order.cancelled": (),
    "order.expired": (),
    "order.shipped": ("carrier", "tracking_number"),
    "order.received": (),
    "order.closed": (),
    "order.after_sales_requested": ("after_sales_id", "reason", "amount", "currency"),
    "order.after_sales_decided": ("after_sales_id", "state"),
    "payment.captured": ("amount", "currency"),
    "payment.declined": ("reason",),
    "payment.refund_succeeded": ("refund_id", "amount", "currency"),
    "payment.refund_failed": ("refund_id", "amount", "reason"),
    "payment.refund_returned": ("refund_id", "amount", "currency"),
    "payment.dispute_opened": ("dispute_id", "amount", "currency"),
    "payment.dispute_closed": ("dispute_id", "amount", "currency", "is_lost"),
    "group.opened": (),
    "group.succeeded": (),
    "group.failed": (),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; `code` is stable, `params` are plain values."""

    at: datetime
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


async def timeline(db: AsyncSession, which: Mapping[str, UUID]) -> list[Entry]:
    """What happened to one order of a member or of a shop, by five statements.

    Approvals are the shop's own affair: a member is not told of them.
    """
    row = await orders.order_by(db, which)
    if row is None:
        raise NotFound
    tried = await payments.payments_of_order(db, row["id"])
    refunds = await payments.refunds_of_order(db, row["id"])
    about = [row["id"], *(one["id"] for one in tried)]
    if row["group_id"] is not None:
        about.append(row["group_id"])
    facts = await events.facts_about(db, about, rows_max=FACTS_MAX)
    found = [*_begun(tried), *_told(facts), *_owed(refunds)]
    if "member_id" not in which:
        mine = {"order_id": row["id"]}
        found += _approvals(await repository.approvals(db, mine, None, APPROVALS_MAX))
    # The sort is stable: what has one moment stays in the order it was stated.
    return sorted(found, key=lambda entry: entry.at)


def _begun(tried: Iterable[sa.RowMapping]) -> Iterable[Entry]:
    for one in tried:
        told = {"amount": one["amount"], "currency": one["currency"], "gateway": one["gateway"]}
        yield Entry(one["created_at"], "payment.started", told)


def _told(facts: Iterable[sa.RowMapping]) -> Iterable[Entry]:
    for fact in facts:
        names = _TOLD.get(fact["kind"])
        if names is not None:
            yield Entry(fact["at"], fact["kind"], {n: fact["payload"].get(n) for n in names})


def _owed(refunds: Iterable[sa.RowMapping]) -> Iterable[Entry]:
    for one in refunds:
        told = {
            "refund_id": str(one["id"]),
            "amount": one["amount"],
            "currency": one["currency"],
            "reason": one["reason"],
            "reference": one["reference"].removeprefix(OF_THE_SHOP),
        }
        yield Entry(one["created_at"], "refund.decided", told)


def _approvals(rows: Iterable[sa.RowMapping]) -> Iterable[Entry]:
    for one in rows:
        told = {
            "approval_id": str(one["id"]),
            "amount": one["amount"],
            "currency": one["currency"],
        }
        yield Entry(one["requested_at"], "refund.awaits_approval", told)
        if one["state"] != ApprovalState.AWAITING:
            yield Entry(one["decided_at"], f"refund.approval_{one['state'].value}", told)
