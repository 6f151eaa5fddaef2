"""The books of a market, added up again by statements of their own: what must hold at any time."""

import json
from typing import Any

import sqlalchemy as sa

from app.core.db import Database
from tests.conftest import rows_of

# Each yields the rows that are wrong.
_CHECKS = {
    "stock reserved": """
        SELECT s.variant_id, s.reserved, coalesce(h.units, 0) AS held FROM stock s LEFT JOIN (
            SELECT l.variant_id, sum(l.quantity) AS units
            FROM order_lines l JOIN orders o ON o.id = l.order_id
            WHERE o.status = 'placed' OR (o.status = 'paid' AND o.confirmed_at IS NULL)
            GROUP BY l.variant_id
        ) h ON h.variant_id = s.variant_id WHERE s.reserved <> coalesce(h.units, 0)""",
    "stock sold": """
        SELECT s.variant_id, s.sold, coalesce(c.units, 0) - coalesce(r.units, 0) AS kept
        FROM stock s LEFT JOIN (
            SELECT l.variant_id, sum(l.quantity) AS units
            FROM order_lines l JOIN orders o ON o.id = l.order_id
            WHERE o.confirmed_at IS NOT NULL GROUP BY l.variant_id
        ) c ON c.variant_id = s.variant_id LEFT JOIN (
            SELECT l.variant_id, sum(p.restocked_quantity) AS units
            FROM order_refund_parts p JOIN order_lines l ON l.id = p.line_id GROUP BY l.variant_id
        ) r ON r.variant_id = s.variant_id
        WHERE s.sold <> coalesce(c.units, 0) - coalesce(r.units, 0)""",
    "order totals": """
        SELECT o.id FROM orders o JOIN (
            SELECT order_id, sum(payable_amount) AS goods FROM order_lines GROUP BY order_id
        ) l ON l.order_id = o.id
        WHERE o.goods_amount <> l.goods OR o.total_amount <> l.goods + o.shipping_amount""",
    "refunds of a payment": """
        SELECT p.id, p.amount, p.refund_owed_amount, p.refunded_amount FROM payments p LEFT JOIN (
            SELECT payment_id, sum(amount) AS owed,
                sum(CASE WHEN state = 'succeeded' THEN amount ELSE 0 END) AS done
            FROM refunds GROUP BY payment_id
        ) r ON r.payment_id = p.id
        WHERE p.refund_owed_amount <> coalesce(r.owed, 0)
            OR p.refunded_amount <> coalesce(r.done, 0)
            OR p.refund_owed_amount > p.amount
            OR (p.state = 'surplus' AND p.refund_owed_amount <> p.amount)
            OR (p.state NOT IN ('captured', 'surplus') AND coalesce(r.owed, 0) > 0)""",
    "refunds of an order": """
        SELECT o.id, o.refunded_amount, o.refund, coalesce(r.done, 0) AS done
        FROM orders o LEFT JOIN (
            SELECT r.order_id, sum(r.amount) AS done FROM refunds r
            JOIN payments p ON p.id = r.payment_id AND p.state <> 'surplus'
            WHERE r.state = 'succeeded' GROUP BY r.order_id
        ) r ON r.order_id = o.id
        WHERE o.refunded_amount <> coalesce(r.done, 0) OR o.refund <> CASE
            WHEN coalesce(r.done, 0) = 0 AND o.total_amount > 0 THEN 'none'
            WHEN coalesce(r.done, 0) < o.total_amount THEN 'partly'
            WHEN o.total_amount = 0 AND (o.paid_at IS NULL OR o.confirmed_at IS NOT NULL)
                THEN 'none'
            ELSE 'full' END""",
    "parts of a refund": """
        SELECT r.id, r.amount, coalesce(p.amount, 0) AS parts FROM refunds r LEFT JOIN (
            SELECT refund_id, sum(amount) AS amount FROM order_refund_parts GROUP BY refund_id
        ) p ON p.refund_id = r.id JOIN payments y ON y.id = r.payment_id
        WHERE coalesce(p.amount, 0) <> CASE y.state WHEN 'surplus' THEN 0 ELSE r.amount END""",
    "refunds of a line": """
        SELECT l.id FROM order_lines l LEFT JOIN (
            SELECT line_id, sum(amount) AS amount, sum(quantity) AS units
            FROM order_refund_parts GROUP BY line_id
        ) p ON p.line_id = l.id
        WHERE l.refunded_amount <> coalesce(p.amount, 0)
            OR l.refunded_quantity <> coalesce(p.units, 0)
            OR l.refunded_amount > l.payable_amount OR l.refunded_quantity > l.quantity""",
    "captured means paid or owed back": """
        SELECT o.id, o.status, coalesce(p.captured, 0) AS captured FROM orders o LEFT JOIN (
            SELECT order_id, count(*) AS captured, sum(amount) AS amount FROM payments
            WHERE state = 'captured' GROUP BY order_id
        ) p ON p.order_id = o.id
        WHERE coalesce(p.captured, 0) > 1
            OR (p.captured = 1 AND p.amount <> o.total_amount)
            OR (o.paid_at IS NOT NULL AND p.captured IS NULL)
            OR (o.status IN ('paid', 'closed') AND p.captured IS NULL)
            OR (p.captured = 1 AND o.status NOT IN ('paid', 'closed')
                AND o.refund_due_reason IS NULL)""",
    "group counters": """
        SELECT g.id, g.status, g.taken, g.paid FROM groups g LEFT JOIN (
            SELECT group_id, count(*) AS live,
                sum(CASE WHEN status IN ('paid', 'confirmed') THEN 1 ELSE 0 END) AS paid
            FROM seats WHERE status IN ('reserved', 'paid', 'confirmed') GROUP BY group_id
        ) s ON s.group_id = g.id
        WHERE g.taken <> coalesce(s.live, 0) OR g.paid <> coalesce(s.paid, 0)
            OR g.taken > g.capacity
            OR (g.status = 'succeeded' AND g.paid <> g.capacity
                AND (g.paid < g.paid_min OR g.succeeded_at < g.deadline_at))
            OR (g.status IN ('pending', 'open') AND g.paid >= g.capacity)
            OR (g.status IN ('failed', 'cancelled') AND g.taken > 0)""",
    "seats follow orders": """
        SELECT s.order_id, s.status, o.status AS order_status FROM seats s
        JOIN orders o ON o.id = s.order_id WHERE
            (s.status = 'reserved') <> (o.status = 'placed')
            OR (s.status = 'paid') <> (o.status = 'paid' AND o.confirmed_at IS NULL)
            OR (s.status = 'confirmed') <> (o.confirmed_at IS NOT NULL)
            OR (s.status = 'refunded') <> (o.refund = 'full' AND o.confirmed_at IS NULL)""",
    "campaign quota": """
        SELECT c.id, c.quota_taken, coalesce(s.units, 0) AS held FROM campaigns c LEFT JOIN (
            SELECT campaign_id, sum(quantity) AS units FROM seats
            WHERE status IN ('reserved', 'paid', 'confirmed') GROUP BY campaign_id
        ) s ON s.campaign_id = c.id
        WHERE c.stock_quota IS NOT NULL AND c.quota_taken <> coalesce(s.units, 0)""",
    "units of members": """
        SELECT m.campaign_id, m.member_id, m.units FROM campaign_members m LEFT JOIN (
            SELECT campaign_id, member_id, sum(quantity) AS units FROM seats
            WHERE status IN ('reserved', 'paid', 'confirmed') GROUP BY campaign_id, member_id
        ) s ON s.campaign_id = m.campaign_id AND s.member_id = m.member_id
        WHERE m.units <> coalesce(s.units, 0)""",
    "buyers": """
        SELECT o.shop_id, o.member_id, count(*) AS bought, b.paid_orders FROM orders o
        LEFT JOIN buyers b ON b.shop_id = o.shop_id AND b.member_id = o.member_id
        WHERE o.paid_at IS NOT NULL AND o.refund <> 'full'
        GROUP BY o.shop_id, o.member_id, b.paid_orders HAVING coalesce(b.paid_orders, 0) <> count(*)
        UNION ALL
        SELECT b.shop_id, b.member_id, 0, b.paid_orders FROM buyers b WHERE b.paid_orders > 0
            AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.shop_id = b.shop_id
                AND o.member_id = b.member_id AND o.paid_at IS NOT NULL AND o.refund <> 'full')""",
    "captures the provider knows nothing of": """
        SELECT p.id FROM payments p WHERE p.gateway = 'sandbox'
            AND p.state IN ('captured', 'surplus') AND NOT EXISTS (
            SELECT 1 FROM sandbox_entries e WHERE e.payment_id = p.id AND e.kind = 'charge'
                AND e.amount = p.amount AND e.currency = p.currency)
            OR p.state = 'captured' AND EXISTS (
            SELECT 1 FROM sandbox_entries e WHERE e.payment_id = p.id AND e.kind = 'cancel')""",
    "refunds the provider knows nothing of": """
        SELECT r.id FROM refunds r JOIN payments y ON y.id = r.payment_id
        WHERE r.state = 'succeeded' AND y.gateway = 'sandbox' AND NOT EXISTS (
            SELECT 1 FROM sandbox_entries e WHERE e.subject_id = r.id AND e.kind = 'refund'
                AND e.amount = r.amount AND e.payment_id = r.payment_id)""",
    "ledger transactions": """
        SELECT t.id, t.kind FROM ledger_transactions t
        LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.currency = t.currency
            AND e.shop_id = t.shop_id
        GROUP BY t.id, t.kind HAVING coalesce(sum(e.amount), 1) <> 0""",
    "what the provider holds": """
        SELECT b.amount, c.amount - r.amount - d.amount + s.amount - t.amount AS held FROM
            (SELECT coalesce(sum(amount), 0) AS amount FROM ledger_entries
                WHERE account = 'psp_clearing') b,
            (SELECT coalesce(sum(amount - fee_amount), 0) AS amount FROM payments
                WHERE state IN ('captured', 'surplus')) c,
            (SELECT coalesce(sum(amount), 0) AS amount FROM refunds WHERE state = 'succeeded') r,
            (SELECT coalesce(sum(CASE WHEN state = 'won' THEN 0 ELSE amount END
                + fee_amount - fee_returned_amount), 0) AS amount FROM disputes) d,
            (SELECT coalesce(sum(amount - fee_amount), 0) AS amount FROM stray_captures
                WHERE NOT is_void) s,
            (SELECT coalesce(sum(amount), 0) AS amount FROM stray_refunds
                WHERE state = 'succeeded') t
        WHERE b.amount <> c.amount - r.amount - d.amount + s.amount - t.amount""",
    "what buyers are owed": """
        SELECT b.amount, r.amount AS owed FROM
            (SELECT coalesce(-sum(amount), 0) AS amount FROM ledger_entries
                WHERE account = 'refunds') b,
            (SELECT coalesce(sum(amount), 0) AS amount FROM refunds WHERE state <> 'succeeded') r
        WHERE b.amount <> r.amount""",
}
# True once the worker has heard and sent everything.
_SETTLED = {
    "captures that were never heard of": """
        SELECT e.payment_id FROM sandbox_entries e LEFT JOIN payments p ON p.id = e.payment_id
        WHERE e.kind = 'charge' AND coalesce(p.state, '') NOT IN ('captured', 'surplus')
            AND p.quarantine_reason IS NULL
            AND NOT EXISTS (SELECT 1 FROM sandbox_entries c
                WHERE c.payment_id = e.payment_id AND c.kind = 'cancel')""",
    "refunds that were never heard of": """
        SELECT e.subject_id FROM sandbox_entries e LEFT JOIN refunds r ON r.id = e.subject_id
        WHERE e.kind = 'refund' AND coalesce(r.state, '') <> 'succeeded'""",
    "refunds that were never sent": "SELECT id, state FROM refunds WHERE state <> 'succeeded'",
    "shares of partner brands": """
        SELECT l.order_id, l.share, p.amount FROM (
            SELECT order_id,
                sum((payable_amount - l.refunded_amount) * brand_share_bp / 10000) AS share
            FROM order_lines l JOIN orders o ON o.id = l.order_id
            WHERE brand_id IS NOT NULL AND confirmed_at IS NOT NULL GROUP BY order_id
        ) l LEFT JOIN (
            SELECT subject_id, -sum(amount) AS amount FROM ledger_entries e
            JOIN ledger_transactions t ON t.id = e.transaction_id
            WHERE account = 'partner_payable' GROUP BY subject_id
        ) p ON p.subject_id = l.order_id WHERE l.share <> coalesce(p.amount, 0)""",
    "money that is still owed": """
        SELECT id, status, refund_due_reason FROM orders WHERE refund_due_reason IS NOT NULL
            AND (refund <> 'full' OR refunded_amount <> total_amount)""",
}


