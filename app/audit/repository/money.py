"""Invariants of payments and refunds, against the provider's books and among themselves."""

from typing import Any

import sqlalchemy as sa

from app.audit.repository.breach import Invariant, Moment, Of, Query, total
from app.audit.repository.tables import (
    disputes,
    entries,
    lines,
    orders,
    outbox,
    parts,
    payments,
    refunds,
)


def owed_money_returned(moment: Moment) -> Query:
    """I3: an order whose money is owed back has it back, all of it, within the time allowed."""
    # Not since the order's end: money that comes late is owed back later than that. Leaving a
    # group is told as a cancellation; an order cancelled unpaid may owe its money much later.
    told_as = sa.case(
        (orders.c.refund_due_reason == "left_group", "order.cancelled"), else_="order.refund_owed"
    )
    long_owed = sa.exists(
        sa.select(1).where(
            outbox.c.aggregate_id == orders.c.id,
            outbox.c.kind == told_as,
            outbox.c.at < moment.overdue_before,
        )
    )
    # What the buyer has won by a dispute is back, too; of an open one nobody knows yet.
    won = total(
        sa.select(sa.func.sum(payments.c.lost_amount))
        .where(payments.c.order_id == orders.c.id, payments.c.state == "captured")
        .correlate(orders)
    )
    wrong = sa.and_(
        orders.c.refund_due_reason.is_not(None),
        orders.c.refunded_amount + won < orders.c.total_amount,
        orders.c.dispute != "open",
        long_owed,
    )
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        wrong, found=orders.c.refunded_amount, expected=orders.c.total_amount
    )


def _entries(kind: str, slot_of: Any, amount: Any) -> Any:
    return sa.exists(
        sa.select(1).where(
            entries.c.kind == kind, entries.c.subject_id == slot_of, entries.c.amount == amount
        )
    )


_HELD = ("captured", "surplus")


def captures_true(_: Moment) -> Query:
    """I5: every capture stands in the provider's books with the same amount."""
    wrong = sa.and_(
        payments.c.gateway == "sandbox",
        payments.c.state.in_(_HELD),
        ~_entries("charge", payments.c.id, payments.c.amount),
    )
    return Of(payments, payments.c.shop_id, payments.c.id).breach(
        wrong, found=payments.c.amount, expected="in the books"
    )


def refunds_true(_: Moment) -> Query:
    """I5: every refund that succeeded stands in the provider's books with the same amount."""
    joined = refunds.join(payments, payments.c.id == refunds.c.payment_id)
    wrong = sa.and_(
        payments.c.gateway == "sandbox",
        refunds.c.state == "succeeded",
        ~_entries("refund", refunds.c.id, refunds.c.amount),
    )
    return Of(joined, refunds.c.shop_id, refunds.c.id).breach(
        wrong, found=refunds.c.amount, expected="in the books"
    )


def books_heard(moment: Moment) -> Query:
    """I5: what the provider took or gave back long enough ago is known here too."""
    joined = entries.join(payments, payments.c.id == entries.c.payment_id).outerjoin(
        refunds, refunds.c.id == entries.c.subject_id
    )
    stops = entries.alias("stops")
    stopped = sa.exists(
        sa.select(1).where(
            stops.c.payment_id == entries.c.payment_id,
            stops.c.kind == "cancel",
        )
    )
    unheard_charge = sa.and_(entries.c.kind == "charge", ~stopped, payments.c.state.not_in(_HELD))
    unheard_refund = sa.and_(
        entries.c.kind == "refund",
        sa.or_(refunds.c.state.is_(None), refunds.c.state != "succeeded"),
    )
    wrong = sa.and_(
        entries.c.settles_at < moment.overdue_before, sa.or_(unheard_charge, unheard_refund)
    )
    return Of(joined, payments.c.shop_id, entries.c.subject_id).breach(
        wrong, found="unheard", expected=entries.c.kind
    )


def one_payment_one_order(_: Moment) -> Query:
    """I6: an order has at most one capture, of exactly its total, in its currency and shop."""
    joined = payments.join(orders, orders.c.id == payments.c.order_id)
    others = payments.alias("others")
    twice = sa.exists(
        sa.select(1).where(
            others.c.order_id == payments.c.order_id,
            others.c.state == "captured",
            others.c.id != payments.c.id,
        )
    )
    wrong = sa.and_(
        payments.c.state == "captured",
        sa.or_(
            payments.c.amount != orders.c.total_amount,
            payments.c.currency != orders.c.currency,
            payments.c.shop_id != orders.c.shop_id,
            twice,
        ),
    )
    return Of(joined, orders.c.shop_id, orders.c.id).breach(
        wrong, found=payments.c.amount, expected=orders.c.total_amount
    )


