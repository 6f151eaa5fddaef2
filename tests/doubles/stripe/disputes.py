"""Buyers who complain at their bank."""

from tests.doubles.stripe import shapes
from tests.doubles.stripe.errors import RefusalError
from tests.doubles.stripe.work import Object, Work


def open_dispute(
    work: Work, charge_id: str, amount: int | None = None, reason: str = "fraudulent"
) -> Object:
    """The bank takes the money back at once, and Stripe its fee; by default all that is left."""
    charge = work.get("charge", charge_id)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = left if amount is None else amount
    if charge["disputed"] or not 0 < amount <= left:
        raise RefusalError("This charge cannot be disputed for so much", status=409)
    dispute = shapes.dispute(work.now, charge, amount, reason)
    charge["disputed"] = True
    work.put(charge)
    work.put(dispute)
    work.event("charge.dispute.created", dispute)
    fee = work.desk.modes.dispute_fee
    _move(work, dispute, -amount, fee)
    work.fact("dispute_withdrawn", dispute, amount)
    work.fact("fee", dispute, fee)
    work.event("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _move(work: Work, dispute: Object, amount: int, fee: int) -> None:
    moved = shapes.balance_transaction(work.now, dispute, "adjustment", amount, fee)
    work.put(moved)
    dispute["balance_transactions"] = [*dispute["balance_transactions"], moved]


def _undecided(work: Work, reference: str) -> Object:
    dispute = work.get("dispute", reference)
    if dispute["status"] not in ("needs_response", "under_review"):
        raise RefusalError(f"This dispute is {dispute['status']}", status=409)
    return dispute


def win(work: Work, reference: str, *, keeps_fee: bool = False) -> Object:
    """The money comes back, and in some countries the fee."""
    dispute = _undecided(work, reference)
    dispute["status"] = "won"
    work.put(dispute)
    work.event("charge.dispute.closed", dispute, {"status": "needs_response"})
    fee = 0 if keeps_fee else sum(one["fee"] for one in dispute["balance_transactions"])
    _move(work, dispute, dispute["amount"], -fee)
    work.fact("dispute_reinstated", dispute, dispute["amount"])
    if fee:
        work.fact("fee_returned", dispute, fee)
    work.event("charge.dispute.funds_reinstated", dispute)
    return dispute


def lose(work: Work, reference: str) -> Object:
    """The money is gone for good."""
    dispute = _undecided(work, reference)
    dispute["status"] = "lost"
    work.put(dispute)
    work.event("charge.dispute.closed", dispute, {"status": "needs_response"})
    return dispute