async def books_balance(database: Database, *, settled: bool = True) -> None:
    """Add everything up anew; `settled` when the worker has done all there is to do."""
    checks = {**_CHECKS, **(_SETTLED if settled else {})}
    async with database.reading() as db:
        for name, statement in checks.items():
            wrong = (await db.execute(sa.text(statement))).all()
            assert not wrong, f"{name}: {wrong}"
        lines = "SELECT payable_amount, quantity, unit_shares FROM order_lines"
        found = await db.execute(sa.text(lines))
        for payable_amount, quantity, shares in found:
            runs: list[dict[str, int]] = json.loads(shares) if isinstance(shares, str) else shares
            assert sum(run["amount"] * run["units"] for run in runs) == payable_amount
            assert sum(run["units"] for run in runs) == quantity


async def facts(database: Database, kind: str) -> list[dict[str, Any]]:
    """The payloads of all facts of one kind, in the order they were stated."""
    query = sa.text("SELECT payload FROM outbox_events WHERE kind = :kind ORDER BY id")
    async with database.reading() as db:
        found = (await db.execute(query, {"kind": kind})).scalars().all()
    return [json.loads(payload) if isinstance(payload, str) else payload for payload in found]


async def all_of(database: Database, name: str) -> list[tuple[Any, ...]]:
    """Every row of a table, to be compared with what is there later."""
    return (await rows_of(database, [name]))[name]


STATE = (
    "orders",
    "order_lines",
    "order_addresses",
    "order_refund_parts",
    "after_sales",
    "after_sales_lines",
    "refund_approvals",
    "payments",
    "refunds",
    "sandbox_entries",
    "groups",
    "seats",
    "stock",
    "campaigns",
    "promotion_quotas",
    "promotion_member_uses",
    "promotion_uses",
    "coupon_batches",
    "coupons",
    "buyers",
    "outbox_events",
    "audit_log",
    "ledger_transactions",
    "ledger_entries",
)


async def state_of(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All that a refusal must leave as it was."""
    return await rows_of(database, STATE)