def paid_means_captured(_: Moment) -> Query:
    """I6: an order counts as paid if and only if its money was captured, or is owed back."""
    captured = sa.exists(
        sa.select(1).where(payments.c.order_id == orders.c.id, payments.c.state == "captured")
    )
    wrong = sa.or_(
        sa.and_(orders.c.paid_at.is_not(None), ~captured),
        sa.and_(
            sa.or_(
                orders.c.paid_at.is_(None),
                orders.c.status.in_(("placed", "cancelled", "expired")),
            ),
            captured,
            orders.c.refund_due_reason.is_(None),
        ),
    )
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        wrong, found=orders.c.status, expected="as captured"
    )


def refunds_within_payment(_: Moment) -> Query:
    """I7: refunds add up to what the payment owes and has paid back, never above the capture."""
    decided = total(
        sa.select(sa.func.sum(refunds.c.amount))
        .where(refunds.c.payment_id == payments.c.id)
        .correlate(payments)
    )
    done = total(
        sa.select(sa.func.sum(refunds.c.amount))
        .where(refunds.c.payment_id == payments.c.id, refunds.c.state == "succeeded")
        .correlate(payments)
    )
    wrong = sa.or_(
        payments.c.refund_owed_amount != decided,
        payments.c.refunded_amount != done,
        payments.c.refund_owed_amount > payments.c.amount,
    )
    return Of(payments, payments.c.shop_id, payments.c.id).breach(
        wrong, found=payments.c.refund_owed_amount, expected=decided
    )


def refund_parts_add_up(_: Moment) -> Query:
    """I7: what a refund was for adds up to the refund; money beside the order was for nothing."""
    joined = refunds.join(payments, payments.c.id == refunds.c.payment_id)
    made_of = total(
        sa.select(sa.func.sum(parts.c.amount))
        .where(parts.c.refund_id == refunds.c.id)
        .correlate(refunds)
    )
    due = sa.case((payments.c.state == "surplus", 0), else_=refunds.c.amount)
    return Of(joined, refunds.c.shop_id, refunds.c.id).breach(
        made_of != due, found=made_of, expected=refunds.c.amount
    )


def lines_refunded(_: Moment) -> Query:
    """I7: a line's refunded units and money are those of the refunds' parts, within the line."""
    joined = lines.join(orders, orders.c.id == lines.c.order_id)
    amount = total(
        sa.select(sa.func.sum(parts.c.amount)).where(parts.c.line_id == lines.c.id).correlate(lines)
    )
    units = total(
        sa.select(sa.func.sum(parts.c.quantity))
        .where(parts.c.line_id == lines.c.id)
        .correlate(lines)
    )
    wrong = sa.or_(
        lines.c.refunded_amount != amount,
        lines.c.refunded_quantity != units,
        lines.c.refunded_amount > lines.c.payable_amount,
    )
    return Of(joined, orders.c.shop_id, lines.c.id).breach(
        wrong, found=lines.c.refunded_amount, expected=amount
    )


def refund_share_derived(_: Moment) -> Query:
    """I7: an order's refunded amount and share follow from its payment."""
    back = total(
        sa.select(sa.func.sum(payments.c.refunded_amount))
        .where(payments.c.order_id == orders.c.id, payments.c.state != "surplus")
        .correlate(orders)
    )
    share = sa.case(
        (orders.c.refunded_amount == 0, "none"),
        (orders.c.refunded_amount == orders.c.total_amount, "full"),
        else_="partly",
    )
    # A free order that came to nothing is "full" with nothing to pay back.
    other_share = sa.and_(orders.c.total_amount > 0, orders.c.refund != share)
    wrong = sa.or_(orders.c.refunded_amount != back, other_share)
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        wrong, found=orders.c.refunded_amount, expected=back
    )


def surplus_goes_back(_: Moment) -> Query:
    """I6: all of a second capture is owed back."""
    wrong = sa.and_(
        payments.c.state == "surplus", payments.c.refund_owed_amount != payments.c.amount
    )
    return Of(payments, payments.c.shop_id, payments.c.id).breach(
        wrong, found=payments.c.refund_owed_amount, expected=payments.c.amount
    )


def disputes_counted(_: Moment) -> Query:
    """I5: what is disputed and what is lost of a payment follows from its disputes."""

    def of(state: str) -> Any:
        amounts = sa.select(sa.func.sum(disputes.c.amount)).where(
            disputes.c.payment_id == payments.c.id, disputes.c.state == state
        )
        return total(amounts.correlate(payments))

    wrong = sa.or_(payments.c.disputed_amount != of("open"), payments.c.lost_amount != of("lost"))
    return Of(payments, payments.c.shop_id, payments.c.id).breach(
        wrong, found=payments.c.disputed_amount, expected=of("open")
    )


CHECKS: tuple[Invariant, ...] = (
    owed_money_returned,
    captures_true,
    refunds_true,
    books_heard,
    one_payment_one_order,
    paid_means_captured,
    refunds_within_payment,
    refund_parts_add_up,
    lines_refunded,
    refund_share_derived,
    surplus_goes_back,
    disputes_counted,
)
