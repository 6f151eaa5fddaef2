"""What must hold afterwards, decided by plain SQL that shares no line with the service.

Each check is a statement that finds the rows which break it. They are read from a database that is
quiet: no fact undelivered, no refund unsent, no payment unsettled.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tests.lanes.history import History, Told
from tests.lanes.world import GRACE_SECONDS, World, typed

Found = dict[str, list[Any]]
# How long after its time something may still wait for a worker.
LATE_SECONDS_MAX = 10


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant and the statement that finds what breaks it."""

    name: str
    broken_by: str


CHECKS = (
    Check(
        "I1 seats counted",
        """
        SELECT g.id, g.status, g.taken, g.paid
        FROM "groups" g LEFT JOIN seats s ON s.group_id = g.id
        GROUP BY g.id, g.status, g.taken, g.paid, g.capacity
        HAVING g.taken <> COUNT(CASE WHEN s.status IN ('reserved', 'paid', 'confirmed') THEN 1 END)
            OR g.paid <> COUNT(CASE WHEN s.status IN ('paid', 'confirmed') THEN 1 END)
            OR g.taken > g.capacity OR g.paid > g.taken
        """,
    ),
    Check(
        "I1 one live seat per member",
        """
        SELECT group_id, member_id FROM seats WHERE status IN ('reserved', 'paid', 'confirmed')
        GROUP BY group_id, member_id HAVING COUNT(*) > 1
        """,
    ),
    Check(
        "I1 one gathering seat per campaign",
        """
        SELECT campaign_id, member_id FROM seats WHERE status IN ('reserved', 'paid')
        GROUP BY campaign_id, member_id HAVING COUNT(*) > 1
        """,
    ),
    Check(
        "I1 the leader is in",
        """
        SELECT g.id, g.leader_member_id FROM "groups" g
        WHERE g.status IN ('open', 'succeeded') AND NOT EXISTS (
            SELECT 1 FROM seats s WHERE s.group_id = g.id AND s.member_id = g.leader_member_id
                AND s.status IN ('paid', 'confirmed'))
        """,
    ),
    Check(
        "I1 seat follows order",
        """
        SELECT o.id, o.status, s.status AS seat FROM orders o
        LEFT JOIN seats s ON s.order_id = o.id
        WHERE o.group_id IS NOT NULL AND (
            s.id IS NULL OR s.group_id <> o.group_id OR s.member_id <> o.member_id
            OR s.quantity <> (SELECT SUM(l.quantity) FROM order_lines l WHERE l.order_id = o.id)
            OR (s.status = 'reserved') <> (o.status = 'placed')
            OR (s.status = 'paid') <> (o.status = 'paid' AND o.confirmed_at IS NULL)
            OR (s.status = 'confirmed') <> (o.confirmed_at IS NOT NULL)
            OR (s.status IN ('refund_due', 'refund_failed', 'refunded'))
                <> (o.refund_due_reason IS NOT NULL)
        )
        UNION ALL
        SELECT s.order_id, 'no order', s.status FROM seats s LEFT JOIN orders o ON o.id = s.order_id
        WHERE o.id IS NULL OR o.group_id IS NULL
        """,
    ),
    Check(
        "I1s stock counted",
        """
        WITH held AS (
            SELECT l.variant_id,
                SUM(CASE WHEN o.confirmed_at IS NULL AND o.status IN ('placed', 'paid')
                    THEN l.quantity ELSE 0 END) AS reserved,
                SUM(CASE WHEN o.confirmed_at IS NOT NULL THEN l.quantity ELSE 0 END) AS sold
            FROM order_lines l JOIN orders o ON o.id = l.order_id GROUP BY l.variant_id
        )
        SELECT st.variant_id, st.on_hand, st.reserved, st.sold, held.reserved AS really_reserved,
            held.sold AS really_sold
        FROM stock st LEFT JOIN held ON held.variant_id = st.variant_id
        WHERE st.reserved <> COALESCE(held.reserved, 0) OR st.sold <> COALESCE(held.sold, 0)
            OR st.reserved < 0 OR st.sold < 0 OR st.reserved + st.sold > st.on_hand
            OR st.on_hand <> (SELECT COALESCE(SUM(a.quantity), 0) FROM stock_adjustments a
                              WHERE a.variant_id = st.variant_id)
        """,
    ),
    Check(
        "I1q quota counted",
        """
        SELECT c.id, c.quota_taken FROM campaigns c
        LEFT JOIN seats s ON s.campaign_id = c.id AND s.status IN ('reserved', 'paid', 'confirmed')
        WHERE c.stock_quota IS NOT NULL
        GROUP BY c.id, c.quota_taken, c.stock_quota
        HAVING c.quota_taken <> COALESCE(SUM(s.quantity), 0) OR c.quota_taken > c.stock_quota
        """,
    ),
    Check(
        "I1m member units counted",
        """
        SELECT m.campaign_id, m.member_id, m.units FROM campaign_members m
        LEFT JOIN seats s ON s.campaign_id = m.campaign_id AND s.member_id = m.member_id
            AND s.status IN ('reserved', 'paid', 'confirmed')
        LEFT JOIN campaigns c ON c.id = m.campaign_id
        GROUP BY m.campaign_id, m.member_id, m.units, c.member_units_max
        HAVING m.units <> COALESCE(SUM(s.quantity), 0) OR m.units > c.member_units_max
        """,
    ),
    Check(
        "I2r what a group earned is back",
        """
        SELECT o.id, l.unit_rebate_amount, r.amount FROM orders o
        JOIN order_lines l ON l.order_id = o.id
        LEFT JOIN refunds r ON r.order_id = o.id AND r.reason = 'group_rebate'
        WHERE l.unit_rebate_amount > 0 AND o.refunded_amount < o.total_amount
            AND (r.id IS NULL OR r.amount < l.unit_rebate_amount * l.quantity)
        """,
    ),
    Check(
        "I2 success is complete",
        """
        SELECT g.id FROM "groups" g
        LEFT JOIN seats s ON s.group_id = g.id AND s.status = 'confirmed'
        LEFT JOIN payments p ON p.order_id = s.order_id AND p.state = 'captured'
            AND p.captured_at <= g.deadline_at
        WHERE g.status = 'succeeded'
        GROUP BY g.id, g.capacity, g.paid_min, g.paid, g.succeeded_at, g.deadline_at
        HAVING COUNT(s.id) <> g.paid OR COUNT(p.id) <> g.paid
            OR COUNT(DISTINCT s.member_id) <> g.paid OR g.succeeded_at IS NULL
            OR g.paid < g.paid_min OR (g.paid < g.capacity AND g.succeeded_at < g.deadline_at)
        """,
    ),
    Check(
        # An order that is closed, not expired, still had its seat when the money was heard of.
        "I2 who paid in time is in",
        """
        SELECT o.id, p.captured_at, g.deadline_at FROM orders o
        JOIN "groups" g ON g.id = o.group_id
        JOIN payments p ON p.order_id = o.id AND p.state = 'captured'
        WHERE o.status = 'closed' AND o.refund_due_reason = 'paid_too_late'
            AND p.captured_at <= g.deadline_at
        """,
    ),
    Check(
        "I2b nothing is stuck",
        """
        SELECT g.id, g.status FROM "groups" g
        WHERE (g.status IN ('pending', 'open') AND g.paid >= g.capacity)
            OR (g.status = 'open' AND g.deadline_at < :late)
            OR (g.status = 'open' AND g.paid = 0)
            OR (g.status = 'pending' AND NOT EXISTS (
                SELECT 1 FROM seats s WHERE s.group_id = g.id AND s.status = 'reserved'))
        UNION ALL
        SELECT o.id, o.status FROM orders o WHERE o.status = 'placed' AND o.expires_at < :late
        """,
    ),
    Check(
        "I3 failure empties the group",
        """
        SELECT s.id, s.status FROM seats s JOIN "groups" g ON g.id = s.group_id
        WHERE s.status IN ('refund_due', 'refund_failed') OR (
            g.status IN ('failed', 'cancelled') AND s.status IN ('reserved', 'paid', 'confirmed'))
        UNION ALL
        SELECT g.id, 'enough had paid' FROM "groups" g JOIN orders o ON o.group_id = g.id
        WHERE g.status = 'failed' AND o.refund_due_reason = 'group_failed'
        GROUP BY g.id, g.capacity HAVING COUNT(*) >= g.capacity
        """,
    ),
    Check(
        "I3 refunded exactly once",
        """
        SELECT o.id, o.status FROM orders o
        JOIN payments p ON p.order_id = o.id AND p.state = 'captured'
        LEFT JOIN refunds r ON r.order_id = o.id
        WHERE o.status IN ('closed', 'cancelled', 'expired')
        GROUP BY o.id, o.status, o.refunded_amount, p.id, p.amount, p.refunded_amount
        HAVING COUNT(r.id) <> 1 OR SUM(r.amount) <> p.amount OR p.refunded_amount <> p.amount
            OR o.refunded_amount <> p.amount
            OR COUNT(CASE WHEN r.state = 'succeeded' THEN 1 END) <> 1
        """,
    ),
    Check(
        "I5 our money is the provider's",
        """
        WITH books AS (
            SELECT payment_id,
                SUM(CASE WHEN kind = 'charge' THEN amount ELSE 0 END)
                    * (1 - MAX(CASE WHEN kind IN ('cancel', 'decline') THEN 1 ELSE 0 END)) AS taken,
                SUM(CASE WHEN kind = 'refund' THEN amount ELSE 0 END) AS returned,
                COUNT(CASE WHEN kind = 'charge' THEN 1 END) AS charges
            FROM sandbox_entries GROUP BY payment_id
        )
        SELECT p.id, p.state, b.taken, b.returned, p.refunded_amount
        FROM payments p LEFT JOIN books b ON b.payment_id = p.id
        WHERE COALESCE(b.taken, 0) <> CASE WHEN p.state = 'captured' THEN p.amount ELSE 0 END
            OR COALESCE(b.returned, 0) <> p.refunded_amount OR b.charges > 1
            OR COALESCE(b.returned, 0) > COALESCE(b.taken, 0)
        UNION ALL
        SELECT b.payment_id, 'unknown', b.taken, b.returned, 0 FROM books b
        LEFT JOIN payments p ON p.id = b.payment_id WHERE p.id IS NULL
        """,
    ),
    Check(
        "I6 one payment, one order",
        """
        SELECT o.id, o.status, p.times, p.taken FROM orders o LEFT JOIN (
            SELECT order_id, COUNT(*) AS times, SUM(amount) AS taken FROM payments
            WHERE state = 'captured' GROUP BY order_id
        ) p ON p.order_id = o.id
        WHERE COALESCE(p.times, 0) > 1
            OR (o.status = 'paid' AND COALESCE(p.taken, -1) <> o.total_amount)
            OR (o.status = 'placed' AND p.times IS NOT NULL)
            OR (o.paid_at IS NOT NULL AND p.times IS NULL)
            OR (o.status IN ('cancelled', 'expired') AND o.confirmed_at IS NOT NULL)
            OR (o.status IN ('cancelled', 'expired', 'closed')
                AND (p.times IS NOT NULL) <> (o.refund_due_reason IS NOT NULL))
        UNION ALL
        SELECT p.id, 'no order', 1, p.amount FROM payments p
        LEFT JOIN orders o ON o.id = p.order_id
        WHERE o.id IS NULL OR o.total_amount <> p.amount
        """,
    ),
    Check(
        "I7 refunds add up",
        """
        SELECT p.id FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id
        GROUP BY p.id, p.amount, p.refund_owed_amount, p.refunded_amount
        HAVING COALESCE(SUM(r.amount), 0) <> p.refund_owed_amount
            OR COALESCE(SUM(CASE WHEN r.state = 'succeeded' THEN r.amount ELSE 0 END), 0)
                <> p.refunded_amount
            OR p.refund_owed_amount > p.amount
        UNION ALL
        SELECT r.id FROM refunds r LEFT JOIN order_refund_parts t ON t.refund_id = r.id
        GROUP BY r.id, r.amount HAVING COALESCE(SUM(t.amount), 0) <> r.amount
        UNION ALL
        SELECT l.id FROM order_lines l LEFT JOIN order_refund_parts t ON t.line_id = l.id
        GROUP BY l.id, l.refunded_amount, l.refunded_quantity
        HAVING COALESCE(SUM(t.amount), 0) <> l.refunded_amount
            OR COALESCE(SUM(t.quantity), 0) <> l.refunded_quantity
        UNION ALL
        SELECT o.id FROM orders o
        WHERE o.refunded_amount <> (SELECT COALESCE(SUM(r.amount), 0) FROM refunds r
                                    WHERE r.order_id = o.id AND r.state = 'succeeded')
            OR (o.refund = 'full') <> (o.refunded_amount = o.total_amount)
            OR (o.refund = 'none') <> (o.refunded_amount = 0)
        """,
    ),
    Check(
        "I9 events have no gap",
        """
        SELECT aggregate_id, COUNT(*) AS facts, MAX(sequence) AS latest FROM outbox_events
        GROUP BY aggregate_id HAVING MIN(sequence) <> 1 OR MAX(sequence) <> COUNT(*)
        """,
    ),
    Check(
        "I9 each fact once",
        """
        SELECT w.id, w.kind, w.times FROM (
            SELECT id, 'order.placed' AS kind, 1 AS times FROM orders
            UNION ALL SELECT id, 'order.paid',
                CASE WHEN paid_at IS NULL THEN 0 ELSE 1 END FROM orders
            UNION ALL SELECT id, 'order.confirmed',
                CASE WHEN confirmed_at IS NULL THEN 0 ELSE 1 END FROM orders
            UNION ALL SELECT id, 'order.expired', 1 FROM orders WHERE status = 'expired'
            UNION ALL SELECT id, 'order.cancelled',
                CASE WHEN status = 'cancelled' OR refund_due_reason = 'left_group' THEN 1 ELSE 0 END
                FROM orders
            UNION ALL SELECT id, 'order.refund_owed',
                CASE WHEN refund_due_reason <> 'left_group' THEN 1 ELSE 0 END
                FROM orders
            UNION ALL SELECT id, 'group.opened',
                CASE WHEN opened_at IS NULL THEN 0 ELSE 1 END FROM "groups"
            UNION ALL SELECT id, 'group.succeeded',
                CASE WHEN status = 'succeeded' THEN 1 ELSE 0 END FROM "groups"
            UNION ALL SELECT id, 'group.failed', CASE WHEN status = 'failed'
                OR (status = 'cancelled' AND opened_at IS NOT NULL) THEN 1 ELSE 0 END FROM "groups"
                WHERE status <> 'cancelled' OR opened_at IS NOT NULL
            UNION ALL SELECT id, 'payment.captured',
                CASE WHEN state = 'captured' THEN 1 ELSE 0 END FROM payments
            -- One that bounced has succeeded once more than it stands.
            UNION ALL SELECT p.id, 'payment.refund_succeeded', COUNT(r.id)
                + (SELECT COUNT(*) FROM outbox_events b WHERE b.aggregate_id = p.id
                    AND b.kind = 'payment.refund_returned') FROM payments p
                LEFT JOIN refunds r ON r.payment_id = p.id AND r.state = 'succeeded' GROUP BY p.id
        ) w WHERE w.times <> (SELECT COUNT(*) FROM outbox_events e
                              WHERE e.aggregate_id = w.id AND e.kind = w.kind)
        """,
    ),
    Check(
        "I9 no fact about nothing",
        """
        SELECT e.id, e.kind FROM outbox_events e
        WHERE (e.aggregate = 'order' AND NOT EXISTS (
                SELECT 1 FROM orders o WHERE o.id = e.aggregate_id))
            OR (e.aggregate = 'group' AND NOT EXISTS (
                SELECT 1 FROM "groups" g WHERE g.id = e.aggregate_id))
            OR (e.aggregate = 'payment' AND NOT EXISTS (
                SELECT 1 FROM payments p WHERE p.id = e.aggregate_id))
        """,
    ),
    Check(
        "I9 everything is delivered",
        """
        SELECT e.id, e.kind FROM outbox_events e
        WHERE e.done_at IS NULL OR (e.kind = 'order.refund_owed' AND (
            SELECT COUNT(*) FROM outbox_handled h WHERE h.event_id = e.id) <> 1)
        """,
    ),
    Check(
        "I10 price recomputed",
        """
        SELECT o.id, o.goods_amount FROM orders o
        JOIN shops s ON s.id = o.shop_id
        LEFT JOIN order_lines l ON l.order_id = o.id
        LEFT JOIN variants v ON v.id = l.variant_id
        LEFT JOIN campaign_prices c ON c.campaign_id = o.campaign_id
            AND c.variant_id = l.variant_id
        -- Every promotion of the lanes takes a fifth off, is limited or needs a coupon; but what
        -- has a quota of units is an add-on for one yuan.
        LEFT JOIN (SELECT DISTINCT order_id FROM promotion_uses WHERE slot NOT LIKE 'tier:%') p
            ON p.order_id = o.id
        GROUP BY o.id, o.goods_amount, o.shipping_amount, o.total_amount, s.shipping_flat_amount
        HAVING o.goods_amount <> COALESCE(SUM(l.quantity * CASE WHEN l.origin = 'add_on' THEN 100
                ELSE COALESCE(c.group_amount, v.solo_amount, v.list_amount)
                    * CASE WHEN p.order_id IS NULL THEN 10 ELSE 8 END / 10 END), -1)
            OR SUM(l.payable_amount) <> o.goods_amount
            OR o.shipping_amount <> s.shipping_flat_amount
            OR o.total_amount <> o.goods_amount + s.shipping_flat_amount
        """,
    ),
    Check(
        "I11 limits counted",
        """
        SELECT q.promotion_id, q.slot FROM promotion_quotas q
        LEFT JOIN promotion_uses u ON u.promotion_id = q.promotion_id AND u.slot = q.slot
            AND u.released_at IS NULL
        GROUP BY q.promotion_id, q.slot, q.taken_amount, q.limit_amount
        HAVING q.taken_amount <> COALESCE(SUM(u.amount), 0) OR q.taken_amount > q.limit_amount
        UNION ALL
        SELECT m.promotion_id, 'member' FROM promotion_member_uses m
        LEFT JOIN promotion_uses u ON u.promotion_id = m.promotion_id AND u.slot = 'member'
            AND u.member_id = m.member_id AND u.released_at IS NULL
        GROUP BY m.promotion_id, m.member_id, m.uses HAVING m.uses <> COUNT(u.order_id)
        """,
    ),
    Check(
        "I11 uses follow orders",
        """
        SELECT u.order_id, u.slot, o.status FROM promotion_uses u
        LEFT JOIN orders o ON o.id = u.order_id
        WHERE o.id IS NULL OR (u.released_at IS NULL)
            <> (o.status IN ('placed', 'paid') OR o.confirmed_at IS NOT NULL)
        """,
    ),
    Check(
        "I11 one order a coupon",
        """
        SELECT c.id, c.state FROM coupons c
        LEFT JOIN promotion_uses u ON u.coupon_id = c.id AND u.released_at IS NULL
            AND u.order_id = c.order_id
        LEFT JOIN promotion_uses any_use ON any_use.coupon_id = c.id
            AND any_use.released_at IS NULL
        WHERE c.state <> 'shared' GROUP BY c.id, c.state
        HAVING COUNT(DISTINCT any_use.order_id) <> COUNT(DISTINCT u.order_id)
            OR (c.state = 'reserved') <> (COUNT(DISTINCT u.order_id) = 1)
        """,
    ),
    Check(
        "I11 claims counted",
        """
        SELECT b.id, b.claimed FROM coupon_batches b LEFT JOIN coupons c ON c.batch_id = b.id
        WHERE b.coupons_max IS NOT NULL GROUP BY b.id, b.claimed, b.coupons_max
        HAVING b.claimed <> COUNT(c.id) OR COUNT(c.id) > b.coupons_max
        """,
    ),
    Check(
        "buyers counted",
        """
        SELECT o.member_id, COUNT(*) AS paid FROM orders o
        LEFT JOIN buyers b ON b.shop_id = o.shop_id AND b.member_id = o.member_id
        WHERE o.paid_at IS NOT NULL AND o.refund <> 'full'
        GROUP BY o.shop_id, o.member_id, b.paid_orders
        HAVING COALESCE(b.paid_orders, 0) <> COUNT(*)
        UNION ALL
        SELECT b.member_id, b.paid_orders FROM buyers b
        WHERE b.paid_orders <> 0 AND NOT EXISTS (
            SELECT 1 FROM orders o WHERE o.shop_id = b.shop_id AND o.member_id = b.member_id
                AND o.paid_at IS NOT NULL AND o.refund <> 'full')
        """,
    ),
    Check(
        "I8 no key is in flight",
        "SELECT scope FROM idempotency_answers WHERE status IS NULL",
    ),
)

