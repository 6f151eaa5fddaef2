"""What more would earn what (还差多少), and what add-ons offer."""

from collections.abc import Iterable, Sequence

from app.core.money import percent_of
from app.promotions.pricing.add_on import AddOnTier
from app.promotions.pricing.answer import AddOnItem, Nudge, NudgeCode
from app.promotions.pricing.basket import Basket
from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.later_layers import AddOnOffer, ShippingOffer
from app.promotions.pricing.offers import GiftOffer, Offer
from app.promotions.pricing.order_layer import OrderOffer
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param
from app.promotions.pricing.spend_threshold import SpendThreshold
from app.promotions.pricing.units import set_price
from app.promotions.pricing.unused import Judge

NUDGES_MAX = 5

_Ranked = tuple[tuple[int, int, int], Nudge]


def nudges_of(offers: Sequence[Offer], judge: Judge, basket: Basket) -> tuple[Nudge, ...]:
    """The nearest things a bigger basket would earn: units before amounts, the least first.

    What a forbidden combination would undo, or what has nothing left to give, is not suggested.
    """
    found: list[_Ranked] = []
    for offer in offers:
        if _may_join(offer.promotion, judge) and _has_something(offer, judge, basket):
            found += _nudges(offer, judge)
    return tuple(nudge for _, nudge in sorted(found, key=lambda row: row[0])[:NUDGES_MAX])


def _has_something(offer: Offer, judge: Judge, basket: Basket) -> bool:
    """Whether there are shipping to pay, gifts in stock, or add-on units left."""
    if isinstance(offer, ShippingOffer):
        return judge.shipping_left > 0
    if isinstance(offer, GiftOffer):
        rule = offer.promotion
        return basket.stock.get(rule.variant_id, rule.quantity) >= rule.quantity
    if isinstance(offer, AddOnOffer):
        left = offer.tier_units_left
        is_limited = len(left) >= len(offer.promotion.tiers)
        return not is_limited or any(units is None or units > 0 for units in left)
    return True


def _nudges(offer: Offer, judge: Judge) -> Iterable[_Ranked]:
    reason = judge.missing(offer)
    if isinstance(offer, SetOffer | FreeOffer):
        if reason is not None:
            (name, missing), *_ = reason.params
            yield _ranked(offer.promotion, "needs_units", (0, missing), ((name, missing),))
        return
    if isinstance(offer, OrderOffer) and isinstance(offer.promotion, SpendThreshold):
        yield from _next_tier(offer, offer.promotion, judge)
    elif reason is not None:
        (name, missing), *_ = reason.params
        yield _ranked(offer.promotion, "needs_amount", (1, missing), ((name, missing),))


def _next_tier(offer: OrderOffer, rule: SpendThreshold, judge: Judge) -> Iterable[_Ranked]:
    """The next tier of a threshold, the first one included; the next multiple of a repeated one."""
    subtotal = judge.subtotal(offer)
    threshold = _next_threshold(offer, rule, subtotal)
    if threshold is None:
        return
    off_bp, off_amount = offer.rate(threshold)
    whole = percent_of(threshold, off_bp) + off_amount
    earned = offer.takes((off_bp, off_amount), threshold)
    # A cap that is reached already makes the next tier worth nothing.
    if earned <= offer.takes(offer.rate(subtotal), subtotal):
        return
    gives = ("off_bp", off_bp) if off_bp and earned == whole else ("off_amount", earned)
    is_first = subtotal < offer.lowest_threshold_amount
    code: NudgeCode = "needs_amount" if is_first else "next_tier"
    missing = threshold - subtotal
    yield _ranked(rule, code, (1, missing), (("missing_amount", missing), gives))


def _next_threshold(offer: OrderOffer, rule: SpendThreshold, subtotal_amount: int) -> int | None:
    """The next subtotal at which it gives more: a tier, or the minimum that hides some of them."""
    minimum = offer.minimum_amount
    if subtotal_amount < minimum and any(rule.off(minimum)):
        return minimum
    start = max(subtotal_amount, minimum)
    if rule.repeat:
        step = rule.tiers[0].threshold_amount
        return start // step * step + step
    above = (tier.threshold_amount for tier in rule.tiers if tier.threshold_amount > start)
    return next(above, None)


def _ranked(
    promotion: Promotion,
    code: NudgeCode,
    rank: tuple[int, Param],
    params: tuple[tuple[str, Param], ...],
) -> _Ranked:
    first, missing = rank
    assert isinstance(missing, int), "what is missing is a number"
    nudge = Nudge(promotion.id, promotion.version, promotion.kind, code, params)
    return (first, missing, promotion.id.int), nudge


def add_on_items(offers: Sequence[Offer], judge: Judge, basket: Basket) -> tuple[AddOnItem, ...]:
    """What add-ons offer to this basket, of the goods that are described, open ones first."""
    found = [
        item
        for offer in offers
        if isinstance(offer, AddOnOffer) and _may_join(offer.promotion, judge)
        for place, tier in enumerate(offer.promotion.tiers)
        for item in _items(offer, (place, tier), judge.subtotal(offer), basket)
    ]
    return tuple(sorted(found, key=lambda item: (item.missing_amount, item.promotion_id.int)))


def _may_join(promotion: Promotion, judge: Judge) -> bool:
    return promotion in judge.used or judge.why_kept_out(promotion) is None


def _items(
    offer: AddOnOffer, at: tuple[int, AddOnTier], subtotal_amount: int, basket: Basket
) -> Iterable[AddOnItem]:
    place, tier = at
    units = _units_open(offer, place)
    threshold = max(tier.threshold_amount, offer.minimum_amount)
    for variant_id in sorted(tier.variant_ids & basket.offered.keys()):
        line = basket.offered[variant_id]
        own = set_price(line, basket.price_setting)
        price = max(tier.price_amount, min(line.floor_amount, own))
        have = min(units, basket.stock.get(variant_id, units))
        if price < own and offer.off_max_amount is not None:
            have = min(have, offer.off_max_amount // (own - price))
        if have > 0 and price < own:
            yield AddOnItem(
                promotion_id=offer.promotion.id,
                promotion_version=offer.promotion.version,
                tier=place,
                variant_id=variant_id,
                list_amount=line.list_amount,
                price_amount=price,
                units_max=have,
                missing_amount=max(threshold - subtotal_amount, 0),
                felt_return=(own - price, price),
                true_discount=(own - price, subtotal_amount + own),
            )


def _units_open(offer: AddOnOffer, place: int) -> int:
    """How many units of a tier one order may have, as far as the tier, its quota and the rule say.

    What was chosen already is among them.
    """
    rule, left = offer.promotion, offer.tier_units_left
    known = [rule.tiers[place].units_max, rule.units_max, *left[place : place + 1]]
    return min(units for units in known if units is not None)
