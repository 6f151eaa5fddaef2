"""What an operator should know before buyers find out; nothing of it is refused outright."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal
from uuid import UUID

from app.catalog.rules import Goods
from app.core.money import percent_of
from app.promotions.models import PromotionKind
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
    """The variants of which a unit would be sold below its cost, by this promotion alone."""
    find = _BELOW_COST.get(scene.kind)
    return [] if find is None else list(find(scene))


def _discounted(scene: Scene) -> Iterator[UUID]:
    for goods in scene.goods:
        amount = unit_amount(goods) - _unit_saving(scene.rule, goods)
        if goods.cost_amount is not None and amount < goods.cost_amount:
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
    PromotionKind.AMOUNT_OFF: _discounted,
    PromotionKind.BUNDLE: _sets,
    PromotionKind.ADD_ON: _bargains,
}
_CAPS = ("line_off_max_amount", "order_off_max_amount", "off_max_amount")


def _unit_saving(rule: Document, goods: Goods) -> int:
    """The most that a percentage or an amount takes off one unit, floor and caps respected."""
    amount = unit_amount(goods)
    if rule["kind"] == PromotionKind.PERCENT_OFF:
        steps = [rule, *(rule.get("ladder") or ())]
        most = percent_of(amount, max(step.get("off_bp") or 0 for step in steps))
    else:
        # An amount off the order depends on what else is in it.
        most = 0 if rule["per"] == "order" else int(rule["off_amount"])
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