# When all time has passed, nothing is held any more.
SETTLED = Check(
    "settled: nothing waits",
    """
    SELECT id FROM "groups" WHERE status IN ('pending', 'open')
    UNION ALL SELECT id FROM orders WHERE status = 'placed'
    UNION ALL SELECT variant_id FROM stock WHERE reserved <> 0
    UNION ALL SELECT id FROM seats
        WHERE status IN ('reserved', 'paid', 'refund_due', 'refund_failed')
    """,
)


async def broken(
    connection: AsyncConnection, *, now: datetime, settled: bool, rows_max: int = 5
) -> Found:
    """Every check that does not hold, with some of the rows that break it."""
    late = now - timedelta(seconds=GRACE_SECONDS + LATE_SECONDS_MAX)
    found: Found = {}
    for check in (*CHECKS, *((SETTLED,) if settled else ())):
        values = {"late": late} if ":late" in check.broken_by else {}
        rows = await connection.execute(typed(check.broken_by, values), values)
        bad = [dict(row) for row in rows.mappings()]
        if bad:
            found[check.name] = [f"{len(bad)} rows", *bad[:rows_max]]
    shares = await _shares_that_do_not_add_up(connection)
    if shares:
        found["I10 shares add up"] = shares[:rows_max]
    return found


async def _shares_that_do_not_add_up(connection: AsyncConnection) -> list[Any]:
    rows = await connection.execute(
        typed("SELECT id, quantity, payable_amount, unit_shares FROM order_lines", {})
    )
    bad = []
    for row in rows.mappings():
        runs = row["unit_shares"]
        runs = json.loads(runs) if isinstance(runs, str) else runs
        units = sum(run["units"] for run in runs)
        amount = sum(run["units"] * run["amount"] for run in runs)
        if (units, amount) != (row["quantity"], row["payable_amount"]):
            bad.append(row["id"])
    return bad


