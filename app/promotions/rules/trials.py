"""What a promotion changes: each basket priced with it among the live ones, and without it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.catalog.errors import VariantNotFound
from app.catalog.rules import BasketGoods, Goods, ShopTerms, Stocked, Wanted, summed
from app.promotions.pricing.answer import NotApplied, Quote
from app.promotions.pricing.basket import Coupon
from app.promotions.pricing.conflicts import DENIALS, denied
from app.promotions.pricing.engine import quote
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Left, Terms
from app.promotions.rules.baskets import Asked, basket_of

ConflictKind = Literal["keeps_away", "loses_to", "may_not_meet"]
_BY_OTHERS = frozenset({"denied_by_other", "lost_to_better", "lost_to_priority"})


@dataclass(frozen=True, slots=True)
class Stage:
    """A promotion, the live ones beside it, and what the shop lays down for all of them."""

    promotion: Promotion
    others: tuple[Promotion, ...]
    terms: Terms
    left: Mapping[UUID, Left]

    @property
    def all(self) -> tuple[Promotion, ...]:
        """The others with it, which may be the oldest or the newest."""
        return (*self.others, self.promotion)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A quote, and what it leaves to the shop.

    `margin_amount` is what is paid less what goods and gifts cost, and less the shipping's list
    price, which is taken for its cost; None where a cost is unknown. `below_cost` has the
    variants of which a line brings less than it costs.
    """

    quote: Quote
    margin_amount: int | None
    below_cost: tuple[UUID, ...]

    @property
    def list_amount(self) -> int:
        """Goods and shipping before any discount."""
        return self.quote.goods_list_amount + self.quote.shipping_list_amount

    @property
    def pay_amount(self) -> int:
        """What is to be paid."""
        return self.quote.total_amount

    @property
    def used(self) -> frozenset[UUID]:
        """The promotions that made the price or gave a gift."""
        made = [row.promotion_id for row in self.quote.applied if row.promotion_id is not None]
        return frozenset((*made, *(row.promotion_id for row in self.quote.gifts)))


@dataclass(frozen=True, slots=True)
class Pair:
    """The same basket twice: with the promotion and without it."""

    with_promotion: Outcome
    without_promotion: Outcome


@dataclass(frozen=True, slots=True)
class Conflict:
    """How the promotion and a live one stand to each other; `code` is the engine's reason.

    `baskets` are the places of those on which it was seen; none for what no basket could change.
    """

    promotion_id: UUID
    kind: ConflictKind
    code: str
    baskets: tuple[int, ...] = ()


Shelf = Mapping[UUID, Stocked]


def goods_for(
    shop: ShopTerms, shelf: Shelf, wanted: Sequence[Wanted], also: Collection[UUID]
) -> BasketGoods:
    """The goods of one basket, as the catalogue gives them to a quote; `VariantNotFound` alike."""
    units = summed(wanted)
    on_sale = {id_: one.goods for id_, one in shelf.items() if one.is_on_sale}
    missing = [str(variant_id) for variant_id in units if variant_id not in on_sale]
    if missing:
        raise VariantNotFound(variant_ids=missing)
    return BasketGoods(
        shop=shop,
        goods={id_: replace(on_sale[id_], quantity=count) for id_, count in units.items()},
        also={
            id_: replace(on_sale[id_], quantity=units.get(id_, 0)) for id_ in also if id_ in on_sale
        },
    )


def coupons_for(promotions: Iterable[Promotion]) -> tuple[Coupon, ...]:
    """As if there were a coupon for each that needs one."""
    return tuple(Coupon(one.id, one.id) for one in promotions if one.needs_coupon)


def priced(stage: Stage, goods: BasketGoods, asked: Asked, *, at: datetime) -> Outcome:
    """The basket with the promotion among the others."""
    return _outcome(stage, stage.all, goods, asked, at)


def priced_without(stage: Stage, goods: BasketGoods, asked: Asked, *, at: datetime) -> Outcome:
    """The very same basket, of which the promotion takes nothing off."""
    return _outcome(stage, stage.others, goods, asked, at)


def _outcome(
    stage: Stage,
    promotions: Sequence[Promotion],
    goods: BasketGoods,
    asked: Asked,
    at: datetime,
) -> Outcome:
    # What was chosen of the promotion's add-ons stays in the basket, at its own price.
    basket = basket_of(goods, asked, stage.all)
    found = quote(basket, promotions, now=at, terms=stage.terms, left=stage.left)
    known = {**goods.also, **goods.goods}
    return Outcome(found, _margin(found, known), tuple(_below_cost(found, known)))


def _margin(found: Quote, known: Mapping[UUID, Goods]) -> int | None:
    units = [(line.variant_id, line.quantity) for line in found.lines]
    units += [(gift.variant_id, gift.quantity) for gift in found.gifts]
    margin = found.total_amount - found.shipping_list_amount
    for variant_id, count in units:
        cost = known[variant_id].cost_amount
        if cost is None:
            return None
        margin -= cost * count
    return margin


def _below_cost(found: Quote, known: Mapping[UUID, Goods]) -> Iterator[UUID]:
    for line in found.lines:
        cost = known[line.variant_id].cost_amount
        if cost is not None and line.payable_amount < cost * line.quantity:
            yield line.variant_id


# -- conflicts


def conflicts_of(stage: Stage, pairs: Sequence[Pair]) -> list[Conflict]:
    """The live promotions that it keeps away, loses to, or can never meet, the oldest first."""
    seen: dict[tuple[UUID, ConflictKind, str], list[int]] = {}
    for place, pair in enumerate(pairs):
        for id_, kind, code in (*_kept_away(pair), *_lost_to(stage, pair)):
            places = seen.setdefault((id_, kind, code), [])
            if place not in places:
                places.append(place)
    found = [Conflict(*key, tuple(places)) for key, places in seen.items()]
    found += _never_meeting(stage)
    return sorted(found, key=lambda one: (one.promotion_id.int, one.kind, one.code))


_Seen = tuple[UUID, ConflictKind, str]


def _kept_away(pair: Pair) -> Iterator[_Seen]:
    """Those that are used without it, and are not used with it."""
    for row in pair.with_promotion.quote.not_applied:
        if row.promotion_id in pair.without_promotion.used:
            yield row.promotion_id, "keeps_away", row.code


def _lost_to(stage: Stage, pair: Pair) -> Iterator[_Seen]:
    for row in pair.with_promotion.quote.not_applied:
        if row.promotion_id == stage.promotion.id and row.code in _BY_OTHERS:
            for id_ in _named(row):
                yield id_, "loses_to", row.code


def _named(row: NotApplied) -> Iterator[UUID]:
    ids = dict(row.params).get("promotion_ids", ())
    if isinstance(ids, tuple):
        yield from map(UUID, ids)


def _never_meeting(stage: Stage) -> Iterator[Conflict]:
    denials = (*DENIALS, *stage.terms.denials)
    for other in stage.others:
        if denied(stage.promotion, other, denials):
            is_alone = stage.promotion.exclusive or other.exclusive
            yield Conflict(other.id, "may_not_meet", "exclusive" if is_alone else "denied")
