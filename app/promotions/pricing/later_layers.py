"""Everything after the item layer, in turn: order, coupon, the shop's cap, add-ons, shipping.

Given the units the item layer left, nothing here is chosen: it is worked out. What may be chosen
beforehand is which order discounts take part, since one of them can cost the buyer a threshold
further on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.promotions.pricing.add_on import AddOn, Bargain, Chosen, WithinBudget, bargains
from app.promotions.pricing.order_layer import OrderOffer, Piles, Rest, discount_order
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.shipping import ShippingDiscount
from app.promotions.pricing.spread import spread


@dataclass(frozen=True, slots=True)
class AddOnOffer:
    """An add-on whose conditions hold, the types that qualify, and what was chosen from it."""

    promotion: AddOn
    covers: tuple[bool, ...]
    chosen: Mapping[UUID, Chosen]
    tier_units_left: tuple[int | None, ...] = ()
    minimum_amount: int = 0
    off_max_amount: int | None = None
    # By how many tiers are unlocked.
    _known: dict[int, tuple[list[Bargain], int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def thresholds(self, subtotal_amount: int) -> tuple[int, ...]:
        """The subtotals up to this one, rising, at which it gives something else."""
        reached = {max(tier.threshold_amount, self.minimum_amount) for tier in self.promotion.tiers}
        return tuple(sorted(amount for amount in reached if 0 < amount <= subtotal_amount))

    def gives(self, subtotal_amount: int) -> list[Bargain]:
        """The units that a subtotal gives a token price, those that save most.

        A budget that runs out leaves the units it cannot pay for at their own price.
        """
        return self._at(subtotal_amount)[0]

    def most(self, subtotal_amount: int) -> int:
        """What no choice of those units can save more than."""
        return self._at(subtotal_amount)[1]

    @property
    def is_whole(self) -> bool:
        """Whether nothing it gave so far was the best of some choices only."""
        return all(_saved(found) == most for found, most in self._known.values())

    def _at(self, subtotal_amount: int) -> tuple[list[Bargain], int]:
        if subtotal_amount < self.minimum_amount:
            return [], 0
        tiers = sum(tier.threshold_amount <= subtotal_amount for tier in self.promotion.tiers)
        if tiers not in self._known:
            self._known[tiers] = self._best(subtotal_amount)
        return self._known[tiers]

    def _best(self, subtotal_amount: int) -> tuple[list[Bargain], int]:
        found = bargains(self.promotion, self.chosen, subtotal_amount, self.tier_units_left)
        saved = _saved(found)
        budget = self.off_max_amount
        if budget is None or saved <= budget:
            return found, saved
        purse = WithinBudget(
            self.promotion, self.chosen, subtotal_amount, self.tier_units_left, budget
        )
        return purse.bargains(), purse.most


def _saved(found: Iterable[Bargain]) -> int:
    return sum([one.saving_amount * one.units for one in found])


@dataclass(frozen=True, slots=True)
class ShippingOffer:
    """A shipping discount whose conditions hold, and the types that count towards its threshold."""

    promotion: ShippingDiscount
    covers: tuple[bool, ...]
    minimum_amount: int = 0
    off_max_amount: int | None = None

    @property
    def threshold_amount(self) -> int:
        """The subtotal it asks for."""
        return max(self.minimum_amount, self.promotion.threshold_amount)

    def thresholds(self, subtotal_amount: int) -> tuple[int, ...]:
        """The one subtotal at which it begins, if it is reached."""
        return (self.threshold_amount,) if 0 < self.threshold_amount <= subtotal_amount else ()

    def gives(self, subtotal_amount: int, shipping_amount: int) -> int:
        """What it takes off the shipping."""
        if subtotal_amount < self.threshold_amount:
            return 0
        off = self.promotion.off(shipping_amount)
        return off if self.off_max_amount is None else min(off, self.off_max_amount)


@dataclass(frozen=True, slots=True)
class LaterOffers:
    """What follows the item layer on one basket; each tuple holds the oldest first.

    `cap_amount` is the most that promotions may take off the goods.
    """

    orders: tuple[OrderOffer, ...] = ()
    coupons: tuple[OrderOffer, ...] = ()
    add_ons: tuple[AddOnOffer, ...] = ()
    shipping: tuple[ShippingOffer, ...] = ()
    shipping_amount: int = 0
    cap_amount: int | None = None


@dataclass(frozen=True, slots=True)
class OrderPart:
    """What an order discount takes off like units: `parts` in step with the plan's rests."""

    promotion: Promotion
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outturn:
    """How the later layers turned out; `given_back` undoes what the shop's cap forbids."""

    order_parts: tuple[OrderPart, ...]
    given_back: tuple[int, ...]
    bargains: tuple[tuple[AddOn, Bargain], ...]
    shipping_parts: tuple[tuple[ShippingDiscount, int], ...]
    saving_amount: int


def work_out(rests: Sequence[Rest], item_saving_amount: int, later: LaterOffers) -> Outturn:
    """Let each layer work on what the one before left."""
    taken, piles = discount_order(Piles.of(rests), later.orders)
    by_coupon, piles = discount_order(piles, later.coupons)
    taken += by_coupon
    saving = item_saving_amount + sum(sum(parts) for _, parts in taken)
    given_back: tuple[int, ...] = ()
    if later.cap_amount is not None and saving > later.cap_amount:
        given_back = _over_the_cap(saving - later.cap_amount, piles)
        piles = piles.less([-amount for amount in given_back])
        saving = later.cap_amount
    offered = [
        (offer.promotion, one)
        for offer in later.add_ons
        for one in offer.gives(piles.subtotal(offer.covers))
    ]
    shipping = _shipping(piles, later)
    return Outturn(
        tuple(OrderPart(offer.promotion, tuple(parts)) for offer, parts in taken),
        given_back,
        tuple(offered),
        shipping,
        saving + _saved(one for _, one in offered) + sum(off for _, off in shipping),
    )


def _over_the_cap(excess_amount: int, piles: Piles) -> tuple[int, ...]:
    """What to give back of each pile: by what was taken off it, never more than that."""
    taken = [
        rest.price_amount * rest.units - left
        for rest, left in zip(piles.rests, piles.left, strict=True)
    ]
    return tuple(spread(excess_amount, [(amount, 1) for amount in taken], taken))


def _shipping(piles: Piles, later: LaterOffers) -> tuple[tuple[ShippingDiscount, int], ...]:
    left = later.shipping_amount
    parts = []
    for offer in later.shipping:
        off = offer.gives(piles.subtotal(offer.covers), left)
        if off:
            parts.append((offer.promotion, off))
            left -= off
    return tuple(parts)
