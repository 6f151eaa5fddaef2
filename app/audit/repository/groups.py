"""Invariants of groups, seats and quotas."""

from typing import Any

import sqlalchemy as sa

from app.audit.repository.breach import Invariant, Moment, Of, Query, total
from app.audit.repository.tables import campaign_members as members
from app.audit.repository.tables import campaigns, groups, seats

LIVE_SEATS = ("reserved", "paid", "confirmed")


def _count_seats(*statuses: str) -> Any:
    return total(
        sa.select(sa.func.count())
        .where(seats.c.group_id == groups.c.id, seats.c.status.in_(statuses))
        .correlate(groups)
    )


def seats_counted(_: Moment) -> Query:
    """I1: a group's counter of live seats equals its live seats, and never passes its capacity."""
    live = _count_seats(*LIVE_SEATS)
    wrong = sa.or_(groups.c.taken != live, groups.c.taken > groups.c.capacity)
    return Of(groups, groups.c.shop_id, groups.c.id).breach(
        wrong, found=groups.c.taken, expected=live
    )


def paid_seats_counted(_: Moment) -> Query:
    """I1: a group's counter of paid seats equals its paid and confirmed seats."""
    paid = _count_seats("paid", "confirmed")
    return Of(groups, groups.c.shop_id, groups.c.id).breach(
        groups.c.paid != paid, found=groups.c.paid, expected=paid
    )


def quota_counted(_: Moment) -> Query:
    """I11: a limited campaign has given out exactly the units of its live seats."""
    held = total(
        sa.select(sa.func.sum(seats.c.quantity))
        .where(seats.c.campaign_id == campaigns.c.id, seats.c.status.in_(LIVE_SEATS))
        .correlate(campaigns)
    )
    wrong = sa.and_(
        campaigns.c.stock_quota.is_not(None),
        sa.or_(campaigns.c.quota_taken != held, campaigns.c.quota_taken > campaigns.c.stock_quota),
    )
    return Of(campaigns, campaigns.c.shop_id, campaigns.c.id).breach(
        wrong, found=campaigns.c.quota_taken, expected=held
    )


def success_complete(_: Moment) -> Query:
    """I2: a group succeeds complete, or at its deadline with enough; all paid by its deadline."""
    confirmed = total(
        sa.select(sa.func.count())
        .where(
            seats.c.group_id == groups.c.id,
            seats.c.status == "confirmed",
            seats.c.paid_at <= groups.c.deadline_at,
        )
        .correlate(groups)
    )
    at_deadline = sa.and_(
        groups.c.succeeded_at >= groups.c.deadline_at, confirmed >= groups.c.paid_min
    )
    wrong = sa.and_(
        groups.c.status == "succeeded",
        sa.or_(
            confirmed != groups.c.paid,
            sa.and_(confirmed != groups.c.capacity, ~at_deadline),
        ),
    )
    return Of(groups, groups.c.shop_id, groups.c.id).breach(
        wrong, found=confirmed, expected=groups.c.paid_min
    )


def member_units_counted(_: Moment) -> Query:
    """I11: a member was given exactly the units of its live seats, and no more than allowed."""
    held = total(
        sa.select(sa.func.sum(seats.c.quantity))
        .where(
            seats.c.campaign_id == members.c.campaign_id,
            seats.c.member_id == members.c.member_id,
            seats.c.status.in_(LIVE_SEATS),
        )
        .correlate(members)
    )
    joined = members.join(campaigns, campaigns.c.id == members.c.campaign_id)
    wrong = sa.or_(members.c.units != held, members.c.units > campaigns.c.member_units_max)
    return Of(joined, campaigns.c.shop_id, members.c.member_id).breach(
        wrong, found=members.c.units, expected=held
    )


def no_group_stuck(moment: Moment) -> Query:
    """I2b: no group gathers on although it is full of payments, or long after its deadline."""
    wrong = sa.and_(
        groups.c.status == "open",
        sa.or_(groups.c.paid >= groups.c.capacity, groups.c.deadline_at < moment.overdue_before),
    )
    return Of(groups, groups.c.shop_id, groups.c.id).breach(
        wrong, found=groups.c.status, expected="ended"
    )


def failure_empty(_: Moment) -> Query:
    """I3: a group that failed or was cancelled holds no live seat."""
    live = _count_seats(*LIVE_SEATS)
    wrong = sa.and_(groups.c.status.in_(("failed", "cancelled")), live != 0)
    return Of(groups, groups.c.shop_id, groups.c.id).breach(wrong, found=live, expected="0")


CHECKS: tuple[Invariant, ...] = (
    seats_counted,
    paid_seats_counted,
    quota_counted,
    member_units_counted,
    success_complete,
    no_group_stuck,
    failure_empty,
)
