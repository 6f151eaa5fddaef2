"""Why an offer whose conditions held took nothing off: what is missing, or who was better."""

from collections.abc import Iterable

from app.promotions.pricing.add_on import AddOn, bargains
from app.promotions.pricing.after_goods import AfterGoods
from app.promotions.pricing.components import FreeOffer, SetOffer
from app.promotions.pricing.conflicts import denied
from app.promotions.pricing.later_layers import AddOnOffer, ShippingOffer
from app.promotions.pricing.match import LineIndex
from app.promotions.pricing.offers import GiftOffer, Offer, UnitOffer
from app.promotions.pricing.order_layer import OrderOffer, Piles
from app.promotions.pricing.plan import Plan
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Reason, ReasonCode
from app.promotions.pricing.search import Question
from app.promotions.pricing.terms import Policy

_NO_SAVING = Reason("no_saving")


class Judge:
    """Says of each offer that was not used why, and what each subtotal came to."""

    def __init__(self, plan: Plan, question: Question, index: LineIndex, policy: Policy) -> None:
        """Note once which types each promotion used has units of, and what each layer left."""
        self.plan, self.question, self.index = plan, question, index
        self.types, self.policy = question.types, policy
        self._lost: ReasonCode = (
            "lost_to_better" if policy == "best_for_buyer" else "lost_to_priority"
        )
        self.used = plan.used
        self.is_exclusive = any(promotion.exclusive for promotion in self.used)
        self.winners = sorted((str(one.id), self._reach(one)) for one in self.used)
        self._final = plan.left_by_type(len(self.types))

    def _reach(self, promotion: Promotion) -> int:
        """The types a promotion used takes something off."""
        reach = [use.type_index for use in self.plan.uses if use.promotion is promotion]
        for row in self.plan.order_parts:
            if row.promotion is promotion:
                rests = zip(self.plan.rests, row.parts, strict=True)
                reach += [rest.type_index for rest, part in rests if part]
        return _mask(reach)

    def _winners_over(self, wanted: int) -> tuple[str, ...]:
        """Who has units of these types; or else who needs the subtotal that they are part of."""
        winners = [id_ for id_, types in self.winners if types & wanted]
        return tuple(winners) or tuple(
            sorted(
                str(one.id)
                for one in self.used
                if _waits(one) and self.index.mask(one.match) & wanted
            )
        )

    def why_not(self, offer: Offer) -> Reason:
        """The reason that a buyer can do most about."""
        winners = tuple(id_ for id_, _ in self.winners)
        if self.is_exclusive:
            return Reason(self._lost, (("promotion_ids", winners),))
        reason = self.missing(offer) or self.denied_by(offer.promotion) or self._not_asked(offer)
        if reason is not None:
            return reason
        wanted = _wanted(offer)
        if not offer.promotion.exclusive:
            winners = self._winners_over(wanted)
        if not wanted or not winners or self._could_take_nothing(offer):
            return _NO_SAVING
        return Reason(self._lost, (("promotion_ids", winners),))

    def _not_asked(self, offer: Offer) -> Reason | None:
        if isinstance(offer, AddOnOffer):
            return self._not_added(offer)
        if isinstance(offer, ShippingOffer) and not self.shipping_left:
            return Reason("no_shipping_to_pay")
        return None

    def _not_added(self, offer: AddOnOffer) -> Reason:
        """Nothing chosen, nothing left of what was, or nothing cheaper about it."""
        if not offer.chosen:
            return Reason("not_chosen")
        rule, subtotal = offer.promotion, self.subtotal(offer)
        if bargains(rule, offer.chosen, subtotal, offer.tier_units_left):
            return Reason("budget_spent")
        return Reason("used_up") if bargains(rule, offer.chosen, subtotal) else _NO_SAVING

    def _could_take_nothing(self, offer: Offer) -> bool:
        """Whether the shop's cap, floors or rounding leave it nothing even by itself."""
        if self.question.frame.cap_amount == 0 and not isinstance(offer, ShippingOffer):
            return True
        if isinstance(offer, FreeOffer):
            return not any(self.types[index].room_amount for index in offer.type_indexes)
        if not isinstance(offer, OrderOffer):
            return False
        whole = self._undiscounted(offer)
        room = any(unit.room_amount for unit in self.types if offer.covers[unit.index])
        return not (room and offer.takes(offer.rate(whole), whole))

    @property
    def shipping_left(self) -> int:
        """What the buyer still pays of the shipping."""
        taken = sum(off for _, off in self.plan.shipping_parts)
        return self.question.frame.shipping_amount - taken

    def note_given(self, promotion: Promotion) -> None:
        """Count a gift among the promotions used, for those that follow."""
        self.used.append(promotion)

    def why_kept_out(self, promotion: Promotion) -> Reason | None:
        """Why something that changes no price may not join the promotions used."""
        alone = [one for one in self.used if one.exclusive or promotion.exclusive]
        if alone:
            return Reason(self._lost, (("promotion_ids", tuple(str(one.id) for one in alone)),))
        return self.denied_by(promotion)

    def denied_by(self, promotion: Promotion) -> Reason | None:
        """The promotions used that the conflict matrix keeps it away from."""
        if promotion.exclusive:
            return None
        rows = [row for row in self.question.denials if row.concerns(promotion)]
        if not rows:
            return None
        rivals = tuple(
            str(one.id) for one in self.used if not one.exclusive and denied(one, promotion, rows)
        )
        return Reason("denied_by_other", (("promotion_ids", rivals),)) if rivals else None

    def missing(self, offer: Offer) -> Reason | None:
        """What the basket lacks: units for a set, or an amount for a threshold."""
        if isinstance(offer, SetOffer):
            units = offer.promotion.missing_units(self.types, self.index)
            return Reason("needs_units", (("missing_units", units),)) if units > 0 else None
        if isinstance(offer, FreeOffer):
            rule = offer.promotion
            units = rule.buy + rule.get - sum(self.types[i].quantity for i in offer.type_indexes)
            return Reason("needs_units", (("missing_units", units),)) if units > 0 else None
        if isinstance(offer, UnitOffer):
            return None
        lacks = lowest_of(offer) - self.subtotal(offer)
        return Reason("needs_amount", (("missing_amount", lacks),)) if lacks > 0 else None

    def _undiscounted(self, offer: OrderOffer | AddOnOffer | ShippingOffer | GiftOffer) -> int:
        return sum(u.price_amount * u.quantity for u in self.types if offer.covers[u.index])

    def subtotal(self, offer: OrderOffer | AddOnOffer | ShippingOffer | GiftOffer) -> int:
        """What the layer before the offer's left of the goods that count for it.

        An exclusive one that is not used would find them undiscounted.
        """
        if offer.promotion.exclusive and offer.promotion not in self.used:
            return self._undiscounted(offer)
        if not isinstance(offer, OrderOffer):
            rows = zip(self._final, offer.covers, strict=True)
            return sum([left for left, covered in rows if covered])
        piles = Piles.of(self.plan.rests)
        if offer.promotion.needs_coupon:
            for row in self.plan.order_parts:
                if not row.promotion.needs_coupon:
                    piles = piles.less(row.parts)
        return piles.subtotal(offer.covers)


def lowest_of(offer: OrderOffer | AddOnOffer | ShippingOffer | GiftOffer) -> int:
    """The least subtotal at which an offer gives anything, of what was chosen if something was."""
    if isinstance(offer, OrderOffer):
        return offer.lowest_threshold_amount
    if isinstance(offer, AddOnOffer):
        tiers = offer.promotion.tiers
        wanted = [tier for tier in tiers if not tier.variant_ids.isdisjoint(offer.chosen)]
        return max(offer.minimum_amount, (wanted or tiers)[0].threshold_amount)
    return max(offer.minimum_amount, offer.promotion.threshold_amount)


def _waits(promotion: Promotion) -> bool:
    """Whether one of the layers after the goods asks for a subtotal of them."""
    if isinstance(promotion, AddOn):
        return bool(promotion.conditions.minimum or promotion.tiers[-1].threshold_amount)
    if isinstance(promotion, AfterGoods):
        return bool(promotion.conditions.minimum or promotion.threshold_amount)
    return False


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
    mask = 0
    for index in indexes:
        mask |= 1 << index
    return mask
