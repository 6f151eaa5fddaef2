"""Promotions whose conditions hold, sorted by what they do to the units they may touch."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.item_layer import SetDiscount, UnitDiscount
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.order_layer import OrderDiscount, OrderOffer
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.units import UnitType

# Beyond so many different sets of one promotion, the first ones are looked at and the rest bounded.
SETS_MAX = 150


@dataclass(frozen=True, slots=True)
class UnitOffer:
    """A unit discount, with (type index, saving of one unit) where above zero."""

    promotion: UnitDiscount
    savings: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Offers:
    """What may be combined on one basket; each tuple holds the oldest first."""

    units: tuple[UnitOffer, ...] = ()
    sets: tuple[SetOffer, ...] = ()
    frees: tuple[FreeOffer, ...] = ()
    orders: tuple[OrderOffer, ...] = ()

    @property
    def promotions(self) -> list[Promotion]:
        """All of them."""
        rows: tuple[Offer, ...] = (*self.units, *self.sets, *self.frees, *self.orders)
        return [offer.promotion for offer in rows]

    def only(self, promotions: Sequence[Promotion]) -> "Offers":
        """Those of these promotions."""
        ids = {promotion.id for promotion in promotions}
        return Offers(
            tuple(offer for offer in self.units if offer.promotion.id in ids),
            tuple(offer for offer in self.sets if offer.promotion.id in ids),
            tuple(offer for offer in self.frees if offer.promotion.id in ids),
            tuple(offer for offer in self.orders if offer.promotion.id in ids),
        )


Offer = UnitOffer | SetOffer | FreeOffer | OrderOffer


def offer_of(
    promotion: Promotion, touched: Sequence[UnitType], types: Sequence[UnitType], index: LineIndex
) -> Offer:
    """What the promotion could do to the types it may touch; TypeError for an unknown shape."""
    if isinstance(promotion, UnitDiscount):
        savings = zip(touched, promotion.unit_savings(touched), strict=True)
        return UnitOffer(promotion, tuple((u.index, saving) for u, saving in savings if saving > 0))
    if isinstance(promotion, SetDiscount):
        sets, is_whole = promotion.sets(touched, index, SETS_MAX)
        return SetOffer(promotion, tuple(sets), is_whole)
    if isinstance(promotion, BuyNGetM):
        return FreeOffer(promotion, tuple(unit.index for unit in touched))
    if isinstance(promotion, OrderDiscount):
        indexes = {unit.index for unit in touched}
        return OrderOffer(promotion, tuple(unit.index in indexes for unit in types))
    raise TypeError(f"no layer takes a {promotion.kind}")
