"""Invariants of orders' own figures and states, of what operators did, and of erased members."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.audit.repository.breach import Invariant, Moment, Of, Query
from app.audit.repository.tables import (
    PERSONAL,
    addresses,
    approvals,
    audit_log,
    batches,
    brands,
    coupons,
    disputes,
    groups,
    lines,
    members,
    orders,
    payments,
    promotions,
    refunds,
    requests,
    seats,
    sessions,
    shops,
)

# The job that forgets late comers runs every hour.
FORGOTTEN_WITHIN = timedelta(hours=2)


class _RunsSum(FunctionElement[int]):
    """What the runs of a line's unit shares come to: of one field, or of amount times units."""

    inherit_cache = True
    type = sa.BigInteger()


class _Paid(_RunsSum):
    inherit_cache = True


class _Units(_RunsSum):
    inherit_cache = True


def _unfolded(element: Any, compiler: Any, names: tuple[str, ...], **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    if compiler.dialect.name == "sqlite":
        product = " * ".join(f"json_extract(run.value, '$.{name}')" for name in names)
        source = f"json_each({column})"
    else:
        product = " * ".join(f"CAST(run.value ->> '{name}' AS BIGINT)" for name in names)
        source = f"jsonb_array_elements({column})"
    # Made of the names above and of what the compiler has quoted.
    return f"(SELECT coalesce(sum({product}), 0) FROM {source} AS run)"  # noqa: S608


@compiles(_Paid)
def _paid(element: Any, compiler: Any, **kw: Any) -> str:
    return _unfolded(element, compiler, ("amount", "units"), **kw)


@compiles(_Units)
def _units(element: Any, compiler: Any, **kw: Any) -> str:
    return _unfolded(element, compiler, ("units",), **kw)


def shares_add_up(_: Moment) -> Query:
    """I10: the frozen shares of a line's units are as many as its units and as much as it cost."""
    joined = lines.join(orders, orders.c.id == lines.c.order_id)
    paid = _Paid(lines.c.unit_shares)
    wrong = sa.or_(paid != lines.c.payable_amount, _Units(lines.c.unit_shares) != lines.c.quantity)
    return Of(joined, orders.c.shop_id, lines.c.id).breach(
        wrong, found=paid, expected=lines.c.payable_amount
    )


def totals_as_priced(_: Moment) -> Query:
    """I10: an order costs what its quote said, and no discount is below nothing."""

    def said(name: str) -> Any:
        return sa.cast(orders.c.priced[name].as_string(), sa.BigInteger)

    wrong = sa.or_(
        orders.c.total_amount != said("total_amount"),
        orders.c.goods_amount != said("goods_payable_amount"),
        said("goods_discount_amount") < 0,
        said("goods_list_amount") - said("goods_discount_amount") != orders.c.goods_amount,
    )
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        wrong, found=orders.c.total_amount, expected=said("total_amount")
    )


def order_states_follow(_: Moment) -> Query:
    """I16: an order has come to its state by the steps before it, and each has its time."""
    over = orders.c.status.in_(("closed", "cancelled", "expired"))
    sent = orders.c.fulfilment.in_(("shipped", "received"))
    wrong = sa.or_(
        sa.and_(orders.c.status.in_(("paid", "closed")), orders.c.paid_at.is_(None)),
        sa.and_(over, orders.c.ended_at.is_(None)),
        sa.and_(sent, orders.c.shipped_at.is_(None)),
        sa.and_(orders.c.fulfilment == "received", orders.c.received_at.is_(None)),
    )
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        wrong, found=orders.c.status, expected="in order"
    )


def no_order_stuck(moment: Moment) -> Query:
    """I2b: no order stays unpaid long after its time; one whose payment is on its way may."""
    on_its_way = sa.exists(
        sa.select(1).where(
            payments.c.order_id == orders.c.id, payments.c.state.in_(("created", "pending"))
        )
    )
    wrong = sa.and_(
        orders.c.status == "placed", orders.c.expires_at < moment.overdue_before, ~on_its_way
    )
    return Of(orders, orders.c.shop_id, orders.c.id).breach(
        wrong, found=orders.c.status, expected="ended"
    )


def money_of_one_shop(_: Moment) -> Query:
    """I13: refunds, disputes and requests belong to the shop of what they are about."""
    pairs = (
        (refunds, payments, refunds.c.payment_id),
        (disputes, payments, disputes.c.payment_id),
        (payments, orders, payments.c.order_id),
        (requests, orders, requests.c.order_id),
        (approvals, orders, approvals.c.order_id),
        (seats, groups, seats.c.group_id),
        (coupons, batches, coupons.c.batch_id),
        (batches, promotions, batches.c.promotion_id),
    )
    return _together(
        Of(child.join(parent, parent.c.id == link), child.c.shop_id, child.c.id).breach(
            child.c.shop_id != parent.c.shop_id,
            found=child.c.shop_id,
            expected=parent.c.shop_id,
        )
        for child, parent, link in pairs
    )


def _together(queries: Any) -> Query:
    every = sa.union_all(*queries).subquery()
    found: Query = sa.select(every.c.shop_id, every.c.subject_id, every.c.found, every.c.expected)
    return found


def edits_logged(_: Moment) -> Query:
    """I16: what operators made or decided stands in the audit log."""
    decided = (
        (shops, shops.c.id, sa.true()),
        (brands, brands.c.shop_id, sa.true()),
        (promotions, promotions.c.shop_id, sa.true()),
        (batches, batches.c.shop_id, sa.true()),
        (requests, requests.c.shop_id, requests.c.decided_by.is_not(None)),
        (approvals, approvals.c.shop_id, approvals.c.decided_by.is_not(None)),
    )
    return _together(
        Of(table, shop_id, table.c.id).breach(
            sa.and_(
                which,
                ~sa.exists(
                    sa.select(1).where(
                        audit_log.c.shop_id == shop_id, audit_log.c.subject_id == table.c.id
                    )
                ),
            ),
            found=sa.literal(table.name),
            expected="logged",
        )
        for table, shop_id, which in decided
    )


def erased_are_forgotten(moment: Moment) -> Query:
    """Nothing tells who an erased member was, nor where its ended orders went."""
    due = moment.now - FORGOTTEN_WITHIN
    personal = [
        sa.exists(sa.select(1).where(table.c.member_id == members.c.id)) for table in PERSONAL
    ]
    way_in = sa.exists(sa.select(1).where(sessions.c.subject_id == members.c.id))
    parcels = sa.exists(
        sa.select(1)
        .select_from(orders.outerjoin(addresses, addresses.c.order_id == orders.c.id))
        .where(
            orders.c.member_id == members.c.id,
            orders.c.status != "placed",
            sa.or_(orders.c.ended_at.is_(None), orders.c.ended_at < due),
            sa.or_(addresses.c.order_id.is_not(None), orders.c.tracking_number.is_not(None)),
        )
    )
    wrong = sa.and_(members.c.erased_at < due, sa.or_(*personal, way_in, parcels))
    return Of(members, sa.null(), members.c.id).breach(wrong, found="known", expected="forgotten")


CHECKS: tuple[Invariant, ...] = (
    shares_add_up,
    totals_as_priced,
    order_states_follow,
    no_order_stuck,
    money_of_one_shop,
    edits_logged,
    erased_are_forgotten,
)
