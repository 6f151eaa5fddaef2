"""The double of Stripe fails as networks and processes do, and its truth outlives it."""

import subprocess
from pathlib import Path

import pytest
import stripe

from tests.doubles.conftest import Inbox, Shop
from tests.doubles.stripe.books import facts_in, totals_of
from tests.doubles.stripe.remote import Remote
from tests.doubles.stripe.server import double_command, serving
from tests.lanes.process import ROOT

WISH = {
    "amount": 5_000, "currency": "cny", "confirm": True, "payment_method": "pm_card_visa",
    "payment_method_types": ["card"],
}  # fmt: skip


def captured(double: Remote) -> int:
    """How many charges there are."""
    told = double.truth()["payment_intents"].values()
    return sum(one["captured"] > 0 for one in told)


class TestFaults:
    @pytest.mark.parametrize(("kind", "count"), [("cut_before", 0), ("cut_after", 1)])
    def test_cut(self, shop: Shop, double: Remote, kind: str, count: int) -> None:
        before = captured(double)
        double.fault(kind)
        create = shop.client.v1.payment_intents.create
        with pytest.raises(stripe.APIConnectionError):
            create(WISH, {"idempotency_key": kind})
        assert captured(double) - before == count
        again = create(WISH, {"idempotency_key": kind})
        assert again.status == "succeeded"
        assert ("Idempotent-Replayed" in again.last_response.headers) == bool(count)
        assert captured(double) - before == 1

    def test_refund_without_an_answer(self, shop: Shop, double: Remote) -> None:
        intent = shop.paid()
        wish = {"payment_intent": intent.id, "amount": 100}
        double.fault("cut_after", path="^POST /v1/refunds$")
        with pytest.raises(stripe.APIConnectionError):
            shop.client.v1.refunds.create(wish, {"idempotency_key": "r"})
        shop.client.v1.refunds.create(wish, {"idempotency_key": "r"})
        assert shop.charge(intent.id).amount_refunded == 100

    @pytest.mark.parametrize(
        ("status", "error"), [(500, stripe.APIError), (429, stripe.RateLimitError)]
    )
    def test_errors_before_the_work_are_not_kept(
        self, shop: Shop, double: Remote, status: int, error: type[stripe.StripeError]
    ) -> None:
        before = captured(double)
        double.fault("error", times=2, status=status, retry_after=3)
        create = shop.client.v1.payment_intents.create
        for _ in range(2):
            with pytest.raises(error) as caught:
                create(WISH, {"idempotency_key": f"e{status}"})
            assert caught.value.headers["Retry-After"] == "3"
        assert captured(double) == before
        assert create(WISH, {"idempotency_key": f"e{status}"}).status == "succeeded"

    def test_errors_after_the_work_are_kept(self, shop: Shop, double: Remote) -> None:
        before = captured(double)
        double.fault("error_after")
        for _ in range(2):
            with pytest.raises(stripe.APIError):
                shop.client.v1.payment_intents.create(WISH, {"idempotency_key": "after"})
        assert captured(double) == before + 1

    def test_probability_comes_from_a_seed(self, shop: Shop, double: Remote) -> None:
        def failed() -> list[bool]:
            double.fault("error", times=None, probability=0.5, path="^GET", seed=7)
            told = []
            for _ in range(12):
                try:
                    shop.client.v1.events.list()
                except stripe.APIError:
                    told.append(True)
                else:
                    told.append(False)
            double.reset()
            return told

        first = failed()
        assert first == failed()
        assert 0 < sum(first) < 12

    def test_hanging_work_is_done_all_the_same(
        self, shop: Shop, double: Remote, inbox: Inbox
    ) -> None:
        double.fault("hang", seconds=0.4)
        impatient = stripe.RequestsClient(timeout=0.1)
        client = stripe.StripeClient(
            "sk_test_double", base_addresses={"api": double.url}, http_client=impatient
        )
        with pytest.raises(stripe.APIConnectionError):
            client.v1.payment_intents.create(WISH, {"idempotency_key": "hangs"})
        impatient.close()
        inbox.wait_for("payment_intent.succeeded")
        again = shop.client.v1.payment_intents.create(WISH, {"idempotency_key": "hangs"})
        assert again.last_response.headers["Idempotent-Replayed"] == "true"

    def test_outage(self, shop: Shop, double: Remote) -> None:
        double.outage(60)
        with pytest.raises(stripe.APIConnectionError):
            shop.paid()
        double.outage(0)
        assert shop.paid().status == "succeeded"

    def test_unknown_controls_are_refused(self, double: Remote) -> None:
        with pytest.raises(AssertionError, match="no such fault"):
            double.fault("earthquake")
        with pytest.raises(AssertionError, match="no such modes"):
            double.modes(colour="red")


class TestTruth:
    def test_survives_a_kill(self, tmp_path: Path, inbox: Inbox) -> None:
        truth = tmp_path / "truth.jsonl"
        command = double_command(0, truth, [inbox.url], ["whsec_double"])
        http_client = stripe.RequestsClient(timeout=5)
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as child:
            assert child.stdout is not None
            with Remote(child.stdout.readline().strip()) as double:
                shop = _shop(double, http_client)
                double.modes(hold=True, refund_settles_after=None)
                intent = shop.client.v1.payment_intents.create(WISH, {"idempotency_key": "k"})
                wallet = shop.waiting()
                double.pay(wallet.id)
                refund = shop.client.v1.refunds.create({"payment_intent": wallet.id})
                told = double.truth()
            child.kill()
        facts = facts_in(truth)
        assert totals_of(facts) == told["currencies"]["cny"]
        assert [one["fact"] for one in facts].count("charge_captured") == 2
        with truth.open("ab") as file:
            file.write(b'{"is": "fact", "fact": "charge_captured", "amount": 1}\n{"is": "fa')
        with serving(truth, [inbox.url]) as double:
            double.idle()
            assert len(inbox.events("payment_intent.succeeded")) == 2
            inbox.wait_for("refund.updated")
            shop = _shop(double, http_client)
            assert double.truth()["currencies"] == told["currencies"]
            assert shop.client.v1.refunds.retrieve(refund.id).status == "succeeded"
            again = shop.client.v1.payment_intents.create(WISH, {"idempotency_key": "k"})
            assert again.id == intent.id
        http_client.close()
        assert facts_in(truth) == facts

    def test_every_fact_is_written_before_the_answer(
        self, shop: Shop, double: Remote, truth_path: Path
    ) -> None:
        intent = shop.paid(metadata={"payment_id": "p"})
        facts = [one for one in facts_in(truth_path) if one["payment_intent"] == intent.id]
        assert [(one["fact"], one["amount"]) for one in facts] == [
            ("charge_captured", 10_000), ("fee", 290),
        ]  # fmt: skip
        assert facts[0]["metadata"] == {"payment_id": "p"}


def _shop(double: Remote, http_client: stripe.RequestsClient) -> Shop:
    return Shop(
        stripe.StripeClient(
            "sk_test_double", base_addresses={"api": double.url}, http_client=http_client
        )
    )
