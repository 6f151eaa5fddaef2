"""Invariants of limited promotions and of coupons."""

from typing import Any

import sqlalchemy as sa

from app.audit.repository.breach import Invariant, Moment, Of, Query, total
from app.audit.repository.tables import (
    batches,
    coupons,
    member_uses,
    orders,
    promotions,
    quotas,
    uses,
)

_LIVE = uses.c.released_at.is_(None)


def _taken(*which: Any) -> Any:
    return total(sa.select(sa.func.sum(uses.c.amount)).where(_LIVE, *which))


def limits_counted(_: Moment) -> Query:
    """I11: what is taken of a limit is what live orders hold of it, and never beyond it."""
    held = _taken(uses.c.promotion_id == quotas.c.promotion_id, uses.c.slot == quotas.c.slot)
    joined = quotas.join(promotions, promotions.c.id == quotas.c.promotion_id)
    wrong = sa.or_(quotas.c.taken_amount != held, quotas.c.taken_amount > quotas.c.limit_amount)
    return Of(joined, promotions.c.shop_id, quotas.c.promotion_id).breach(
        wrong, found=quotas.c.taken_amount, expected=held
    )


def member_uses_counted(_: Moment) -> Query:
    """I11: a member has used a promotion as often as its live orders say."""
    held = _taken(
        uses.c.slot == "member",
        uses.c.promotion_id == member_uses.c.promotion_id,
        uses.c.member_id == member_uses.c.member_id,
    )
    joined = member_uses.join(promotions, promotions.c.id == member_uses.c.promotion_id)
    return Of(joined, promotions.c.shop_id, member_uses.c.member_id).breach(
        member_uses.c.uses != held, found=member_uses.c.uses, expected=held
    )


def uses_follow_orders(_: Moment) -> Query:
    """I11: an order holds what it took until it ends unconfirmed, and not a moment longer."""
    alive = sa.or_(orders.c.status.in_(("placed", "paid")), orders.c.confirmed_at.is_not(None))
    joined = uses.outerjoin(orders, orders.c.id == uses.c.order_id)
    wrong = sa.or_(
        orders.c.id.is_(None),
        sa.and_(alive, uses.c.released_at.is_not(None)),
        sa.and_(~alive, _LIVE),
    )
    return Of(joined, orders.c.shop_id, uses.c.order_id).breach(
        wrong, found=uses.c.released_at, expected=orders.c.status
    )


def coupons_used_once(_: Moment) -> Query:
    """I11: a coupon that is used belongs to one live order, any other but a shared code to none."""
    mine = sa.and_(uses.c.coupon_id == coupons.c.id, _LIVE)
    live = total(sa.select(sa.func.count()).where(mine).correlate(coupons))
    here = sa.exists(sa.select(1).where(mine, uses.c.order_id == coupons.c.order_id))
    wrong = sa.or_(
        sa.and_(coupons.c.state == "reserved", sa.or_(live != 1, ~here)),
        sa.and_(coupons.c.state.in_(("open", "claimed")), live != 0),
    )
    return Of(coupons, coupons.c.shop_id, coupons.c.id).breach(
        wrong, found=live, expected=coupons.c.state
    )


def claims_counted(_: Moment) -> Query:
    """I11: a limited batch has counted its claims, and a member has no more than it may."""
    of_batch = coupons.c.batch_id == batches.c.id
    given = total(sa.select(sa.func.count()).where(of_batch).correlate(batches))
    greedy = sa.exists(sa.select(1).where(of_batch, coupons.c.number > batches.c.member_max))
    wrong = sa.or_(sa.and_(batches.c.coupons_max.is_not(None), batches.c.claimed != given), greedy)
    return Of(batches, batches.c.shop_id, batches.c.id).breach(
        wrong, found=batches.c.claimed, expected=given
    )


CHECKS: tuple[Invariant, ...] = (
    limits_counted,
    member_uses_counted,
    uses_follow_orders,
    coupons_used_once,
    claims_counted,
)
