"""What may become of a payment, as a table."""

from collections.abc import Mapping

from app.payments.gateway import ChargeState
from app.payments.models import PaymentState

MOVES: Mapping[PaymentState, frozenset[PaymentState]] = {
    PaymentState.CREATED: frozenset(
        {
            PaymentState.PENDING,
            PaymentState.CAPTURED,
            PaymentState.DECLINED,
            PaymentState.CANCELLED,
        }
    ),
    PaymentState.PENDING: frozenset(
        {PaymentState.CAPTURED, PaymentState.DECLINED, PaymentState.CANCELLED}
    ),
    # The provider has the last word: money it says it took was taken, whatever we believed.
    PaymentState.DECLINED: frozenset({PaymentState.CAPTURED}),
    PaymentState.CANCELLED: frozenset({PaymentState.CAPTURED}),
    PaymentState.CAPTURED: frozenset(),
}
assert MOVES.keys() == set(PaymentState), "every state has a row"

STATE_OF_CHARGE: Mapping[ChargeState, PaymentState] = {
    ChargeState.PENDING: PaymentState.PENDING,
    ChargeState.CAPTURED: PaymentState.CAPTURED,
    ChargeState.DECLINED: PaymentState.DECLINED,
    ChargeState.CANCELLED: PaymentState.CANCELLED,
}
assert STATE_OF_CHARGE.keys() == set(ChargeState), "every word of a provider is understood"


def may_come_from(target: PaymentState) -> tuple[PaymentState, ...]:
    """The states from which a payment may move to the target."""
    return tuple(state for state, targets in MOVES.items() if target in targets)
