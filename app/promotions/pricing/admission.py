"""Whether a promotion may be used on this occasion, and if not, the first reason why.

The order of the checks is the order in which a buyer can do something about them: nothing about a
window or a forbidden combination, little about oneself, most about the basket.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from app.promotions.pricing.basket import Basket, Coupon
from app.promotions.pricing.buyers import why_not
from app.promotions.pricing.conditions import NOTHING_ASKED, Minimum, next_start
from app.promotions.pricing.conflicts import DENIALS, Party, kept_away_by
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param, Reason, ReasonCode
from app.promotions.pricing.terms import UNLIMITED, Left, Terms
from app.promotions.pricing.units import UnitType


@dataclass(frozen=True, slots=True)
class Occasion:
    """The facts conditions are judged by: the moment, the buyer, the goods, what limits leave."""

    now: datetime
    local: datetime
    basket: Basket
    types: Sequence[UnitType]
    index: LineIndex
    left: Mapping[UUID, Left]
    kept_away: tuple[Party, ...]
    coupons: Mapping[UUID, Coupon]

    @staticmethod
    def of(
        basket: Basket,
        types: Sequence[UnitType],
        *,
        now: datetime,
        terms: Terms,
        left: Mapping[UUID, Left],
    ) -> "Occasion":
        """The occasion of pricing a basket; of coupons for one promotion the first that holds."""
        return Occasion(
            now,
            now.astimezone(terms.time_zone),
            basket,
            types,
            LineIndex([unit.line for unit in types]),
            left,
            kept_away_by(basket.price_setting.kind, (*DENIALS, *terms.denials)),
            _coupons(basket, now),
        )


def admit(promotion: Promotion, occasion: Occasion) -> int | Reason:
    """The mask of lines the promotion may touch, never 0, or the first condition that fails."""
    reason = _before_goods(promotion, occasion)
    if reason is not None:
        return reason
    mask = occasion.index.mask(promotion.match)
    if not mask:
        return Reason("no_matching_units")
    return _amount_of_goods(promotion, mask, occasion) or mask


def _before_goods(promotion: Promotion, occasion: Occasion) -> Reason | None:
    reason = _window(promotion, occasion) or _conflict(promotion, occasion)
    if reason is None and promotion.needs_coupon:
        reason = _coupon(promotion, occasion)
    if reason is None and promotion.id in occasion.left:
        reason = _limits(occasion.left.get(promotion.id, UNLIMITED))
    if reason is None and promotion.conditions is not NOTHING_ASKED:
        reason = _conditions(promotion, occasion)
    return reason


def _window(promotion: Promotion, occasion: Occasion) -> Reason | None:
    starts_at, ends_at = promotion.starts_at, promotion.ends_at
    if starts_at is not None and occasion.now < starts_at:
        return Reason("not_started", (("starts_at", _said(starts_at)),))
    if ends_at is not None and occasion.now >= ends_at:
        return Reason("ended", (("ends_at", _said(ends_at)),))
    return None


def _said(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _conflict(promotion: Promotion, occasion: Occasion) -> Reason | None:
    if any(party.has(promotion) for party in occasion.kept_away):
        kind = occasion.basket.price_setting.kind
        return Reason("denied_by_price_setting", (("kind", kind),))
    return None


def _coupon(promotion: Promotion, occasion: Occasion) -> Reason | None:
    coupon = occasion.coupons.get(promotion.id)
    if coupon is None:
        return Reason("needs_coupon")
    return _why_not(coupon, occasion.now)


def _coupons(basket: Basket, now: datetime) -> dict[UUID, Coupon]:
    """By promotion the first coupon that holds, or else the first."""
    found: dict[UUID, Coupon] = {}
    for coupon in basket.coupons:
        known = found.get(coupon.promotion_id)
        if known is None or (_why_not(known, now) and not _why_not(coupon, now)):
            found[coupon.promotion_id] = coupon
    return found


def _why_not(coupon: Coupon, now: datetime) -> Reason | None:
    if coupon.is_used:
        return Reason("coupon_used")
    if coupon.starts_at is not None and now < coupon.starts_at:
        return Reason("coupon_not_started", (("starts_at", _said(coupon.starts_at)),))
    if coupon.ends_at is not None and now >= coupon.ends_at:
        return Reason("coupon_expired", (("ends_at", _said(coupon.ends_at)),))
    return None


def _limits(left: Left) -> Reason | None:
    if left.uses is not None and left.uses <= 0:
        return Reason("used_up")
    if left.budget_amount is not None and left.budget_amount <= 0:
        return Reason("budget_spent")
    if left.member_uses is not None and left.member_uses <= 0:
        return Reason("member_limit_reached")
    return None


def _conditions(promotion: Promotion, occasion: Occasion) -> Reason | None:
    for check in _CHECKS:
        reason = check(promotion, occasion)
        if reason is not None:
            return reason
    return None


def _hours(promotion: Promotion, occasion: Occasion) -> Reason | None:
    hours = promotion.conditions.hours
    if not hours or any(one.hold(occasion.local) for one in hours):
        return None
    return Reason("outside_hours", (("opens_at", _said(next_start(hours, occasion.local))),))


def _channel(promotion: Promotion, occasion: Occasion) -> Reason | None:
    channels = promotion.conditions.channels
    if not channels or occasion.basket.channel in channels:
        return None
    return Reason("wrong_channel", (("channels", tuple(sorted(channels))),))


def _buyer(promotion: Promotion, occasion: Occasion) -> Reason | None:
    return why_not(promotion.conditions, occasion.basket.buyer)


_CHECKS: tuple[Callable[[Promotion, Occasion], Reason | None], ...] = (
    _hours,
    _channel,
    _buyer,
)


def _amount_of_goods(promotion: Promotion, mask: int, occasion: Occasion) -> Reason | None:
    """Units, and a subtotal as far as it is known before the item layer."""
    conditions = promotion.conditions
    if conditions is NOTHING_ASKED:
        return None
    touched = [unit for unit in occasion.types if mask >> unit.index & 1]
    units = sum(unit.quantity for unit in touched)
    if conditions.units_min is not None and units < conditions.units_min:
        return _lacks("needs_units", "missing_units", conditions.units_min - units)
    minimum = conditions.minimum
    if minimum is None or (minimum.basis == "running" and promotion.is_later):
        return None
    amount = sum(_counted(unit, minimum) * unit.quantity for unit in touched)
    if amount >= minimum.amount:
        return None
    return _lacks("needs_amount", "missing_amount", minimum.amount - amount)


def _counted(unit: UnitType, minimum: Minimum) -> int:
    return unit.line.list_amount if minimum.basis == "gross" else unit.price_amount


def _lacks(code: ReasonCode, name: str, missing: Param) -> Reason:
    return Reason(code, ((name, missing),))
