"""Whether a promotion may be used on this occasion, and if not, the first reason why.

The order of the checks is the order in which a buyer can do something about them: nothing about a
window or a forbidden combination, little about oneself, most about the basket.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.conflicts import denial_between
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Reason


@dataclass(frozen=True, slots=True)
class Occasion:
    """The facts conditions are judged by: the moment, the buyer, the price-setting, the goods."""

    now: datetime
    buyer: Buyer
    price_setting_kind: str
    index: LineIndex


def admit(promotion: Promotion, occasion: Occasion) -> int | Reason:
    """The mask of lines the promotion may touch, never 0, or the first condition that fails."""
    for check in _CHECKS:
        reason = check(promotion, occasion)
        if reason is not None:
            return reason
    return occasion.index.mask(promotion.match) or Reason("no_matching_units")


def _window(promotion: Promotion, occasion: Occasion) -> Reason | None:
    starts_at, ends_at = promotion.starts_at, promotion.ends_at
    if starts_at is not None and occasion.now < starts_at:
        return Reason("not_started", (("starts_at", starts_at.astimezone(UTC).isoformat()),))
    if ends_at is not None and occasion.now >= ends_at:
        return Reason("ended", (("ends_at", ends_at.astimezone(UTC).isoformat()),))
    return None


def _conflict(promotion: Promotion, occasion: Occasion) -> Reason | None:
    code = denial_between(occasion.price_setting_kind, promotion.kind)
    return None if code is None else Reason(code)


def _buyer(promotion: Promotion, occasion: Occasion) -> Reason | None:
    buyer = occasion.buyer
    if promotion.new_buyers_only and buyer.paid_orders > 0:
        return Reason("new_buyers_only", (("paid_orders", buyer.paid_orders),))
    communities, tags = promotion.community_ids, promotion.member_tags_any
    if communities and communities.isdisjoint(buyer.community_ids):
        return Reason(
            "not_in_community", (("community_ids", tuple(sorted(map(str, communities)))),)
        )
    if tags and tags.isdisjoint(buyer.tags):
        return Reason("tags_missing", (("tags", tuple(sorted(tags))),))
    return None


_CHECKS: tuple[Callable[[Promotion, Occasion], Reason | None], ...] = (_window, _conflict, _buyer)
