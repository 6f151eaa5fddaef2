"""Why an offer whose conditions held took nothing off: what is missing, or who was better."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.offers import Offer, UnitOffer
from app.promotions.pricing.order_layer import OrderOffer
from app.promotions.pricing.reasons import Reason
from app.promotions.pricing.search import Plan
from app.promotions.pricing.units import UnitType

_NO_SAVING = Reason("no_saving")


class Judge:
    """Says of each offer that was not used why."""

    def __init__(self, plan: Plan, types: Sequence[UnitType], index: LineIndex) -> None:
        """Note once which types each promotion used has units of."""
        self.plan, self.types, self.index = plan, types, index
        self.is_exclusive = any(promotion.exclusive for promotion in plan.used)
        reach: dict[UUID, int] = {promotion.id: 0 for promotion in plan.used}
        for use in plan.uses:
            reach[use.promotion.id] |= 1 << use.type_index
        self.winners = sorted((str(id_), types) for id_, types in reach.items())

    def why_not(self, offer: Offer) -> Reason:
        """The reason that a buyer can do most about."""
        missing = self._missing(offer)
        if missing is not None:
            return missing
        wanted = _wanted(offer)
        everything = self.is_exclusive or offer.promotion.exclusive
        better = [id_ for id_, types in self.winners if everything or types & wanted]
        if not wanted or not better:
            return _NO_SAVING
        return Reason("lost_to_better", (("promotion_ids", tuple(better)),))

    def _missing(self, offer: Offer) -> Reason | None:
        """What the basket lacks: units for a set, or an amount for a threshold."""
        if isinstance(offer, SetOffer):
            units = offer.promotion.missing_units(self.types, self.index)
        elif isinstance(offer, FreeOffer):
            rule = offer.promotion
            units = rule.buy + rule.get
            units -= sum(self.types[i].quantity for i in offer.type_indexes)
        elif isinstance(offer, OrderOffer):
            return _missing_amount(offer, self.plan)
        else:
            return None
        return Reason("needs_units", (("missing_units", units),)) if units > 0 else None


def _missing_amount(offer: OrderOffer, plan: Plan) -> Reason | None:
    subtotal = sum(r.amount * r.units for r in plan.rests if offer.covers[r.type_index])
    lowest = offer.promotion.lowest_threshold_amount
    if subtotal >= lowest:
        return None
    return Reason("needs_amount", (("missing_amount", lowest - subtotal),))


def _wanted(offer: Offer) -> int:
    """The types whose units the offer would have taken something off, as a mask."""
    if isinstance(offer, UnitOffer):
        return _mask(i for i, _ in offer.savings)
    if isinstance(offer, SetOffer):
        return _mask({i for one in offer.sets for i, _ in one.units})
    if isinstance(offer, FreeOffer):
        return _mask(offer.type_indexes)
    return _mask(i for i, covered in enumerate(offer.covers) if covered)


def _mask(indexes: Iterable[int]) -> int:
    return sum([1 << i for i in indexes])
