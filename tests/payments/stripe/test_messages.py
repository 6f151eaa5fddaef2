"""Stripe's own messages about payments, as its double signs and spoils them."""

import pytest

from app.payments import service as payments
from app.payments.gateway import Charge, Hooked, NotOurBusinessError
from tests.conftest import rows_in
from tests.doubles.conftest import Inbox
from tests.doubles.stripe.remote import Remote
from tests.fakes import FrozenClock
from tests.orders.market import SOLO_AMOUNT, Market
from tests.payments.stripe.till import begin, hear, with_card


class Post:
    """Stripe's messages to this installation, taken over as they come."""

    def __init__(self, market: Market, double: Remote, inbox: Inbox) -> None:
        self.market, self.double, self.inbox = market, double, inbox
        found = market.application.state.gateways["stripe"]
        assert isinstance(found, Hooked)
        self.gateway: Hooked = found
        inbox.clear()
        double.hooks([inbox.url])

    async def take(self) -> list[Charge]:
        """Everything that came, in the order it came."""
        self.double.idle()
        now, heard = self.market.now, []
        for body, mark in self.inbox.came:
            event = self.gateway.verify(body, {"stripe-signature": mark}, now=now)
            for told in self.gateway.read(event):
                assert isinstance(told, Charge)
                heard.append(told)
                await self._record(told)
        self.inbox.clear()
        return heard

    async def _record(self, told: Charge) -> None:
        await self.market.database.transact(
            lambda db: payments.record_charge(db, told, now=self.market.now)
        )


async def test_a_message_pays_the_order_as_well_as_asking_does(
    market: Market, double: Remote, inbox: Inbox, clock: FrozenClock
) -> None:
    post = Post(market, double, inbox)
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    assert with_card(double, step, "chargeDeclined").status_code == 402
    assert with_card(double, step).status_code == 200
    heard = await post.take()
    assert sorted(c.state.value for c in heard) == ["captured", "pending"]
    assert (await market.order(ann, order))["status"] == "paid"
    await hear(market, clock)
    await market.balanced()


async def test_one_fen_short_is_kept_aside_and_the_truth_asked_for(
    market: Market, double: Remote, inbox: Inbox, clock: FrozenClock
) -> None:
    post = Post(market, double, inbox)
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    double.modes(short_by=1, types=["payment_intent.succeeded"])
    assert with_card(double, step).status_code == 200
    [told] = await post.take()
    assert told.amount == SOLO_AMOUNT - 1
    now = await market.order(ann, order)
    assert (now["status"], now["payments"][0]["state"]) == ("placed", "pending")
    assert now["payments"][0]["reason"] == "amount_mismatch"
    clock.advance(minutes=31)
    await market.work()
    assert (await market.order(ann, order))["status"] == "paid"


async def test_a_message_of_the_other_mode_is_not_our_business(
    market: Market, double: Remote, inbox: Inbox
) -> None:
    post = Post(market, double, inbox)
    ann = await market.buyer()
    order = await market.place(ann)
    step = await begin(market, ann, order)
    await post.take()
    double.modes(flip_livemode=True, types=["payment_intent.succeeded"])
    assert with_card(double, step).status_code == 200
    before = await rows_in(market.database)
    with pytest.raises(NotOurBusinessError):
        await post.take()
    assert await rows_in(market.database) == before
    assert (await market.order(ann, order))["status"] == "placed"
