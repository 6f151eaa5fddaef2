"""Promotions whose conditions hold, sorted by what they do to the units they may touch."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.item_layer import Mode, SetDiscount, UnitDiscount
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
    promotion: Promotion,
    touched: Sequence[UnitType],
    types: Sequence[UnitType],
    index: LineIndex,
    saving_max_amount: int | None = None,
) -> Offer:
    """What the promotion could do to the types it may touch; TypeError for an unknown shape.

    A promotion of the item layer takes at most `saving_max_amount` off, such as what is left of its
    budget.
    """
    if isinstance(promotion, OrderDiscount):
        indexes = {unit.index for unit in touched}
        return OrderOffer(promotion, tuple(unit.index in indexes for unit in types))
    if isinstance(promotion, UnitDiscount):
        return _unit_offer(promotion, touched, saving_max_amount)
    of = tuple(unit.index for unit in touched)
    if isinstance(promotion, SetDiscount):
        sets, is_whole = promotion.sets(touched, index, SETS_MAX)
        mode = Mode(tuple(sets), times_max=promotion.times_max)
        parts = promotion.parts_of(touched, index)
        return SetOffer(promotion, (mode,), of, is_whole, saving_max_amount, parts)
    if isinstance(promotion, BuyNGetM):
        return FreeOffer(promotion, of, saving_max_amount)
    raise TypeError(f"no layer takes a {promotion.kind}")


def _unit_offer(
    promotion: UnitDiscount, touched: Sequence[UnitType], budget_amount: int | None
) -> UnitOffer | SetOffer:
    """A limit that cannot be reached is no limit, and leaves the units independent."""
    if promotion.is_plain and budget_amount is None:
        savings = zip(touched, promotion.unit_savings(touched), strict=True)
        return UnitOffer(promotion, tuple((u.index, saving) for u, saving in savings if saving > 0))
    caps = [cap for cap in (promotion.saving_max_amount, budget_amount) if cap is not None]
    cap = min(caps, default=None)
    modes = promotion.modes(touched)
    if len(modes) == 1 and not _binds(modes[0], touched, cap):
        rows = ((one.units[0][0], one.saving_amount) for one in modes[0].sets)
        return UnitOffer(promotion, tuple(row for row in rows if row[1] > 0))
    return SetOffer(promotion, modes, tuple(unit.index for unit in touched), saving_max_amount=cap)


def _binds(mode: Mode, touched: Sequence[UnitType], cap: int | None) -> bool:
    """Whether some use of single units could meet a limit, or count a unit that saves nothing."""
    quantities = {unit.index: unit.quantity for unit in touched}
    units = [(one, quantities[one.units[0][0]]) for one in mode.sets]
    whole = sum(one.saving_amount * n for one, n in units)
    return (
        mode.times_min > 1
        or (mode.times_max is not None and mode.times_max < sum(n for _, n in units))
        or (cap is not None and cap < whole)
        or any(one.saving_of(n) < max(one.saving_amount, 1) * n for one, n in units)
    )
