"""What a difference between our books and a provider's is called, and which can be mended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.payments.gateway import Charge, ChargeState, Dispute, GatewayRefund, RefundState, Told

Row = Mapping[Any, Any]


class Kind(StrEnum):
    """How our books and the provider's differ."""

    CHARGE_UNKNOWN_HERE = "charge_unknown_here"
    CHARGE_UNHEARD = "charge_unheard"
    CHARGE_NOT_THERE = "charge_not_there"
    CHARGE_OTHER_AMOUNT = "charge_other_amount"
    CHARGE_TWICE = "charge_twice"
    FEE_UNHEARD = "fee_unheard"
    REFUND_UNKNOWN_HERE = "refund_unknown_here"
    REFUND_UNHEARD = "refund_unheard"
    REFUND_NOT_THERE = "refund_not_there"
    REFUND_OTHER_AMOUNT = "refund_other_amount"
    DISPUTE_UNHEARD = "dispute_unheard"


# Taking over the provider's word mends these, and doing it twice does no more than once.
MENDABLE = frozenset(
    {
        Kind.CHARGE_UNHEARD,
        Kind.FEE_UNHEARD,
        Kind.REFUND_UNHEARD,
        Kind.REFUND_UNKNOWN_HERE,
        Kind.DISPUTE_UNHEARD,
    }
)
_NOTED = frozenset({Kind.CHARGE_OTHER_AMOUNT, Kind.CHARGE_TWICE})
_STATE_OF_CHARGE = {
    ChargeState.CAPTURED: ("captured", "surplus"),
    ChargeState.DECLINED: ("declined", "cancelled"),
    ChargeState.CANCELLED: ("cancelled", "declined"),
    ChargeState.PENDING: ("created", "pending"),
}
_STATE_OF_REFUND = {
    RefundState.PENDING: ("pending",),
    RefundState.SUCCEEDED: ("succeeded",),
    RefundState.FAILED: ("failed",),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; `ours` and `theirs` are a state, or an amount with its currency."""

    gateway: str
    kind: Kind
    reference: str
    subject_id: str | None
    ours: str
    theirs: str
    at: datetime
    is_mended: bool = False


def of_charge(gateway: str, told: Charge, row: Row | None) -> Difference | None:
    """How one charge differs from our payment of it; a charge that took no money cannot."""
    if row is None:
        if told.state is not ChargeState.CAPTURED:
            return None
        return _charge(gateway, told, Kind.CHARGE_UNKNOWN_HERE, "nothing", _money(told))
    if told.state is ChargeState.CAPTURED and _money(told) != _money_of(row):
        return _charge(gateway, told, Kind.CHARGE_OTHER_AMOUNT, _money_of(row), _money(told))
    return _of_state(gateway, told, row)


def _of_state(gateway: str, told: Charge, row: Row) -> Difference | None:
    if row["state"] in _STATE_OF_CHARGE[told.state]:
        if told.state is ChargeState.CAPTURED and told.reference != row["reference"]:
            return _charge(gateway, told, Kind.CHARGE_TWICE, row["reference"], told.reference)
        if told.fee_amount <= row["fee_amount"]:
            return None
        fees = str(row["fee_amount"]), str(told.fee_amount)
        return _charge(gateway, told, Kind.FEE_UNHEARD, *fees)
    is_held = row["state"] in _STATE_OF_CHARGE[ChargeState.CAPTURED]
    # Asked for and begun here, still waiting there: the next word about it is on its way.
    if told.state is ChargeState.PENDING and not is_held:
        return None
    kind = Kind.CHARGE_NOT_THERE if is_held else Kind.CHARGE_UNHEARD
    return _charge(gateway, told, kind, row["state"], told.state)


def of_refund(gateway: str, told: GatewayRefund, row: Row | None) -> Difference | None:
    """How one refund differs from ours; an earlier round that failed is settled by the next."""
    if row is None:
        if told.state is RefundState.FAILED:
            return None
        return _refund(gateway, told, Kind.REFUND_UNKNOWN_HERE, "nothing", told.state)
    is_other = told.amount is not None and told.amount != row["amount"]
    if is_other and told.state is not RefundState.FAILED:
        return _refund(
            gateway, told, Kind.REFUND_OTHER_AMOUNT, str(row["amount"]), str(told.amount)
        )
    is_of_an_earlier_round = row["gateway_reference"] not in (None, told.reference)
    if row["state"] in _STATE_OF_REFUND[told.state] or is_of_an_earlier_round:
        return None
    if told.state is RefundState.PENDING and row["state"] != "succeeded":
        return None
    kind = Kind.REFUND_NOT_THERE if told.state is RefundState.PENDING else Kind.REFUND_UNHEARD
    return _refund(gateway, told, kind, row["state"], told.state)


def of_dispute(gateway: str, told: Dispute, row: Row | None) -> Difference | None:
    """How one dispute differs from ours: in its state, or else in what it has cost."""
    ours, theirs = "nothing" if row is None else str(row["state"]), told.state.value
    if row is not None and ours == theirs:
        fees = row["fee_amount"], row["fee_returned_amount"]
        if told.fee_amount <= fees[0] and told.fee_returned_amount <= fees[1]:
            return None
        ours = f"fee {fees[0] - fees[1]}"
        theirs = f"fee {told.fee_amount - told.fee_returned_amount}"
    return Difference(gateway, Kind.DISPUTE_UNHEARD, told.reference, None, ours, theirs, told.at)


def missing_payment(gateway: str, row: Row) -> Difference:
    """A capture of ours that the provider's books do not have."""
    at = row["captured_at"]
    return Difference(
        gateway,
        Kind.CHARGE_NOT_THERE,
        row["reference"] or "",
        str(row["id"]),
        _money_of(row),
        "nothing",
        at,
    )


def missing_refund(gateway: str, row: Row) -> Difference:
    """A refund that we count as sent and the provider's books do not have."""
    return Difference(
        gateway,
        Kind.REFUND_NOT_THERE,
        row["gateway_reference"] or "",
        str(row["id"]),
        _money_of(row),
        "nothing",
        row["done_at"],
    )


def came_and_went(nobodys: Iterable[Told]) -> set[str]:
    """Names of charges that nobody here knows and that were given back whole, and of their refunds.

    So end those whose orders were lost with a database: there is nothing left to be done.
    """
    known = list(nobodys)
    back: dict[str, list[GatewayRefund]] = {}
    for told in known:
        if isinstance(told, GatewayRefund) and told.state is RefundState.SUCCEEDED:
            back.setdefault(told.charge_reference or "", []).append(told)
    gone: set[str] = set()
    for told in known:
        refunds = back.get(told.reference, [])
        if isinstance(told, Charge) and sum(r.amount or 0 for r in refunds) == told.amount:
            gone |= {told.reference, *(r.reference for r in refunds)}
    return gone


def is_told_on(difference: Difference) -> bool:
    """Whether the provider's word is taken over: it puts things right, or is noted with its money.

    Money that was not asked for like this is posted as nobody's, and stays a difference.
    """
    return difference.kind in MENDABLE | _NOTED


def _money(told: Charge) -> str:
    return f"{told.amount} {told.currency}"


def _money_of(row: Row) -> str:
    return f"{row['amount']} {row['currency']}"


def _charge(gateway: str, told: Charge, kind: Kind, ours: str, theirs: str) -> Difference:
    return Difference(
        gateway, kind, told.reference, str(told.payment_id), str(ours), str(theirs), told.at
    )


def _refund(gateway: str, told: GatewayRefund, kind: Kind, ours: str, theirs: str) -> Difference:
    subject_id = None if told.refund_id is None else str(told.refund_id)
    return Difference(gateway, kind, told.reference, subject_id, str(ours), str(theirs), told.at)
