"""What more would earn what (还差多少), and what add-ons offer."""

from collections.abc import Iterable, Sequence

from app.promotions.pricing.add_on import AddOnTier
from app.promotions.pricing.answer import AddOnItem, Nudge, NudgeCode
from app.promotions.pricing.basket import Basket
from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.later_layers import AddOnOffer
from app.promotions.pricing.offers import Offer
from app.promotions.pricing.order_layer import OrderOffer
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier
from app.promotions.pricing.units import set_price
from app.promotions.pricing.unused import Judge

NUDGES_MAX = 5

_Ranked = tuple[tuple[int, int, int], Nudge]


def nudges_of(offers: Sequence[Offer], judge: Judge) -> tuple[Nudge, ...]:
    """The nearest things a bigger basket would earn: units before amounts, the least first.

    What a forbidden combination would undo is not suggested.
    """
    found: list[_Ranked] = []
    for offer in offers:
        if _may_join(offer.promotion, judge):
            found += _nudges(offer, judge)
    return tuple(nudge for _, nudge in sorted(found, key=lambda row: row[0])[:NUDGES_MAX])


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
    tier = _tier_above(rule, subtotal)
    if tier is None:
        return
    missing = max(tier.threshold_amount, offer.minimum_amount) - subtotal
    gives: tuple[str, Param] = (
        ("off_bp", tier.off_bp) if tier.off_bp else ("off_amount", tier.off_amount)
    )
    is_first = subtotal < offer.lowest_threshold_amount
    code: NudgeCode = "needs_amount" if is_first else "next_tier"
    yield _ranked(rule, code, (1, missing), (("missing_amount", missing), gives))


def _tier_above(rule: SpendThreshold, subtotal_amount: int) -> Tier | None:
    if rule.repeat:
        tier = rule.tiers[0]
        times = subtotal_amount // tier.threshold_amount + 1
        return Tier(tier.threshold_amount * times, tier.off_amount * times)
    above = [tier for tier in rule.tiers if tier.threshold_amount > subtotal_amount]
    return above[0] if above else None


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
    left = offer.tier_units_left[place] if place < len(offer.tier_units_left) else None
    units = tier.units_max if left is None else min(tier.units_max, left)
    threshold = max(tier.threshold_amount, offer.minimum_amount)
    for variant_id in sorted(tier.variant_ids & basket.offered.keys()):
        line = basket.offered[variant_id]
        own = set_price(line, basket.price_setting)
        price = max(tier.price_amount, min(line.floor_amount, own))
        have = min(units, basket.stock.get(variant_id, units))
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
