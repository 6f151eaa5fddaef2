"""WeChat Pay, giving back: the same refund once, whatever is asked how often."""

import pytest

from app.payments.adapters.wechatpay.words import refund_number
from app.payments.gateway import Charge, GatewayRefund, GatewayUnavailable, RefundState
from tests.doubles.wechatpay import Fault
from tests.payments.wechatpay import NOW, Till, charge_wish, refund_wish

PAID = ("paid", 15_900)


async def test_a_refund_from_wish_to_success(till: Till) -> None:
    paid = await till.paid()
    wish = refund_wish(paid)
    number = refund_number(wish.refund_id, 1)
    assert number == f"{wish.refund_id.hex}01"
    sent = await till.refund(wish)
    theirs = till.double.books.refunds[number]
    assert theirs["wish"]["amount"] == {"refund": 900, "total": 15_900, "currency": "CNY"}
    expected = GatewayRefund(
        refund_id=wish.refund_id,
        reference=theirs["refund_id"],
        state=RefundState.PENDING,
        at=NOW,
        payment_id=paid.payment_id,
        charge_reference=paid.reference,
        amount=900,
        currency="CNY",
    )
    assert sent == expected
    told = till.told(till.double.settle(number, "SUCCESS"))
    again = await till.refund(wish)
    assert again == told
    assert (again.state, again.at) == (RefundState.SUCCEEDED, NOW)
    # Where the reference is known it is only asked about.
    posted = len([r for r in till.double.requests if r.method == "POST"])
    assert await till.refund(refund_wish(paid, refund_id=wish.refund_id, reference="x")) == told
    assert len([r for r in till.double.requests if r.method == "POST"]) == posted
    assert till.double.books.money() == [PAID, ("refunded", 900)]


async def test_parts_up_to_the_whole_and_no_further(till: Till) -> None:
    paid = await till.paid()
    for amount in (900, 15_000):
        wish = refund_wish(paid, amount=amount)
        assert (await till.refund(wish)).state is RefundState.PENDING
        till.double.settle(refund_number(wish.refund_id, 1), "SUCCESS")
    over = await till.refund(refund_wish(paid, amount=1))
    assert (over.state, over.reason) == (RefundState.FAILED, "invalid_request")
    assert till.double.books.money() == [PAID, ("refunded", 900), ("refunded", 15_000)]


async def test_nothing_is_given_back_of_what_was_not_paid(till: Till) -> None:
    wish = charge_wish()
    unheard = Charge(wish.payment_id, "", (await till.charge(wish)).state, 1, "CNY", NOW)
    for payment_id in (wish.payment_id, charge_wish().payment_id):
        failed = await till.refund(refund_wish(unheard, payment_id=payment_id))
        assert (failed.state, failed.reason) == (RefundState.FAILED, "charge_not_captured")
    paid = await till.paid()
    failed = await till.refund(refund_wish(paid, currency="USD"))
    assert (failed.state, failed.reason) == (RefundState.FAILED, "currency_not_supported")
    assert till.double.books.refunds == {}


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", [1, 2])
async def test_after_a_fault_a_repeated_refund_is_one_refund(
    nth: int, fault: Fault, till: Till
) -> None:
    """The first request asks for the total, the second gives the money back."""
    paid = await till.paid()
    wish = refund_wish(paid)
    till.double.faults.extend([*[None] * (nth - 1), fault])
    with pytest.raises(GatewayUnavailable):
        await till.refund(wish)
    assert not till.double.faults
    assert (await till.refund(wish)).state is RefundState.PENDING
    assert len(till.double.books.refunds) == 1


async def test_an_abnormal_refund_waits_for_a_person_and_is_never_sent_twice(till: Till) -> None:
    paid = await till.paid()
    wish = refund_wish(paid)
    sent = await till.refund(wish)
    number = refund_number(wish.refund_id, 1)
    told = till.told(till.double.settle(number, "ABNORMAL"))
    assert (told.refund_id, told.state) == (wish.refund_id, RefundState.PENDING)
    assert (told.reason, told.amount) == ("abnormal", 900)
    for round_ in (1, 2, 3):
        again = await till.refund(refund_wish(paid, refund_id=wish.refund_id, round=round_))
        assert (again.state, again.reason) == (RefundState.PENDING, "abnormal")
    # The shop's people say at WeChat Pay where the money goes.
    told = till.told(till.double.settle(number, "SUCCESS"))
    assert (told.reference, told.state) == (sent.reference, RefundState.SUCCEEDED)
    later = refund_wish(paid, refund_id=wish.refund_id, round=4, reference=sent.reference)
    assert await till.refund(later) == told
    assert till.double.books.money() == [PAID, ("refunded", 900)]


async def test_a_closed_refund_is_sent_again_under_a_new_number(till: Till) -> None:
    paid = await till.paid()
    wish = refund_wish(paid, amount=15_900)
    await till.refund(wish)
    closed = till.told(till.double.settle(refund_number(wish.refund_id, 1), "CLOSED"))
    assert (closed.state, closed.reason) == (RefundState.FAILED, "closed")
    assert (await till.refund(wish)).state is RefundState.FAILED
    second = refund_wish(paid, refund_id=wish.refund_id, amount=15_900, round=2)
    for _ in range(2):
        assert (await till.refund(second)).state is RefundState.PENDING
    # A round that was begun for nothing changes no number.
    third = refund_wish(paid, refund_id=wish.refund_id, amount=15_900, round=3)
    assert (await till.refund(third)).state is RefundState.PENDING
    till.double.settle(refund_number(wish.refund_id, 2), "SUCCESS")
    assert (await till.refund(third)).state is RefundState.SUCCEEDED
    assert till.double.books.money() == [PAID, ("refunded", 15_900)]


async def test_an_empty_account_refuses_and_the_next_round_has_the_same_number(till: Till) -> None:
    paid = await till.paid()
    wish = refund_wish(paid)
    till.double.books.balance_amount = 0
    failed = await till.refund(wish)
    assert (failed.state, failed.reason) == (RefundState.FAILED, "not_enough")
    till.double.books.balance_amount = None
    second = refund_wish(paid, refund_id=wish.refund_id, round=2)
    assert (await till.refund(second)).state is RefundState.PENDING
    assert list(till.double.books.refunds) == [refund_number(wish.refund_id, 1)]
