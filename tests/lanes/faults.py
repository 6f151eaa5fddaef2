"""Faults to be seeded on purpose: a verifier that has never failed proves nothing.

Each is SQL that breaks one invariant behind the service's back, and the check that must see it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.promotions.models import CouponKind
from tests.lanes.history import History
from tests.lanes.world import DECLINE, DELAY, Buyer, World
from tests.promotions.giving import batch, limited, promoted


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the database, and the check that must notice."""

    seen_by: str
    statements: tuple[str, ...]
    # Broken by falsifying what clients were told, while the database itself is whole.
    retells: Callable[[History], None] | None = None


def _one(table: str, where: str, key: str = "id") -> str:
    return f"{key} = (SELECT {key} FROM {table} WHERE {where} ORDER BY {key} LIMIT 1)"


def _set(table: str, change: str, where: str, key: str = "id") -> tuple[str, ...]:
    return (f"UPDATE {table} SET {change} WHERE {_one(table, where, key)}",)


def _cut(table: str, where: str, key: str = "id") -> tuple[str, ...]:
    return (f"DELETE FROM {table} WHERE {_one(table, where, key)}",)


_REFUND = (
    "INSERT INTO refunds (id, payment_id, shop_id, order_id, amount, currency, reason, reference,"
    " state, created_at, send_after, attempts) SELECT {id}, payment_id, shop_id, order_id, amount,"
    " currency, reason, 'twice', state, created_at, send_after, attempts"
    " FROM refunds WHERE state = 'succeeded' AND reason = 'group_failed' LIMIT 1"
)
_ENTRY = (
    "INSERT INTO sandbox_entries (id, slot, kind, payment_id, subject_id, amount, currency, at,"
    " settles_at) SELECT {id}, 'refund:twice', kind, payment_id, {id}, amount, currency, at,"
    " settles_at FROM sandbox_entries WHERE kind = 'refund' LIMIT 1"
)


def forget(history: History) -> None:
    """Drop one order that a client was told of."""
    dropped = next(history.successes("place"))
    history.told = [told for told in history.told if told.scope != dropped.scope]


def stop_before_all(history: History) -> None:
    """Say that every stop had been heard before anything was asked."""
    history.told = [
        replace(told, heard_at=-1.0) if told.verb == "stop" else told for told in history.told
    ]


# Every seat is one member's. Indexes forbid that, so they go first; and SQLite begins the
# transaction, in which all of it can be undone, with the first row that is written.
_ONE_MEMBER = (
    "UPDATE campaigns SET version = version",
    "DROP INDEX uq_seats_live_group_member",
    "DROP INDEX uq_seats_gathering_campaign_member",
    "UPDATE seats SET member_id = (SELECT m.id FROM members m ORDER BY m.id LIMIT 1)",
)

_WITHOUT_PARTS = "NOT IN (SELECT refund_id FROM order_refund_parts)"

