"""What has to end before a member can be erased, and which shops know one."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.community.models import Community, Membership
from app.core.sql import all_rows, table
from app.groupbuy.models import Seat, SeatStatus
from app.orders.models import (
    AfterSales,
    AfterSalesState,
    ApprovalState,
    Fulfilment,
    Order,
    OrderStatus,
    RefundApproval,
    RefundShare,
)
from app.payments.gateway import DisputeState
from app.payments.models import (
    UNSETTLED_STATES,
    Payment,
    PaymentDispute,
    Refund,
    RefundStatus,
)

_orders = table(Order)
_seats = table(Seat)
_payments = table(Payment)
_refunds = table(Refund)
_disputes = table(PaymentDispute)
_after_sales = table(AfterSales)
_approvals = table(RefundApproval)
_memberships = table(Membership)
_communities = table(Community)
_OPEN = (AfterSalesState.REQUESTED, AfterSalesState.RETURNING, AfterSalesState.AWAITING_APPROVAL)


def _count(name: str, source: sa.Table, which: Any) -> sa.Select[str, int]:
    told = (sa.literal(name).label("name"), sa.func.count().label("count"))
    return sa.select(*told).select_from(source).where(which)


async def waiting(db: AsyncSession, member_id: UUID) -> dict[str, int]:
    """How much of each kind is not over, by one statement; nothing when all is."""
    mine = _orders.c.member_id == member_id
    own = sa.select(_orders.c.id).where(mine)

    def of_orders(source: sa.Table, which: Any) -> Any:
        return sa.and_(source.c.order_id.in_(own), which)

    undelivered = sa.and_(
        mine,
        _orders.c.status == OrderStatus.PAID,
        _orders.c.fulfilment != Fulfilment.RECEIVED,
        _orders.c.refund != RefundShare.FULL,
    )
    owed = sa.and_(
        mine,
        _orders.c.refund_due_reason.is_not(None),
        _orders.c.refunded_amount < _orders.c.total_amount,
    )
    unsent = _refunds.c.state != RefundStatus.SUCCEEDED
    seated = sa.and_(
        _seats.c.member_id == member_id,
        _seats.c.status.in_((SeatStatus.RESERVED, SeatStatus.PAID)),
    )
    asked = sa.and_(_after_sales.c.member_id == member_id, _after_sales.c.state.in_(_OPEN))
    kinds = (
        ("unpaid_orders", _orders, sa.and_(mine, _orders.c.status == OrderStatus.PLACED)),
        ("open_group_seats", _seats, seated),
        ("undelivered_orders", _orders, undelivered),
        ("orders_owed_money", _orders, owed),
        ("refunds_on_their_way", _refunds, of_orders(_refunds, unsent)),
        (
            "payments_on_their_way",
            _payments,
            of_orders(_payments, _payments.c.state.in_(UNSETTLED_STATES)),
        ),
        ("open_after_sales", _after_sales, asked),
        (
            "open_refund_approvals",
            _approvals,
            of_orders(_approvals, _approvals.c.state == ApprovalState.AWAITING),
        ),
        (
            "open_disputes",
            _disputes,
            of_orders(_disputes, _disputes.c.state == DisputeState.OPEN),
        ),
    )
    rows = await all_rows(db, sa.union_all(*(_count(*kind) for kind in kinds)))
    return {row["name"]: row["count"] for row in rows if row["count"]}


async def shops_of(db: AsyncSession, member_id: UUID) -> Sequence[UUID]:
    """Every shop that a member has ever ordered in, or been in a community of."""
    ordered = sa.select(_orders.c.shop_id).where(_orders.c.member_id == member_id)
    joined = (
        sa.select(_communities.c.shop_id)
        .join(_memberships, _memberships.c.community_id == _communities.c.id)
        .where(_memberships.c.member_id == member_id)
    )
    rows = await all_rows(db, sa.union(ordered, joined).order_by("shop_id"))
    return [row["shop_id"] for row in rows]
