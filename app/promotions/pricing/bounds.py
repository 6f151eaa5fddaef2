"""What no combination can save more than: each layer's most, on top of the layer before.

A discount of a later layer may shrink when the layers before it save more, but never by as much as
they save more. So between two of its thresholds the most is at the right end, and only the ends
have to be looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from app.promotions.pricing.later_layers import AddOnOffer, LaterOffers, ShippingOffer
from app.promotions.pricing.order_layer import OrderOffer
from app.promotions.pricing.plan import Plan
from app.promotions.pricing.units import UnitType

LaterOffer = OrderOffer | AddOnOffer | ShippingOffer


class Bounds:
    """The bounds of one world; `in_question` are, per order offer, thresholds a plan has missed."""

    def __init__(self, types: Sequence[UnitType], later: LaterOffers) -> None:
        """Work out what goods there are and how far each may fall."""
        self.later = later
        self._types = types
        self._amounts = [unit.price_amount * unit.quantity for unit in types]
        self._rooms = [unit.room_amount * unit.quantity for unit in types]
        self.whole, self._room = sum(self._amounts), sum(self._rooms)
        self.in_question: list[list[int]] = []

    def note_missed(self, plan: Plan) -> None:
        """Find the thresholds that a smaller saving of the item layer could reach."""
        self.in_question = [self._above(offer, plan) for offer in self.later.orders]

    def _above(self, offer: OrderOffer, plan: Plan) -> list[int]:
        now = sum(r.amount * r.units for r in plan.rests if offer.covers[r.type_index])
        return [t for t in offer.thresholds(self.goods_of(offer)) if t > now]

    def scenarios(self) -> Iterator[dict[int, int]]:
        """For each order offer the subtotal to keep, where it has one to reach."""
        rows: list[list[int]] = [[0, *above] for above in self.in_question]
        for row in product(*rows):
            if any(row):
                yield {place: threshold for place, threshold in enumerate(row) if threshold}

    def goods_of(self, offer: LaterOffer) -> int:
        """What the goods it covers cost before promotions."""
        return _covered(self._amounts, offer)

    # -- the item and the order layer

    def below(self, item_saving: int, scenario: Mapping[int, int] | None) -> int:
        """The most both layers can save when the item layer saves at most so much."""
        saved, more = min(item_saving, self._room), 0
        for place, offer in enumerate(self.later.orders):
            rate = self._most_off(place, scenario)
            if rate[0] and self._covers_all(offer):
                saved += offer.takes(rate, self.whole - saved)
            else:
                more += min(offer.takes(rate, self.goods_of(offer)), self._room_of(offer))
        return min(saved + more, self._room)

    def below_at_all(self, item_saving: int) -> int:
        """The same for all scenarios at once."""
        return min(self.below(item_saving, None), self._straight_bound(item_saving))

    def _straight_bound(self, item_saving: int) -> int:
        """Thresholds as if every minor unit earned its part."""
        ends = (0, min(item_saving, self._room))
        return min(max(self._straight(saved) for saved in ends), self._room)

    def _straight(self, saved: int) -> int:
        """What is saved with so much from the item layer, rounded down once at the end."""
        total, parts = saved, 1
        for offer in self.later.orders:
            whole = self.goods_of(offer)
            goods = whole - (saved if self._covers_all(offer) else 0)
            gives, of = offer.promotion.most_for(max(goods, 0), whole)
            gives = min(gives, self._room_of(offer) * of)
            total, parts = total * of + gives * parts, parts * of
        return total // parts

    def _most_off(self, place: int, scenario: Mapping[int, int] | None) -> tuple[int, int]:
        """What the offer gives at the highest subtotal of the scenario; of all for None."""
        offer = self.later.orders[place]
        highest = self.goods_of(offer)
        if scenario is not None:
            kept = scenario.get(place, 0)
            missed = [t for t in self.in_question[place] if t > kept]
            highest = missed[0] - 1 if missed else highest
        return offer.rate(highest)

    def _covers_all(self, offer: LaterOffer) -> bool:
        return all(offer.covers[unit.index] or not unit.price_amount for unit in self._types)

    def _room_of(self, offer: LaterOffer) -> int:
        return _covered(self._rooms, offer)

    # -- all layers

    @property
    def after_orders(self) -> tuple[LaterOffer, ...]:
        """The offers that follow the order layer."""
        return (*self.later.coupons, *self.later.add_ons, *self.later.shipping)

    def missed_later(self, plan: Plan) -> list[tuple[LaterOffer, int]]:
        """The thresholds after the order layer that a smaller saving before could reach."""
        gone = plan.left_by_type(len(self._types))
        return [
            (offer, threshold)
            for offer in self.after_orders
            for threshold in offer.thresholds(self.goods_of(offer))
            if threshold > _covered(gone, offer)
        ]

    def of_all(self, below: int) -> int:
        """The most that all layers can save when the first two save at most so much."""
        ends = {below}
        for offer in self.after_orders:
            spare = self.goods_of(offer) + self._room - self._room_of(offer)
            ends.update(spare - t for t in offer.thresholds(self.goods_of(offer)))
        return max(self._with_later(saved) for saved in ends if 0 <= saved <= below)

    def _with_later(self, saved: int) -> int:
        later, goods = self.later, saved
        for coupon in later.coupons:
            goods += min(self._coupon_most(coupon, saved), self._room_of(coupon))
        goods = min(goods, self._room)
        if later.cap_amount is not None:
            goods = min(goods, later.cap_amount)
        add_ons = sum(offer.most(self._subtotal(offer, saved)) for offer in later.add_ons)
        shipping = sum(
            offer.gives(self._subtotal(offer, saved), later.shipping_amount)
            for offer in later.shipping
        )
        return goods + add_ons + min(shipping, later.shipping_amount)

    def _coupon_most(self, offer: OrderOffer, saved: int) -> int:
        subtotal, whole = self._subtotal(offer, saved), self.goods_of(offer)
        if offer.promotion.lists_all(whole):
            return offer.takes(offer.rate(subtotal), subtotal)
        gives, of = offer.promotion.most_for(subtotal, whole)
        return gives // of

    def _subtotal(self, offer: LaterOffer, saved: int) -> int:
        """The most that can be left of its goods when so much is saved in all."""
        return self.goods_of(offer) - max(saved - (self._room - self._room_of(offer)), 0)


def _covered(amounts: Sequence[int], offer: LaterOffer) -> int:
    return sum([amount for amount, covered in zip(amounts, offer.covers, strict=True) if covered])
