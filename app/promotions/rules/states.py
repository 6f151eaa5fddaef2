"""The states of a promotion: what its operators decided, and what the clock makes of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from app.promotions.errors import BadPromotion, WrongPromotionStatus
from app.promotions.models import PromotionStatus


class PromotionState(StrEnum):
    """Where a promotion is: a live one is scheduled, running or ended as its window says."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Move(StrEnum):
    """What operators do with a promotion."""

    ACTIVATE = "activate"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


_PAUSE_OR_END = {Move.PAUSE: PromotionStatus.PAUSED, Move.END: PromotionStatus.ENDED}
PROMOTION_MOVES: Mapping[PromotionState, Mapping[Move, PromotionStatus]] = {
    PromotionState.DRAFT: {
        Move.ACTIVATE: PromotionStatus.LIVE,
        Move.END: PromotionStatus.ENDED,
    },
    PromotionState.SCHEDULED: _PAUSE_OR_END,
    PromotionState.RUNNING: _PAUSE_OR_END,
    PromotionState.PAUSED: {
        Move.RESUME: PromotionStatus.LIVE,
        Move.END: PromotionStatus.ENDED,
    },
    # What has ended stays as it was; a copy starts anew.
    PromotionState.ENDED: {},
}
assert PROMOTION_MOVES.keys() == set(PromotionState), "every state has a row"


def state_of(
    status: PromotionStatus, starts_at: datetime | None, ends_at: datetime | None, now: datetime
) -> PromotionState:
    """Where a promotion is now, so that nothing has to tick: its window decides, drafts aside."""
    if status is PromotionStatus.DRAFT:
        return PromotionState.DRAFT
    if status is PromotionStatus.ENDED or (ends_at is not None and ends_at <= now):
        return PromotionState.ENDED
    if status is PromotionStatus.PAUSED:
        return PromotionState.PAUSED
    is_early = starts_at is not None and now < starts_at
    return PromotionState.SCHEDULED if is_early else PromotionState.RUNNING


def status_after(move: Move, state: PromotionState) -> PromotionStatus:
    """What a move makes of a promotion; refused where the table of moves does not have it."""
    after = PROMOTION_MOVES[state].get(move)
    if after is None:
        raise WrongPromotionStatus(promotion_status=state.value, move=move.value)
    return after


def check_not_over(ends_at: datetime | None, now: datetime) -> None:
    """Refuse a window that is over before anybody could use it."""
    if ends_at is not None and ends_at <= now:
        raise BadPromotion(reason="ended", ends_at=ends_at.isoformat())
