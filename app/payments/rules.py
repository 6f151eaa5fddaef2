"""What may become of payments, refunds and disputes, and what follows from all that was told."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.payments.gateway import ChargeState, DisputeState, RefundState
from app.payments.models import PaymentState, RefundStatus


class Verdict(StrEnum):
    """What came of a provider's word; `unknown` may be known later, so it should be told again."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"
    QUARANTINED = "quarantined"


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
    # A refused try may be followed by another or by the end; the other way round it cannot be.
    PaymentState.DECLINED: frozenset(
        {PaymentState.CANCELLED, PaymentState.CAPTURED, PaymentState.SURPLUS}
    ),
    PaymentState.CANCELLED: frozenset({PaymentState.CAPTURED, PaymentState.SURPLUS}),
    PaymentState.CAPTURED: frozenset(),
    PaymentState.SURPLUS: frozenset(),
}
assert MOVES.keys() == set(PaymentState), "every state has a row"

STATE_OF_CHARGE: Mapping[ChargeState, PaymentState] = {
    ChargeState.PENDING: PaymentState.PENDING,
    ChargeState.CAPTURED: PaymentState.CAPTURED,
    ChargeState.DECLINED: PaymentState.DECLINED,
    ChargeState.CANCELLED: PaymentState.CANCELLED,
}
assert STATE_OF_CHARGE.keys() == set(ChargeState), "every word of a provider is understood"


# By these words no money was taken, nor will it be.
NOTHING_TAKEN = frozenset({ChargeState.DECLINED, ChargeState.CANCELLED})


def may_come_from(target: PaymentState) -> tuple[PaymentState, ...]:
    """The states from which a payment may move to the target."""
    return tuple(state for state, targets in MOVES.items() if target in targets)


# What is told may come in any order: of two words about one thing the further one holds.
REFUND_RANK: Mapping[RefundState, int] = {
    RefundState.PENDING: 0,
    RefundState.SUCCEEDED: 1,
    # A bank may send money back after it had arrived; it never arrives again by the same try.
    RefundState.FAILED: 2,
}
DISPUTE_RANK: Mapping[DisputeState, int] = {
    DisputeState.OPEN: 0,
    DisputeState.WON: 1,
    DisputeState.LOST: 2,
}
if REFUND_RANK.keys() != set(RefundState) or DISPUTE_RANK.keys() != set(DisputeState):
    raise AssertionError("every word has a rank")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a refund stands after all that was told of its rounds."""

    state: RefundStatus
    round: int
    reference: str | None


def standing(rounds: Mapping[str, RefundState], counted: str | None = None) -> Standing:
    """How a refund stands, from the furthest word on each of its rounds, in whatever order.

    A round that has failed is followed by a new one, which has no name until the provider tells.
    The one that was `counted` as its success stays that, as long as it has not failed.
    """
    by_state = {s: min((r for r, v in rounds.items() if v is s), default=None) for s in RefundState}
    done, under_way = by_state[RefundState.SUCCEEDED], by_state[RefundState.PENDING]
    if counted is not None and rounds.get(counted) is RefundState.SUCCEEDED:
        done = counted
    failures = sum(state is RefundState.FAILED for state in rounds.values())
    if done is not None:
        state = RefundStatus.SUCCEEDED
    elif under_way is not None or not failures:
        state = RefundStatus.PENDING
    else:
        state = RefundStatus.FAILED
    return Standing(state, failures + 1, done or under_way)


def round_name(round_: int) -> str:
    """What a round is called here where the provider has no name for it."""
    return f"round-{round_}"
