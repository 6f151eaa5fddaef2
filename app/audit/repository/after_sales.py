"""Invariants of what comes after the sale: requests, second opinions, and what was withheld."""

import sqlalchemy as sa

from app.audit.repository.breach import Invariant, Moment, Of, Query, total
from app.audit.repository.tables import approvals, lines, orders, parts, refunds, requests
from app.orders.rules import OF_AFTER_SALES


def approved_requests_refunded(_: Moment) -> Query:
    """I7: an approved request has a refund of its order and amount; no other request has one."""
    joined = requests.outerjoin(refunds, refunds.c.id == requests.c.refund_id)
    is_its_own = sa.and_(
        refunds.c.order_id == requests.c.order_id,
        refunds.c.amount == requests.c.amount,
        refunds.c.reference.startswith(OF_AFTER_SALES),
    )
    is_approved = requests.c.state == "approved"
    # Where there is no refund, the comparison is neither true nor false.
    has_its_own = sa.case((is_its_own, 1), else_=0) == 1
    wrong = sa.or_(
        sa.and_(is_approved, ~has_its_own),
        sa.and_(~is_approved, requests.c.refund_id.is_not(None)),
    )
    return Of(joined, requests.c.shop_id, requests.c.id).breach(
        wrong, found=refunds.c.amount, expected=requests.c.amount
    )


def requested_refunds_approved(_: Moment) -> Query:
    """I7: a refund that a request has led to belongs to exactly one, and that one is approved."""
    mine = sa.select(sa.func.count()).where(
        requests.c.refund_id == refunds.c.id, requests.c.state == "approved"
    )
    granted = total(mine.correlate(refunds))
    wrong = sa.and_(refunds.c.reference.startswith(OF_AFTER_SALES), granted != 1)
    return Of(refunds, refunds.c.shop_id, refunds.c.id).breach(wrong, found=granted, expected="1")


def approvals_refunded(_: Moment) -> Query:
    """S22: what a second operator approved was paid back as it was asked for, and nothing else."""
    joined = approvals.outerjoin(refunds, refunds.c.id == approvals.c.refund_id)
    is_approved = approvals.c.state == "approved"
    other = sa.or_(
        refunds.c.id.is_(None),
        refunds.c.order_id != approvals.c.order_id,
        refunds.c.amount != approvals.c.amount,
        approvals.c.decided_by == approvals.c.requested_by,
    )
    wrong = sa.or_(
        sa.and_(is_approved, other),
        sa.and_(~is_approved, approvals.c.refund_id.is_not(None)),
    )
    return Of(joined, approvals.c.shop_id, approvals.c.id).breach(
        wrong, found=refunds.c.amount, expected=approvals.c.amount
    )


def requests_await_approval(_: Moment) -> Query:
    """S22: a request waits for a second operator as long as its refund does, and no longer."""
    mine = sa.select(sa.func.count()).where(
        approvals.c.after_sales_id == requests.c.id, approvals.c.state == "awaiting"
    )
    waits = total(mine.correlate(requests))
    expected = sa.case((requests.c.state == "awaiting_approval", 1), else_=0)
    return Of(requests, requests.c.shop_id, requests.c.id).breach(
        waits != expected, found=waits, expected=expected
    )


def withheld_by_policy(_: Moment) -> Query:
    """I7: shares are withheld on lines that are priced again, and within what the line cost."""
    joined = parts.join(orders, orders.c.id == parts.c.order_id).outerjoin(
        lines, lines.c.id == parts.c.line_id
    )
    share = parts.c.amount + parts.c.withheld_amount
    wrong = sa.and_(
        parts.c.withheld_amount != 0,
        sa.or_(
            parts.c.line_id.is_(None),
            orders.c.refund_policy != "reprice",
            orders.c.group_id.is_not(None),
            share < 0,
            share > lines.c.payable_amount,
        ),
    )
    return Of(joined, orders.c.shop_id, parts.c.id).breach(
        wrong, found=parts.c.withheld_amount, expected="0"
    )


def withheld_before_given_back(_: Moment) -> Query:
    """I7: no order gives back more of what was withheld than was withheld."""
    withheld = total(
        sa.select(sa.func.sum(parts.c.withheld_amount))
        .where(parts.c.order_id == orders.c.id)
        .correlate(orders)
    )
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        withheld < 0, found=withheld, expected="0 or more"
    )


CHECKS: tuple[Invariant, ...] = (
    approved_requests_refunded,
    requested_refunds_approved,
    approvals_refunded,
    requests_await_approval,
    withheld_by_policy,
    withheld_before_given_back,
)
