"""Invariants of stock, prices and buyers."""

from typing import Any

import sqlalchemy as sa

from app.audit.repository.breach import Invariant, Moment, Of, Query, total
from app.audit.repository.tables import (
    adjustments,
    buyers,
    campaigns,
    groups,
    lines,
    orders,
    parts,
    stock,
    variants,
)


def _units_held(which: Any) -> Any:
    return total(
        sa.select(sa.func.sum(lines.c.quantity))
        .join(orders, orders.c.id == lines.c.order_id)
        .where(lines.c.variant_id == stock.c.variant_id, which)
        .correlate(stock)
    )


def stock_reserved(_: Moment) -> Query:
    """I1s: reserved units are those of placed orders and of paid ones not yet confirmed."""
    waiting = sa.and_(orders.c.status.in_(("placed", "paid")), orders.c.confirmed_at.is_(None))
    held = _units_held(waiting)
    return Of(stock, stock.c.shop_id, stock.c.variant_id).breach(
        stock.c.reserved != held, found=stock.c.reserved, expected=held
    )


def stock_sold(_: Moment) -> Query:
    """I1s: sold units are those of confirmed orders less those put back for sale by refunds."""
    restocked = total(
        sa.select(sa.func.sum(parts.c.restocked_quantity))
        .join(lines, lines.c.id == parts.c.line_id)
        .where(lines.c.variant_id == stock.c.variant_id)
        .correlate(stock)
    )
    kept = _units_held(orders.c.confirmed_at.is_not(None)) - restocked
    return Of(stock, stock.c.shop_id, stock.c.variant_id).breach(
        stock.c.sold != kept, found=stock.c.sold, expected=kept
    )


def stock_on_hand(_: Moment) -> Query:
    """I1s: units on hand are the sum of all adjustments, and cover what is reserved and sold."""
    adjusted = total(
        sa.select(sa.func.sum(adjustments.c.quantity))
        .where(adjustments.c.variant_id == stock.c.variant_id)
        .correlate(stock)
    )
    wrong = sa.or_(stock.c.on_hand != adjusted, stock.c.reserved + stock.c.sold > stock.c.on_hand)
    return Of(stock, stock.c.shop_id, stock.c.variant_id).breach(
        wrong, found=stock.c.on_hand, expected=adjusted
    )


def lines_add_up(_: Moment) -> Query:
    """I10: lines add up to the goods of the order, and no line costs more than its list price."""
    payable = total(
        sa.select(sa.func.sum(lines.c.payable_amount))
        .where(lines.c.order_id == orders.c.id)
        .correlate(orders)
    )
    dear = sa.exists(
        sa.select(1).where(
            lines.c.order_id == orders.c.id,
            lines.c.payable_amount > lines.c.list_amount * lines.c.quantity,
        )
    )
    wrong = sa.or_(orders.c.goods_amount != payable, dear)
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        wrong, found=orders.c.goods_amount, expected=payable
    )


def buyers_counted(_: Moment) -> Query:
    """A buyer's counter is the number of orders paid in the shop and not refunded whole."""
    # Added up from both sides: a buyer without a row and a row without orders are seen alike.
    kept = sa.select(
        buyers.c.shop_id,
        buyers.c.member_id,
        buyers.c.paid_orders.label("kept"),
        sa.literal(0).label("bought"),
    )
    bought = sa.select(orders.c.shop_id, orders.c.member_id, sa.literal(0), sa.literal(1)).where(
        orders.c.paid_at.is_not(None), orders.c.refund != "full"
    )
    sides = sa.union_all(kept, bought).subquery("sides")
    counted = (
        sa.select(
            sides.c.shop_id,
            sides.c.member_id,
            sa.func.sum(sides.c.kept).label("kept"),
            sa.func.sum(sides.c.bought).label("bought"),
        )
        .group_by(sides.c.shop_id, sides.c.member_id)
        .subquery("counted")
    )
    return Of(counted, counted.c.shop_id, counted.c.member_id).breach(
        counted.c.kept != counted.c.bought, found=counted.c.kept, expected=counted.c.bought
    )


def tenants_apart(_: Moment) -> Query:
    """I13: what an order sells and where it sits belongs to the order's shop."""
    joined = (
        orders.join(lines, lines.c.order_id == orders.c.id)
        .join(variants, variants.c.id == lines.c.variant_id)
        .outerjoin(groups, groups.c.id == orders.c.group_id)
        .outerjoin(campaigns, campaigns.c.id == groups.c.campaign_id)
    )
    shop_id = orders.c.shop_id
    wrong = sa.or_(
        variants.c.shop_id != shop_id, groups.c.shop_id != shop_id, campaigns.c.shop_id != shop_id
    )
    return Of(joined, shop_id, orders.c.id).breach(
        wrong, found=variants.c.shop_id, expected=shop_id
    )


CHECKS: tuple[Invariant, ...] = (
    stock_reserved,
    stock_sold,
    stock_on_hand,
    lines_add_up,
    buyers_counted,
    tenants_apart,
)