async def broken_in(world: World, *, settled: bool) -> Found:
    """Every invariant, and everything that clients were told."""
    async with world.engine.connect() as connection:
        found = await broken(connection, now=await world.now(), settled=settled)
        return {**found, **await broken_promises(connection, world.history)}


def ident(value: Any) -> str:
    """An id the same way, whichever database or answer it comes from."""
    return UUID(str(value)).hex


async def _by(connection: AsyncConnection, key: str, statement: str) -> dict[str, dict[str, Any]]:
    rows = await connection.execute(typed(statement, {}))
    return {row[key] if key == "scope" else ident(row[key]): dict(row) for row in rows.mappings()}


async def broken_promises(connection: AsyncConnection, history: History) -> Found:
    """Where the database and what clients were told differ (I8)."""
    orders = await _by(connection, "id", "SELECT * FROM orders")
    payments = await _by(connection, "id", "SELECT * FROM payments")
    kept = await _by(connection, "scope", "SELECT scope, status, body FROM idempotency_answers")
    found = {
        "I8 told orders are there": _told_orders(history, orders),
        "I8 no order nobody was told of": _unknown(
            orders, {ident(t.answer.body["id"]) for t in history.successes("place")}
        ),
        "I8 told payments are there": _told_payments(history, payments),
        "I8 no payment nobody was told of": _unknown(
            {p["attempt"]: p for p in payments.values()},
            {t.scope for t in history.successes("pay")},
        ),
        "I8 told cancellations hold": _told_cancellations(history, orders),
        "I8 one answer per key": _answers(history, kept),
        "I8 nothing opens after a told stop": _opened_after_a_stop(history),
    }
    return {name: bad[:5] for name, bad in found.items() if bad}