FAULTS: Mapping[str, Fault] = {
    "two-seats-in-a-group": Fault("I1 one live seat per member", _ONE_MEMBER),
    "two-seats-in-a-campaign": Fault(
        "I1 one gathering seat per campaign", (*_ONE_MEMBER, "UPDATE seats SET status = 'paid'")
    ),
    "leader-who-left": Fault(
        "I1 the leader is in",
        _set(
            '"groups"',
            "leader_member_id = (SELECT m.id FROM members m WHERE m.id NOT IN"
            ' (SELECT s.member_id FROM seats s WHERE s.group_id = "groups".id) LIMIT 1)',
            "status = 'succeeded'",
        ),
    ),
    "in-time-and-sent-away": Fault(
        "I2 who paid in time is in",
        _set("orders", "refund_due_reason = 'paid_too_late'", "refund_due_reason = 'group_failed'"),
    ),
    "opened-after-the-stop": Fault(
        "I8 nothing opens after a told stop", (), retells=stop_before_all
    ),
    "seat-counter": Fault(
        "I1 seats counted", _set('"groups"', "paid = paid - 1", "status = 'succeeded'")
    ),
    "seat-of-nobody": Fault(
        "I1 seat follows order",
        _set("orders", "group_id = NULL", "confirmed_at IS NOT NULL AND group_id IS NOT NULL"),
    ),
    "stock-sold": Fault(
        "I1s stock counted", _set("stock", "sold = sold + 1", "on_hand > 0", "variant_id")
    ),
    "stock-reserved": Fault(
        "I1s stock counted", _set("stock", "reserved = reserved + 1", "on_hand > 0", "variant_id")
    ),
    "quota": Fault(
        "I1q quota counted",
        _set("campaigns", "quota_taken = quota_taken + 1", "stock_quota IS NOT NULL"),
    ),
    "member-units": Fault(
        "I1m member units counted", ("UPDATE campaign_members SET units = units + 1",)
    ),
    "rebate-lost": Fault(
        "I2r what a group earned is back",
        ("UPDATE refunds SET reason = 'other' WHERE reason = 'group_rebate'",),
    ),
    "incomplete-success": Fault(
        "I2 success is complete", _set("seats", "status = 'refunded'", "status = 'confirmed'")
    ),
    "success-after-the-deadline": Fault(
        "I2 success is complete",
        _set('"groups"', "deadline_at = opened_at", "status = 'succeeded'"),
    ),
    "full-group-left-open": Fault(
        "I2b nothing is stuck", _set('"groups"', "status = 'open'", "status = 'succeeded'")
    ),
    "paid-seat-in-failed-group": Fault(
        "I3 failure empties the group", _set("seats", "status = 'paid'", "status = 'refunded'")
    ),
    "refund-twice": Fault("I3 refunded exactly once", (_REFUND,)),
    "refund-lost": Fault(
        "I3 refunded exactly once",
        (
            *_cut(
                "order_refund_parts",
                "refund_id IN (SELECT id FROM refunds WHERE reason = 'group_failed')",
                "refund_id",
            ),
            f"DELETE FROM refund_rounds WHERE refund_id {_WITHOUT_PARTS}",
            f"DELETE FROM refunds WHERE id {_WITHOUT_PARTS}",
        ),
    ),
    "refund-sum": Fault(
        "I7 refunds add up", _set("refunds", "amount = amount - 1", "state = 'succeeded'")
    ),
    "refund-parts": Fault(
        "I7 refunds add up", _set("order_refund_parts", "amount = amount + 1", "amount > 0")
    ),
    "charge-lost": Fault(
        "I5 our money is the provider's",
        _cut("sandbox_entries", "kind = 'charge'"),
    ),
    "provider-refunds-twice": Fault("I5 our money is the provider's", (_ENTRY,)),
    "capture-forgotten": Fault(
        "I6 one payment, one order",
        _set("payments", "state = 'cancelled'", "state = 'captured' AND refund_owed_amount = 0"),
    ),
    "paid-and-stock-released": Fault(
        "I6 one payment, one order",
        _set("orders", "status = 'expired'", "status = 'paid' AND group_id IS NULL"),
    ),
    "fact-lost": Fault(
        "I9 each fact once",
        _cut("outbox_events", "kind = 'order.paid'"),
    ),
    "sequence-gap": Fault(
        "I9 events have no gap", _set("outbox_events", "sequence = 99", "kind = 'order.confirmed'")
    ),
    "fact-of-nothing": Fault(
        "I9 no fact about nothing",
        _set("outbox_events", "aggregate_id = id", "kind = 'order.confirmed'"),
    ),
    "undelivered": Fault(
        "I9 everything is delivered", _set("outbox_events", "done_at = NULL", "sequence = 1")
    ),
    "unheard": Fault("I9 everything is delivered", ("DELETE FROM outbox_handled",)),
    "price": Fault(
        "I10 price recomputed", _set("order_lines", "payable_amount = payable_amount + 1", "1 = 1")
    ),
    "shares": Fault("I10 shares add up", _set("order_lines", "unit_shares = '[]'", "1 = 1")),
    "limit": Fault(
        "I11 limits counted",
        _set("promotion_quotas", "taken_amount = taken_amount + 1", "slot = 'uses'", "slot"),
    ),
    "member-uses": Fault(
        "I11 limits counted", ("UPDATE promotion_member_uses SET uses = uses + 1",)
    ),
    "use-released": Fault(
        "I11 uses follow orders",
        ("UPDATE promotion_uses SET released_at = '2026-01-01 00:00:00+00:00'",),
    ),
    "coupon-freed": Fault(
        "I11 one order a coupon",
        _set("coupons", "state = 'claimed', order_id = NULL", "state = 'reserved'"),
    ),
    "claim-uncounted": Fault(
        "I11 claims counted", _set("coupon_batches", "claimed = claimed - 1", "claimed > 0")
    ),
    "buyer-counter": Fault("buyers counted", ("UPDATE buyers SET paid_orders = paid_orders + 1",)),
    "key-in-flight": Fault(
        "I8 no key is in flight",
        _set("idempotency_answers", "status = NULL", "status = 201", "scope"),
    ),
    "answer-changed": Fault(
        "I8 one answer per key",
        _set("idempotency_answers", "body = '{}'", "status = 201", "scope"),
    ),
    "order-of-another": Fault(
        "I8 told orders are there",
        _set(
            "orders",
            "member_id = (SELECT m.id FROM members m WHERE m.id <> orders.member_id LIMIT 1)",
            "status = 'cancelled'",
        ),
    ),
    "order-nobody-was-told-of": Fault("I8 no order nobody was told of", (), retells=forget),
    "payment-of-another-try": Fault(
        "I8 told payments are there", _set("payments", "attempt = 'another'", "1 = 1")
    ),
    "cancellation-undone": Fault(
        "I8 told cancellations hold", _set("orders", "status = 'expired'", "status = 'cancelled'")
    ),
    "payment-nobody-asked-for": Fault(
        "I8 no payment nobody was told of", _set("payments", "attempt = 'unasked'", "1 = 1")
    ),
}


