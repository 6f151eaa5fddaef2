"""Why a promotion was not applied: stable codes with parameters, translated at the edge."""

from dataclasses import dataclass
from typing import Literal

ReasonCode = Literal[
    "not_started",
    "ended",
    "denied_by_group_price",
    "new_buyers_only",
    "not_in_community",
    "tags_missing",
    "no_matching_units",
    "needs_units",
    "needs_amount",
    "no_saving",
    "lost_to_better",
]
Param = int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """One code and its named parameters, in a fixed order."""

    code: ReasonCode
    params: tuple[tuple[str, Param], ...] = ()