def _unknown(there: dict[str, Any], told: set[str]) -> list[Any]:
    return [there[key] for key in there.keys() - told]


_SAME = ("goods_amount", "shipping_amount", "total_amount", "currency")


def _told_orders(history: History, orders: dict[str, dict[str, Any]]) -> list[Any]:
    bad: list[Any] = []
    for told in history.successes("place"):
        body = told.answer.body
        row = orders.get(ident(body["id"]))
        if row is None or any(row[name] != body[name] for name in _SAME):
            bad.append((body["id"], "gone or with other amounts"))
        elif ident(row["member_id"]) != told.member_id.hex:
            bad.append((body["id"], "of another member"))
        elif body["group_id"] and ident(row["group_id"] or UUID(int=0)) != ident(body["group_id"]):
            bad.append((body["id"], "in another group"))
    return bad


def _told_payments(history: History, payments: dict[str, dict[str, Any]]) -> list[Any]:
    bad: list[Any] = []
    for told in history.successes("pay"):
        body = told.answer.body["payment"]
        row = payments.get(ident(body["id"]))
        if row is None or row["amount"] != body["amount"] or row["attempt"] != told.scope:
            bad.append((body["id"], "gone or another one"))
        elif body["state"] in {"captured", "declined"} and row["state"] != body["state"]:
            bad.append((body["id"], f"told {body['state']}, is {row['state']}"))
    return bad


