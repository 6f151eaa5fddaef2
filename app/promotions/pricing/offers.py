"""Promotions whose conditions hold, sorted by what they do to the units they may touch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from uuid import UUID

from app.promotions.pricing.add_on import AddOn, Chosen
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.gift import Gift
from app.promotions.pricing.item_layer import Mode, SetDiscount, UnitDiscount
from app.promotions.pricing.later_layers import AddOnOffer, ShippingOffer
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.order_layer import OrderDiscount, OrderOffer
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.percent_off_order import PercentOffOrder
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.shipping import ShippingDiscount
from app.promotions.pricing.terms import Left
from app.promotions.pricing.units import UnitType

# Beyond so many different sets of one promotion, the first ones are looked at and the rest bounded.
SETS_MAX = 150


@dataclass(frozen=True, slots=True)
class UnitOffer:
    """A unit discount, with (type index, saving of one unit) where above zero."""

    promotion: UnitDiscount
    savings: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class GiftOffer:
    """A gift whose other conditions hold, and the types that count towards its threshold."""

    promotion: Gift
    covers: tuple[bool, ...]
    minimum_amount: int = 0


Offer = UnitOffer | SetOffer | FreeOffer | OrderOffer | AddOnOffer | ShippingOffer | GiftOffer


@dataclass(frozen=True, slots=True)
class Offers:
    """What may be combined on one basket; each tuple holds the oldest first."""

    units: tuple[UnitOffer, ...] = ()
    sets: tuple[SetOffer, ...] = ()
    frees: tuple[FreeOffer, ...] = ()
    orders: tuple[OrderOffer, ...] = ()
    coupons: tuple[OrderOffer, ...] = ()
    add_ons: tuple[AddOnOffer, ...] = ()
    shipping: tuple[ShippingOffer, ...] = ()

    @staticmethod
    def of(offers: Sequence[Offer]) -> "Offers":
        """All but the gifts, which change no price."""
        orders = [offer for offer in offers if isinstance(offer, OrderOffer)]
        return Offers(
            tuple(offer for offer in offers if isinstance(offer, UnitOffer)),
            tuple(offer for offer in offers if isinstance(offer, SetOffer)),
            tuple(offer for offer in offers if isinstance(offer, FreeOffer)),
            tuple(offer for offer in orders if not offer.promotion.needs_coupon),
            tuple(offer for offer in orders if offer.promotion.needs_coupon),
            tuple(offer for offer in offers if isinstance(offer, AddOnOffer)),
            tuple(offer for offer in offers if isinstance(offer, ShippingOffer)),
        )

    @property
    def all(self) -> "tuple[Offer, ...]":
        """In the order of their layers."""
        item: tuple[Offer, ...] = (*self.units, *self.sets, *self.frees)
        later: tuple[Offer, ...] = (*self.orders, *self.coupons, *self.add_ons, *self.shipping)
        return item + later

    @property
    def promotions(self) -> list[Promotion]:
        """All of them, oldest first."""
        return sorted((offer.promotion for offer in self.all), key=lambda one: one.id.int)

    @property
    def are_of_units_alone(self) -> bool:
        """Whether nothing couples one type with another."""
        return len(self.units) == len(self.all)

    def only(self, promotions: Sequence[Promotion]) -> "Offers":
        """Those of these promotions."""
        ids = {promotion.id.int for promotion in promotions}
        return Offers.of([offer for offer in self.all if offer.promotion.id.int in ids])


@dataclass(frozen=True, slots=True)
class Facts:
    """What an offer is made of besides its promotion: the goods, what was chosen, what is left."""

    types: Sequence[UnitType]
    index: LineIndex
    chosen: Mapping[UUID, Mapping[UUID, Chosen]]
    left: Mapping[UUID, Left]


def in_its_layer(promotion: Promotion) -> Promotion:
    """A plain percentage behind a coupon works on what the order layer leaves, rounded once."""
    if not (
        isinstance(promotion, PercentOff)
        and promotion.needs_coupon
        and promotion.off_bp is not None
        and promotion.units_max is None
        and promotion.line_off_max_amount is None
    ):
        return promotion
    shared = {field.name: getattr(promotion, field.name) for field in fields(Promotion)}
    return PercentOffOrder(
        **shared, off_bp=promotion.off_bp, off_max_amount=promotion.order_off_max_amount
    )


def offer_of(promotion: Promotion, touched: Sequence[UnitType], facts: Facts) -> Offer:
    """What the promotion could do to the types it may touch; TypeError for an unknown shape.

    It takes at most what is left of its budget off.
    """
    left = facts.left.get(promotion.id)
    budget = left.budget_amount if left is not None else None
    if isinstance(promotion, UnitDiscount):
        return _unit_offer(promotion, touched, budget)
    of = tuple(unit.index for unit in touched)
    if isinstance(promotion, SetDiscount):
        sets, is_whole = promotion.sets(touched, facts.index, SETS_MAX)
        mode = Mode(tuple(sets), times_max=promotion.times_max)
        parts = promotion.parts_of(touched, facts.index)
        return SetOffer(promotion, (mode,), of, is_whole, budget, parts)
    if isinstance(promotion, BuyNGetM):
        return FreeOffer(promotion, of, budget)
    return _later_offer(promotion, touched, facts, budget)


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


def _later_offer(
    promotion: Promotion, touched: Sequence[UnitType], facts: Facts, budget: int | None
) -> Offer:
    indexes = {unit.index for unit in touched}
    covers = tuple([unit.index in indexes for unit in facts.types])
    asked = promotion.conditions.minimum
    minimum = asked.amount if asked is not None and asked.basis == "running" else 0
    if isinstance(promotion, OrderDiscount):
        return OrderOffer(promotion, covers, minimum, _least(promotion.off_max_amount, budget))
    if isinstance(promotion, AddOn):
        left = facts.left.get(promotion.id)
        tiers = left.tier_units if left is not None else ()
        chosen = facts.chosen.get(promotion.id, {})
        return AddOnOffer(promotion, covers, chosen, tiers, minimum, budget)
    if isinstance(promotion, Gift):
        return GiftOffer(promotion, covers, minimum)
    if isinstance(promotion, ShippingDiscount):
        return ShippingOffer(promotion, covers, minimum, budget)
    raise TypeError(f"no layer takes a {promotion.kind}")


def _least(one: int | None, other: int | None) -> int | None:
    known = [amount for amount in (one, other) if amount is not None]
    return min(known, default=None)
