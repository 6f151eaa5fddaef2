"""What may still be changed of a promotion, by where it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.promotions.errors import BadPromotion, WrongPromotionStatus
from app.promotions.rules.states import PromotionState, check_not_over

# Buyers have seen the rest, and orders stand on it: whoever wants another offer copies this one.
CHANGEABLE_WHEN_STARTED = frozenset({"name_zh", "name_en", "ends_at", "limits", "priority"})
_FREE = frozenset({PromotionState.DRAFT, PromotionState.SCHEDULED})


def check_edit(
    state: PromotionState,
    limits: Mapping[str, int | None],
    changed: Mapping[str, Any],
    now: datetime,
) -> None:
    """Refuse changes that come too late.

    Drafts and scheduled promotions may be changed at will, what has ended not at all. One that
    runs or is paused keeps its rule, goods, conditions and start; its end moves to any moment to
    come, and its limits only up, so that they never fall below what is taken.
    """
    if state is PromotionState.ENDED:
        raise WrongPromotionStatus(promotion_status=state.value)
    if state is not PromotionState.DRAFT and "ends_at" in changed:
        check_not_over(changed["ends_at"], now)
    if state not in _FREE:
        fields = sorted(changed.keys() - CHANGEABLE_WHEN_STARTED)
        if "limits" in changed and _tighter(limits, changed["limits"]):
            fields.append("limits")
        if fields:
            raise BadPromotion(reason="running", fields=fields)


def _tighter(before: Mapping[str, int | None], after: Mapping[str, int | None]) -> bool:
    """Whether any limit is lower than it was; none at all is the highest."""
    return any(
        limit is not None and (before.get(name) is None or limit < (before[name] or 0))
        for name, limit in after.items()
    )
