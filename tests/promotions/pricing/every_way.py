"""An independent pricer of all layers: every set of promotions, every item outcome, every layer.

It takes item outcomes from the unit-by-unit pricer and works the later layers out by itself, one
unit at a time; it is only fit for a handful of units.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, combinations
from math import floor

from app.promotions.pricing.add_on import AddOn
from app.promotions.pricing.basket import Basket
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.percent_off_order import PercentOffOrder
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.shipping import FreeShipping, ShippingDiscount, ShippingOff
from app.promotions.pricing.spend_threshold import SpendThreshold
from app.promotions.pricing.terms import Terms
from tests.promotions.pricing.brute_force import accepts, is_open
from tests.promotions.pricing.unit_by_unit import (
    ITEM,
    NO_BUDGETS,
    Unit,
    half_up,
    item_savings,
    spread,
    units_of,
)

Choice = tuple[Promotion, ...]


def may_meet(chosen: Choice, denials: Iterable[Denial]) -> bool:
    return not any(
        one.exclusive
        or other.exclusive
        or (one.needs_coupon and other.needs_coupon)
        or any(
            (is_of(row.one, one) and is_of(row.other, other))
            or (is_of(row.one, other) and is_of(row.other, one))
            for row in denials
        )
        for one, other in combinations(chosen, 2)
    )


def is_of(party: Party, promotion: Promotion) -> bool:
    by_kind = party.kind in (None, promotion.kind) or (
        party.kind == "coupon" and promotion.needs_coupon
    )
    return by_kind and party.stacking_group in (None, promotion.stacking_group)


def choices(promotions: Sequence[Promotion], denials: Iterable[Denial]) -> Iterator[Choice]:
    rows = list(denials)
    sets = (combinations(promotions, size) for size in range(len(promotions) + 1))
    for chosen in chain.from_iterable(sets):
        if may_meet(chosen, rows):
            yield chosen


def is_item(promotion: Promotion) -> bool:
    behind_coupon = isinstance(promotion, PercentOff) and promotion.needs_coupon
    return isinstance(promotion, ITEM) and not behind_coupon


def minimum_of(promotion: Promotion) -> int:
    asked = promotion.conditions.minimum
    return asked.amount if asked is not None else 0


def rate_at(promotion: Promotion, subtotal: int) -> tuple[int, int]:
    """Basis points and amount that an order discount gives at a subtotal."""
    if subtotal < minimum_of(promotion):
        return 0, 0
    if isinstance(promotion, PercentOff | PercentOffOrder):
        assert promotion.off_bp is not None
        return promotion.off_bp, 0
    if not isinstance(promotion, SpendThreshold):
        return 0, promotion.off_amount  # type: ignore[attr-defined]
    met = [tier for tier in promotion.tiers if subtotal >= tier.threshold_amount]
    if not met:
        return 0, 0
    if promotion.repeat:
        return 0, subtotal // met[-1].threshold_amount * met[-1].off_amount
    return met[-1].off_bp, met[-1].off_amount


class Till:
    """One way through the later layers."""

    def __init__(self, units: Sequence[Unit], savings: Sequence[int]) -> None:
        self.units = units
        self.left = [one.price - s for one, s in zip(units, savings, strict=True)]
        self.room = [one.room - s for one, s in zip(units, savings, strict=True)]

    def covered(self, promotion: Promotion) -> list[int]:
        return [i for i, one in enumerate(self.units) if accepts(promotion.match, one.line)]

    def subtotal(self, promotion: Promotion) -> int:
        return sum(self.left[i] for i in self.covered(promotion))

    def layer(self, promotions: Iterable[Promotion]) -> None:
        decided = []
        for one in promotions:
            bp, amount = rate_at(one, self.subtotal(one))
            decided.append((bp == 0, one.id, bp, amount, one))
        for _, _, bp, amount, one in sorted(decided, key=lambda row: row[:2]):
            off = half_up(Fraction(self.subtotal(one) * bp, 10_000)) if bp else amount
            cap = getattr(one, "off_max_amount", None)
            off = off if cap is None else min(off, cap)
            places = self.covered(one)
            parts = spread(off, [self.units[i] for i in places], [self.room[i] for i in places])
            for i, part in zip(places, parts, strict=True):
                self.left[i] -= part
                self.room[i] -= part

    def cap(self, share_bp: int) -> int:
        """The goods' total under the shop's cap; the subtotals rise with it."""
        whole = sum(one.price for one in self.units)
        most = floor(Fraction(whole * share_bp, 10_000))
        return max(sum(self.left), whole - most)


def add_on_saving(rule: AddOn, basket: Basket, subtotal: int) -> int:
    """The most that the chosen units can save, one unit at a time."""
    if subtotal < minimum_of(rule):
        return 0
    savings: dict[int, list[int]] = {}
    for choice in basket.add_ons:
        if choice.promotion_id != rule.id:
            continue
        line = basket.offered[choice.variant_id]
        for place, tier in enumerate(rule.tiers):
            if choice.variant_id in tier.variant_ids and subtotal >= tier.threshold_amount:
                price = max(tier.price_amount, min(line.floor_amount, line.list_amount))
                saving = max(line.list_amount - price, 0)
                savings.setdefault(place, []).extend([saving] * choice.quantity)
    kept = [
        saving
        for place, row in savings.items()
        for saving in sorted(row, reverse=True)[: rule.tiers[place].units_max]
    ]
    most = len(kept) if rule.units_max is None else rule.units_max
    return sum(sorted(kept, reverse=True)[:most])


def least_total(basket: Basket, promotions: Iterable[Promotion], terms: Terms) -> int:
    """The least this basket can cost; a cap is only worked out where no threshold follows it."""
    coupons = {coupon.promotion_id for coupon in basket.coupons}
    usable = [
        one
        for one in promotions
        if is_open(one, basket)
        and (not one.needs_coupon or one.id in coupons)
        and any(accepts(one.match, line) for line in basket.lines)
    ]
    units = units_of(basket)
    best = None
    for chosen in choices(usable, terms.denials):
        item = [one for one in chosen if is_item(one)]
        for savings in set(item_savings(units, item, NO_BUDGETS)):
            total = _settled(basket, [one for one in chosen if not is_item(one)], savings, terms)
            best = total if best is None else min(best, total)
    assert best is not None, "the empty choice is one"
    return best


def _settled(
    basket: Basket, later: Sequence[Promotion], savings: Sequence[int], terms: Terms
) -> int:
    till = Till(units_of(basket), savings)
    order = [one for one in later if not isinstance(one, AddOn | ShippingDiscount)]
    till.layer([one for one in order if not one.needs_coupon])
    till.layer([one for one in order if one.needs_coupon])
    goods = till.cap(terms.discount_cap_bp)
    own = sum(
        basket.offered[choice.variant_id].list_amount * choice.quantity for choice in basket.add_ons
    )
    saved = sum(
        add_on_saving(one, basket, till.subtotal(one)) for one in later if isinstance(one, AddOn)
    )
    shipping = basket.shipping_amount
    for one in later:
        if isinstance(one, ShippingDiscount):
            met = till.subtotal(one) >= max(one.threshold_amount, minimum_of(one))
            if met and isinstance(one, FreeShipping):
                shipping = 0
            elif met and isinstance(one, ShippingOff):
                shipping = max(shipping - one.off_amount, 0)
    return goods + own - saved + shipping
