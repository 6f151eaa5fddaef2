"""What an operator should know before buyers find out; nothing of it is refused outright."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal
from uuid import UUID

from app.catalog.rules import Goods
from app.core.money import BASIS_POINTS, percent_of
from app.promotions.models import PromotionKind
from app.promotions.pricing.conditions import Conditions
from app.promotions.pricing.order_layer import OrderDiscount, OrderOffer
from app.promotions.rules.mechanics import conditions_of, mechanic
from app.promotions.rules.shelf import Document, Shelf, unit_amount

CautionCode = Literal["below_cost", "no_saving", "overlap", "no_goods", "broken"]
# Enough to act on; a shop-wide mistake names everything.
NAMED_MAX = 50

_SHIPPING = frozenset({PromotionKind.FREE_SHIPPING, PromotionKind.SHIPPING_OFF})
_OFF_GOODS = frozenset(
    {
        PromotionKind.PERCENT_OFF,
        PromotionKind.AMOUNT_OFF,
        PromotionKind.BUY_N_GET_M,
        PromotionKind.BUNDLE,
        PromotionKind.SPEND_THRESHOLD,
    }
)


@dataclass(frozen=True, slots=True)
class Caution:
    """A stable code and the facts behind it."""

    code: CautionCode
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rival:
    """Another live promotion of the shop."""

    id: UUID
    rule: Document
    match: Document


@dataclass(frozen=True, slots=True)
class Scene:
    """A promotion among the goods it touches, the goods it gives, and its rivals."""

    rule: Document
    match: Document
    shelf: Shelf
    given: Shelf
    shipping_amount: int
    conditions: Document = field(default_factory=dict)
    rivals: Sequence[Rival] = ()

    @property
    def kind(self) -> PromotionKind:
        """The mechanic."""
        return PromotionKind(self.rule["kind"])

    @property
    def goods(self) -> list[Goods]:
        """All goods that it touches or asks for."""
        chosen = self.shelf.chosen(self.shelf.touched(self.rule, self.match))
        return [one.goods for one in chosen]


def warnings_of(scene: Scene) -> list[Caution]:
    """Everything worth saying about a promotion as the shop is now."""
    found: list[Caution] = []
    cheap = below_cost(scene)
    if cheap:
        found.append(Caution("below_cost", {"variant_ids": _ids(cheap)}))
    if _touches_nothing(scene):
        found.append(Caution("no_goods", {}))
    elif _saves_nothing(scene):
        found.append(Caution("no_saving", {}))
    rivals = _overlapping(scene)
    if rivals:
        found.append(Caution("overlap", {"promotion_ids": _ids(rivals)}))
    return found


def _ids(ids: Sequence[UUID]) -> list[str]:
    return [str(each) for each in ids[:NAMED_MAX]]


def below_cost(scene: Scene) -> list[UUID]:
    """The variants of which a unit would be sold below its cost, by this promotion alone.

    Each kind is judged by the basket that is worst for the shop: units of one variant where a
    discount is spread, and a subtotal that meets what is asked for exactly. What floors of other
    goods push onto a unit is not foreseen.
    """
    find = _BELOW_COST.get(scene.kind)
    return [] if find is None else list(find(scene))


def _discounted(scene: Scene) -> Iterator[UUID]:
    for goods in scene.goods:
        amount = unit_amount(goods) - _unit_saving(scene.rule, goods)
        if goods.cost_amount is not None and amount < goods.cost_amount:
            yield goods.variant_id


def _amounts(scene: Scene) -> Iterator[UUID]:
    yield from _spread(scene) if scene.rule["per"] == "order" else _discounted(scene)


def _alike(scene: Scene) -> Iterator[UUID]:
    """What is given is the cheapest, so a unit bears most where all of a group are alike."""
    rule = scene.rule
    units = rule["buy"] + rule["get"]
    for goods in scene.goods:
        amount = unit_amount(goods)
        given = rule["get"] * percent_of(amount, rule.get("off_bp", BASIS_POINTS))
        saving = min(given, units * max(amount - goods.floor_amount, 0))
        if goods.cost_amount is not None and units * amount - saving < units * goods.cost_amount:
            yield goods.variant_id


def _spread(scene: Scene) -> Iterator[UUID]:
    """A unit bears its share of what is taken off the order, as far as its floor allows."""
    promotion = mechanic(scene.rule, id=UUID(int=0), version=1)
    assert isinstance(promotion, OrderDiscount), "only these are spread over an order"
    offer = OrderOffer(promotion, (), off_max_amount=promotion.off_max_amount)
    asked = conditions_of(scene.conditions)
    cheapest_amount = min(map(unit_amount, scene.goods), default=0)
    for goods in scene.goods:
        amount, cost = unit_amount(goods), goods.cost_amount
        if cost is None or min(amount, goods.floor_amount) >= cost:
            continue
        least = _least_subtotal(asked, goods, cheapest_amount)
        if any(
            amount * (subtotal - offer.takes(promotion.off(subtotal), subtotal)) < cost * subtotal
            for subtotal in _dearest_subtotals(scene.rule, least)
        ):
            yield goods.variant_id


def _least_subtotal(asked: Conditions, goods: Goods, cheapest_amount: int) -> int:
    """Of a basket with a unit of these goods that has the units and the subtotal asked for."""
    amount, minimum = unit_amount(goods), 0
    if asked.minimum is not None:
        minimum = asked.minimum.amount
        if asked.minimum.basis == "gross" and goods.list_amount:
            minimum = -(-minimum * amount // goods.list_amount)
    others = (asked.units_min or 1) - 1
    return max(amount + others * cheapest_amount, minimum, 1)


def _dearest_subtotals(rule: Document, least: int) -> set[int]:
    """Those from the least on at which the greatest share is taken off."""
    tiers = [tier["threshold_amount"] for tier in rule.get("tiers", ())]
    found = {least, *(max(least, threshold) for threshold in tiers)}
    if rule.get("repeat"):
        found.add(-(-least // tiers[0]) * tiers[0])
    return found


def _presents(scene: Scene) -> Iterator[UUID]:
    """A gift brings nothing; one that costs more than what it is given for is dear for certain."""
    minimum = conditions_of(scene.conditions).minimum
    least = max(scene.rule.get("threshold_amount", 0), minimum.amount if minimum else 0)
    quantity = scene.rule.get("quantity", 1)
    for goods in (one.goods for one in scene.given.goods):
        if least and goods.cost_amount is not None and quantity * goods.cost_amount > least:
            yield goods.variant_id


def _sets(scene: Scene) -> Iterator[UUID]:
    """A set costs the shop most with the units of each part that cost it most."""
    dearest = []
    for part, mask in zip(
        scene.rule["parts"], scene.shelf.parts(scene.rule, scene.match), strict=True
    ):
        known = [g.goods for g in scene.shelf.chosen(mask) if g.goods.cost_amount is not None]
        if known:
            dearest.append((part["quantity"], max(known, key=lambda goods: goods.cost_amount or 0)))
    cost = sum(quantity * (goods.cost_amount or 0) for quantity, goods in dearest)
    if scene.rule["price_amount"] < cost:
        yield from dict.fromkeys(goods.variant_id for _, goods in dearest)


def _bargains(scene: Scene) -> Iterator[UUID]:
    costs = {one.goods.variant_id: one.goods.cost_amount for one in scene.given.goods}
    for tier in scene.rule["tiers"]:
        for variant_id in map(UUID, tier["variant_ids"]):
            cost = costs.get(variant_id)
            if cost is not None and tier["price_amount"] < cost:
                yield variant_id


_BELOW_COST: Mapping[PromotionKind, Callable[[Scene], Iterator[UUID]]] = {
    PromotionKind.PERCENT_OFF: _discounted,
    PromotionKind.AMOUNT_OFF: _amounts,
    PromotionKind.BUY_N_GET_M: _alike,
    PromotionKind.BUNDLE: _sets,
    PromotionKind.SPEND_THRESHOLD: _spread,
    PromotionKind.ADD_ON: _bargains,
    PromotionKind.GIFT: _presents,
}
_CAPS = ("line_off_max_amount", "order_off_max_amount", "off_max_amount")


def _unit_saving(rule: Document, goods: Goods) -> int:
    """The most that a percentage or an amount takes off one unit, floor and caps respected."""
    amount = unit_amount(goods)
    if rule["kind"] == PromotionKind.PERCENT_OFF:
        steps = [rule, *(rule.get("ladder") or ())]
        most = percent_of(amount, max(step.get("off_bp") or 0 for step in steps))
    else:
        most = int(rule["off_amount"])
    caps: list[int] = [rule[name] for name in _CAPS if rule.get(name) is not None]
    return min([most, max(amount - goods.floor_amount, 0), *caps])


def _touches_nothing(scene: Scene) -> bool:
    """Whether a part of it, or all of it, has no goods on sale to apply to."""
    return any(
        not any(one.is_on_sale for one in scene.shelf.chosen(mask))
        for mask in scene.shelf.parts(scene.rule, scene.match)
    )


def _saves_nothing(scene: Scene) -> bool:
    if scene.kind in _SHIPPING:
        return scene.shipping_amount == 0
    if scene.kind not in _OFF_GOODS:
        return False
    if scene.kind is PromotionKind.BUNDLE:
        return _set_saving(scene) <= 0
    is_per_unit = scene.kind is PromotionKind.PERCENT_OFF or (
        scene.kind is PromotionKind.AMOUNT_OFF and scene.rule["per"] != "order"
    )
    if is_per_unit:
        return not any(_unit_saving(scene.rule, goods) for goods in scene.goods)
    return not any(unit_amount(goods) > goods.floor_amount for goods in scene.goods)


def _set_saving(scene: Scene) -> int:
    """What a set of the dearest units saves, as far as their floors allow."""
    whole = room = 0
    parts = scene.shelf.parts(scene.rule, scene.match)
    for part, mask in zip(scene.rule["parts"], parts, strict=True):
        goods = [one.goods for one in scene.shelf.chosen(mask)]
        whole += part["quantity"] * max(map(unit_amount, goods), default=0)
        rooms = (unit_amount(one) - one.floor_amount for one in goods)
        room += part["quantity"] * max(rooms, default=0)
    saving: int = min(whole - scene.rule["price_amount"], room)
    return saving


def _overlapping(scene: Scene) -> list[UUID]:
    """Live promotions that take something off the same goods."""
    if scene.kind not in _OFF_GOODS:
        return []
    touched = scene.shelf.touched(scene.rule, scene.match)
    found = (
        rival.id
        for rival in scene.rivals
        if PromotionKind(rival.rule["kind"]) in _OFF_GOODS
        and scene.shelf.touched(rival.rule, rival.match) & touched
    )
    # No more than are named: each is looked for on all the goods.
    return list(islice(found, NAMED_MAX))
