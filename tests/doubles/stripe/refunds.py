"""Money that goes back, and that comes again when the bank could not give it."""

from tests.doubles.stripe import charges, shapes
from tests.doubles.stripe.errors import RefusalError, required
from tests.doubles.stripe.form import Params
from tests.doubles.stripe.work import Object, Work

CREATE = frozenset({"amount", "charge", "metadata", "payment_intent", "reason"})
REASONS = ("duplicate", "fraudulent", "requested_by_customer")
LATE_TOKENS = frozenset({"pm_card_pendingRefund"})


def create(work: Work, params: Params) -> Object:
    params.only(CREATE)
    charge = _charge(work, params)
    amount = _amount(params, charge)
    refund = shapes.refund(work.now, charge, amount)
    refund.update(metadata=params.metadata(), reason=params.chosen("reason", REASONS))
    details = charge["payment_method_details"]
    token = details["card"]["fingerprint"] if details["type"] == "card" else None
    if token is None or token in LATE_TOKENS:
        refund.update(status="pending", pending_reason="processing")
    moved = shapes.balance_transaction(
        work.now, refund, "refund" if token else "payment_refund", -amount, 0
    )
    work.put(moved)
    refund["balance_transaction"] = moved["id"]
    before = {name: charge[name] for name in ("amount_refunded", "refunded")}
    _count(charge, amount)
    work.put(charge)
    work.put(refund)
    work.fact("refund_made", refund, amount)
    work.event("refund.created", refund)
    work.event("charge.refunded", charge, before)
    plan(work, refund, token)
    return refund


def plan(work: Work, refund: Object, token: str | None) -> None:
    """What becomes of it by itself."""
    live = work.caller.livemode
    after = work.desk.modes.refund_settles_after
    if refund["status"] == "pending" and after is not None:
        work.desk.later(after, lambda later: settle(later, refund["id"]), livemode=live)
    elif token == "pm_card_refundFail":
        work.desk.later(charges.AFTERWARDS, lambda later: fail(later, refund["id"]), livemode=live)


def _charge(work: Work, params: Params) -> Object:
    named, intent_id = params.text("charge"), params.text("payment_intent")
    if named is None and intent_id is None:
        raise required("payment_intent")
    if intent_id is not None:
        intent = work.get("payment_intent", intent_id, "payment_intent")
        if intent["status"] != "succeeded":
            raise RefusalError(
                f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
                param="payment_intent",
                saved=True,
            )
        if named not in (None, intent["latest_charge"]):
            raise RefusalError("The charge is not of this PaymentIntent.", param="charge")
        named = intent["latest_charge"]
    charge = work.get("charge", named or "", "charge")
    if not charge["captured"]:
        raise RefusalError(
            f"Charge {named} has not succeeded.", code="charge_not_refundable", saved=True
        )
    return charge


def _amount(params: Params, charge: Object) -> int:
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"]:
        raise RefusalError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            saved=True,
        )
    if not left:
        raise RefusalError(
            f"Charge {charge['id']} has already been refunded.",
            code="charge_already_refunded",
            saved=True,
        )
    amount = params.integer("amount")
    if amount is None:
        return left
    if amount < 1:
        raise RefusalError(
            "Invalid positive integer", code="parameter_invalid_integer", param="amount"
        )
    if amount > left:
        raise RefusalError(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            param="amount",
            saved=True,
        )
    return amount


def _count(charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]


def _changed(work: Work, refund: Object, before: Object) -> None:
    """Stripe tells of a change under two names."""
    work.event("refund.updated", refund, before)
    work.event("charge.refund.updated", refund, before)


def settle(work: Work, reference: str) -> Object:
    """A pending refund reaches the buyer."""
    refund = work.get("refund", reference)
    if refund["status"] != "pending":
        return refund
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    work.put(refund)
    _changed(work, refund, {"status": "pending"})
    return refund


def fail(work: Work, reference: str, reason: str = "expired_or_canceled_card") -> Object:
    """The bank gives the money back to the merchant, perhaps days after it seemed done."""
    refund = work.get("refund", reference)
    before = refund["status"]
    if before not in ("pending", "succeeded"):
        raise RefusalError(f"This refund is {before}", status=409)
    is_card = refund["destination_details"]["type"] == "card"
    moved = shapes.balance_transaction(
        work.now,
        refund,
        "refund_failure" if is_card else "payment_failure_refund",
        refund["amount"],
        0,
    )
    work.put(moved)
    refund.update(status="failed", failure_reason=reason, failure_balance_transaction=moved["id"])
    refund.pop("pending_reason", None)
    work.put(refund)
    charge = work.get("charge", refund["charge"])
    _count(charge, -refund["amount"])
    work.put(charge)
    work.fact("refund_failed", refund, refund["amount"])
    work.event("refund.failed", refund, {"status": before})
    work.event("charge.refund.updated", refund, {"status": before})
    return refund
