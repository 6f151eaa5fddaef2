"""Every state of every object has the keys and types of Stripe's published samples."""

import json
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.doubles.conftest import Shop
from tests.doubles.stripe.books import read_lines
from tests.doubles.stripe.remote import Remote

SHAPES = json.loads((Path(__file__).parent / "stripe" / "shapes.json").read_text())
# Stripe leaves these out until they mean something,
MORE = {"refund": {"failure_balance_transaction", "failure_reason", "pending_reason"}}
# or unless they are expanded.
LESS = {"charge.refunds"}
# The samples say them, but they need not be known.
NULL = {
    "balance_transaction.description",
    "charge.balance_transaction",
    "charge.description",
    "payment_intent.canceled_at",
}


def test_of_all_objects(shop: Shop, double: Remote, truth_path: Path) -> None:
    _a_bit_of_everything(shop, double)
    seen = set()
    for line in read_lines(truth_path):
        if line["is"] == "object":
            about = line["object"]
            kind = about["object"]
            seen.add(kind)
            _same(kind, SHAPES[kind], about)
            assert set(about) - set(SHAPES[kind]) <= _more(about), kind
    assert seen == set(SHAPES)


def _more(about: dict[str, Any]) -> set[str]:
    if about["object"] == "payment_method":
        return {about["type"]}
    return MORE.get(about["object"], set())


def _same(path: str, shape: Any, value: Any) -> None:
    if isinstance(shape, dict):
        assert value is None or isinstance(value, dict), path
        for name, inner in shape.items() if value is not None else ():
            here = f"{path}.{name}"
            if name in value:
                _same(here, inner, value[name])
            else:
                assert here in LESS or _is_other_method(name, value), here
    elif isinstance(shape, list):
        assert isinstance(value, list), path
        for one in value if shape else ():
            _same(path, shape[0], one)
    elif shape != "null":
        assert _type(value) == shape or (value is None and _may_be_unknown(path)), path


def _may_be_unknown(path: str) -> bool:
    return path in NULL or ".billing_details." in path


def _is_other_method(name: str, value: dict[str, Any]) -> bool:
    """Details of cards are there for cards alone."""
    return name == "card" and value.get("type") in ("alipay", "wechat_pay")


def _type(value: object) -> str:
    names = {bool: "boolean", int: "integer", str: "string", dict: "object", list: "array"}
    return names.get(type(value), "null")


def _a_bit_of_everything(shop: Shop, double: Remote) -> None:
    intent = shop.paid()
    refund = shop.client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    double.fail_refund(refund.id)
    double.win(double.dispute(intent.id)["id"])
    for kind in ("alipay", "wechat_pay"):
        waiting = shop.waiting(kind)
        double.pay(waiting.id)
        shop.client.v1.refunds.create({"payment_intent": waiting.id})
    shop.client.v1.payment_intents.cancel(shop.waiting().id)
    with pytest.raises(stripe.CardError):
        shop.intent(confirm=True, payment_method="pm_card_chargeDeclined")
