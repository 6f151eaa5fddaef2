"""Every invariant holds after a full story, and every one of them is seen to fire."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import service
from app.audit.repository import INVARIANTS
from app.audit.repository.breach import Moment
from app.audit.repository.judge import breaches
from app.audit.service import Finding
from app.promotions.models import CouponKind
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.after import asked, decide, of_shop, second, terms, units
from tests.orders.market import Market
from tests.payments.provider import Provider
from tests.promotions.giving import batch, limited, promoted

# A fault for each invariant, in plain SQL that no constraint of the tables forbids.
FAULTS = {
    "seats_counted": "UPDATE groups SET taken = taken - 1, paid = paid - 1 "
    "WHERE status = 'succeeded'",
    "paid_seats_counted": "UPDATE groups SET paid = paid - 1 WHERE status = 'succeeded'",
    "quota_counted": "UPDATE campaigns SET quota_taken = quota_taken + 1",
    "member_units_counted": "UPDATE campaign_members SET units = units + 1",
    "success_complete": "UPDATE seats SET paid_at = '2036-01-01 00:00:00+00:00' "
    "WHERE status = 'confirmed'",
    "no_group_stuck": "UPDATE groups SET status = 'open', deadline_at = "
    "'2020-01-01 00:00:00+00:00' WHERE status = 'failed'",
    "failure_empty": "UPDATE groups SET status = 'failed' WHERE status = 'succeeded'",
    "stock_reserved": "UPDATE stock SET reserved = reserved + 1",
    "stock_sold": "UPDATE stock SET sold = sold + 1",
    "stock_on_hand": "UPDATE stock SET on_hand = on_hand + 1",
    "lines_add_up": "UPDATE order_lines SET payable_amount = payable_amount - 1 "
    "WHERE refunded_amount = 0",
    "buyers_counted": "UPDATE buyers SET paid_orders = paid_orders + 1",
    "tenants_apart": "UPDATE groups SET shop_id = id",
    "limits_counted": "UPDATE promotion_quotas SET taken_amount = taken_amount + 1",
    "member_uses_counted": "UPDATE promotion_member_uses SET uses = uses + 1",
    "uses_follow_orders": "UPDATE promotion_uses SET released_at = '2026-01-01 00:00:00+00:00'",
    "coupons_used_once": "UPDATE coupons SET state = 'claimed', order_id = NULL "
    "WHERE state = 'reserved'",
    "claims_counted": "UPDATE coupon_batches SET claimed = claimed - 1",
    "owed_money_returned": "UPDATE orders SET refunded_amount = 0 "
    "WHERE refund_due_reason IS NOT NULL",
    "captures_true": "DELETE FROM sandbox_entries WHERE kind = 'charge'",
    "refunds_true": "DELETE FROM sandbox_entries WHERE kind = 'refund'",
    "books_heard": "UPDATE payments SET state = 'cancelled'",
    "one_payment_one_order": "UPDATE payments SET amount = amount + 1",
    "paid_means_captured": "UPDATE payments SET state = 'declined' WHERE refunded_amount = 0",
    "refunds_within_payment": "UPDATE refunds SET amount = amount + 1",
    "refund_parts_add_up": "UPDATE order_refund_parts SET amount = amount + 1",
    "lines_refunded": "UPDATE order_lines SET refunded_amount = 0",
    "refund_share_derived": "UPDATE orders SET refund = 'none'",
    "ledger_balances": "UPDATE ledger_entries SET amount = amount + 1 "
    "WHERE account = 'shop_payable'",
    "ledger_in_one_currency": "UPDATE ledger_entries SET currency = 'USD'",
    "clearing_follows_rows": "UPDATE ledger_entries SET amount = amount + 1 "
    "WHERE account = 'psp_clearing'",
    "suspense_follows_rows": "UPDATE ledger_entries SET account = 'suspense' "
    "WHERE account = 'shop_payable'",
    "clearing_follows_books": "UPDATE sandbox_entries SET amount = amount - 1 "
    "WHERE kind = 'refund'",
    "captures_posted": "UPDATE ledger_transactions SET kind = 'other' "
    "WHERE kind = 'payment.captured'",
    "refunds_posted": "DELETE FROM ledger_entries WHERE account = 'refunds'",
    "sent_refunds_posted": "UPDATE ledger_transactions SET subject_id = id "
    "WHERE kind = 'refund.sent'",
    "refunds_account_owed": "UPDATE refunds SET state = 'failed'",
    "partner_shares_posted": "UPDATE order_lines SET brand_id = id, brand_share_bp = 500",
    "approved_requests_refunded": "UPDATE after_sales SET amount = amount + 1 "
    "WHERE state = 'approved'",
    "requested_refunds_approved": "UPDATE after_sales SET state = 'rejected', refund_id = NULL "
    "WHERE state = 'approved'",
    "approvals_refunded": "UPDATE refund_approvals SET amount = amount + 1 "
    "WHERE state = 'approved'",
    "requests_await_approval": "UPDATE refund_approvals SET state = 'rejected' "
    "WHERE state = 'awaiting'",
    "withheld_by_policy": "UPDATE order_refund_parts SET withheld_amount = 1",
    "withheld_before_given_back": "UPDATE order_refund_parts SET withheld_amount = -1 "
    "WHERE line_id IS NOT NULL",
    "surplus_goes_back": "UPDATE payments SET state = 'surplus' WHERE refund_owed_amount < amount",
    "disputes_counted": "UPDATE payments SET disputed_amount = 1",
    "sequences_whole": "DELETE FROM outbox_events WHERE kind = 'order.placed'",
    "orders_told": "DELETE FROM outbox_events WHERE kind = 'order.confirmed'",
    "groups_told": "DELETE FROM outbox_events WHERE kind = 'group.succeeded'",
    "payments_told": "DELETE FROM outbox_events WHERE kind = 'payment.captured'",
    "facts_heard": "UPDATE outbox_events SET done_at = NULL, at = '2020-01-01 00:00:00+00:00'",
    "handled_belongs": "DELETE FROM outbox_events WHERE kind = 'order.refund_owed'",
    "money_back_told": "DELETE FROM outbox_events WHERE kind = 'payment.refund_succeeded'",
    "after_sales_told": "DELETE FROM outbox_events WHERE kind = 'order.after_sales_requested'",
    "answers_come": "UPDATE idempotency_answers SET status = NULL, lease_until = "
    "'2020-01-01 00:00:00+00:00'",
    "shares_add_up": "UPDATE order_lines SET unit_shares = '[]'",
    "totals_as_priced": "UPDATE orders SET total_amount = total_amount + 1, "
    "shipping_amount = shipping_amount + 1",
    "order_states_follow": "UPDATE orders SET paid_at = NULL WHERE status = 'paid'",
    "no_order_stuck": "UPDATE orders SET status = 'placed', expires_at = "
    "'2020-01-01 00:00:00+00:00'",
    "money_of_one_shop": "UPDATE refunds SET shop_id = id",
    "edits_logged": "DELETE FROM audit_log",
    "erased_are_forgotten": "UPDATE members SET status = 'erased', erased_at = "
    "'2020-01-01 00:00:00+00:00'",
    "webhooks_put_by": "DELETE FROM webhook_deliveries WHERE kind = 'order.paid'",
    "webhooks_of_one_shop": "UPDATE webhook_deliveries SET shop_id = id",
    "webhooks_signed": "UPDATE webhook_secrets SET expires_at = '2036-01-01 00:00:00+00:00'",
}


@pytest.fixture
async def lived(market: Market, clock: FrozenClock) -> Market:
    """A market with a group that succeeded, one that failed, and a refund of part of an order.

    An endpoint hears all of it.
    """
    wish = {"url": "https://erp.example.com/hooks", "kinds": ["*"]}
    path = f"/v1/operator/shops/{market.shop_id}/webhook-endpoints"
    assert (await (await market.as_owner(market.shop_id)).post(path, wish)).status_code == 201
    clock.advance(minutes=10)
    market.campaign_id = await market.campaign(size=2, stock_quota=50, member_units_max=9)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    await market.pay(bob, await market.join(bob, first["group_id"]))
    await market.pay(ann, await market.open_group(ann))
    coupon_id = await _coupon(market, bob)
    alone = await market.place(bob, quantity=3, coupon_ids=[coupon_id])
    await market.pay(bob, alone)
    owner = await market.as_owner(market.shop_id)
    line_id = alone["lines"][0]["id"]
    refunded = await owner.post(
        f"/v1/operator/shops/{market.shop_id}/orders/{alone['id']}/refunds",
        {"lines": [{"line_id": line_id, "quantity": 1}], "reason": "damaged", "reference": "R1"},
    )
    assert refunded.status_code == 201, refunded.text
    await _large_requests(market, bob, owner, alone)
    clock.advance(hours=3)
    await market.work()
    await market.work()
    clock.advance(hours=1)
    return market


async def _large_requests(market: Market, buyer: Caller, first: Caller, order: Any) -> None:
    """One that two operators have granted, one that still waits for the second."""
    await terms(market, refund_approval_above_amount=0)
    other = await market.as_owner(market.shop_id)
    for is_granted in (True, False):
        request = await asked(buyer, order, units(order, 1))
        waits = await decide(market, first, request, "approve")
        assert waits.json()["state"] == "awaiting_approval", waits.text
        found = await first.get(of_shop(market, "refund-approvals"), state="awaiting")
        if is_granted:
            told = await second(market, other, found.json()["items"][0]["id"])
            assert told.json()["state"] == "approved", told.text


async def _coupon(market: Market, member: Caller) -> str:
    """A claimed coupon for a promotion that is limited."""
    promotion_id = await promoted(market, market.shop_id, needs_coupon=True)
    await limited(market, promotion_id, uses_max=5, member_uses_max=2, budget_amount=99_999)
    limit = {"coupons_max": 3, "member_max": 1}
    batch_id = await batch(market, market.shop_id, promotion_id, CouponKind.CLAIMED, **limit)
    claimed = await member.post("/v1/coupons/claims", {"batch_id": str(batch_id)})
    coupon_id: str = claimed.json()["id"]
    return coupon_id


async def audit(market: Market, shop_id: UUID | None = None) -> dict[str, Finding]:
    async with market.database.reading() as db:
        found = await service.invariants(db, shop_id, now=market.now, grace_seconds=60)
    return {finding.name: finding for finding in found}


async def test_every_invariant_holds_after_the_story(lived: Market) -> None:
    findings = await audit(lived)
    assert findings.keys() == INVARIANTS.keys()
    assert {name: f.samples for name, f in findings.items() if f.count} == {}


def test_the_guide_names_every_invariant() -> None:
    """Whoever reads an alarm looks it up there."""
    guide = (Path(__file__).parents[2] / "docs/audit.md").read_text()
    assert [name for name in INVARIANTS if f"`{name}`" not in guide] == []


async def test_every_invariant_has_a_fault_that_shows_it_can_fail() -> None:
    assert FAULTS.keys() == INVARIANTS.keys()


async def test_every_seeded_fault_is_found(lived: Market, backend: str) -> None:
    if backend == "sqlite":
        # A fault may orphan rows; only the test's own writer stops watching for that.
        async with lived.database.writer.connect() as connection:
            await connection.run_sync(
                lambda plain: plain.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            )
    missed = []
    for name, fault in FAULTS.items():
        async with lived.database.writing() as db:
            if backend == "postgresql":
                await db.execute(sa.text("SET LOCAL session_replication_role = replica"))
            else:
                await without_triggers(db)
            await db.execute(sa.text(fault))
            count, samples = await breaches(db, INVARIANTS[name], Moment(lived.now, 60), None)
            await db.rollback()
        if not count or not samples:
            missed.append(name)
    assert missed == []


async def without_triggers(db: AsyncSession) -> None:
    """For the rest of the transaction, which is rolled back, nothing keeps the ledger as it is."""
    found = sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for name in (await db.execute(found)).scalars().all():
        await db.execute(sa.text(f"DROP TRIGGER {name}"))


async def broken(market: Market) -> set[str]:
    """The invariants that do not hold."""
    return {name for name, finding in (await audit(market)).items() if finding.count}


@pytest.mark.parametrize(
    ("fault", "rows"),
    [("DELETE FROM buyers", 1), ("UPDATE buyers SET member_id = :bob", 2)],
)
async def test_buyers_are_counted_from_both_sides(market: Market, fault: str, rows: int) -> None:
    """Also one without a row, and a row of one who bought nothing."""
    ann, bob_id = await market.buyer("ann"), await market.member("bob")
    await market.pay(ann, await market.place(ann))
    await market.work()
    assert await broken(market) == set()
    statement = sa.text(fault)
    if rows == 2:
        statement = statement.bindparams(sa.bindparam("bob", bob_id, sa.Uuid()))
    await market.database.transact(lambda db: db.execute(statement))
    assert await broken(market) == {"buyers_counted"}
    assert (await audit(market))["buyers_counted"].count == rows


async def test_money_is_late_only_since_it_became_owed(market: Market, clock: FrozenClock) -> None:
    """The order ended, unpaid, hours before the money came; then the provider gives none back."""
    provider = Provider.installed(market)
    provider.stops_nothing = provider.refusing_refunds = True
    ann = await market.buyer("ann")
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_delay")
    cancelled = await ann.post(f"/v1/orders/{order['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    clock.advance(hours=3)
    await market.work()
    now = await market.order(ann, order)
    assert (now["refund_due_reason"], now["refund"]) == ("paid_too_late", "none")
    assert await broken(market) == set()
    clock.advance(minutes=12)
    assert await broken(market) == {"owed_money_returned"}


async def test_money_of_a_seat_that_was_left_is_late_too(
    market: Market, clock: FrozenClock
) -> None:
    provider = Provider.installed(market)
    provider.refusing_refunds = True
    ann = await market.buyer("ann")
    order = await market.open_group(ann)
    await market.pay(ann, order)
    left = await ann.post(f"/v1/orders/{order['id']}/cancel")
    assert left.json()["refund_due_reason"] == "left_group"
    await market.work()
    assert await broken(market) == set()
    clock.advance(minutes=12)
    assert await broken(market) == {"owed_money_returned"}


@pytest.mark.parametrize("kind", ["order.refund_owed", "order.cancelled"])
async def test_what_is_owed_back_must_be_told(market: Market, kind: str) -> None:
    reason = "left_group" if kind == "order.cancelled" else "paid_too_late"
    await market.place(await market.buyer("ann"))
    statement = sa.text("UPDATE orders SET refund_due_reason = :reason, refunded_amount = 0")
    owe = statement.bindparams(reason=reason)
    await market.database.transact(lambda db: db.execute(owe))
    assert await broken(market) == {"orders_told"}


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("UPDATE promotion_quotas SET taken_amount = 0 WHERE slot = 'budget'", "limits_counted"),
        ("UPDATE promotion_quotas SET taken_amount = 3 WHERE slot = 'uses'", "limits_counted"),
        ("UPDATE coupons SET order_id = id WHERE state = 'reserved'", "coupons_used_once"),
        ("UPDATE coupons SET number = 2", "claims_counted"),
        ("UPDATE promotion_member_uses SET uses = 0", "member_uses_counted"),
    ],
)
async def test_limits_are_counted_from_what_orders_hold(
    market: Market, fault: str, seen: str
) -> None:
    ann = await market.buyer("ann")
    order = await market.place(ann, coupon_ids=[await _coupon(market, ann)])
    await market.pay(ann, order)
    await market.work()
    assert await broken(market) == set()
    await market.database.transact(lambda db: db.execute(sa.text(fault)))
    assert await broken(market) == {seen}


async def test_an_order_that_ends_must_let_go(market: Market) -> None:
    ann = await market.buyer("ann")
    order = await market.place(ann, coupon_ids=[await _coupon(market, ann)])
    assert (await ann.post(f"/v1/orders/{order['id']}/cancel")).status_code == 200
    assert await broken(market) == set()
    keep = sa.text("UPDATE promotion_uses SET released_at = NULL WHERE slot = 'uses'")
    await market.database.transact(lambda db: db.execute(keep))
    assert await broken(market) == {"uses_follow_orders", "limits_counted"}


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("paid_min = paid_min", set()),
        ("paid_min = 3", {"success_complete"}),
        ("succeeded_at = opened_at", {"success_complete"}),
    ],
)
async def test_a_group_may_succeed_with_enough_but_not_before_its_deadline(
    market: Market, clock: FrozenClock, fault: str, found: set[str]
) -> None:
    market.campaign_id = await market.campaign(size=4, min_paid=2)
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    first = await market.open_group(ann)
    await market.pay(ann, first)
    await market.pay(bob, await market.join(bob, first["group_id"]))
    clock.advance(hours=2)
    await market.work()
    page = (await ann.get(f"/v1/groups/{first['group_id']}")).json()
    assert (page["status"], page["is_short"], page["paid"]) == ("succeeded", True, 2)
    async with market.database.writer.begin() as connection:
        await connection.execute(sa.text(f"UPDATE groups SET {fault}"))
    broken = {name for name, finding in (await audit(market)).items() if finding.count}
    assert broken == found
