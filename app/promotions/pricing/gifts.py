"""Which gifts a basket has earned, once its price is settled."""

from collections.abc import Sequence

from app.promotions.pricing.answer import GiftLine
from app.promotions.pricing.basket import Basket
from app.promotions.pricing.offers import GiftOffer, Offer
from app.promotions.pricing.priority import turn
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Reason
from app.promotions.pricing.unused import Judge


def gifts_of(
    offers: Sequence[Offer], judge: Judge, basket: Basket
) -> tuple[tuple[GiftLine, ...], list[tuple[Promotion, Reason]]]:
    """The gifts given, oldest promotion first, and why the others were not.

    Of several that may not meet, or that want the last of a stock, the oldest is given; or, where
    the operator's order decides, the first in that order.
    """
    given: list[GiftLine] = []
    refused: list[tuple[Promotion, Reason]] = []
    stock = dict(basket.stock)
    wanted = [offer for offer in offers if isinstance(offer, GiftOffer)]
    if judge.policy == "priority":
        wanted.sort(key=lambda offer: turn(offer.promotion))
    for offer in wanted:
        rule = offer.promotion
        reason = judge.missing(offer) or judge.why_kept_out(rule)
        units = rule.units(judge.subtotal(offer))
        if reason is None and stock.get(rule.variant_id, units) < units:
            reason = Reason("gift_out_of_stock", (("variant_id", str(rule.variant_id)),))
        if reason is not None:
            refused.append((rule, reason))
            continue
        if rule.variant_id in stock:
            stock[rule.variant_id] -= units
        judge.note_given(rule)
        given.append(GiftLine(rule.id, rule.version, rule.variant_id, units))
    return tuple(sorted(given, key=lambda one: one.promotion_id.int)), refused
