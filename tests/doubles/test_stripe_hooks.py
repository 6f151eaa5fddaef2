"""The double of Stripe sends signed messages, well or in every way that goes wrong."""

import json
from typing import Any

import pytest
import stripe

from tests.doubles.conftest import SECRET, Inbox, Shop
from tests.doubles.stripe.remote import Remote

DONE = "payment_intent.succeeded"


def is_genuine(came: tuple[bytes, str], secret: str = SECRET) -> bool:
    try:
        stripe.Webhook.construct_event(*came, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


def about(came: tuple[bytes, str]) -> dict[str, Any]:
    return json.loads(came[0])["data"]["object"]


class TestSending:
    def test_again_until_taken(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(retry_after=0.01)
        inbox.answers += [500, 404, 302]
        intent = shop.intent()
        double.idle()
        assert inbox.kinds() == ["payment_intent.created"] * 4
        assert {event.data.object.id for event in inbox.events()} == {intent.id}
        tries = [one["status"] for one in double.deliveries()[-4:]]
        assert tries == [500, 404, 302, 200]

    def test_request_is_named(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        wish = {"amount": 1_000, "currency": "cny"}
        shop.client.v1.payment_intents.create(wish, {"idempotency_key": "named"})
        double.idle()
        event = inbox.events()[0]
        assert event.request.idempotency_key == "named"
        assert event.api_version == "2026-10-28.endive"

    def test_both_secrets_while_one_is_rolled(
        self, shop: Shop, double: Remote, inbox: Inbox
    ) -> None:
        double.hooks(secrets=["whsec_old", SECRET])
        shop.intent()
        double.idle()
        assert is_genuine(inbox.came[0])
        assert is_genuine(inbox.came[0], "whsec_old")
        assert not is_genuine(inbox.came[0], "whsec_other")

    def test_times_follow_the_clock(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.clock(1_900_000_000, frozen=True)
        intent = shop.intent()
        double.idle()
        assert intent.created == inbox.events()[0].created == 1_900_000_000
        assert inbox.came[0][1].startswith("t=1900000000,")

    def test_an_old_event_may_be_sent_again(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        shop.intent()
        double.idle()
        double.again(inbox.events()[0].id)
        double.idle()
        assert len({event.id for event in inbox.events()}) == 1
        assert len(inbox.came) == 2


class TestDisorder:
    def test_duplicates(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(duplicate=3, types=[DONE])
        shop.paid()
        double.idle()
        assert len(inbox.events(DONE)) == 4
        assert len({event.id for event in inbox.events(DONE)}) == 1
        assert len(inbox.events("charge.succeeded")) == 1

    def test_same_effect_under_other_ids(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(second_ids=1, types=[DONE])
        intent = shop.paid()
        double.idle()
        ids = {event.id for event in inbox.events(DONE)}
        assert len(ids) == 2
        found = [shop.client.v1.events.retrieve(one) for one in ids]
        assert {event.data.object.id for event in found} == {intent.id}

    def test_before_the_answer(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(early=True)
        intent = shop.paid()
        assert intent.id in {event.data.object.id for event in inbox.events(DONE)}

    def test_held_until_released(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(hold=True)
        shop.paid()
        double.idle()
        assert not inbox.came
        double.modes(hold=False)
        double.idle()
        assert len(inbox.came) == 3

    def test_shuffled_by_a_seed(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        orders = []
        for _ in range(2):
            double.modes(hold=True, reorder=True, window=0.01, seed=3)
            inbox.clear()
            for _ in range(3):
                shop.paid()
            double.modes(hold=False)
            double.idle()
            orders.append(inbox.kinds())
        as_made = ["payment_intent.created", "charge.succeeded", DONE] * 3
        assert orders[0] == orders[1] != as_made
        assert sorted(orders[0]) == sorted(as_made)

    def test_lost(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(drop=1, types=[DONE])
        shop.paid()
        double.idle()
        assert sorted(inbox.kinds()) == ["charge.succeeded", "payment_intent.created"]

    def test_late(self, shop: Shop, double: Remote, inbox: Inbox) -> None:
        double.modes(delay=0.2, types=["payment_intent.created"])
        shop.paid()
        double.idle()
        assert inbox.kinds()[-1] == "payment_intent.created"


class TestTampering:
    @pytest.mark.parametrize("mode", [{"wrong_signature": True}, {"stale": 3_600}])
    def test_signature_is_wrong_until_it_is_not(
        self, shop: Shop, double: Remote, inbox: Inbox, mode: dict[str, Any]
    ) -> None:
        inbox.answers += [400]
        double.modes(**mode, only=1, retry_after=0.01)
        shop.intent()
        double.idle()
        assert [is_genuine(one) for one in inbox.came] == [False, True]

    @pytest.mark.parametrize(
        ("mode", "name", "value"),
        [
            ({"short_by": 1}, "amount_received", 9_999),
            ({"wrong_currency": "jpy"}, "currency", "jpy"),
            ({"flip_livemode": True}, "livemode", True),
        ],
    )
    def test_contents_are_wrong_but_the_books_right(
        self,
        shop: Shop,
        double: Remote,
        inbox: Inbox,
        mode: dict[str, Any],
        name: str,
        value: object,
    ) -> None:
        double.modes(**mode, types=[DONE], only=1)
        first, second = shop.paid(), shop.paid()
        double.idle()
        told = {about(one)["id"]: about(one)[name] for one in inbox.came if is_done(one)}
        assert all(is_genuine(one) for one in inbox.came)
        assert told == {first.id: value, second.id: second[name]}
        assert shop.client.v1.payment_intents.retrieve(first.id)[name] == second[name]


def is_done(came: tuple[bytes, str]) -> bool:
    return json.loads(came[0])["type"] == DONE
