"""Our books against a provider's: what differs is told, what is safe is mended, and once.

The accident this prevents: money that the provider took or gave back while nobody here heard of
it, after an outage or a restored backup, and that is found by an angry buyer.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.audit import service
from app.audit.jobs import reconcile as reconcile_job
from app.audit.rules import Difference
from app.core.ids import new_id
from app.core.jobs import JobContext
from app.payments.gateway import (
    Charge,
    ChargeState,
    Dispute,
    DisputeState,
    GatewayRefund,
    RefundState,
    RefundWish,
    Told,
)
from app.payments.models import Refund
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.ledger.posted import balances
from tests.orders.books import state_of
from tests.orders.market import Market


class Books:
    """A provider whose statement is what a test says it is."""

    name = "sandbox"

    def __init__(self, *told: Told) -> None:
        self.told = list(told)

    async def statement(self, since: datetime) -> AsyncIterator[Told]:
        for told in self.told:
            yield told


async def compared(
    market: Market, gateway: Any = None, *, repairs: bool = False
) -> list[Difference]:
    books = gateway or market.application.state.gateways["sandbox"]
    since = market.now - timedelta(days=1)
    return await service.reconcile(market.database, books, since, repairs=repairs)


def kinds(found: Sequence[Difference]) -> list[str]:
    return sorted(difference.kind for difference in found)


async def paid(market: Market, way: str = "sandbox_success") -> tuple[Caller, dict[str, Any]]:
    buyer = await market.buyer()
    order = await market.place(buyer)
    await market.pay(buyer, order, way)
    return buyer, await market.order(buyer, order)


def charge_of(order: dict[str, Any], **more: Any) -> Charge:
    made = order["payments"][0]
    known = Charge(
        payment_id=UUID(made["id"]),
        reference=f"sandbox-{UUID(made['id']).hex}",
        state=ChargeState.CAPTURED,
        amount=order["total_amount"],
        currency=order["currency"],
        at=datetime.fromisoformat(order["placed_at"]),
    )
    return replace(known, **more)


def refund_of(charge: Charge, **more: Any) -> GatewayRefund:
    made_there = GatewayRefund(
        refund_id=None,
        reference="by-hand-1",
        state=RefundState.SUCCEEDED,
        at=charge.at,
        payment_id=charge.payment_id,
        charge_reference=charge.reference,
        amount=700,
        currency=charge.currency,
    )
    return replace(made_there, **more)


async def test_equal_books_differ_in_nothing(market: Market) -> None:
    operator = await market.as_owner(market.shop_id)
    _, order = await paid(market)
    await market.refund(operator, order, amount=500)
    await market.work()
    await paid(market, "sandbox_decline")
    await paid(market, "sandbox_delay")
    before = await state_of(market.database)
    assert await compared(market, repairs=True) == []
    assert await state_of(market.database) == before


async def test_a_capture_nobody_heard_of_is_told_and_then_mended_once(
    market: Market, clock: FrozenClock
) -> None:
    buyer, order = await paid(market, "sandbox_delay")
    clock.advance(seconds=60)
    before = await state_of(market.database)
    [found] = await compared(market)
    assert (found.kind, found.ours, found.theirs) == ("charge_unheard", "pending", "captured")
    assert not found.is_mended
    assert await state_of(market.database) == before
    [mended] = await compared(market, repairs=True)
    assert mended.is_mended
    assert (await market.order(buyer, order))["status"] == "paid"
    assert await compared(market, repairs=True) == []
    await market.balanced(settled=False)


async def test_a_refund_that_was_sent_and_not_noted_is_mended(market: Market) -> None:
    operator = await market.as_owner(market.shop_id)
    buyer, order = await paid(market)
    made = await market.refund(operator, order, amount=500)
    charge = charge_of(order)
    wish = RefundWish(UUID(made["id"]), charge.payment_id, charge.reference, 500, charge.currency)
    await market.application.state.gateways["sandbox"].refund(wish, now=market.now)
    [found] = await compared(market, repairs=True)
    assert (found.kind, found.is_mended) == ("refund_unheard", True)
    assert (await market.order(buyer, order))["refunded_amount"] == 500
    assert await compared(market, repairs=True) == []
    await market.work()
    await market.balanced()


async def test_a_refund_made_by_hand_at_the_provider_becomes_ours_once(market: Market) -> None:
    buyer, order = await paid(market)
    charge = charge_of(order)
    books = Books(charge, refund_of(charge))
    assert kinds(await compared(market, books)) == ["refund_unknown_here"]
    [mended] = await compared(market, books, repairs=True)
    assert mended.is_mended
    assert (await market.order(buyer, order))["refunded_amount"] == 700
    assert await compared(market, books, repairs=True) == []


async def test_a_refund_of_ours_whose_row_is_lost_is_ours_again(market: Market) -> None:
    """A backup was put back: decided anew, its money would go to the buyer a second time."""
    buyer, order = await paid(market)
    charge = charge_of(order)
    lost = refund_of(charge, refund_id=new_id(), amount=order["total_amount"])
    books = Books(charge, lost)
    assert [f.is_mended for f in await compared(market, books, repairs=True)] == [True]
    now = await market.order(buyer, order)
    assert (now["refund"], [r["id"] for r in now["refunds"]]) == ("full", [str(lost.refund_id)])
    assert await compared(market, books, repairs=True) == []
    assert await stands(market) == {}


async def test_a_refund_that_was_made_long_ago_is_not_missed_among_those_of_today(
    market: Market, clock: FrozenClock
) -> None:
    _, order = await paid(market)
    clock.advance(seconds=3 * 86_400)
    charge = charge_of(order)
    [adopted] = await compared(market, Books(charge, refund_of(charge)), repairs=True)
    assert adopted.is_mended
    assert await compared(market, Books()) == []


async def test_one_that_cannot_be_taken_over_does_not_keep_the_others_from_it(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    _, waits = await paid(market, "sandbox_delay")
    _, order = await paid(market)
    charge = charge_of(order)
    # No ledger holds so much.
    poison = refund_of(charge, refund_id=new_id(), amount=2**70)
    books = Books(charge, poison, charge_of(waits))
    found = await compared(market, books, repairs=True)
    assert [(f.kind, f.is_mended) for f in found] == [
        ("refund_unknown_here", False),
        ("charge_unheard", True),
    ]
    assert "difference_failed" in caplog.text


async def test_what_a_person_has_to_look_at_is_told_and_left_alone(market: Market) -> None:
    _, order = await paid(market)
    charge = charge_of(order)
    stranger = replace(charge, payment_id=new_id(), reference="pi-stranger")
    pending = replace(charge, state=ChargeState.PENDING)
    for told, kind in (
        (stranger, "charge_unknown_here"),
        (pending, "charge_not_there"),
    ):
        before = await state_of(market.database)
        found = await compared(market, Books(told), repairs=True)
        assert kind in kinds(found)
        assert not any(difference.is_mended for difference in found)
        assert await state_of(market.database) == before


async def stands(market: Market) -> dict[str, int]:
    return await balances(market.database, market.shop_id)


@pytest.mark.parametrize("way", ["sandbox_success", "sandbox_delay"])
async def test_money_that_was_not_asked_for_like_this_is_noted_and_stays_a_difference(
    market: Market, way: str
) -> None:
    buyer, order = await paid(market, way)
    charge = charge_of(order)
    short = replace(charge, amount=charge.amount - 1)
    before = await stands(market)
    for _ in range(2):
        found = await compared(market, Books(short), repairs=True)
        assert [(f.kind, f.is_mended) for f in found] == [("charge_other_amount", False)]
    # What was captured as asked for is not there a second time.
    nobodys = {"psp_clearing": short.amount, "suspense": -short.amount}
    assert await stands(market) == (before or nobodys)
    assert (await market.order(buyer, order))["payments"][0]["reason"] == "amount_mismatch"
    await market.balanced(settled=False)


async def test_a_payment_that_was_captured_twice_is_noted_until_it_is_back(market: Market) -> None:
    _, order = await paid(market)
    charge = charge_of(order)
    twice = replace(charge, reference="another", fee_amount=30)
    for _ in range(2):
        found = await compared(market, Books(charge, twice), repairs=True)
        assert [(f.kind, f.is_mended) for f in found] == [("charge_twice", False)]
    total = order["total_amount"]
    assert await stands(market) == {
        "psp_clearing": 2 * total - 30,
        "shop_payable": -total,
        "suspense": -total,
        "psp_fees": 30,
    }
    back = refund_of(charge, charge_reference="another", amount=total)
    books = Books(charge, back)
    assert [f.is_mended for f in await compared(market, books, repairs=True)] == [True]
    assert await compared(market, books, repairs=True) == []
    assert await stands(market) == {
        "psp_clearing": total - 30,
        "shop_payable": -total,
        "psp_fees": 30,
    }
    await market.balanced(settled=False)


@pytest.mark.parametrize("repairs", [False, True])
async def test_what_nobody_here_knows_is_settled_once_it_has_gone_back_whole(
    market: Market, repairs: bool
) -> None:
    """A buyer paid, the database was lost, the copy that came back has never heard of the order."""
    _, order = await paid(market)
    lost = charge_of(order, payment_id=new_id(), reference="lost-1")
    half = refund_of(lost, payment_id=None, amount=order["total_amount"] - 1)
    rest = replace(half, reference="by-hand-2", amount=1)
    bounced = replace(half, reference="by-hand-3", amount=1, state=RefundState.FAILED)
    before = await state_of(market.database)
    for told, wanted in (
        ((lost,), ["charge_unknown_here"]),
        ((lost, half), ["charge_unknown_here", "refund_unknown_here"]),
        ((lost, half, bounced), ["charge_unknown_here", "refund_unknown_here"]),
        ((lost, half, rest), []),
        ((lost, half, bounced, rest), []),
        ((half, rest), ["refund_unknown_here"] * 2),
    ):
        books = Books(charge_of(order), *told)
        assert kinds(await compared(market, books, repairs=repairs)) == wanted
    assert await state_of(market.database) == before


async def test_money_that_only_we_know_of_is_told(market: Market) -> None:
    operator = await market.as_owner(market.shop_id)
    _, order = await paid(market)
    await market.refund(operator, order, amount=500)
    await market.work()
    assert kinds(await compared(market, Books(), repairs=True)) == [
        "charge_not_there",
        "refund_not_there",
    ]


async def test_a_dispute_nobody_heard_of_is_mended(market: Market) -> None:
    _, order = await paid(market)
    charge = charge_of(order)
    dispute = Dispute(
        reference="dp-1",
        payment_id=charge.payment_id,
        charge_reference=charge.reference,
        amount=charge.amount,
        currency=charge.currency,
        state=DisputeState.OPEN,
        at=market.now,
    )
    books = Books(charge, dispute)
    assert kinds(await compared(market, books, repairs=True)) == ["dispute_unheard"]
    assert await compared(market, books, repairs=True) == []
    costly = replace(dispute, fee_amount=1_500)
    for told, ours, theirs in (
        (costly, "fee 0", "fee 1500"),
        (replace(costly, state=DisputeState.WON), "open", "won"),
        (replace(costly, state=DisputeState.WON, fee_returned_amount=900), "fee 1500", "fee 600"),
    ):
        [found] = await compared(market, Books(charge, told), repairs=True)
        assert (found.kind, found.ours, found.theirs) == ("dispute_unheard", ours, theirs)
        assert found.is_mended
        assert await compared(market, Books(charge, told), repairs=True) == []
    await market.balanced(settled=False)


async def test_a_fee_nobody_told_of_is_posted_once(market: Market) -> None:
    _, order = await paid(market)
    books = Books(charge_of(order, fee_amount=461))
    [found] = await compared(market, books, repairs=True)
    assert (found.kind, found.ours, found.theirs) == ("fee_unheard", "0", "461")
    assert found.is_mended
    assert await compared(market, books, repairs=True) == []
    await market.balanced(settled=False)


async def test_a_long_statement_is_read_page_by_page(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.service.reconciling.PAGE_ROWS", 2)
    monkeypatch.setattr("app.payments.adapters.sandbox.STATEMENT_ROWS", 2)
    orders = [await paid(market) for _ in range(5)]
    assert await compared(market) == []
    cut = "DELETE FROM sandbox_entries WHERE payment_id = :id"
    last = sa.text(cut).bindparams(sa.bindparam("id", charge_of(orders[-1][1]).payment_id, sa.Uuid))
    await market.database.transact(lambda db: db.execute(last))
    [found] = await compared(market)
    assert found.kind == "charge_not_there"


async def test_two_at_once_mend_once(market: Market) -> None:
    operator = await market.as_owner(market.shop_id)
    _, order = await paid(market)
    charge = charge_of(order)
    books = Books(charge, refund_of(charge))
    await compared(market, books, repairs=True)
    await compared(market, books, repairs=True)
    async with market.database.reading() as db:
        assert await db.scalar(sa.select(sa.func.count()).select_from(Refund)) == 1
    await market.refund(operator, order, amount=order["total_amount"] - 700)


async def test_the_job_mends_and_says_what_is_left(market: Market, clock: FrozenClock) -> None:
    buyer, order = await paid(market, "sandbox_delay")
    clock.advance(seconds=60)
    state = market.application.state
    context = JobContext(state.settings, market.database, state.gateways)
    assert await reconcile_job(context) == 1
    assert (await market.order(buyer, order))["status"] == "paid"
    assert await reconcile_job(context) == 0
