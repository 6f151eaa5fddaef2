"""Money that comes in: charges that succeed or are declined, and Stripe's fee."""

from typing import Any

from tests.doubles.stripe import shapes
from tests.doubles.stripe.errors import RefusalError
from tests.doubles.stripe.work import Object, Work

# Stripe's own test payment methods: code, decline code, message.
DECLINES = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline", "Your card was declined."),
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline", "Your card was declined."),
    "pm_card_chargeDeclinedInsufficientFunds": (
        "card_declined", "insufficient_funds", "Your card has insufficient funds.",
    ),
    "pm_card_chargeDeclinedFraudulent": (
        "card_declined", "fraudulent", "Your card was declined.",
    ),
    "pm_card_chargeDeclinedExpiredCard": (
        "expired_card", "expired_card", "Your card has expired.",
    ),
    "pm_card_chargeDeclinedIncorrectCvc": (
        "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.",
    ),
    "pm_card_chargeDeclinedProcessingError": (
        "processing_error", "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
}  # fmt: skip
AFTERWARDS = 0.2  # seconds until what a special card does later


def capture(work: Work, intent: Object, method: Object) -> Object:
    """The money is taken: the intent has succeeded."""
    charge = shapes.charge(work.now, intent, method)
    charge.update(amount_captured=charge["amount"], captured=True, paid=True, status="succeeded")
    work.put(charge)
    intent.update(
        amount_received=intent["amount"],
        last_payment_error=None,
        latest_charge=charge["id"],
        next_action=None,
        payment_method=method["id"],
        processing=None,
        status="succeeded",
    )
    work.put(intent)
    work.fact("charge_captured", charge, charge["amount"])
    wait = work.desk.modes.fee_known_after
    if not wait:
        settle(work, charge["id"], tell=False)
    work.event("charge.succeeded", charge)
    work.event("payment_intent.succeeded", intent)
    if wait:
        work.desk.later(
            wait, lambda later: settle(later, charge["id"]), livemode=work.caller.livemode
        )
    return charge


def settle(work: Work, charge_id: str, *, tell: bool = True) -> None:
    """The charge reaches the balance, less the fee."""
    charge = work.get("charge", charge_id)
    if charge["balance_transaction"] is not None:
        return
    fee = (charge["amount"] * work.desk.modes.fee_per_mille + 500) // 1000
    is_card = charge["payment_method_details"]["type"] == "card"
    moved = shapes.balance_transaction(
        work.now, charge, "charge" if is_card else "payment", charge["amount"], fee
    )
    work.put(moved)
    charge["balance_transaction"] = moved["id"]
    work.put(charge)
    work.fact("fee", charge, fee)
    if tell:
        work.event("charge.updated", charge, {"balance_transaction": None})


def decline(work: Work, intent: Object, method: Object, why: tuple[str, str, str]) -> RefusalError:
    """The money is not taken; what to answer to a card's owner who is present."""
    code, decline_code, message = why
    charge = shapes.charge(work.now, intent, method)
    charge.update(failure_code=code, failure_message=message)
    charge["outcome"].update(
        network_status="declined_by_network",
        reason=decline_code,
        seller_message="The bank did not return any further details with this decline.",
        type="issuer_declined",
    )
    work.put(charge)
    error: dict[str, Any] = {
        "charge": charge["id"],
        "code": code,
        "decline_code": decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": message,
        "payment_method": method,
        "type": "card_error",
    }
    fail(work, intent, error, charge)
    told = {name: error[name] for name in ("charge", "decline_code", "doc_url", "payment_method")}
    return RefusalError(
        message,
        status=402,
        code=code,
        kind="card_error",
        saved=True,
        payment_intent=intent,
        **told,
    )


def fail(work: Work, intent: Object, error: Object, charge: Object | None = None) -> None:
    """The try has come to nothing; the buyer may try another way of paying."""
    intent.update(
        last_payment_error=error,
        next_action=None,
        payment_method=None,
        processing=None,
        status="requires_payment_method",
    )
    if charge is not None:
        intent["latest_charge"] = charge["id"]
        work.event("charge.failed", charge)
    work.put(intent)
    work.event("payment_intent.payment_failed", intent)