async def story(made: World) -> None:
    """Every outcome once: sold alone or together, a failed group, cancelled, declined, slow."""
    await made.start(GROUP_ORDER_TTL_SECONDS="3", ORDER_TTL_SECONDS="3")
    people = await made.buyers(6)
    stall = await made.fair.stall(units=100, size=3, stock_quota=90)
    short = await made.fair.stall(units=100, size=3, group_seconds=2)
    ladder = await made.fair.stall(units=100, size=2, tiers=((3, 8_900),), member_units_max=2)
    first = await people[0].bought(stall.basket(open=stall.campaign_id))
    for joiner in people[1:3]:
        await joiner.bought(stall.basket(join=first["group_id"]))
    second = await people[3].bought(short.basket(open=short.campaign_id))
    await people[4].bought(short.basket(join=second["group_id"]))
    await (await made.owner()).stop(short)
    third = await people[0].bought(ladder.basket(open=ladder.campaign_id))
    for joiner in people[1:3]:
        await joiner.bought(ladder.basket(join=third["group_id"]))
    await people[0].bought(stall.basket(2))
    await people[1].placed(stall.basket())
    given_up = await people[2].placed(stall.basket())
    await people[2].cancel(given_up)
    declined = await people[3].placed(stall.basket())
    await people[3].pay(declined, DECLINE)
    await _with_coupon(made, people[4])
    slow = await people[5].placed(stall.basket())
    await people[5].pay(slow, DELAY)
    await asyncio.sleep(4)
    await made.quiet()


async def _with_coupon(made: World, buyer: Buyer) -> None:
    """One of two coupons claimed, and used for goods of which a promotion takes a fifth."""
    stall = await made.fair.stall(units=10)
    match = {"variant_ids": [str(stall.variant_id)]}
    promotion_id = await promoted(made.fair, stall.shop_id, match=match, needs_coupon=True)
    await limited(made.fair, promotion_id, uses_max=5, member_uses_max=1)
    given = {"coupons_max": 2, "member_max": 1}
    batch_id = await batch(made.fair, stall.shop_id, promotion_id, CouponKind.CLAIMED, **given)
    claimed = await buyer.post("claim", "/v1/coupons/claims", {"batch_id": str(batch_id)})
    assert claimed.status == 201, claimed.raw
    await buyer.bought({**stall.basket(), "coupon_ids": [claimed.body["id"]]})


async def seed(made: World, name: str) -> None:
    """Break a lane's database for good."""
    fault = FAULTS[name]
    async with made.engine.begin() as connection:
        await apply(connection, fault)
    if fault.retells is not None:
        fault.retells(made.history)


async def apply(connection: AsyncConnection, fault: Fault) -> None:
    """Break the database in this transaction."""
    is_postgresql = connection.dialect.name == "postgresql"
    fresh = "gen_random_uuid()" if is_postgresql else "lower(hex(randomblob(16)))"
    for statement in fault.statements:
        done = await connection.execute(sa.text(statement.replace("{id}", fresh)))
        assert done.rowcount, f"the fault changed nothing: {statement}"
