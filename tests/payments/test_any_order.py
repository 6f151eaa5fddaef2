"""Facts about one order in every order they may come in: the money always ends right."""

from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.core.jobs import JobContext
from app.orders.jobs import expire_unpaid
from app.payments import repository as payments_repository
from app.payments import service as payments
from app.payments.gateway import Charge, ChargeState
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.books import facts
from tests.orders.market import Market
from tests.payments.provider import Provider, be_away

EVENTS = ("capture", "expiry", "cancel", "sweep")


class Story:
    """One order whose charge was cut off, and what may happen to it next."""

    def __init__(self, market: Market, buyer: Caller, order: dict[str, Any]) -> None:
        self.market, self.buyer, self.order = market, buyer, order

    async def capture(self) -> None:
        """The provider's word: the money was taken just before the time ran out."""
        row = await self._payment()
        charge = Charge(
            payment_id=row["id"],
            reference=f"sandbox-{row['id'].hex}",
            state=ChargeState.CAPTURED,
            amount=row["amount"],
            currency=row["currency"],
            at=row["created_at"],
        )
        await self.market.database.transact(
            lambda db: payments.record_charge(db, charge, now=self.market.now)
        )

    async def expiry(self) -> None:
        """The sweeper, who is told by the provider what is so."""
        state = self.market.application.state
        await expire_unpaid(JobContext(state.settings, self.market.database, state.gateways))

    async def cancel(self) -> None:
        answer = await self.buyer.post(f"/v1/orders/{self.order['id']}/cancel")
        assert answer.status_code in (200, 409), answer.text

    async def sweep(self) -> None:
        """Everything that is due: refunds sent, groups failed, outbox delivered."""
        await self.market.work()

    async def _payment(self) -> sa.RowMapping:
        async with self.market.database.reading() as db:
            [row] = await payments_repository.payments_of_order(db, self.order["uuid"])
        return row


async def _begun(market: Market, provider: Provider, *, in_group: bool) -> Story:
    """Charged at the provider, unknown here, and the time to pay just over."""
    buyer = await market.buyer()
    order = await (market.open_group(buyer) if in_group else market.place(buyer))
    provider.after["charge"] = be_away
    answer = await buyer.post(f"/v1/orders/{order['id']}/payments", {"token": "sandbox_success"})
    assert answer.status_code == 503
    return Story(market, buyer, {**order, "uuid": UUID(order["id"])})


@pytest.mark.parametrize("in_group", [False, True], ids=["alone", "in a group"])
async def test_every_order_of_facts_ends_with_the_money_where_it_belongs(
    market: Market, provider: Provider, clock: FrozenClock, in_group: bool
) -> None:
    ends = set()
    began = market.now
    for order_of_events in permutations(EVENTS):
        story = await _begun(market, provider, in_group=in_group)
        clock.advance(seconds=16 * 60 if in_group else 31 * 60)
        for event in order_of_events:
            await getattr(story, event)()
        await story.capture()  # the same word again, under another event's name
        clock.advance(hours=2)
        await market.work()
        now = await market.order(story.buyer, story.order)
        [payment] = now["payments"]
        assert payment["state"] == "captured", order_of_events
        kept = payment["amount"] - payment["refunded_amount"]
        assert kept == (now["total_amount"] if now["status"] == "paid" else 0), order_of_events
        assert payment["refunded_amount"] == now["refunded_amount"]
        assert len(now["refunds"]) == (0 if now["status"] == "paid" else 1), order_of_events
        ends.add(now["status"])
        # An access token lives for a day of these stories.
        clock.at = began
        await market.balanced()
    assert ends == ({"closed"} if in_group else {"paid"})
    assert len(await facts(market.database, "payment.captured")) == 24


async def test_refunds_and_captures_heard_in_any_order_count_once(
    market: Market, clock: FrozenClock
) -> None:
    """Twice the word on a refund around a second word on its capture."""
    ann, owner = await market.buyer(), await market.as_owner(market.shop_id)
    order = await market.place(ann)
    await market.pay(ann, order, "sandbox_duplicate")
    await market.refund(owner, order, "R-1", amount=100)
    await market.work()
    await market.refund(owner, order, "R-2")
    await market.work()
    await market.work()
    now = await market.order(ann, order)
    assert (now["refund"], now["refunded_amount"]) == ("full", order["total_amount"])
    assert len(await facts(market.database, "order.refunded")) == 2
    await market.balanced()