def _told_cancellations(history: History, orders: dict[str, dict[str, Any]]) -> list[Any]:
    bad: list[Any] = []
    for told in history.successes("cancel"):
        body = told.answer.body
        row = orders[ident(body["id"])]
        if row["status"] != body["status"] or row["status"] not in {"cancelled", "closed"}:
            bad.append((body["id"], f"told {body['status']}, is {row['status']}"))
    return bad


def _opened_after_a_stop(history: History) -> list[Any]:
    """Groups granted to requests that set out when the stop of their campaign was known."""
    stops = {told.path.split("/")[-2]: told for told in history.successes("stop")}
    bad: list[Any] = []
    for told in history.successes("place"):
        stop = stops.get(told.sent.get("group", {}).get("open", ""))
        if stop is not None and not told.answer.replayed and told.asked_at > stop.heard_at:
            bad.append((told.answer.body["id"], "opened after", stop.path))
    return bad


def _answers(history: History, kept: dict[str, dict[str, Any]]) -> list[Any]:
    first: dict[str, Told] = {}
    bad: list[Any] = []
    for told in history.definite():
        if not told.answer.is_kept:
            continue
        known = first.setdefault(told.scope, told)
        if (known.answer.status, known.answer.raw) != (told.answer.status, told.answer.raw):
            bad.append((told.path, "two answers", known.answer.raw[:90], told.answer.raw[:90]))
    for scope, told in first.items():
        row = kept.get(scope)
        if row is None or (row["status"], row["body"].encode()) != (
            told.answer.status,
            told.answer.raw,
        ):
            bad.append((told.path, "another answer is kept", told.answer.raw[:90], row))
    ended = {told.scope for told in history.definite()}
    unanswered = {t.scope: t for t in history.told if t.scope not in ended}
    bad += [(t.path, "never had a definite answer", t.answer.code) for t in unanswered.values()]
    return bad
