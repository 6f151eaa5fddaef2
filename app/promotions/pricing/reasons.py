"""Why a promotion was not applied: stable codes with parameters, translated at the edge."""

from dataclasses import dataclass
from typing import Literal

ReasonCode = Literal[
    "not_started",
    "ended",
    "outside_hours",
    "denied_by_price_setting",
    "needs_coupon",
    "coupon_used",
    "coupon_not_started",
    "coupon_expired",
    "used_up",
    "budget_spent",
    "member_limit_reached",
    "wrong_channel",
    "sign_in",
    "new_buyers_only",
    "not_nth_order",
    "not_in_community",
    "role_missing",
    "not_in_audience",
    "tags_missing",
    "tags_forbidden",
    "no_matching_units",
    "needs_units",
    "needs_amount",
    "not_chosen",
    "gift_out_of_stock",
    "no_shipping_to_pay",
    "no_saving",
    "denied_by_other",
    "lost_to_better",
    "lost_to_priority",
]
Param = int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """One code and its named parameters, in a fixed order."""

    code: ReasonCode
    params: tuple[tuple[str, Param], ...] = ()
