"""Invariants of facts: numbered without a gap, told for every state, heard in time."""

from typing import Any

import sqlalchemy as sa

from app.audit.repository.breach import Invariant, Moment, Of, Query, total
from app.audit.repository.tables import (
    answers,
    disputes,
    groups,
    handled,
    orders,
    outbox,
    payments,
    refunds,
    requests,
)


def sequences_whole(_: Moment) -> Query:
    """I9: the facts of one aggregate are numbered 1, 2, 3 … without a gap."""
    highest, count = sa.func.max(outbox.c.sequence), sa.func.count()
    return (
        sa.select(
            sa.func.min(sa.cast(outbox.c.shop_id, sa.String)).label("shop_id"),
            outbox.c.aggregate_id.label("subject_id"),
            sa.cast(highest, sa.String).label("found"),
            sa.cast(count, sa.String).label("expected"),
        )
        .group_by(outbox.c.aggregate_id)
        .having(highest != count)
    )


def _states(kind: str, subject_id: Any) -> Any:
    return sa.exists(sa.select(1).where(outbox.c.aggregate_id == subject_id, outbox.c.kind == kind))


def orders_told(_: Moment) -> Query:
    """I9, I16: an order's state was told as facts, and that its money is owed back."""
    untold = [
        sa.and_(reached, ~_states(kind, orders.c.id))
        for kind, reached in (
            ("order.placed", sa.true()),
            ("order.paid", orders.c.paid_at.is_not(None)),
            ("order.confirmed", orders.c.confirmed_at.is_not(None)),
            ("order.shipped", orders.c.shipped_at.is_not(None)),
            ("order.received", orders.c.received_at.is_not(None)),
            # NULL, where nothing is owed, equals neither.
            ("order.refund_owed", orders.c.refund_due_reason != "left_group"),
            ("order.cancelled", orders.c.refund_due_reason == "left_group"),
        )
    ]
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        sa.or_(*untold), found=orders.c.status, expected="told"
    )


def groups_told(_: Moment) -> Query:
    """I9, I16: a group's opening and end were told as facts."""
    untold = [
        sa.and_(reached, ~_states(kind, groups.c.id))
        for kind, reached in (
            ("group.opened", groups.c.opened_at.is_not(None)),
            ("group.succeeded", groups.c.status == "succeeded"),
            ("group.failed", groups.c.status == "failed"),
        )
    ]
    return Of(groups, groups.c.shop_id, groups.c.id).breach(
        sa.or_(*untold), found=groups.c.status, expected="told"
    )


def payments_told(_: Moment) -> Query:
    """I9, I16: every capture was told as a fact."""
    wrong = sa.and_(payments.c.state == "captured", ~_states("payment.captured", payments.c.id))
    return Of(payments, payments.c.shop_id, payments.c.id).breach(
        wrong, found=payments.c.state, expected="told"
    )


def facts_heard(moment: Moment) -> Query:
    """I9: no fact waits for its handlers for longer than the time allowed."""
    # Nothing is paid back of a payment that a bank decides about.
    waits = sa.exists(
        sa.select(1).where(
            orders.c.id == outbox.c.aggregate_id,
            orders.c.dispute == "open",
            outbox.c.kind.in_(("order.refund_owed", "order.rebate_owed")),
        )
    )
    wrong = sa.and_(outbox.c.done_at.is_(None), outbox.c.at < moment.overdue_before, ~waits)
    return Of(outbox, outbox.c.shop_id, outbox.c.id).breach(
        wrong, found=outbox.c.kind, expected="heard"
    )


def handled_belongs(_: Moment) -> Query:
    """I9: no handler has acted on a fact that was never committed."""
    joined = handled.outerjoin(outbox, outbox.c.id == handled.c.event_id)
    wrong = outbox.c.id.is_(None)
    return Of(joined, outbox.c.shop_id, handled.c.event_id).breach(
        wrong, found=handled.c.handler, expected="a fact"
    )


def _as_often(kinds: tuple[str, ...], subject_id: Any, rows: sa.Select[Any]) -> Any:
    """Whether there are as many facts of these kinds as there are rows, at least."""
    told = sa.select(sa.func.count()).where(
        outbox.c.aggregate_id == subject_id, outbox.c.kind.in_(kinds)
    )
    return total(told) >= total(rows)


def money_back_told(_: Moment) -> Query:
    """I9, I16: every refund that succeeded, and every dispute and its end, was told as a fact."""

    def of(source: Any, which: Any) -> sa.Select[Any]:
        counted = sa.select(sa.func.count()).where(source.c.payment_id == payments.c.id, which)
        return counted.correlate(payments)

    returned = ("payment.refund_succeeded", "payment.surplus_returned")
    told = sa.and_(
        _as_often(returned, payments.c.id, of(refunds, refunds.c.state == "succeeded")),
        _as_often(("payment.dispute_opened",), payments.c.id, of(disputes, sa.true())),
        _as_often(
            ("payment.dispute_closed",), payments.c.id, of(disputes, disputes.c.state != "open")
        ),
    )
    return Of(payments, payments.c.shop_id, payments.c.id).breach(
        ~told, found=payments.c.state, expected="told"
    )


def after_sales_told(_: Moment) -> Query:
    """I9, I16: what buyers asked back, and each decision about it, was told as a fact."""
    of_order = sa.select(sa.func.count()).where(requests.c.order_id == orders.c.id)
    decided = of_order.where(requests.c.state.in_(("approved", "rejected", "withdrawn")))
    told = sa.and_(
        _as_often(("order.after_sales_requested",), orders.c.id, of_order.correlate(orders)),
        _as_often(("order.after_sales_decided",), orders.c.id, decided.correlate(orders)),
    )
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        ~told, found=orders.c.status, expected="told"
    )


def answers_come(moment: Moment) -> Query:
    """I8: no request holds its key long after its time; its client would wait for ever."""
    wrong = sa.and_(answers.c.status.is_(None), answers.c.lease_until < moment.overdue_before)
    return Of(answers, sa.null(), answers.c.subject_id).breach(
        wrong, found=answers.c.lease_until, expected="answered"
    )


CHECKS: tuple[Invariant, ...] = (
    sequences_whole,
    orders_told,
    groups_told,
    payments_told,
    facts_heard,
    handled_belongs,
    money_back_told,
    after_sales_told,
    answers_come,
)
