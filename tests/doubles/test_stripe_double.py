"""The double of Stripe keeps Stripe's rules about money, as the official SDK sees them."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import stripe

from tests.doubles.conftest import Inbox, Shop
from tests.doubles.stripe.remote import Remote


def refused(code: str | None, call: Callable[..., Any], *told: Any) -> stripe.StripeError:
    """The error of a call that must fail."""
    with pytest.raises(stripe.StripeError) as caught:
        call(*told)
    assert caught.value.code == code, caught.value
    return caught.value


def totals(double: Remote, intent_id: str) -> dict[str, Any]:
    return double.truth()["payment_intents"][intent_id]


def net(double: Remote, intent_id: str) -> int:
    return totals(double, intent_id)["net"]


class TestKeys:
    def test_wrong_key_is_refused(self, shops: Callable[..., Shop]) -> None:
        with pytest.raises(stripe.AuthenticationError):
            shops("sk_test_of_nobody").intent()

    def test_modes_do_not_see_each_other(self, shop: Shop, shops: Callable[..., Shop]) -> None:
        live = shops("sk_live_double")
        intent = live.paid()
        assert intent.livemode is True
        assert shop.intent().livemode is False
        refused("resource_missing", shop.client.v1.payment_intents.retrieve, intent.id)
        listed = shop.client.v1.balance_transactions.list({"limit": 100}).data
        assert live.charge(intent.id).balance_transaction.id not in {one.id for one in listed}

    def test_frontend_needs_the_client_secret(self, shop: Shop, shops: Callable[..., Shop]) -> None:
        intent = shop.intent()
        frontend = shops("pk_test_double").client.v1
        wish = {"payment_method": "pm_card_visa", "client_secret": "wrong"}
        refused(
            "payment_intent_invalid_parameter", frontend.payment_intents.confirm, intent.id, wish
        )
        wish["client_secret"] = intent.client_secret
        assert frontend.payment_intents.confirm(intent.id, wish).status == "succeeded"
        with pytest.raises(stripe.AuthenticationError):
            frontend.refunds.create({"payment_intent": intent.id})

    def test_basic_authorization_and_request_id(self, double: Remote) -> None:
        url = f"{double.url}/v1/payment_intents"
        form = {"amount": "1000", "currency": "cny", "metadata[payment_id]": "7"}
        answer = httpx2.post(url, data=form, auth=("sk_test_double", ""))
        assert answer.json()["metadata"] == {"payment_id": "7"}
        assert answer.headers["Request-Id"].startswith("req_")
        assert httpx2.get(url).status_code == 401


class TestIntents:
    @pytest.mark.parametrize(
        ("wish", "code"),
        [
            ({"amount": 349}, "amount_too_small"),
            ({"amount": 0}, "parameter_invalid_integer"),
            ({"amount": 10**8}, "amount_too_large"),
            ({"amount": "ten"}, "parameter_invalid_integer"),
            ({"currency": "CNY"}, None),
            ({"currency": "nzd", "payment_method_types": ["wechat_pay"]}, None),
            ({"currency": "twd", "payment_method_types": ["alipay"]}, None),
            ({"payment_method_types": ["cash"]}, None),
            ({"colour": "red"}, "parameter_unknown"),
            ({"metadata": {"k" * 41: "v"}}, None),
        ],
    )
    def test_wrong_wishes(self, shop: Shop, wish: dict[str, Any], code: str | None) -> None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.intent(**wish)
        assert caught.value.code == code
        assert caught.value.http_status == 400

    def test_card_pays(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        intent = shop.intent(metadata={"payment_id": "p1"})
        assert intent.status == "requires_payment_method"
        done = shop.client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
        assert (done.status, done.amount_received) == ("succeeded", 10_000)
        charge = shop.charge(intent.id)
        assert (charge.balance_transaction.fee, charge.balance_transaction.net) == (290, 9_710)
        assert totals(double, intent.id)["metadata"] == {"payment_id": "p1"}
        assert net(double, intent.id) == 9_710
        double.idle()
        assert sorted(inbox.kinds()) == [
            "charge.succeeded", "payment_intent.created", "payment_intent.succeeded",
        ]  # fmt: skip

    def test_declined_card_may_be_followed_by_another(
        self, shop: Shop, double: Remote, inbox: Inbox
    ) -> None:
        intent = shop.intent()
        confirm = shop.client.v1.payment_intents.confirm
        with pytest.raises(stripe.CardError) as caught:
            confirm(intent.id, {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"})
        assert caught.value.http_status == 402
        assert caught.value.error.decline_code == "insufficient_funds"
        assert caught.value.error.payment_intent.id == intent.id
        now = shop.client.v1.payment_intents.retrieve(intent.id)
        assert now.status == "requires_payment_method"
        assert now.last_payment_error.code == "card_declined"
        assert net(double, intent.id) == 0
        assert confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
        double.idle()
        assert {"charge.failed", "payment_intent.payment_failed"} <= set(inbox.kinds())

    def test_alipay_waits_for_the_buyer(self, shop: Shop, double: Remote) -> None:
        intent = shop.waiting("alipay")
        assert intent.status == "requires_action"
        assert intent.next_action.alipay_handle_redirect.return_url == "https://shop.test/back"
        double.pay(intent.id)
        charge = shop.charge(intent.id)
        assert charge.payment_method_details.type == "alipay"
        assert net(double, intent.id) == 9_710

    def test_wechat_shows_a_code_and_may_be_refused(self, shop: Shop, double: Remote) -> None:
        intent = shop.waiting("wechat_pay")
        code = intent.next_action.wechat_pay_display_qr_code
        assert code.data.startswith("weixin://")
        double.decline(intent.id)
        now = shop.client.v1.payment_intents.retrieve(intent.id)
        assert (now.status, now.next_action) == ("requires_payment_method", None)

    @pytest.mark.parametrize("kind", ["alipay", "wechat_pay"])
    def test_wallets_need_to_know_where(self, shop: Shop, kind: str) -> None:
        intent = shop.intent(payment_method_types=[kind])
        wish = {"payment_method_data": {"type": kind}}
        refused("parameter_missing", shop.client.v1.payment_intents.confirm, intent.id, wish)

    def test_payment_under_way_cannot_be_cancelled(self, shop: Shop, double: Remote) -> None:
        intent = shop.waiting()
        assert double.pay(intent.id, after=30)["status"] == "processing"
        code = "payment_intent_unexpected_state"
        refused(code, shop.client.v1.payment_intents.cancel, intent.id)

    def test_cancelled_is_the_end(self, shop: Shop) -> None:
        v1 = shop.client.v1
        intent = v1.payment_intents.cancel(shop.waiting().id)
        assert intent.status == "canceled"
        code = "payment_intent_unexpected_state"
        refused(code, v1.payment_intents.cancel, intent.id)
        refused(code, v1.payment_intents.confirm, intent.id, {"payment_method": "pm_card_visa"})
        error = refused(code, v1.payment_intents.cancel, shop.paid().id)
        assert error.error.payment_intent.status == "succeeded"

    def test_fee_may_come_later(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(fee_known_after=None)
        intent = shop.paid()
        assert shop.charge(intent.id).balance_transaction is None
        double.settle_charge(intent.latest_charge)
        inbox.wait_for("charge.updated")
        assert shop.charge(intent.id).balance_transaction.fee == 290

    @pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
    async def test_asynchronous_client(self, double: Remote) -> None:
        http_client = stripe.HTTPXClient(timeout=5)
        client = stripe.StripeClient(
            "sk_test_double", base_addresses={"api": double.url}, http_client=http_client
        )
        wish = {"amount": 1_000, "currency": "cny", "metadata": {"payment_id": "p"}}
        double.fault("cut_after")
        with pytest.raises(stripe.APIConnectionError):
            await client.v1.payment_intents.create_async(wish, {"idempotency_key": "async"})
        intent = await client.v1.payment_intents.create_async(wish, {"idempotency_key": "async"})
        found = await client.v1.payment_intents.retrieve_async(intent.id)
        assert found.metadata["payment_id"] == "p"
        assert intent.last_response.headers["Idempotent-Replayed"] == "true"
        await http_client.close_async()


class TestLists:
    def test_pages_from_a_time_on(self, shop: Shop, double: Remote) -> None:
        double.clock(2_000_000_000, frozen=True)
        shop.intent()
        double.clock(2_000_000_100, frozen=True)
        made = [shop.intent().id for _ in range(3)]
        wish = {"created": {"gte": 2_000_000_100}, "limit": 2}
        page = shop.client.v1.payment_intents.list(wish)
        assert page.has_more
        assert [one.id for one in page.auto_paging_iter()] == made[::-1]
        listing = shop.client.v1.payment_intents.list
        refused("resource_missing", listing, {"starting_after": "pi_of_nobody"})

    def test_events_and_charges_are_listed(self, shop: Shop) -> None:
        intent = shop.paid()
        told = shop.client.v1.events.list({"types": ["payment_intent.succeeded"], "limit": 1}).data
        assert told[0].data.object.id == intent.id
        assert shop.client.v1.events.retrieve(told[0].id).id == told[0].id
        charges = shop.client.v1.charges.list({"payment_intent": intent.id}).data
        assert [one.id for one in charges] == [intent.latest_charge]

    def test_only_links_are_expanded(self, shop: Shop) -> None:
        intent = shop.paid()
        wish = {"expand": ["amount"]}
        refused(None, shop.client.v1.payment_intents.retrieve, intent.id, wish)
        listed = shop.client.v1.payment_intents.list({"limit": 1, "expand": ["data.latest_charge"]})
        assert listed.data[0].latest_charge.captured


class TestRefunds:
    def test_never_more_than_was_taken(self, shop: Shop, double: Remote) -> None:
        create = shop.client.v1.refunds.create
        intent = shop.paid()
        first = create({"payment_intent": intent.id, "amount": 6_000, "metadata": {"a": "b"}})
        assert (first.status, first.metadata["a"]) == ("succeeded", "b")
        error = refused(None, create, {"payment_intent": intent.id, "amount": 6_000})
        assert error.param == "amount"
        assert create({"charge": intent.latest_charge}).amount == 4_000
        refused("charge_already_refunded", create, {"payment_intent": intent.id})
        assert shop.charge(intent.id).refunded
        assert net(double, intent.id) == -290
        made = shop.client.v1.refunds.list({"payment_intent": intent.id}).data
        assert sum(one.amount for one in made) == 10_000

    @pytest.mark.parametrize("amount", [0, -1])
    def test_only_positive_amounts(self, shop: Shop, amount: int) -> None:
        wish = {"payment_intent": shop.paid().id, "amount": amount}
        refused("parameter_invalid_integer", shop.client.v1.refunds.create, wish)

    def test_nothing_to_refund(self, shop: Shop) -> None:
        wish = {"payment_intent": shop.intent().id}
        refused("payment_intent_unexpected_state", shop.client.v1.refunds.create, wish)

    def test_wallet_refund_settles_later(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(refund_settles_after=None)
        intent = shop.waiting("wechat_pay")
        double.pay(intent.id)
        refund = shop.client.v1.refunds.create({"payment_intent": intent.id})
        assert refund.status == "pending"
        double.settle_refund(refund.id)
        assert shop.client.v1.refunds.retrieve(refund.id).status == "succeeded"
        double.idle()
        assert {"refund.created", "charge.refunded", "refund.updated"} <= set(inbox.kinds())

    def test_refund_fails_after_it_had_succeeded(
        self, shop: Shop, double: Remote, inbox: Inbox
    ) -> None:
        intent = shop.paid()
        refund = shop.client.v1.refunds.create({"payment_intent": intent.id, "amount": 4_000})
        double.fail_refund(refund.id, "lost_or_stolen_card")
        now = shop.client.v1.refunds.retrieve(refund.id)
        assert (now.status, now.failure_reason) == ("failed", "lost_or_stolen_card")
        assert now.failure_balance_transaction is not None
        assert shop.charge(intent.id).amount_refunded == 0
        sums = totals(double, intent.id)
        assert (sums["refunded"], sums["refunds_failed"], sums["net"]) == (4_000, 4_000, 9_710)
        double.idle()
        assert inbox.events("refund.failed")[0].data.object.id == refund.id
        again = shop.client.v1.refunds.create({"payment_intent": intent.id})
        assert again.amount == 10_000

    @pytest.mark.parametrize("amount", [None, 2_500])
    def test_card_whose_refunds_fail(self, shop: Shop, double: Remote, amount: int | None) -> None:
        intent = shop.intent(confirm=True, payment_method="pm_card_refundFail")
        wish = {"payment_intent": intent.id} | ({"amount": amount} if amount else {})
        refund = shop.client.v1.refunds.create(wish)
        assert refund.status == "succeeded"
        double.hurry()
        assert shop.client.v1.refunds.retrieve(refund.id).status == "failed"


class TestDisputes:
    def test_card_whose_owner_complains(self, shop: Shop, double: Remote) -> None:
        intent = shop.intent(confirm=True, payment_method="pm_card_createDispute")
        double.hurry()
        assert shop.charge(intent.id).disputed
        assert totals(double, intent.id)["disputed"] == 10_000

    def test_won(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        intent = shop.paid()
        dispute = double.dispute(intent.id)
        assert net(double, intent.id) == -290 - 1_500
        wish = {"payment_intent": intent.id}
        refused("charge_disputed", shop.client.v1.refunds.create, wish)
        double.win(dispute["id"])
        now = shop.client.v1.disputes.retrieve(dispute["id"])
        assert (now.status, len(now.balance_transactions)) == ("won", 2)
        assert sum(one.net for one in now.balance_transactions) == 0
        assert net(double, intent.id) == 9_710
        double.idle()
        assert {
            "charge.dispute.created", "charge.dispute.funds_withdrawn",
            "charge.dispute.closed", "charge.dispute.funds_reinstated",
        } <= set(inbox.kinds())  # fmt: skip

    def test_won_at_a_cost(self, shop: Shop, double: Remote) -> None:
        intent = shop.paid()
        dispute = double.dispute(intent.id)
        double.win(dispute["id"], keeps_fee=True)
        now = shop.client.v1.disputes.retrieve(dispute["id"])
        assert [(one.amount, one.fee) for one in now.balance_transactions] == [
            (-10_000, 1_500),
            (10_000, 0),
        ]
        assert net(double, intent.id) == 9_710 - 1_500

    def test_lost(self, shop: Shop, double: Remote) -> None:
        intent = shop.paid()
        dispute = double.dispute(intent.id, amount=3_000)
        double.lose(dispute["id"])
        found = shop.client.v1.disputes.list({"payment_intent": intent.id}).data
        assert [one.status for one in found] == ["lost"]
        assert net(double, intent.id) == 9_710 - 3_000 - 1_500

    def test_balance_transactions_sum_up(self, shop: Shop, double: Remote) -> None:
        double.clock(2_100_000_000, frozen=True)
        intent = shop.paid()
        shop.client.v1.refunds.create({"payment_intent": intent.id, "amount": 1_000})
        double.dispute(intent.id)
        wish = {"created": {"gte": 2_100_000_000}, "limit": 100}
        moved = shop.client.v1.balance_transactions.list(wish).data
        assert sorted(one.type for one in moved) == ["adjustment", "charge", "refund"]
        assert sum(one.net for one in moved) == net(double, intent.id)


class TestIdempotency:
    WISH = {"amount": 5_000, "currency": "cny", "payment_method_types": ["card"]}  # noqa: RUF012

    def test_first_answer_is_repeated(self, shop: Shop) -> None:
        create = shop.client.v1.payment_intents.create
        first = create(self.WISH, {"idempotency_key": "one"})
        shop.client.v1.payment_intents.cancel(first.id)
        again = create(self.WISH, {"idempotency_key": "one"})
        assert (again.id, again.status) == (first.id, "requires_payment_method")
        assert again.last_response.headers["Idempotent-Replayed"] == "true"
        with pytest.raises(stripe.IdempotencyError) as caught:
            create({**self.WISH, "amount": 5_001}, {"idempotency_key": "one"})
        assert caught.value.http_status == 400

    def test_refusals_of_the_bank_are_repeated(self, shop: Shop) -> None:
        wish = {**self.WISH, "confirm": True, "payment_method": "pm_card_chargeDeclined"}
        create = shop.client.v1.payment_intents.create
        ids = set()
        for _ in range(2):
            with pytest.raises(stripe.CardError) as caught:
                create(wish, {"idempotency_key": "declined"})
            ids.add(caught.value.error.payment_intent.id)
        assert len(ids) == 1

    def test_key_is_free_after_wrong_parameters(self, shop: Shop) -> None:
        create = shop.client.v1.payment_intents.create
        key = {"idempotency_key": "wrong first"}
        refused("amount_too_small", create, {**self.WISH, "amount": 1}, key)
        assert create(self.WISH, key).amount == 5_000

    def test_key_is_forgotten_after_a_day(self, shop: Shop, double: Remote) -> None:
        create = shop.client.v1.payment_intents.create
        double.clock(2_200_000_000, frozen=True)
        first = create(self.WISH, {"idempotency_key": "old"})
        double.clock(2_200_000_000 + 86_400, frozen=True)
        assert create(self.WISH, {"idempotency_key": "old"}).id != first.id

    async def test_key_in_use(self, shop: Shop, double: Remote) -> None:
        double.fault("hang", seconds=60)
        create, key = shop.client.v1.payment_intents.create, {"idempotency_key": "busy"}
        first = asyncio.create_task(asyncio.to_thread(create, self.WISH, key))
        while not await asyncio.to_thread(double.hanging):
            pass
        with pytest.raises(stripe.APIError) as caught:
            await asyncio.to_thread(create, self.WISH, key)
        assert caught.value.http_status == 409
        assert caught.value.error.code == "idempotency_key_in_use"
        double.release()
        made = await first
        assert create(self.WISH, key).id == made.id
